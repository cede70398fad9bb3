"""Place and release the plain holds: manual, pending collection, insolvency, breathing space.

Disputes, promises and plans are holds too; they have handlers of their own and are released here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, get_args
from uuid import UUID

from dunning_common.ids import new_id
from dunning_common.values import replace
from dunning_engine.domain.schedule import local_midnight
from dunning_engine.domain.stays import breathing_space_end, claim_deadline
from dunning_engine.handlers.keep_hold import (
    EndsBeforeItBeginsError,
    HoldStore,
    PinnedPolicies,
    WrongFieldError,
    end_hold,
    keep_hold,
    known_invoices,
    lock_account,
    lock_hold,
    sent_before,
    today_of,
)
from dunning_engine.records import AccountAt, HoldRow, Resend

SimpleKind = Literal["manual", "pending_collection", "insolvency", "breathing_space"]
SIMPLE_KINDS: tuple[SimpleKind, ...] = get_args(SimpleKind)


async def place_hold(
    store: HoldStore,
    *,
    tenant: str,
    debtor_id: str,
    invoice_ids: Sequence[str] = (),
    kind: SimpleKind = "manual",
    reason: str,
    until: datetime | None = None,
    placed_by: str,
    source: str | None = None,
    owner: str | None = None,
    deadline_on: date | None = None,
    jurisdiction: str | None = None,
    began_on: date | None = None,
    resend: Resend | None = None,
) -> tuple[HoldRow, bool]:
    """Stop reminders for a debtor, or for some of its invoices. Holds may overlap.

    Args:
        store: bound to one transaction.
        tenant: whose debtor.
        debtor_id: whose reminders stop.
        invoice_ids: only for these; none: for all, those that come later too.
        kind: why, in a word.
        reason: why, for people.
        until: the instant from which reminders go on; a breathing space has a lawful default.
        placed_by: who does it.
        source: a reference: of the collection, the court, the debt adviser.
        owner: who looks after it.
        deadline_on: the last day to declare the claim, where the law does not set it.
        jurisdiction: of an insolvency; the debtor's country unless given.
        began_on: the day on which the insolvency was published, or the breathing space began.
        resend: makes asking twice asking once.

    Returns:
        The hold, and whether it was this call that placed it.

    Raises:
        HoldError: unknown debtor or invoice, an end in the past, fields of another kind.
    """
    account = await lock_account(store, tenant, debtor_id)
    if known := await sent_before(store, tenant, resend):
        return known, False
    _check_fields(kind, jurisdiction=jurisdiction, began_on=began_on, deadline_on=deadline_on)
    await known_invoices(store, tenant, debtor_id, invoice_ids)
    if kind == "insolvency":
        jurisdiction = jurisdiction or account.country
        deadline_on = deadline_on or _claim_deadline(account, jurisdiction, began_on)
    if kind == "breathing_space":
        until = until or _breathing_space_end(account, began_on)
    if until and until <= account.now:
        raise EndsBeforeItBeginsError(
            "/until", f"must be later than the tenant's clock, {account.now.isoformat()}"
        )
    hold = HoldRow(
        tenant=tenant,
        hold_id=resend.hold_id if resend else new_id(),
        debtor_id=debtor_id,
        invoice_ids=tuple(invoice_ids),
        kind=kind,
        reason=reason,
        until=until,
        placed_at=account.now,
        placed_by=placed_by,
        source=source,
        owner=owner,
        deadline_on=deadline_on,
        jurisdiction=jurisdiction,
        began_on=began_on,
        fingerprint=resend.fingerprint if resend else None,
    )
    return await keep_hold(store, hold, account)


async def release_hold(
    store: HoldStore,
    policies: PinnedPolicies,
    *,
    tenant: str,
    hold_id: UUID,
    released_by: str,
    note: str | None = None,
) -> tuple[HoldRow, bool]:
    """End a hold. Returns it, and whether it was this call that ended it.

    Raises:
        UnknownHoldError: there is none with that id.
    """
    hold, account = await lock_hold(store, tenant, hold_id)
    if hold.released_at is not None:
        return hold, False
    released = replace(hold, note=note or hold.note)
    return await end_hold(store, policies, released, account, by=released_by), True


def _check_fields(
    kind: SimpleKind,
    *,
    jurisdiction: str | None,
    began_on: date | None,
    deadline_on: date | None,
) -> None:
    if kind != "insolvency" and (jurisdiction or deadline_on):
        field = "/jurisdiction" if jurisdiction else "/deadline_on"
        raise WrongFieldError(field, "belongs to an insolvency; leave it out")
    if kind not in ("insolvency", "breathing_space") and began_on:
        raise WrongFieldError("/began_on", "belongs to an insolvency or a breathing space")


def _claim_deadline(
    account: AccountAt, jurisdiction: str | None, began_on: date | None
) -> date | None:
    if jurisdiction is None or began_on is None:
        return None
    abroad = account.tenant_country not in (None, jurisdiction)
    return claim_deadline(jurisdiction, began_on, creditor_abroad=abroad)


def _breathing_space_end(account: AccountAt, began_on: date | None) -> datetime:
    end = breathing_space_end(account.country, account.region, began_on or today_of(account))
    if end is None or account.zone is None:
        raise WrongFieldError(
            "/until", "is needed: the law sets the end only in England and Wales (60 days)"
        )
    return local_midnight(end, account.zone)

"""Rows to dossiers and back: only this module knows how a case lies in columns.

No SQL, no rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from dunning_engine.adapters.sql_facts import balances_from_json
from dunning_engine.adapters.sql_holds import instalments_from_json
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.case import Approval, Case, Charged, InFlight, Served, Undelivered
from dunning_engine.records import AccountKey, CaseKey, Dossier, NewLevel, StoredCase

Row = Mapping[str, Any]

UNPINNED_VERSION = 0
"""Stands for the policy version of a case that was not opened yet."""


def assemble(
    accounts: Iterable[Row],
    *,
    cases: Iterable[Row],
    levels: Iterable[Row],
    holds: Iterable[Row],
    charges: Iterable[Row] = (),
    flying: Iterable[Row] = (),
) -> list[Dossier]:
    """Put the rows of several tables together, one dossier an account, in the accounts' order."""
    served: defaultdict[tuple[str, str], list[Served]] = defaultdict(list)
    missed: defaultdict[tuple[str, str], list[Undelivered]] = defaultdict(list)
    for row in levels:
        if row["bounced"] is not None or row["sent"] is not None:
            missed[row["tenant"], row["invoice_id"]].append(_undelivered(row))
            continue
        served[row["tenant"], row["invoice_id"]].append(
            Served(
                level_no=row["level_no"],
                code=row["level"],
                on=row["decided_on"],
                outcome=row["outcome"],
                reason=row["reason"],
                delivered=row["delivered"],
            )
        )
    charged: defaultdict[tuple[str, str], list[Charged]] = defaultdict(list)
    for row in charges:
        charged[row["tenant"], row["invoice_id"]].append(_charged(row))
    laws = {(row["tenant"], row["invoice_id"]): tuple(row["laws"]) for row in flying}
    of_account: defaultdict[tuple[str, str], list[StoredCase]] = defaultdict(list)
    for row in cases:
        invoice = (row["tenant"], row["invoice_id"])
        done, undelivered = tuple(served[invoice]), tuple(missed[invoice])
        open_charges = tuple(charged.get(invoice, ()))
        of_account[row["tenant"], row["debtor_id"]].append(
            _stored_case(row, done, undelivered, open_charges, laws.get(invoice, ()))
        )
    held: defaultdict[tuple[str, str], list[Hold]] = defaultdict(list)
    for row in holds:
        held[row["tenant"], row["debtor_id"]].append(_hold(row))
    dossiers: list[Dossier] = []
    same: datetime | None = None
    for row in accounts:
        key = (row["tenant"], row["debtor_id"])
        now = _now(row, held[key])
        if same is None or now != same:
            same = now
        dossiers.append(
            Dossier(
                account=_account(row, tuple(held[key])),
                policy_id=row["policy_id"],
                default_policy_id=row["default_policy_id"],
                cases=tuple(of_account[key]),
                now=same,  # one object for the whole claim: what is known of it is found at once
                time_source=row["time_source"],
                verdict_hash=row["verdict_hash"],
            )
        )
    return dossiers


def case_columns(key: CaseKey, stored: StoredCase) -> tuple[Any, ...]:
    """The columns that a sweep may change, in the order of the sweep's UPDATE."""
    case, flight = stored.case, stored.case.in_flight
    return (
        key.tenant,
        key.invoice_id,
        case.policy_id if stored.pinned else None,
        case.policy_version if stored.pinned else None,
        stored.opened_at,
        case.closed,
        stored.closed_at,
        flight.notice_id if flight else None,
        flight.level_no if flight else None,
        flight.attempt if flight else None,
        flight.revoked if flight else False,
        case.tries,
        case.failures,
        case.last_failure_on,
        case.failure_reason,
        case.excused,
        stored.state,
        stored.state_reason,
        stored.next_level_no,
        stored.next_level,
        stored.next_at,
        case.not_before,
        stored.final_action,
    )


def level_columns(level: NewLevel) -> tuple[Any, ...]:
    """A row of a case's history, in the order of the sweep's INSERT."""
    return (
        level.key.tenant,
        level.key.invoice_id,
        level.level_no,
        level.try_no,
        level.debtor_id,
        level.level,
        level.notice_id,
        level.decision_id,
        level.decided_at,
        level.decided_on,
        level.outcome,
        level.reason,
        level.served_at,
        _pending(level.channels),
        ",".join(level.needs) or None,
        orjson.dumps(level.charges).decode() if level.charges else None,
    )


@lru_cache(maxsize=64)
def _pending(channels: tuple[str, ...]) -> str:
    return orjson.dumps({channel: ["pending", None] for channel in channels}).decode()


def notice_columns(
    account: AccountKey, notice_id: UUID, decision_id: UUID, at: datetime, on: date
) -> tuple[Any, ...]:
    """A notice that is in flight now, in the order of the sweep's INSERT."""
    return (account.tenant, notice_id, account.debtor_id, decision_id, at, on)


def _now(row: Row, holds: Iterable[Hold]) -> datetime:
    """The instant of the claim; not before a hold that was placed while the claim was made."""
    now: datetime = row["now"]
    if row["time_source"] == "sandbox":
        return now
    return max((hold.placed_at for hold in holds if hold.placed_at > now), default=now)


def _account(row: Row, holds: tuple[Hold, ...]) -> Account:
    return Account(
        tenant=row["tenant"],
        debtor_id=row["debtor_id"],
        kind=row["kind"],
        country=row["country"],
        region=row["region"],
        zone=row["zone"],
        language=row["language"],
        segment=row["segment"],
        risk=row["risk"],
        tags=_tags(row["tags"]),
        holds=holds,
        contacted_on=tuple(row["contacted_on"]),
        unallocated_minor=_amounts(row["unallocated"]),
        payments_fresh_until=row["payments_fresh_until"],
        credit_blocked=row["credit_blocked"],
        handed_over_invoices=row["handed_over_invoices"],
    )


def _hold(row: Row) -> Hold:
    return Hold(
        hold_id=str(row["hold_id"]),
        invoice_ids=tuple(row["invoice_ids"]),
        kind=row["kind"],
        reason=row["reason"],
        placed_at=row["placed_at"],
        until=row["until"],
        disputed_minor=row["disputed_minor"],
        currency=row["currency"],
        instalments=instalments_from_json(row["instalments"]),
        baseline_minor=row["baseline_minor"],
        grace_days=row["grace_days"],
        tolerance_minor=row["tolerance_minor"],
    )


def _undelivered(row: Row) -> Undelivered:
    return Undelivered(
        level_no=row["level_no"],
        code=row["level"],
        bounced=tuple(row["bounced"] or ()),
        charged=row["served_at"] is not None,
        forgiven=row["forgiven"],
        sent=tuple(row["sent"] or ()),
    )


def _charged(row: Row) -> Charged:
    return Charged(
        charge_id=row["charge_id"],
        kind=row["kind"],
        basis=row["basis"],
        open_minor=row["open_minor"],
        withdrawn=row["withdrawn"],
    )


def _stored_case(
    row: Row,
    served: tuple[Served, ...],
    undelivered: tuple[Undelivered, ...],
    charged: tuple[Charged, ...],
    laws: tuple[str, ...],
) -> StoredCase:
    pinned = row["policy_id"] is not None
    return StoredCase(
        case=Case(
            invoice_id=row["invoice_id"],
            number=row["number"],
            issued_on=row["issued_on"],
            due_on=row["due_on"],
            currency=row["currency"],
            amount_minor=row["amount_minor"],
            open_minor=row["open_minor"],
            charges_open_minor=row["charges_open_minor"],
            version=row["version"],
            status=row["status"],
            policy_id=row["policy_id"] if pinned else row["wanted_policy_id"] or "",
            policy_version=row["policy_version"] if pinned else UNPINNED_VERSION,
            served=served,
            in_flight=_flight(row, laws),
            tries=row["tries"],
            failures=row["failures"],
            last_failure_on=row["last_failure_on"],
            failure_reason=row["failure_reason"],
            excused=row["excused"],
            closed=row["closed"],
            interest_through=row["interest_through"],
            compensation_charged=row["compensation_charged"],
            balances=balances_from_json(row["balances"]),
            not_before=row["not_before"],
            approval=_approval(row),
            tags=_tags(row["tags"]),
            undelivered=undelivered,
            charged=charged,
        ),
        pinned=pinned,
        wanted_policy_id=row["wanted_policy_id"],
        state=row["state"],
        state_reason=row["state_reason"],
        next_level_no=row["next_level_no"],
        next_level=row["next_level"],
        next_at=row["next_at"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        final_action=row["final_action"],
    )


def _approval(row: Row) -> Approval | None:
    if row["approval_level_no"] is None:
        return None
    return Approval(level_no=row["approval_level_no"], approved=row["approved"])


def _flight(row: Row, laws: tuple[str, ...]) -> InFlight | None:
    if row["flight_notice"] is None:
        return None
    return InFlight(
        notice_id=row["flight_notice"],
        level_no=row["flight_level_no"],
        attempt=row["flight_attempt"],
        revoked=row["flight_revoked"],
        laws=laws,
    )


def _tags(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(orjson.loads(text))


def _amounts(text: str) -> tuple[tuple[str, int], ...]:
    return () if text == "{}" else tuple(sorted(orjson.loads(text).items()))

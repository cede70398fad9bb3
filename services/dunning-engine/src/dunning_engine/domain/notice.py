"""A notice: what one decision asks the notifier to send to a debtor, and how it came out.

A notice holds all items that go out together; one message per channel covers the items whose level
uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from dunning_common.ids import name_id
from dunning_common.values import Value, replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case, PolicyKey
from dunning_engine.domain.charges import Announcement, Assessment, ChargePlan
from dunning_engine.domain.policy import CHANNELS, TEMPLATES, Channel, Level, Policy, Template
from dunning_engine.domain.schedule import add_days

MessageState = Literal["pending", "sent", "unknown", "failed", "suppressed", "bounced", "returned"]
"""`sent` includes delivered; `bounced` is a hard bounce, whenever it came."""
NoticeOutcome = Literal["in_flight", "served", "failed", "returned"]
_GONE: frozenset[MessageState] = frozenset({"sent", "unknown"})


class NoticeItem(Value, frozen=True, kw_only=True):
    """One invoice inside a notice. Amounts are minor units of `currency`.

    `interest_minor`, `compensation_minor` and `fee_minor` are charged by this notice, interest at
    `interest_percent` a year on its last day; `charges_open_minor` was charged before and is still
    owed. `announced` is not owed yet: it will be when the notice changes nothing. `disputed_minor`
    of `open_minor` is not asked for. `attempt` is the try this notice is for the case.
    """

    invoice_id: str
    number: str
    level: str
    level_no: int
    template: Template
    channels: tuple[Channel, ...]
    attempt: int
    issued_on: date
    due_on: date
    days_late: int
    currency: str
    amount_minor: int
    open_minor: int
    charges_open_minor: int
    interest_minor: int
    compensation_minor: int
    fee_minor: int = 0
    interest_percent: Decimal | None = None
    disputed_minor: int = 0
    version: int
    policy_id: str
    policy_version: int
    pay_by: date | None = None
    charges: tuple[ChargePlan, ...] = ()
    announced: tuple[Announcement, ...] = ()
    tags: tuple[str, ...] = ()


class NoticeMessage(Value, frozen=True, kw_only=True):
    """One message of a notice; its tone is that of the highest level among its items."""

    channel: Channel
    template: Template
    level: str
    level_no: int
    invoice_ids: tuple[str, ...]


class NoticePlan(Value, frozen=True, kw_only=True):
    """One notice to a debtor. The policy named is that of the highest item.

    `decided_on` is the date in the debtor's zone: the completion day of its levels once served.
    """

    notice_id: UUID
    debtor_id: str
    decided_at: datetime
    decided_on: date
    zone: str
    policy_id: str
    policy_version: int
    pay_by: date | None = None
    items: tuple[NoticeItem, ...]
    messages: tuple[NoticeMessage, ...]


def compose_item(case: Case, level: Level, today: date, assessed: Assessment) -> NoticeItem:
    """The invoice as the notice shows it, at a level that sends something."""
    if level.template is None:
        raise ValueError(f"level {level.code} has no template: it cannot send")
    return NoticeItem(
        invoice_id=case.invoice_id,
        number=case.number,
        level=level.code,
        level_no=level.level_no,
        template=level.template,
        channels=level.channels_for(case),
        attempt=case.tries + 1,
        issued_on=case.issued_on,
        due_on=case.due_on,
        days_late=(today - case.due_on).days,
        currency=case.currency,
        amount_minor=case.amount_minor,
        open_minor=case.open_minor,
        charges_open_minor=case.charges_open_minor,
        interest_minor=assessed.minor("interest"),
        compensation_minor=assessed.minor("compensation"),
        fee_minor=assessed.minor("fee"),
        interest_percent=assessed.interest_percent,
        disputed_minor=case.disputed_minor,
        version=case.version,
        policy_id=case.policy_id,
        policy_version=case.policy_version,
        pay_by=None if level.pay_within_days is None else add_days(today, level.pay_within_days),
        charges=assessed.charges,
        announced=assessed.announced,
        tags=case.tags,
    )


def group_items(
    items: Sequence[NoticeItem], policies: Mapping[PolicyKey, Policy]
) -> list[list[NoticeItem]]:
    """Which items go out together, the longest overdue first: all, unless a policy differs."""
    joint: list[NoticeItem] = []
    apart: list[NoticeItem] = []
    for item in sorted(items, key=lambda item: (item.due_on, item.invoice_id)):
        policy = policies[item.policy_id, item.policy_version]
        alone = policy.consolidation == "invoice" or not policy.separate_tags.isdisjoint(item.tags)
        (apart if alone else joint).append(item)
    return [*([joint] if joint else []), *([item] for item in apart)]


def compose_notices(
    account: Account,
    items: Sequence[NoticeItem],
    policies: Mapping[PolicyKey, Policy],
    now: datetime,
    today: date,
) -> tuple[NoticePlan, ...]:
    """The notices that speak of all the items."""
    return tuple([_compose(account, group, now, today) for group in group_items(items, policies)])


def _compose(
    account: Account, group: Sequence[NoticeItem], now: datetime, today: date
) -> NoticePlan:
    ordered = _one_fee_per_notice(group)
    leading = max(ordered, key=_rank)
    return NoticePlan(
        notice_id=_notice_id(account, ordered),
        debtor_id=account.debtor_id,
        decided_at=now,
        decided_on=today,
        zone=account.zone,
        policy_id=leading.policy_id,
        policy_version=leading.policy_version,
        pay_by=leading.pay_by,
        items=tuple(ordered),
        messages=tuple(
            [
                _message(channel, covered)
                for channel in CHANNELS
                if (covered := [item for item in ordered if channel in item.channels])
            ]
        ),
    )


def _one_fee_per_notice(items: Sequence[NoticeItem]) -> list[NoticeItem]:
    """A fee for the whole notice is borne by the oldest invoice of its level alone."""
    kept, seen = [], set()
    for item in items:
        fee = next((charge for charge in item.charges if charge.per == "notice"), None)
        bearer = (item.policy_id, item.level_no, item.currency)
        if fee is None or bearer not in seen:
            kept.append(item)
        else:
            rest = tuple(charge for charge in item.charges if charge is not fee)
            kept.append(replace(item, fee_minor=0, charges=rest))
        if fee is not None:
            seen.add(bearer)
    return kept


def _message(channel: Channel, covered: Sequence[NoticeItem]) -> NoticeMessage:
    leading = max(covered, key=_rank)
    return NoticeMessage(
        channel=channel,
        template=leading.template,
        level=leading.level,
        level_no=leading.level_no,
        invoice_ids=tuple([item.invoice_id for item in covered]),
    )


def _rank(item: NoticeItem) -> tuple[int, int, str]:
    """The highest level sets the tone; templates and ids only break ties between policies."""
    return (item.level_no, TEMPLATES.index(item.template), item.invoice_id)


def _notice_id(account: Account, items: Sequence[NoticeItem]) -> UUID:
    """Name-based on items, levels and attempts: asking twice is asking once."""
    parts = [
        part
        for item in sorted(items, key=lambda item: item.invoice_id)
        for part in (item.invoice_id, str(item.level_no), str(item.attempt))
    ]
    return name_id("notice", account.tenant, account.debtor_id, *parts)


def outcome_of(
    states: Iterable[MessageState],
    *,
    needed: Iterable[MessageState] = (),
    revoked: bool = False,
) -> NoticeOutcome:
    """What became of an item, from the states of all the messages that cover it.

    None may be pending. Served when at least one message was sent (or may have been), or, where
    some of them are `needed`, all of those; returned when that is not so because one came back
    unsent, or the item was `revoked`: decide again; failed when every one failed, was suppressed or
    bounced.
    """
    seen, asked = set(states), set(needed)
    if "pending" in seen or not seen:
        return "in_flight"
    if asked <= _GONE if asked else seen & _GONE:
        return "served"
    seen = asked or seen
    return "returned" if revoked or "returned" in seen else "failed"

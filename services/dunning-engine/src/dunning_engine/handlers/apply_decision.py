"""Turn a decision into the rows to write and the events to publish. Pure; decides nothing itself.

The order is the one that `Decision` asks for; cases move only by the transitions of `domain.case`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson

from dunning_common.events import dunning as contract
from dunning_common.events.envelope import Payload, Written
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_common.values import replace
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.charges import ChargePlan
from dunning_engine.domain.notice import NoticeItem, NoticePlan
from dunning_engine.domain.outcome import Decision, LevelDone
from dunning_engine.domain.policy import FINAL_ACTIONS, Policy
from dunning_engine.domain.verdict import Verdict
from dunning_engine.records import CaseKey, Changes, Dossier, NewLevel, StoredCase

OBSTACLES = frozenset({"held", "blocked", "exhausted", "awaiting_approval"})


def apply_decision(
    dossier: Dossier,
    decision: Decision,
    changes: Changes,
    *,
    policies: Mapping[PolicyKey, Policy],
    opened: Collection[str] = (),
) -> None:
    """Add to `changes` what the decision means for the account's rows and for the world."""
    after = _After(dossier, changes, policies)
    _reopen(decision, after)
    _close(decision, after)
    _revoke(decision, after)
    _finish_levels(decision, after)
    _withdraw(decision, after)
    for notice in decision.notices:
        _request(decision, notice, after)
    _end_holds(decision, after)
    _resume(decision, after)
    _set_credit_block(decision, after)
    verdicts = {verdict.invoice_id: verdict for verdict in decision.verdicts}
    for before in dossier.cases:
        invoice_id = before.case.invoice_id
        stored = _stored(before, after, verdicts[invoice_id])
        if invoice_id in opened or stored != before:
            changes.cases.append((CaseKey(after.tenant, invoice_id), stored))


def obstacles_hash(verdicts: Iterable[Verdict]) -> bytes | None:
    """Stands for what is in the way of which cases; a decision that changes it is recorded."""
    found = sorted(
        f"{verdict.invoice_id}\x1f{verdict.state}\x1f{verdict.reason}\x1f{verdict.level_no}"
        for verdict in verdicts
        if verdict.state in OBSTACLES
    )
    return hashlib.blake2b("\x1e".join(found).encode(), digest_size=16).digest() if found else None


class _After:
    """The cases of one account as the decision leaves them, and what it announces."""

    def __init__(
        self, dossier: Dossier, changes: Changes, policies: Mapping[PolicyKey, Policy]
    ) -> None:
        self.dossier = dossier
        self.policies = policies
        self.changes = changes
        self.tenant = dossier.account.tenant
        self.debtor_id = dossier.account.debtor_id
        self.topic_key = account_key(self.tenant, self.debtor_id)
        self.cases = {stored.case.invoice_id: stored.case for stored in dossier.cases}
        self.closed_at: dict[str, datetime | None] = {}
        self.final_actions: dict[str, contract.FinalAction] = {}

    def say(self, payload: Payload | Written, subject: str) -> None:
        self.changes.events.append(
            Outgoing(payload=payload, tenant=self.tenant, key=self.topic_key, subject=subject)
        )

    def key(self, invoice_id: str) -> CaseKey:
        return CaseKey(self.tenant, invoice_id)


def _stored(before: StoredCase, after: _After, verdict: Verdict) -> StoredCase:
    """The row of a case; lists show a level that goes out in this decision as in flight."""
    return StoredCase(
        case=after.cases[verdict.invoice_id],
        pinned=before.pinned,
        wanted_policy_id=before.wanted_policy_id,
        state="in_flight" if verdict.state == "due" else verdict.state,
        state_reason=verdict.reason,
        next_level_no=verdict.level_no,
        next_level=verdict.level,
        next_at=verdict.at,
        opened_at=before.opened_at,
        closed_at=after.closed_at.get(verdict.invoice_id, before.closed_at),
        final_action=after.final_actions.get(verdict.invoice_id, before.final_action),
    )


def _reopen(decision: Decision, after: _After) -> None:
    for invoice_id in decision.reopened:
        case = after.cases[invoice_id]
        after.cases[invoice_id] = replace(case, closed=None)
        after.closed_at[invoice_id] = None
        after.say(
            contract.CaseOpenedV1(
                debtor_id=after.debtor_id,
                invoice_id=invoice_id,
                policy_id=case.policy_id,
                policy_version=case.policy_version,
                effective_at=decision.decided_at,
            ),
            invoice_id,
        )


def _close(decision: Decision, after: _After) -> None:
    for closing in decision.closings:
        _set_closed(closing.invoice_id, closing.reason, decision, after)


def _set_closed(
    invoice_id: str, reason: contract.CloseReason, decision: Decision, after: _After
) -> None:
    after.cases[invoice_id] = replace(after.cases[invoice_id], closed=reason)
    after.closed_at[invoice_id] = decision.decided_at
    after.say(
        contract.CaseClosedV1(
            debtor_id=after.debtor_id,
            invoice_id=invoice_id,
            reason=reason,
            effective_at=decision.decided_at,
        ),
        invoice_id,
    )


def _revoke(decision: Decision, after: _After) -> None:
    grouped: defaultdict[tuple[UUID, str], list[str]] = defaultdict(list)
    for revocation in decision.revocations:
        grouped[revocation.notice_id, revocation.reason].append(revocation.invoice_id)
        case = after.cases[revocation.invoice_id]
        if case.in_flight:
            after.cases[revocation.invoice_id] = replace(
                case, in_flight=replace(case.in_flight, revoked=True)
            )
    for (notice_id, reason), invoices in sorted(grouped.items()):
        after.say(
            contract.NoticeRevokedV1(
                notice_id=notice_id,
                debtor_id=after.debtor_id,
                invoice_ids=tuple(sorted(invoices)),
                reason=reason,
            ),
            str(notice_id),
        )


def _finish_levels(decision: Decision, after: _After) -> None:
    """Levels that end without a message: dropped ones, and hand-overs."""
    for lapse in decision.lapses:
        case = after.cases[lapse.invoice_id]
        after.changes.levels.append(_done_level(decision, lapse, after, served=False))
        after.cases[lapse.invoice_id] = case.lapsed(
            lapse.level_no, lapse.level, lapse.on, lapse.reason
        )
    for done in decision.hand_overs:
        case = after.cases[done.invoice_id]
        after.changes.levels.append(_done_level(decision, done, after, served=True))
        after.cases[done.invoice_id] = case.completed(done.level_no, done.level, done.on)
        action = _FINAL_ACTIONS[done.reason]
        after.say(
            contract.LevelServedV1(
                debtor_id=after.debtor_id,
                invoice_id=done.invoice_id,
                level=done.level,
                level_no=done.level_no,
                notice_id=None,
                effective_at=decision.decided_at,
            ),
            done.invoice_id,
        )
        after.say(
            contract.CaseHandedOverV1(
                debtor_id=after.debtor_id,
                invoice_id=done.invoice_id,
                level=done.level,
                action=action,
                effective_at=decision.decided_at,
            ),
            done.invoice_id,
        )
        after.final_actions[done.invoice_id] = action
        _set_closed(done.invoice_id, "handed_over", decision, after)


def _withdraw(decision: Decision, after: _After) -> None:
    """Charges that a consumer does not owe: the ledger gives up what is open of them."""
    for gone in decision.withdrawals:
        case = after.cases[gone.invoice_id]
        after.cases[gone.invoice_id] = case.withdrew(gone.charge_id)
        after.changes.withdrawn.append(
            (after.tenant, gone.charge_id, gone.invoice_id, gone.kind, decision.decided_at)
        )
        after.say(
            contract.ChargeWithdrawnV1(
                debtor_id=after.debtor_id,
                invoice_id=gone.invoice_id,
                charge_id=UUID(gone.charge_id),
                kind=gone.kind,
                currency=gone.currency,
                basis=gone.basis,
                reason="A consumer does not owe it; it was charged as between businesses.",
                effective_at=decision.decided_at,
            ),
            gone.invoice_id,
        )


def _done_level(decision: Decision, done: LevelDone, after: _After, *, served: bool) -> NewLevel:
    return NewLevel(
        key=after.key(done.invoice_id),
        debtor_id=after.debtor_id,
        level_no=done.level_no,
        level=done.level,
        # In lists it comes after the tries that failed at the same instant.
        try_no=after.cases[done.invoice_id].tries + 1,
        notice_id=None,
        decision_id=decision.decision_id,
        decided_at=decision.decided_at,
        decided_on=done.on,
        outcome="served" if served else "lapsed",
        reason=done.reason,
        served_at=decision.decided_at if served else None,
    )


def _request(decision: Decision, notice: NoticePlan, after: _After) -> None:
    for item in notice.items:
        case = after.cases[item.invoice_id]
        after.cases[item.invoice_id] = case.requested(notice.notice_id, item.level_no)
        after.changes.levels.append(
            NewLevel(
                key=after.key(item.invoice_id),
                debtor_id=after.debtor_id,
                level_no=item.level_no,
                level=item.level,
                try_no=item.attempt,
                notice_id=notice.notice_id,
                decision_id=decision.decision_id,
                decided_at=decision.decided_at,
                decided_on=notice.decided_on,
                outcome="in_flight",
                channels=item.channels,
                needs=_needs(item, after.policies),
                charges=[_charge(charge, after).model_dump(mode="json") for charge in item.charges],
            )
        )
    after.changes.notices.append(
        (
            after.dossier.key,
            notice.notice_id,
            decision.decision_id,
            decision.decided_at,
            notice.decided_on,
        )
    )
    after.say(_requested(decision, notice, after.dossier.account), str(notice.notice_id))


def _needs(item: NoticeItem, policies: Mapping[PolicyKey, Policy]) -> tuple[str, ...]:
    """Those of the item's channels without which its level is not served."""
    level = policies[item.policy_id, item.policy_version].level(item.level_no)
    needs = level.needs if level else frozenset()
    return tuple([channel for channel in item.channels if channel in needs]) if needs else ()


def _requested(decision: Decision, notice: NoticePlan, debtor: Account) -> Written:
    # Written here, and not as a model: checking it first took three times as long.
    members = {
        "notice_id": notice.notice_id,
        "debtor_id": notice.debtor_id,
        "debtor_kind": debtor.kind,
        "debtor_country": debtor.country,
        "decided_at": notice.decided_at,
        "zone": notice.zone,
        "policy_id": notice.policy_id,
        "policy_version": notice.policy_version,
        "decision_id": decision.decision_id,
        "pay_by": notice.pay_by,
        "items": [_item(item) for item in notice.items],
        "messages": [_fields(message, _MESSAGE_FIELDS) for message in notice.messages],
        "unallocated": [
            {"currency": currency, "amount_minor": minor}
            for currency, minor in debtor.unallocated_minor
            if minor > 0
        ],
    }
    if any(item.announced for item in notice.items):
        members["items"] = [_item(item) | {"announced": _announced(item)} for item in notice.items]
        json = orjson.dumps(members, _decimal, orjson.OPT_UTC_Z)
        return Written(contract.NoticeRequestedV3, json)
    json = orjson.dumps(members, _decimal, orjson.OPT_UTC_Z)
    return Written(contract.NoticeRequestedV2, json)


_FINAL_ACTIONS: dict[str, contract.FinalAction] = {action: action for action in FINAL_ACTIONS}
_ITEM_FIELDS = tuple(contract.NoticeItem.model_fields)
_ANNOUNCED_FIELDS = tuple(contract.AnnouncedCharge.model_fields)
_MESSAGE_FIELDS = tuple(contract.NoticeMessageV2.model_fields)


def _item(item: NoticeItem) -> dict[str, object]:
    members = _fields(item, _ITEM_FIELDS)
    members["charge_basis"] = [
        {"kind": charge.kind, "basis": charge.basis} for charge in item.charges
    ]
    return members


def _announced(item: NoticeItem) -> list[dict[str, object]]:
    return [_fields(one, _ANNOUNCED_FIELDS) for one in item.announced]


def _fields(value: object, names: Iterable[str]) -> dict[str, object]:
    """The contract's fields of a domain value; both use the same names."""
    return {name: getattr(value, name) for name in names}


def _decimal(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is not part of a notice")


def _charge(charge: ChargePlan, after: _After) -> contract.ChargeAssessedV1:
    return contract.ChargeAssessedV1(
        debtor_id=after.debtor_id,
        invoice_id=charge.invoice_id,
        charge_id=charge.charge_id,
        kind=charge.kind,
        currency=charge.currency,
        amount_minor=charge.amount_minor,
        assessed_on=charge.assessed_on,
        basis=charge.basis,
        segments=tuple(
            contract.ChargeSegment(
                first_day=segment.first_day,
                last_day=segment.last_day,
                days=segment.days,
                rate_percent=segment.rate_percent,
                amount_minor=segment.amount_minor,
            )
            for segment in charge.segments
        ),
    )


def _end_holds(decision: Decision, after: _After) -> None:
    holds: dict[str, Hold] = {hold.hold_id: hold for hold in after.dossier.account.holds}
    for end in decision.holds_ended:
        after.changes.holds_ended.append(
            (after.tenant, UUID(end.hold_id), decision.decided_at, end.outcome, end.paid_minor)
        )
        after.say(
            contract.HoldReleasedV1(
                debtor_id=after.debtor_id,
                hold_id=UUID(end.hold_id),
                kind=holds[end.hold_id].kind,
                invoice_ids=holds[end.hold_id].invoice_ids,
                outcome=end.outcome,
                paid_minor=end.paid_minor,
                effective_at=decision.decided_at,
            ),
            end.hold_id,
        )


def _resume(decision: Decision, after: _After) -> None:
    for resumption in decision.resumes:
        case = after.cases[resumption.invoice_id]
        after.cases[resumption.invoice_id] = replace(case, not_before=resumption.not_before)


def _set_credit_block(decision: Decision, after: _After) -> None:
    if decision.credit_block is None:
        return
    after.say(
        contract.CreditBlockChangedV1(
            debtor_id=after.debtor_id,
            blocked=decision.credit_block,
            effective_at=decision.decided_at,
        ),
        after.debtor_id,
    )

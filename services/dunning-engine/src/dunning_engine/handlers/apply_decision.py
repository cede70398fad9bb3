"""Turn a decision into the rows to write and the events to publish. Pure; decides nothing itself.

The order is the one that `Decision` asks for; cases move only by the transitions of `domain.case`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from uuid import UUID

from dunning_common.events import dunning as contract
from dunning_common.events.envelope import Payload
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_engine.domain.account import Hold
from dunning_engine.domain.notice import ChargePlan, NoticePlan
from dunning_engine.domain.outcome import Decision, LevelDone
from dunning_engine.domain.verdict import Verdict
from dunning_engine.records import CaseKey, Changes, Dossier, NewLevel, StoredCase

OBSTACLES = frozenset({"held", "blocked", "exhausted"})


def apply_decision(
    dossier: Dossier, decision: Decision, changes: Changes, *, opened: Collection[str] = ()
) -> None:
    """Add to `changes` what the decision means for the account's rows and for the world."""
    after = {stored.case.invoice_id: stored for stored in dossier.cases}
    out = _Announcer(dossier, changes)
    _reopen(decision, after, out)
    _close(decision, after, out)
    _revoke(decision, after, out)
    _finish_levels(decision, after, out)
    if decision.notice:
        _request(decision, decision.notice, after, out)
    _end_holds(decision, out)
    for verdict in decision.verdicts:
        after[verdict.invoice_id] = _with_verdict(after[verdict.invoice_id], verdict)
    for before in dossier.cases:
        stored = after[before.case.invoice_id]
        if stored != before or stored.case.invoice_id in opened:
            changes.cases.append((CaseKey(dossier.account.tenant, stored.case.invoice_id), stored))


def obstacles_hash(verdicts: Iterable[Verdict]) -> bytes | None:
    """Stands for what is in the way of which cases; a decision that changes it is recorded."""
    found = sorted(
        f"{verdict.invoice_id}\x1f{verdict.state}\x1f{verdict.reason}\x1f{verdict.level_no}"
        for verdict in verdicts
        if verdict.state in OBSTACLES
    )
    return hashlib.blake2b("\x1e".join(found).encode(), digest_size=16).digest() if found else None


class _Announcer:
    """Collects rows and events of one account."""

    def __init__(self, dossier: Dossier, changes: Changes) -> None:
        self.dossier = dossier
        self.changes = changes
        self.tenant = dossier.account.tenant
        self.debtor_id = dossier.account.debtor_id

    def say(self, payload: Payload, subject: str) -> None:
        self.changes.events.append(
            Outgoing(
                payload=payload,
                tenant=self.tenant,
                key=account_key(self.tenant, self.debtor_id),
                subject=subject,
            )
        )

    def key(self, invoice_id: str) -> CaseKey:
        return CaseKey(self.tenant, invoice_id)


def _reopen(decision: Decision, after: dict[str, StoredCase], out: _Announcer) -> None:
    for invoice_id in decision.reopened:
        stored = after[invoice_id]
        after[invoice_id] = replace(stored, case=replace(stored.case, closed=None), closed_at=None)
        out.say(
            contract.CaseOpenedV1(
                debtor_id=out.debtor_id,
                invoice_id=invoice_id,
                policy_id=stored.case.policy_id,
                policy_version=stored.case.policy_version,
                effective_at=decision.decided_at,
            ),
            invoice_id,
        )


def _close(decision: Decision, after: dict[str, StoredCase], out: _Announcer) -> None:
    for closing in decision.closings:
        _set_closed(closing.invoice_id, closing.reason, decision, after, out)


def _set_closed(
    invoice_id: str,
    reason: contract.CloseReason,
    decision: Decision,
    after: dict[str, StoredCase],
    out: _Announcer,
) -> None:
    stored = after[invoice_id]
    after[invoice_id] = replace(
        stored, case=replace(stored.case, closed=reason), closed_at=decision.decided_at
    )
    out.say(
        contract.CaseClosedV1(
            debtor_id=out.debtor_id,
            invoice_id=invoice_id,
            reason=reason,
            effective_at=decision.decided_at,
        ),
        invoice_id,
    )


def _revoke(decision: Decision, after: dict[str, StoredCase], out: _Announcer) -> None:
    grouped: defaultdict[tuple[UUID, str], list[str]] = defaultdict(list)
    for revocation in decision.revocations:
        grouped[revocation.notice_id, revocation.reason].append(revocation.invoice_id)
        stored = after[revocation.invoice_id]
        if stored.case.in_flight:
            flight = replace(stored.case.in_flight, revoked=True)
            after[revocation.invoice_id] = replace(
                stored, case=replace(stored.case, in_flight=flight)
            )
    for (notice_id, reason), invoices in sorted(grouped.items()):
        out.say(
            contract.NoticeRevokedV1(
                notice_id=notice_id,
                debtor_id=out.debtor_id,
                invoice_ids=tuple(sorted(invoices)),
                reason=reason,
            ),
            str(notice_id),
        )


def _finish_levels(decision: Decision, after: dict[str, StoredCase], out: _Announcer) -> None:
    """Levels that end without a message: dropped ones, and hand-overs."""
    for lapse in decision.lapses:
        stored = after[lapse.invoice_id]
        after[lapse.invoice_id] = replace(
            stored, case=stored.case.lapsed(lapse.level_no, lapse.level, lapse.on)
        )
        out.changes.levels.append(_done_level(decision, lapse, out, served=False))
    for done in decision.hand_overs:
        stored = after[done.invoice_id]
        after[done.invoice_id] = replace(
            stored, case=stored.case.completed(done.level_no, done.level, done.on)
        )
        out.changes.levels.append(_done_level(decision, done, out, served=True))
        out.say(
            contract.LevelServedV1(
                debtor_id=out.debtor_id,
                invoice_id=done.invoice_id,
                level=done.level,
                level_no=done.level_no,
                notice_id=None,
                effective_at=decision.decided_at,
            ),
            done.invoice_id,
        )
        out.say(
            contract.CaseHandedOverV1(
                debtor_id=out.debtor_id,
                invoice_id=done.invoice_id,
                level=done.level,
                effective_at=decision.decided_at,
            ),
            done.invoice_id,
        )
        _set_closed(done.invoice_id, "handed_over", decision, after, out)


def _done_level(decision: Decision, done: LevelDone, out: _Announcer, *, served: bool) -> NewLevel:
    return NewLevel(
        key=out.key(done.invoice_id),
        debtor_id=out.debtor_id,
        level_no=done.level_no,
        level=done.level,
        try_no=0,
        notice_id=None,
        decision_id=decision.decision_id,
        decided_at=decision.decided_at,
        decided_on=done.on,
        outcome="served" if served else "lapsed",
        reason=done.reason,
        served_at=decision.decided_at if served else None,
    )


def _request(
    decision: Decision, notice: NoticePlan, after: dict[str, StoredCase], out: _Announcer
) -> None:
    for item in notice.items:
        stored = after[item.invoice_id]
        after[item.invoice_id] = replace(
            stored, case=stored.case.requested(notice.notice_id, item.level_no)
        )
        out.changes.levels.append(
            NewLevel(
                key=out.key(item.invoice_id),
                debtor_id=out.debtor_id,
                level_no=item.level_no,
                level=item.level,
                try_no=item.attempt,
                notice_id=notice.notice_id,
                decision_id=decision.decision_id,
                decided_at=decision.decided_at,
                decided_on=notice.decided_on,
                outcome="in_flight",
                channels=item.channels,
                charges=[_charge(charge, out).model_dump(mode="json") for charge in item.charges],
            )
        )
    out.changes.notices.append(
        (
            out.dossier.key,
            notice.notice_id,
            decision.decision_id,
            decision.decided_at,
            notice.decided_on,
        )
    )
    out.say(_requested(decision, notice), str(notice.notice_id))


def _requested(decision: Decision, notice: NoticePlan) -> contract.NoticeRequestedV1:
    return contract.NoticeRequestedV1(
        notice_id=notice.notice_id,
        debtor_id=notice.debtor_id,
        decided_at=notice.decided_at,
        zone=notice.zone,
        policy_id=notice.policy_id,
        policy_version=notice.policy_version,
        decision_id=decision.decision_id,
        pay_by=notice.pay_by,
        items=tuple(
            contract.NoticeItem(
                invoice_id=item.invoice_id,
                number=item.number,
                level=item.level,
                level_no=item.level_no,
                issued_on=item.issued_on,
                due_on=item.due_on,
                days_late=item.days_late,
                currency=item.currency,
                amount_minor=item.amount_minor,
                open_minor=item.open_minor,
                charges_open_minor=item.charges_open_minor,
                interest_minor=item.interest_minor,
                compensation_minor=item.compensation_minor,
                version=item.version,
            )
            for item in notice.items
        ),
        messages=tuple(
            contract.NoticeMessage(
                channel=message.channel,
                template=message.template,
                level=message.level,
                level_no=message.level_no,
                invoice_ids=message.invoice_ids,
            )
            for message in notice.messages
        ),
    )


def _charge(charge: ChargePlan, out: _Announcer) -> contract.ChargeAssessedV1:
    return contract.ChargeAssessedV1(
        debtor_id=out.debtor_id,
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


def _end_holds(decision: Decision, out: _Announcer) -> None:
    holds: dict[str, Hold] = {hold.hold_id: hold for hold in out.dossier.account.holds}
    for hold_id in decision.holds_ended:
        out.changes.holds_ended.append((out.tenant, UUID(hold_id), decision.decided_at))
        out.say(
            contract.HoldReleasedV1(
                debtor_id=out.debtor_id,
                hold_id=UUID(hold_id),
                invoice_id=holds[hold_id].invoice_id,
                effective_at=decision.decided_at,
            ),
            hold_id,
        )


def _with_verdict(stored: StoredCase, verdict: Verdict) -> StoredCase:
    """What lists show: a level that goes out in this decision is in flight from now on."""
    return replace(
        stored,
        state="in_flight" if verdict.state == "due" else verdict.state,
        state_reason=verdict.reason,
        next_level_no=verdict.level_no,
        next_level=verdict.level,
        next_at=verdict.at,
    )

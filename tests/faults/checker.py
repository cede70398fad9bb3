"""Judges what happened: nothing twice, nothing after an acknowledged payment, nothing forgotten.

Pure: it is given the providers' accept log, the payer's notes, and the postman's own book, and
knows nothing of how they came about. All instants are seconds of one monotonic clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

InvoiceRef = tuple[str, str]
"""Tenant and invoice."""

NOT_SENT = frozenset({"planned", "suppressed", "returned", "failed"})
SETTLED = frozenset({"sent", "unknown", "suppressed", "returned", "failed"})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A message that the engine asked for; `to` is where its debtor is reached on that channel."""

    tenant: str
    message_id: UUID
    channel: str
    to: str
    invoice_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A message that a provider took, from its log."""

    at: float
    channel: str
    message_id: UUID
    to: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Stands:
    """How a message stands in the postman's book; `history` is (phase, actor), oldest first."""

    state: str
    reason: str | None = None
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that is known about a run.

    `acknowledged` is when the payer got the answer to the first payment on an invoice. `listed` are
    the messages that the API showed as unknown. `told` counts the events of each message that say
    what became of it, by kind.
    """

    asked: tuple[Asked, ...]
    taken: tuple[Taken, ...]
    acknowledged: Mapping[InvoiceRef, float]
    book: Mapping[UUID, Stands]
    listed: frozenset[UUID] = frozenset()
    told: Mapping[UUID, Counter[str]] = field(default_factory=dict)
    is_over: bool = True


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A promise that was broken: `rule` is its name, `story` what happened to whom."""

    rule: str
    message_id: UUID
    story: str


def check(evidence: Evidence) -> list[Violation]:
    """Every broken promise; while a run is not over, only those that no later event can mend."""
    found = [*_twice(evidence), *_after_a_payment(evidence)]
    if evidence.is_over:
        found += [*_lost(evidence), *_unlisted(evidence), *_left_unknown_by_force(evidence)]
    return found


def _twice(evidence: Evidence) -> Iterable[Violation]:
    """At most one acceptance a message; a channel and address; a channel, address and text."""
    asked = {one.message_id: one for one in evidence.asked}
    addressed = Counter((one.channel, one.to) for one in evidence.asked)
    by_message: defaultdict[UUID, list[Taken]] = defaultdict(list)
    by_address: defaultdict[tuple[str, str], list[Taken]] = defaultdict(list)
    by_text: defaultdict[tuple[str, str, str], list[Taken]] = defaultdict(list)
    for taken in evidence.taken:
        by_message[taken.message_id].append(taken)
        by_address[taken.channel, taken.to].append(taken)
        by_text[taken.channel, taken.to, taken.sha256].append(taken)
    for message_id, several in by_message.items():
        if len(several) > 1:
            yield _violation("twice", several[1], f"taken {len(several)} times")
        if message_id not in asked:
            yield _violation("twice", several[0], "nobody asked for it")
    for (channel, to), several in by_address.items():
        if len(several) > max(1, addressed[channel, to]):
            yield _violation("twice", several[1], f"{to} got {len(several)} on {channel}")
    for (_, to, _), several in by_text.items():
        if len(several) > 1:
            yield _violation("twice", several[1], f"{to} got the same text {len(several)} times")


def _after_a_payment(evidence: Evidence) -> Iterable[Violation]:
    """No acceptance later than the acknowledgement of a payment on an invoice that it demands."""
    asked = {one.message_id: one for one in evidence.asked}
    for taken in evidence.taken:
        about = asked.get(taken.message_id)
        for invoice_id in about.invoice_ids if about else ():
            paid_at = evidence.acknowledged.get((about.tenant if about else "", invoice_id))
            if paid_at is not None and taken.at > paid_at:
                story = f"taken {taken.at - paid_at:.3f} s after {invoice_id} was acknowledged"
                yield _violation("after a payment", taken, story)


def _lost(evidence: Evidence) -> Iterable[Violation]:
    """Everything asked for has ended, and the book says what the provider says."""
    taken = {one.message_id for one in evidence.taken}
    for one in evidence.asked:
        stands = evidence.book.get(one.message_id)
        story = _wrong(one, stands, is_taken=one.message_id in taken)
        if story is None and stands is not None and evidence.told:
            story = _untold(stands, evidence.told.get(one.message_id, Counter()))
        if story is not None:
            yield Violation(rule="lost", message_id=one.message_id, story=story)


def _wrong(one: Asked, stands: Stands | None, *, is_taken: bool) -> str | None:
    if stands is None:
        return "asked for, and not in the book"
    if stands.state not in SETTLED:
        return f"still {stands.state} ({stands.reason})"
    if stands.state == "sent" and not is_taken:
        return f"said to be sent by {one.channel}, and never taken"
    if stands.state in NOT_SENT and is_taken:
        return f"said to be {stands.state} ({stands.reason}), and taken"
    if stands.state in NOT_SENT and not stands.reason:
        return f"{stands.state} without a reason"
    return None


_TOLD_AS = {
    "sent": "Sent",
    "unknown": "Unknown",
    "suppressed": "Suppressed",
    "returned": "Returned",
    "failed": "Failed",
}


def _untold(stands: Stands, told: Counter[str]) -> str | None:
    """The event of the final state was written, each kind at most once."""
    if told[_TOLD_AS[stands.state]] == 0:
        return f"{stands.state}, and nobody was told"
    doubled = [kind for kind in _TOLD_AS.values() if told[kind] > 1]
    return f"told twice that it was {doubled[0].lower()}" if doubled else None


def _unlisted(evidence: Evidence) -> Iterable[Violation]:
    """The API lists exactly what is unknown."""
    unknown = {key for key, stands in evidence.book.items() if stands.state == "unknown"}
    for message_id in unknown ^ evidence.listed:
        story = "unknown, and not listed" if message_id in unknown else "listed, and not unknown"
        yield Violation(rule="unlisted", message_id=message_id, story=story)


def _left_unknown_by_force(evidence: Evidence) -> Iterable[Violation]:
    """What was unknown stays so until a provider's word, the answer itself, or a person's."""
    for message_id, stands in evidence.book.items():
        was_unknown = False
        for phase, actor in stands.history:
            if was_unknown and phase in ("sending", "planned", "suppressed", "returned"):
                story = f"unknown, then {phase} by {actor}"
                yield Violation(rule="resent", message_id=message_id, story=story)
            if was_unknown and phase == "failed" and not actor.startswith("person:"):
                story = f"unknown, then failed by {actor}"
                yield Violation(rule="resent", message_id=message_id, story=story)
            was_unknown = phase == "unknown" or (was_unknown and phase.startswith("stale"))


def _violation(rule: str, taken: Taken, story: str) -> Violation:
    return Violation(rule=rule, message_id=taken.message_id, story=story)

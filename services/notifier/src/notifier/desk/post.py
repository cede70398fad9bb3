"""Batches of letters, as the pages show them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from notifier.desk.words import moment, plain, size
from notifier.domain.post import remedy
from notifier.ports.post import Batch, BatchLetter, BatchState

_STATES = {
    BatchState.CUT: "Its letters are chosen; it is bound and goes out by itself.",
    BatchState.READY: "Its folder is whole; it goes out by itself.",
    BatchState.LEAVING: "It goes out right now, or broke off doing so and is looked for.",
    BatchState.HANDED_OVER: (
        "Whoever prints or posts has it. Keep the receipts: add them to the letters."
    ),
    BatchState.UNKNOWN: (
        "Nobody can tell whether the printer has it, and it is not handed over again. Ask the "
        "printer by its reference, then say what became of it."
    ),
    BatchState.WITHDRAWN: "Nothing of it left; the engine decides again about its letters.",
}
_STATE_CLASS = {BatchState.HANDED_OVER: "sent", BatchState.UNKNOWN: "unknown"}
_FAILED = "See to what it names; it is tried again by itself."


def _remedy(batch: Batch) -> str:
    if batch.state is BatchState.UNKNOWN or not batch.error:
        return _STATES[batch.state]
    known = remedy(state=batch.state, error=batch.error)
    return f"{known[:1].upper()}{known[1:]}" if known else _FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A batch in the list or at the head of its page."""

    seq: int
    batch_id: UUID
    reference: str
    channel: str
    is_registered: bool
    state: str
    state_class: str
    letters: int
    withdrawn: str
    pages: str
    size: str
    checksum: str
    place: str
    tries: int
    error: str
    remedy: str
    cut: str
    ready: str
    handed_over: str
    has_cover: bool
    is_unknown: bool

    @classmethod
    def of(cls, batch: Batch) -> Row:
        """A batch in words."""
        failing = "failed" if batch.error else "planned"
        return cls(
            seq=batch.seq,
            batch_id=batch.batch_id,
            reference=batch.reference,
            channel=plain(batch.channel),
            is_registered=batch.channel == "registered_letter",
            state=plain(batch.state),
            state_class=_STATE_CLASS.get(batch.state, failing),
            letters=batch.letters,
            withdrawn=str(batch.withdrawn or ""),
            pages="" if batch.pages is None else str(batch.pages),
            size=size(batch.size_bytes),
            checksum=batch.checksum or "",
            place=batch.place or batch.folder or "",
            tries=batch.tries,
            error=batch.error or "",
            remedy=_remedy(batch),
            cut=moment(batch.cut_at),
            ready=moment(batch.ready_at),
            handed_over=moment(batch.handed_over_at),
            has_cover=batch.folder is not None and batch.cleared_at is None,
            is_unknown=batch.state is BatchState.UNKNOWN,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRow:
    """A letter of a batch."""

    reference: str
    message_id: UUID
    debtor_id: str
    state: str
    reason: str
    sha256: str

    @classmethod
    def of(cls, letter: BatchLetter, batch: Batch) -> LetterRow:
        """A letter in words."""
        return cls(
            reference=letter.reference(batch),
            message_id=letter.message_id,
            debtor_id=letter.debtor_id,
            state=letter.message.state,
            reason=letter.reason or "",
            sha256=letter.sha256,
        )

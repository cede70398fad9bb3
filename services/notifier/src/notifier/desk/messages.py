"""Messages as the pages show them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notifier.desk.view import clean
from notifier.desk.words import moment, plain, remedy_of, size
from notifier.domain.feedback import Stage
from notifier.domain.message import State
from notifier.ports.proofs import ProofView
from notifier.ports.reading import Attempt, Filter, MessageView
from notifier.ports.responses import CONTENT_READ, PAPER_READ, LogLine

LETTERS = ("letter", "registered_letter")
_NEWEST_FIRST = frozenset({State.FAILED, State.SENT, State.SUPPRESSED, State.RETURNED, None})
"""What is done is read from its end; what waits is worked on from its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the form above the list asks for; what cannot be read restricts nothing."""

    state: State | None = State.UNKNOWN
    invoice_id: str = ""
    notice_id: UUID | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Asked:
        """The query parameters of the page; without any: the unknown ones."""
        invoice_id, notice_id = clean(parameters.get("invoice_id", "")), None
        try:
            notice_id = UUID(parameters.get("notice_id", ""))
        except ValueError:
            notice_id = None
        said = parameters.get("state")
        state = State(said) if said in list(State) else None
        if said is None and not invoice_id and notice_id is None:
            state = State.UNKNOWN
        return cls(state=state, invoice_id=invoice_id, notice_id=notice_id)

    @property
    def query(self) -> dict[str, str]:
        """The same as query parameters."""
        found = {"state": str(self.state or "")}
        if self.invoice_id:
            found["invoice_id"] = self.invoice_id
        if self.notice_id:
            found["notice_id"] = str(self.notice_id)
        return found

    def filter(self, *, after: int, limit: int) -> Filter:
        """The same as the reading port knows it."""
        return Filter(
            state=self.state,
            invoice_id=self.invoice_id or None,
            notice_id=self.notice_id,
            newest_first=self.state in _NEWEST_FIRST,
            after=after,
            limit=limit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A message in a list or at the head of its page."""

    seq: int
    message_id: UUID
    notice_id: UUID
    debtor_id: str
    channel: str
    level: str
    template: str
    text_version: str
    invoices: tuple[str, ...]
    state: str
    reason: str
    remedy: str
    attempts: int
    planned: str
    settled: str
    arrived: str
    provider: str
    provider_ref: str
    recipient_hash: str
    sha256: str
    media_type: str
    size: str
    is_unknown: bool
    takes_proofs: bool

    @classmethod
    def of(cls, view: MessageView) -> Row:
        """A message in words."""
        message = view.message
        version = view.template_version
        return cls(
            seq=view.seq,
            message_id=message.message_id,
            notice_id=message.notice_id,
            debtor_id=message.debtor_id,
            channel=plain(message.channel),
            level=plain(message.level),
            template=message.template,
            text_version="built-in text" if version is None else f"own version {version}",
            invoices=message.invoice_ids,
            state=message.state,
            reason=view.reason or "",
            remedy=remedy_of(message.state, view.reason, view.stage),
            attempts=message.attempts,
            planned=moment(view.planned_at),
            settled=moment(view.settled_at),
            arrived="" if view.stage is Stage.NONE else plain(view.stage.name.lower()),
            provider=message.provider or "",
            provider_ref=view.provider_ref or "",
            recipient_hash=message.recipient_hash or "",
            sha256=view.sha256 or "",
            media_type=view.media_type or "",
            size=size(view.size_bytes),
            is_unknown=message.state is State.UNKNOWN,
            takes_proofs=message.channel in LETTERS and message.attempts > 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something that happened to a message."""

    at: str
    what: str
    reason: str
    who: str

    @classmethod
    def of(cls, attempt: Attempt) -> Line:
        """An attempt in words."""
        return cls(
            at=moment(attempt.at),
            what=plain(attempt.phase),
            reason=attempt.reason or "",
            who=attempt.actor or attempt.provider or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow:
    """A paper that proves what became of a letter."""

    proof_id: UUID
    kind: str
    on: str
    reference: str
    file_name: str
    size: str
    given_by: str
    given: str

    @classmethod
    def of(cls, kept: ProofView) -> PaperRow:
        """A paper in words."""
        return cls(
            proof_id=kept.proof_id,
            kind=plain(kept.kind),
            on=kept.happened_on.isoformat(),
            reference=kept.reference,
            file_name=kept.file_name,
            size=size(kept.size_bytes),
            given_by=kept.given_by,
            given=moment(kept.given_at),
        )


def rows_of(views: Sequence[MessageView]) -> list[Row]:
    """Messages in words."""
    return [Row.of(view) for view in views]


def file_name_of(message_id: UUID, media_type: str | None, at: datetime) -> str:
    """What the exact bytes of a message are saved as."""
    ending = {
        "message/rfc822": "eml",
        "application/pdf": "pdf",
        "text/plain": "txt",
    }.get((media_type or "").partition(";")[0], "bin")
    return f"{at.date().isoformat()}-{message_id}.{ending}"


def saved_by(log: Sequence[LogLine]) -> list[tuple[str, str, str]]:
    """When, by whom, and what of a message was taken: its exact bytes, or a paper."""
    taken = {CONTENT_READ: "the message", PAPER_READ: "a paper"}
    return [
        (moment(line.at), line.actor, taken[kind])
        for line in log
        if (kind := line.action.partition(":")[0]) in taken
    ]

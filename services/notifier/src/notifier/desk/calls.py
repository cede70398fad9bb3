"""The list of calls, as the pages show it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notifier.channels.call_list import WAITING
from notifier.desk.words import moment, plain
from notifier.domain.calls import CallOutcome
from notifier.domain.message import State
from notifier.ports.calls import CallTask

OUTCOMES = {
    CallOutcome.REACHED: "Reached: the debtor knows now",
    CallOutcome.PROMISED: "Promised: the debtor will pay (fill in the promise)",
    CallOutcome.LEFT_MESSAGE: "Left a message: another person or a machine",
    CallOutcome.NO_ANSWER: "No answer",
    CallOutcome.WRONG_NUMBER: "Wrong number: somebody else has it",
    CallOutcome.REFUSED: "Refused: the debtor does not want to be called",
}
"""What a call can come to, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A call in the list or at the head of its page."""

    seq: int
    message_id: UUID
    notice_id: UUID
    debtor_id: str
    level: str
    invoices: tuple[str, ...]
    planned: str
    tries: int
    next_call: str
    state: str
    is_open: bool

    @classmethod
    def of(cls, task: CallTask) -> Row:
        """A call in words."""
        message = task.message
        is_open = message.state is State.PLANNED and task.sha256 is not None
        return cls(
            seq=task.seq,
            message_id=message.message_id,
            notice_id=message.notice_id,
            debtor_id=message.debtor_id,
            level=plain(message.level),
            invoices=message.invoice_ids,
            planned=moment(task.planned_at),
            tries=task.tries,
            next_call=moment(task.next_call_at),
            state=plain(WAITING if is_open else message.state),
            is_open=is_open,
        )


def outcome_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """The form as the API's body: a promise is there when its fields are filled in."""
    typed = {name: fields.get(name, "").strip() for name in ("amount", "currency", "on")}
    typed["currency"] = typed["currency"].upper()
    promise = {name: value for name, value in typed.items() if value}
    body: dict[str, Any] = {
        "outcome": fields.get("outcome", ""),
        "note": fields.get("note", "").strip(),
    }
    is_promised = body["outcome"] == CallOutcome.PROMISED
    return body | ({"promise": promise} if is_promised else {})

"""What the page of the work list asks for and says. Pure: no database, no request.

Its routes are `entrypoints.desk_pages`, its template lies beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dunning_common.money import to_decimal_string
from dunning_engine.domain.work_item import WORK_KINDS
from dunning_engine.handlers.approve_level import WouldSend
from dunning_engine.work_records import WorkFilter

TEXT_MAX = 200
KEPT = ("kind", "assignee", "debtor_id")
"""The parameters by which the list is filtered."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the page says about what was just done."""

    words: str
    bad: bool = False


SAID = {
    "approve": Said("The level goes out as soon as it may."),
    "reject": Said("The level is skipped."),
    "assign": Said("It was given to somebody."),
    "done": Said("It is off the list until it happens anew."),
    "retry": Said("It is tried again as soon as it may; what is on its way is left alone."),
    "stale": Said("Something else waits there now; nothing was done. Look at it again.", bad=True),
    "gone": Said("Nothing has to be done about that any more.", bad=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the form above the list asks for; what cannot be read restricts nothing."""

    kind: str
    assignee: str
    debtor_id: str

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Asked:
        """The query parameters of the page."""
        values = {name: clean(parameters.get(name, "")) for name in KEPT}
        if values["kind"] not in WORK_KINDS:
            values["kind"] = ""
        return cls(**values)

    @property
    def query(self) -> dict[str, str]:
        """The same as query parameters."""
        values = {name: getattr(self, name) for name in KEPT}
        return {name: value for name, value in values.items() if value}

    @property
    def filter(self) -> WorkFilter:
        """The same as the handlers know it."""
        kinds = tuple(kind for kind in WORK_KINDS if self.kind in ("", kind))
        return WorkFilter(
            kinds=kinds, assignee=self.assignee or None, debtor_id=self.debtor_id or None
        )


def in_words(send: WouldSend, currency: str) -> str:
    """What a yes would send, in a sentence."""
    if send.level.final:
        return f"A yes ends the ladder: {send.level.final.replace('_', ' ')}."
    how = " and ".join(channel.replace("_", " ") for channel in send.channels)
    sums = [
        f"{charge.kind} {to_decimal_string(charge.amount_minor, currency)}"
        for charge in send.charges
    ]
    charges = f" with {', '.join(sums)}" if sums else ""
    return (
        f"A yes sends by {how}: {to_decimal_string(send.asks_minor, currency)} {currency}{charges}."
    )


def clean(text: str) -> str:
    """A text field as it is used: printable, of bounded length."""
    return "".join(letter for letter in text[:TEXT_MAX] if letter.isprintable()).strip()

"""What all pages share: the sections, pages of lists, what is said after an action, form errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from notifier.ports.attention import COUNTED_MAX, FAILED_DAYS, Attention

HOME = "/desk"
SHOWN = 50
"""Rows of a list on one page."""

TEXT_MAX = 200

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the desk; `path` is where its list is."""

    label: str
    path: str

    def is_at(self, path: str) -> bool:
        """Whether a page belongs to it."""
        return path == self.path or (self.path != HOME and path.startswith(f"{self.path}/"))


SECTIONS = (
    Section("Overview", HOME),
    Section("Messages", f"{HOME}/messages"),
    Section("Answers", f"{HOME}/answers"),
    Section("Texts", f"{HOME}/texts"),
    Section("Calls", f"{HOME}/calls"),
    Section("Suppressed", f"{HOME}/suppressions"),
    Section("Post", f"{HOME}/post"),
    Section("Came in", f"{HOME}/issues"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a page says about what was just done."""

    words: str
    bad: bool = False


SAID = {
    "resolved": Said("Written down. The engine hears of it and goes on from there."),
    "not_unknown": Said("Its fate is known by now; nothing was changed.", bad=True),
    "accepted": Said("Accepted. The ledger is told the new contacts."),
    "rejected": Said("Refused. Nothing was changed; let the debtor know if that helps."),
    "not_proposed": Said("Somebody decided about it already; nothing was changed.", bad=True),
    "closed": Said("It is off the list."),
    "assigned": Said("It is an answer of that debtor now, sealed and told like any other."),
    "called": Said("Written down."),
    "call_gone": Said(
        "The call is off the list or was reported already: paid, called off or settled meanwhile. "
        "Nothing was written down.",
        bad=True,
    ),
    "listed": Said("This address is not written to any more."),
    "listed_before": Said("A person had listed this address already; nothing was changed."),
    "lifted": Said("This address may be written to again."),
    "nothing_lifted": Said("Nothing was on the list for that; nothing was changed.", bad=True),
    "cut": Said("All letters that waited are in a batch now; batches are bound within seconds."),
    "nothing_cut": Said("No letter waits for a batch."),
    "proof_kept": Said("The paper is kept, sealed with the debtor's key."),
    "saved": Said("Stored as a new version."),
    "saved_used": Said("Stored as a new version and in use from the next message on."),
    "unchanged": Said("This text is the newest version already; there is no new one."),
    "unchanged_used": Said("This text is the newest version already; it is in use."),
    "used": Said("It is in use from the next message on."),
}
"""By the code that a page is called with after an action."""


@dataclass(frozen=True, slots=True)
class Due:
    """A count on the first page, what it counts, and where to work on it."""

    count: int
    title: str
    what: str
    path: str

    @property
    def figure(self) -> str:
        """The count in words: beyond `COUNTED_MAX` nothing was counted."""
        return f"{COUNTED_MAX - 1}+" if self.count >= COUNTED_MAX else str(self.count)


def due_list(counts: Attention) -> tuple[Due, ...]:
    """What waits for a person, in the order in which it is best worked on."""
    return (
        Due(
            counts.unknown,
            "Unknown messages",
            "They may have left and no answer came. Find out, and say what became of them.",
            f"{HOME}/messages?state=unknown",
        ),
        Due(
            counts.failed,
            f"Failed messages of {FAILED_DAYS} days",
            "They were not sent, each with its reason. Mend what stands in the way.",
            f"{HOME}/messages?state=failed",
        ),
        Due(
            counts.proposals,
            "Proposed contacts",
            "Debtors propose other contacts. Accept or refuse each.",
            f"{HOME}/answers?state=proposed",
        ),
        Due(
            counts.calls,
            "Calls due",
            "Somebody has to ring up and say what it came to.",
            f"{HOME}/calls?due=yes",
        ),
        Due(
            counts.batches,
            "Batches of letters",
            "They cannot leave, or nobody can tell whether they did. See what is wrong with each.",
            f"{HOME}/post",
        ),
        Due(
            counts.issues,
            "Not understood",
            "Bounces, replies and reports that nobody could match to a message.",
            f"{HOME}/issues",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[_Row]):
    """One page of a list; `more` is the query of the next one, empty on the last."""

    rows: Sequence[_Row]
    more: str = ""


def page_of(
    found: Sequence[_Row], last: Mapping[str, str], query: Mapping[str, str]
) -> Listing[_Row]:
    """The first `SHOWN` of what was found, asked for with one more.

    Args:
        found: at most `SHOWN` + 1 rows.
        last: the parameters that begin the page behind these.
        query: by what the list is filtered.
    """
    if len(found) <= SHOWN:
        return Listing(rows=found)
    return Listing(rows=found[:SHOWN], more=urlencode({**query, **last}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What was typed into a form, and what is wrong with it by field; empty at first."""

    typed: Mapping[str, str]
    errors: Mapping[str, str]

    @classmethod
    def empty(cls, **typed: str) -> Form:
        """A form that nobody sent yet."""
        return cls(typed=typed, errors={})

    def value(self, field: str) -> str:
        """What stands in a field."""
        return self.typed.get(field, "")

    def error(self, field: str) -> str:
        """What is wrong with it, or nothing."""
        return self.errors.get(field, "")


HINTS = {
    "note": "Write in a few words (3 characters at least) how you know, or why.",
    "outcome": "Choose what became of it.",
    "debtor_id": "Write the debtor's id as the ERP knows it.",
    "amount": "Write an amount such as 120.00.",
    "currency": "Write a currency code such as EUR.",
    "on": "Choose a day.",
    "date": "Choose the day that stands on the paper.",
    "address": "Write the address, or the hash that messages show.",
    "recipient_hash": "A hash has 16 signs, 0 to 9 and a to f, as messages show it.",
    "channel": "Choose a channel.",
    "source": "The text is empty or too long.",
    "kind": "Choose what the paper proves.",
    "file": "Choose the scan or the file.",
    "to": "Write an address to send to.",
    "promise": "A promise goes with the outcome “promised”, and only with it.",
}
"""What to do about a field, in place of the checker's own words."""


def remedies(errors: Sequence[tuple[Sequence[Any], str]]) -> dict[str, str]:
    """The remedy for each field that was refused.

    Args:
        errors: where (a path of names) and what the checker said.
    """
    found: dict[str, str] = {}
    for path, words in errors:
        name = next((str(part) for part in reversed(path) if str(part) in HINTS), "form")
        found.setdefault(name, HINTS.get(name) or words.removeprefix("Value error, "))
    return found


def clean(text: str) -> str:
    """A filter as it is used: printable, of bounded length."""
    return "".join(letter for letter in text[:TEXT_MAX] if letter.isprintable()).strip()

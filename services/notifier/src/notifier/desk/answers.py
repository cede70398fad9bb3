"""What debtors answered, as the pages show it: facts in words, and who judges what. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

from dunning_common.events.contacts import Contacts
from dunning_common.money import MoneyError, to_decimal_string
from notifier.desk.view import clean
from notifier.desk.words import moment, plain, size
from notifier.ports.responses import Kind, ResponseFilter, ResponseState, ResponseView

KINDS: tuple[Kind, ...] = get_args(Kind)
STATES: tuple[ResponseState, ...] = get_args(ResponseState)

_NEXT: dict[str, str] = {
    "promise": (
        "The engine lets reminders rest until the day, within the tenant's rules. Whether it does, "
        "and a promise that does not fit them, is on the work list."
    ),
    "plan_request": (
        "The engine agrees to it at once where the tenant's rules accept it; otherwise it waits "
        "on the work list for a yes or no, with the rules that it misses."
    ),
    "dispute": (
        "The engine holds the invoice, or the part that was named. It is decided on the work list."
    ),
    "payment_claimed": (
        "Reminders rest for some bank days. Look for the payment; if none comes, they go on."
    ),
    "opt_out": "Nothing more is sent by this channel. Lift it under Suppressed if that was wrong.",
    "opt_in": "The channel may be used again.",
    "message": (
        "Read it. What it seems to say is a guess: record a promise, a dispute or a hold on the "
        "work list if you agree, and answer the debtor."
    ),
    "contact_change": "Whoever judged it is in the history below.",
}
_PROPOSED = (
    "Compare it with what the ERP knows. Accepting tells the ledger, which corrects the contact "
    "and tells the ERP; refusing changes nothing."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the form above the list asks for; what cannot be read restricts nothing."""

    state: ResponseState | None = None
    kind: Kind | None = None
    debtor_id: str = ""
    invoice_id: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Asked:
        """The query parameters of the page; without any: what is proposed."""
        said = parameters.get("state", "" if parameters else "proposed")
        return cls(
            state=next((state for state in STATES if state == said), None),
            kind=next((kind for kind in KINDS if kind == parameters.get("kind")), None),
            debtor_id=clean(parameters.get("debtor_id", "")),
            invoice_id=clean(parameters.get("invoice_id", "")),
        )

    @property
    def query(self) -> dict[str, str]:
        """The same as query parameters."""
        found: dict[str, str] = {"state": self.state or ""}
        for name in ("kind", "debtor_id", "invoice_id"):
            if value := getattr(self, name):
                found[name] = value
        return found

    def filter(self, *, after: int, limit: int) -> ResponseFilter:
        """The same as the handler knows it."""
        return ResponseFilter(
            state=self.state,
            kind=self.kind,
            debtor_id=self.debtor_id or None,
            invoice_id=self.invoice_id or None,
            # What is done is read from its end; what waits is worked on from its beginning.
            newest_first=self.state != "proposed",
            after=after,
            limit=limit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An answer in a list or at the head of its page."""

    seq: int
    response_id: UUID
    debtor_id: str
    kind: str
    source: str
    state: str
    invoices: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    received: str
    effective: str
    notice_id: UUID | None
    next_step: str
    is_proposed: bool
    is_for_engine: bool
    files: tuple[tuple[int, str, str], ...]

    @classmethod
    def of(cls, view: ResponseView) -> Row:
        """An answer in words."""
        is_proposed = view.state == "proposed"
        return cls(
            seq=view.seq,
            response_id=view.response_id,
            debtor_id=view.debtor_id,
            kind=plain(view.kind),
            source=view.source,
            state=view.state,
            invoices=view.invoice_ids,
            facts=facts_in_words(view.facts),
            received=moment(view.received_at),
            effective=moment(view.effective_at),
            notice_id=view.notice_id,
            next_step=_PROPOSED if is_proposed else _NEXT.get(view.kind, ""),
            is_proposed=is_proposed,
            is_for_engine=view.kind in ("promise", "plan_request", "dispute", "message"),
            files=tuple((number, kind, size(bytes_)) for number, kind, bytes_ in view.files),
        )


def facts_in_words(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What an answer states, as pairs of a name and a text; ids of ours are left out."""
    currency = str(facts.get("currency", ""))
    said: list[tuple[str, str]] = []
    for name, value in facts.items():
        if value in (None, "") or name in ("currency", "inbound_id"):
            continue
        if name == "instalments":
            parts = enumerate(value, start=1)
            said += [(f"instalment {number}", _part(part, currency)) for number, part in parts]
        elif name.endswith("_minor"):
            said.append((plain(name.removesuffix("_minor")), _money(value, currency)))
        elif isinstance(value, list):
            said.append((plain(name), ", ".join(plain(str(each)) for each in value)))
        else:
            said.append((plain(name), plain(str(value))))
    return tuple(said)


def note_in_words(
    note: Mapping[str, Any], *, without: Collection[str] = ()
) -> tuple[tuple[str, str], ...]:
    """The debtor's own words: from, subject, text; a correction field by field."""
    said: list[tuple[str, str]] = []
    for name, value in note.items():
        if not value or name in ("file_name", "file_names", *without):
            continue
        if isinstance(value, Mapping):
            said += [(plain(str(part)), _words(each)) for part, each in value.items()]
        else:
            said.append((plain(name), _words(value)))
    return tuple(said)


@dataclass(frozen=True, slots=True)
class Change:
    """One part of the contacts, as it is now and as it is proposed."""

    name: str
    present: str
    proposed: str


def changes_of(note: Mapping[str, Any], present: Contacts | None) -> tuple[Change, ...]:
    """A proposal of other contacts beside the present ones; nothing where these are not known."""
    proposed = note.get("correction")
    if present is None or not isinstance(proposed, Mapping):
        return ()
    now = present.model_dump()
    return tuple(
        Change(plain(str(name)), _words(now.get(name)), _words(value))
        for name, value in proposed.items()
    )


def _part(part: Mapping[str, Any], currency: str) -> str:
    return f"{_money(part['amount_minor'], currency)} on {part['on']}"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(filter(None, (_words(each) for each in value.values())))
    if isinstance(value, list | tuple):
        return "\n".join(_words(each) for each in value)
    return "" if value is None else str(value)


def _money(minor: Any, currency: str) -> str:
    try:
        return f"{to_decimal_string(int(minor), currency)} {currency}"
    except (MoneyError, TypeError, ValueError):
        return f"{minor} {currency}".strip()

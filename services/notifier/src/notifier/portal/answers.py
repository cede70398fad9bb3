"""What a debtor can answer on the page, read from the fields of a form and held to the rules.

Pure: today, what is owed and the tenant's rules are arguments. A form is either read whole, or
every field that is wrong is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, TypeVar

from dunning_common.events.contacts import Contacts
from notifier.portal.account import Owed, Statement
from notifier.portal.fields import (
    Fault,
    Faults,
    amount_of,
    count_of,
    day_of,
    email_of,
    given,
    line_of,
    phone_of,
    text_of,
)
from notifier.portal.files import Upload
from notifier.portal.rules import OPEN, ArrangementRules
from notifier.portal.schedule import Instalment, instalments
from notifier.portal.settings import INTERVALS, Action, Interval, PortalSettings

ReasonCode = Literal[
    "goods_missing", "quality", "price", "duplicate", "not_ordered", "paid_already", "other"
]
REASON_CODES: tuple[ReasonCode, ...] = (
    "goods_missing", "quality", "price", "duplicate", "not_ordered", "paid_already", "other",
)  # fmt: skip
PAID_DAYS_BACK_MAX = 366
FIRST_DAYS_MAX = 45
"""How far ahead the first instalment may be."""

INVOICES_LISTED_MAX = 100
"""Of more invoices the form asks for the number instead of listing them."""

ADDRESS_FIELDS = ("street", "postcode", "city", "country")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentClaimed:
    """The debtor says that it paid; `reference` is what stands on the transfer."""

    invoice_ids: tuple[str, ...]
    currency: str
    amount_minor: int
    paid_on: date
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """The debtor promises to pay so much, at the latest on that day."""

    invoice_ids: tuple[str, ...]
    currency: str
    amount_minor: int
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAsked:
    """The debtor asks to pay in parts."""

    invoice_ids: tuple[str, ...]
    currency: str
    parts: tuple[Instalment, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputed:
    """The debtor does not accept an invoice, or `disputed_minor` of it (None: all of it)."""

    invoice_id: str
    currency: str
    disputed_minor: int | None
    reason_code: str
    text: str
    upload: Upload | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactProposed:
    """A correction of name or addresses, in the shape of `ContactCorrectedV1`'s clear text."""

    correction: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsStopped:
    """No more messages to the debtor's telephone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """Words that a person has to read."""

    text: str
    upload: Upload | None


Answer = PaymentClaimed | Promised | PlanAsked | Disputed | ContactProposed | SmsStopped | Wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a form is held against. `today` is the date at the tenant's, `country` the debtor's.

    `rules` are the engine's, as far as they are known.
    """

    statement: Statement
    settings: PortalSettings
    contacts: Contacts
    country: str
    today: date
    rules: ArrangementRules = OPEN

    @property
    def can_stop_sms(self) -> bool:
        """There is a telephone to leave alone, and another way to reach the debtor."""
        return bool(self.contacts.phones) and bool(self.contacts.emails or self.contacts.address)

    @property
    def allowed(self) -> tuple[Action, ...]:
        """What the debtor can do here."""
        return tuple(
            action for action in self.settings.actions if action != "sms" or self.can_stop_sms
        )


def read_answer(
    action: Action, fields: Mapping[str, str], upload: Upload | None, ground: Ground
) -> Answer | Faults:
    """The answer that a form holds, or what is wrong with it."""
    faults = Faults()
    answer = _READERS[action](_Form(fields, upload, ground, faults))
    return faults if faults or answer is None else answer


@dataclass(frozen=True, slots=True)
class _Form:
    """A form while it is read; what is wrong is noted, so that everything is said at once."""

    fields: Mapping[str, str]
    upload: Upload | None
    ground: Ground
    faults: Faults

    def read(self, name: str, reader: Callable[[str], Result]) -> Result | None:
        """The field as the reader understands it; None when it does not."""
        try:
            return reader(given(self.fields, name))
        except Fault as fault:
            self.faults.note(name, fault)
            return None

    def choice(self, name: str, known: tuple[str, ...]) -> str | None:
        """One of the known values."""
        value = given(self.fields, name)
        if value in known:
            return value
        self.faults.note(name, Fault("choose"))
        return None

    def currency(self) -> str | None:
        """The currency that is meant; asked for only when several are owed."""
        totals = self.ground.statement.totals
        if len(totals) == 1:
            return totals[0].currency
        return self.choice("currency", tuple(total.currency for total in totals))

    def amount(self, name: str, currency: str, *, most: int | None) -> int | None:
        """An amount that is more than nothing, and at most what is owed."""
        minor = self.read(name, lambda text: amount_of(text, currency))
        if minor is None:
            return None
        if minor <= 0:
            self.faults.note(name, Fault("amount_zero"))
        elif most is not None and minor > most:
            self.faults.note(name, Fault("amount_above", minor=most, currency=currency))
        else:
            return minor
        return None

    def day(self, name: str, *, earliest: date, latest: date) -> date | None:
        """A date between two others."""
        day = self.read(name, day_of)
        if day is None:
            return None
        if earliest <= day <= latest:
            return day
        self.faults.note(name, Fault("date_between", earliest=earliest, latest=latest))
        return None


def _paid(form: _Form) -> PaymentClaimed | None:
    today = form.ground.today
    currency = form.currency()
    # More than is owed may have been paid; the ledger will see.
    amount = form.amount("amount", currency, most=None) if currency else None
    earliest = today - timedelta(days=PAID_DAYS_BACK_MAX)
    paid_on = form.day("paid_on", earliest=earliest, latest=today)
    reference = form.read("reference", line_of)
    if currency is None or amount is None or paid_on is None or reference is None:
        return None
    return PaymentClaimed(
        invoice_ids=form.ground.statement.ids_in(currency),
        currency=currency,
        amount_minor=amount,
        paid_on=paid_on,
        reference=reference,
    )


def _promise(form: _Form) -> Promised | None:
    ground = form.ground
    currency = form.currency()
    extent = form.choice("extent", ("whole", "part"))
    amount = None
    if currency and extent == "whole":
        amount = ground.statement.total_of(currency)
    elif currency and extent == "part":
        amount = form.amount("amount", currency, most=ground.statement.total_of(currency))
    latest = ground.rules.promise_latest(ground.today)
    on = form.day("on", earliest=ground.today, latest=latest)
    if currency is None or amount is None or on is None:
        return None
    return Promised(
        invoice_ids=ground.statement.ids_in(currency),
        currency=currency,
        amount_minor=amount,
        on=on,
    )


def _plan(form: _Form) -> PlanAsked | None:
    ground, settings = form.ground, form.ground.settings
    currency = form.currency()
    latest = ground.today + timedelta(days=FIRST_DAYS_MAX)
    first_on = form.day("first_on", earliest=ground.today, latest=latest)
    most = settings.instalments_max
    count = form.read("count", lambda text: count_of(text, least=2, most=most))
    interval = form.choice("interval", settings.intervals)
    text = form.read("text", text_of)
    total = ground.statement.total_of(currency) if currency else 0
    first = form.amount("first", currency, most=total - 1) if currency else None
    if form.faults or not (currency and first and first_on and count and interval):
        return None
    known: Interval = next(one for one in INTERVALS if one == interval)
    try:
        parts = instalments(
            total, first_minor=first, first_on=first_on, count=count, interval=known
        )
    except ValueError:
        form.faults.note("count", Fault("count_fewer"))
        return None
    _hold_to_rules(form, parts, currency)
    return PlanAsked(
        invoice_ids=ground.statement.ids_in(currency),
        currency=currency,
        parts=parts,
        text=text or "",
    )


def _hold_to_rules(form: _Form, parts: tuple[Instalment, ...], currency: str) -> None:
    """Note what the engine would refuse; what it leaves to a person may be asked for."""
    rules, today = form.ground.rules, form.ground.today
    total = sum(part.amount_minor for part in parts)
    percent = rules.first_of(total) if "min_first_percent" in rules.refuse else 1
    if parts[0].amount_minor < percent:
        form.faults.note("first", Fault("amount_below", minor=percent, currency=currency))
    minimum = min(rules.minimum_of(currency), total) if "min_instalment" in rules.refuse else 0
    if parts[0].amount_minor < minimum:
        form.faults.note("first", Fault("amount_below", minor=minimum, currency=currency))
    if min(part.amount_minor for part in parts[1:]) < minimum:
        form.faults.note("count", Fault("parts_small", minor=minimum, currency=currency))
    last = rules.last_latest(today) if "max_months" in rules.refuse else None
    if last is not None and parts[-1].on > last:
        form.faults.note("count", Fault("count_fewer"))


def _dispute(form: _Form) -> Disputed | None:
    invoice = _which(form)
    reason = form.choice("reason", REASON_CODES)
    extent = form.choice("extent", ("whole", "part"))
    minor = None
    if extent == "part" and invoice is not None:
        minor = form.amount("amount", invoice.currency, most=invoice.open_minor)
    text = form.read("text", text_of)
    if text is not None and len(text) < 3:
        form.faults.note("text", Fault("required"))
    _check_upload(form)
    if form.faults or invoice is None or reason is None:
        return None
    return Disputed(
        invoice_id=invoice.invoice_id,
        currency=invoice.currency,
        disputed_minor=minor,
        reason_code=reason,
        text=text or "",
        upload=form.upload,
    )


def _which(form: _Form) -> Owed | None:
    """The invoice that is meant: the only one, one that was chosen, or one that was named."""
    owed = form.ground.statement.owed
    if len(owed) == 1:
        return owed[0]
    if len(owed) <= INVOICES_LISTED_MAX:
        chosen = form.choice("invoice", tuple(item.invoice_id for item in owed))
        return form.ground.statement.invoice(chosen) if chosen else None
    named = (form.read("invoice", line_of) or "").casefold()
    if not named:
        form.faults.note("invoice", Fault("required"))
        return None
    meant = [item for item in owed if item.number.casefold() == named]
    if len(meant) == 1:
        return meant[0]
    form.faults.note("invoice", Fault("invoice_unknown"))
    return None


def _contact(form: _Form) -> ContactProposed | None:
    correction: dict[str, Any] = {}
    if name := form.read("name", line_of):
        correction["name"] = name
    if email := form.read("email", email_of):
        correction["emails"] = [email]
    country = form.ground.country
    if phone := form.read("phone", lambda text: phone_of(text, country=country)):
        correction["phones"] = [phone]
    address = {name: form.read(name, line_of) or "" for name in ADDRESS_FIELDS}
    if any(address[name] for name in ("street", "postcode", "city")):
        for name in ("street", "city"):
            if not address[name]:
                form.faults.note(name, Fault("required"))
        code = (address["country"] or country).upper()
        if len(code) != 2 or not (code.isascii() and code.isalpha()):
            form.faults.note("country", Fault("choose"))
        correction["address"] = {
            "lines": [address["street"]],
            "postcode": address["postcode"],
            "city": address["city"],
            "country": code,
        }
    if not correction and not form.faults:
        form.faults.note("email", Fault("nothing_changed"))
    return None if form.faults else ContactProposed(correction=correction)


def _sms(form: _Form) -> SmsStopped | None:
    if not form.ground.can_stop_sms:
        form.faults.note("form", Fault("keep_one_way"))
        return None
    return SmsStopped()


def _message(form: _Form) -> Wrote | None:
    text = form.read("text", text_of)
    if text is not None and len(text) < 3:
        form.faults.note("text", Fault("required"))
    _check_upload(form)
    return None if form.faults or text is None else Wrote(text=text, upload=form.upload)


def _check_upload(form: _Form) -> None:
    if form.upload is not None and (fault := form.upload.fault()):
        form.faults.note("file", fault)


_READERS: Mapping[Action, Callable[[_Form], Answer | None]] = {
    "paid": _paid,
    "promise": _promise,
    "plan": _plan,
    "dispute": _dispute,
    "contact": _contact,
    "sms": _sms,
    "message": _message,
}

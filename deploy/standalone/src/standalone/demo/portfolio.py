"""Generates the demo's portfolio: debtors of several habits, six months of invoices, payments.

Pure and deterministic: the same seed and dates give the same portfolio. Everybody is invented.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from standalone.demo.names import BRITAIN, FRANCE, GERMANY, Country
from standalone.timeline import Day, Kind

HISTORY_DAYS = 92
"""How long before the clock's start the first invoice was issued."""

_DEBTORS = ((FRANCE, 150), (GERMANY, 90), (BRITAIN, 60))
_INVOICES = 4_000
_CENT = Decimal("0.01")


class Habit(Enum):
    """How a debtor pays."""

    PROMPT = "prompt"
    DAYS_LATE = "days-late"
    WEEKS_LATE = "weeks-late"
    IN_PARTS = "in-parts"
    DISPUTES = "disputes"
    NEVER = "never"


_SHARES = {
    Habit.PROMPT: 34,
    Habit.DAYS_LATE: 30,
    Habit.WEEKS_LATE: 17,
    Habit.IN_PARTS: 9,
    Habit.DISPUTES: 5,
    Habit.NEVER: 5,
}
"""Of a hundred debtors, how many have each habit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Debtor:
    """An invented debtor. `weight` is how much it buys compared with the others."""

    debtor_id: str
    country: Country
    name: str
    kind: str
    habit: Habit
    weight: float
    terms_days: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """What to play: `opening` is known before the clock starts, `days` arrive as it moves."""

    tenant: Mapping[str, Any]
    debtors: tuple[Debtor, ...]
    opening: Day
    days: tuple[Day, ...]


Item = tuple[date, Kind, dict[str, Any]]


def portfolio(*, seed: int, starts_on: date, ends_on: date) -> Portfolio:
    """Make the portfolio.

    Args:
        seed: of the random numbers.
        starts_on: the first day of the sandbox clock.
        ends_on: the last day on which anything arrives.
    """
    numbers = random.Random(seed)  # noqa: S311 -- nothing secret
    debtors = tuple(_debtors(numbers))
    by_day: dict[date, dict[Kind, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    by_day[date.min]["debtors"] = [dict(debtor.body) for debtor in debtors]
    first_day = starts_on - timedelta(days=HISTORY_DAYS)
    for on, kind, body in _business(numbers, debtors, first_day, ends_on):
        if on <= ends_on:
            by_day[on if on >= starts_on else date.min][kind].append(body)
    opening = by_day.pop(date.min)
    return Portfolio(
        tenant=_tenant(starts_on),
        debtors=debtors,
        opening=Day(on=starts_on, items=opening),
        days=tuple(Day(on=on, items=by_day[on]) for on in sorted(by_day)),
    )


def _tenant(starts_on: date) -> dict[str, Any]:
    return {
        "name": "Ateliers Lumière",
        "country": "FR",
        "zone": "Europe/Paris",
        "language": "fr",
        "base_currency": "EUR",
        "legal": {
            "legal_name": "Ateliers Lumière SAS",
            "form": "SAS",
            "capital": "120 000 €",
            "register_entry": "RCS Lyon 123 456 782",
            "vat_id": "FR11123456782",
            "directors": ["Camille Fournier"],
            "address": {
                "lines": ["12 rue des Inventeurs"],
                "postcode": "69007",
                "city": "Lyon",
                "country": "FR",
            },
            "email": "compta@ateliers-lumiere.example",
            "phone": "+33639980001",
        },
        "bank": {
            "holder": "Ateliers Lumière SAS",
            "iban": "FR7630006000011234567890189",
            "bic": "AGRIFRPP",
        },
        "email_from": "compta@ateliers-lumiere.example",
        "sms_from": "+33639980001",
        "sandbox": True,
        "sandbox_starts_on": starts_on.isoformat(),
    }


def _debtors(numbers: random.Random) -> Iterator[Debtor]:
    habits = [habit for habit, share in _SHARES.items() for _ in range(share)]
    taken: set[str] = set()
    number = 0
    for country, count in _DEBTORS:
        for _ in range(count):
            number += 1
            yield _debtor(numbers, number, country, numbers.choice(habits), taken)


def _debtor(
    numbers: random.Random, number: int, country: Country, habit: Habit, taken: set[str]
) -> Debtor:
    postcode, city, region = numbers.choice(country.cities)
    is_public = numbers.random() < 0.04
    while True:
        pattern = numbers.choice(country.public_bodies if is_public else country.trades)
        name = pattern.format(name=numbers.choice(country.families), city=city)
        if name not in taken:
            break
        is_public = False  # few public bodies: take a company instead
    taken.add(name)
    weight = numbers.lognormvariate(0.0, 0.8)
    debtor_id = f"D-{number:04}"
    street, house = numbers.choice(country.streets), numbers.randint(1, 180)
    body: dict[str, Any] = {
        "debtor_id": debtor_id,
        "name": name,
        "kind": "public" if is_public else "business",
        "country": country.code,
        "zone": country.zone,
        "language": country.language,
        "segment": "key-account" if weight > 2.5 else "standard" if weight > 0.6 else "small",
        "tags": [habit.value],
        "contacts": {
            "emails": _emails(numbers, country, name),
            "phones": _phones(numbers, country),
            "address": {
                "lines": [f"{house} {street}" if country.house_first else f"{street} {house}"],
                "postcode": postcode,
                "city": city,
                "country": country.code,
            },
        },
    }
    if region:
        body["region"] = region
    return Debtor(
        debtor_id=debtor_id,
        country=country,
        name=name,
        kind=body["kind"],
        habit=habit,
        weight=weight,
        terms_days=numbers.choice(country.terms_days),
        body=body,
    )


def _emails(numbers: random.Random, country: Country, name: str) -> list[str]:
    """Nearly everybody has one; who has none shows what happens then."""
    mailbox = numbers.choice(country.mailbox)
    return [f"{mailbox}@{_slug(name)}.example"] if numbers.random() > 0.02 else []


def _phones(numbers: random.Random, country: Country) -> list[str]:
    phone = re.sub("#", lambda _: str(numbers.randint(0, 9)), country.phone)
    return [phone] if numbers.random() > 0.25 else []


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    ascii_only = plain.encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall("[a-z0-9]+", ascii_only))[:50].strip("-")


def _business(
    numbers: random.Random, debtors: tuple[Debtor, ...], first_day: date, last_day: date
) -> Iterator[Item]:
    """Invoices and what follows from each, in no particular order of dates."""
    workdays = [
        day
        for offset in range((last_day - first_day).days + 1)
        if (day := first_day + timedelta(days=offset)).weekday() < 5
    ]
    buyers = numbers.choices(debtors, weights=[debtor.weight for debtor in debtors], k=_INVOICES)
    issued = sorted(numbers.choices(workdays, k=_INVOICES))
    payments = 0
    for number, (debtor, on) in enumerate(zip(buyers, issued, strict=True), start=1):
        invoice_id = f"LUM-{number:05}"
        due_on = on + timedelta(days=debtor.terms_days)
        amount = _amount(numbers, debtor)
        invoice = {
            "invoice_id": invoice_id,
            "debtor_id": debtor.debtor_id,
            "issued_on": on.isoformat(),
            "due_on": due_on.isoformat(),
            "currency": debtor.country.currency,
            "amount": str(amount),
        }
        yield on, "invoices", invoice
        for part, days in _settlement(numbers, debtor.habit, amount):
            paid_on = _workday(max(on, due_on + timedelta(days=days)))
            payments += 1
            yield (
                (paid_on, "credit-notes", _credit_note(invoice, payments, part, paid_on))
                if debtor.habit is Habit.DISPUTES and days > 40
                else (paid_on, "payments", _payment(numbers, invoice, payments, part, paid_on))
            )


def _amount(numbers: random.Random, debtor: Debtor) -> Decimal:
    typical = 380 * debtor.weight**0.7
    return Decimal(str(round(typical * numbers.lognormvariate(0, 0.7) + 25, 2))).quantize(_CENT)


def _settlement(numbers: random.Random, habit: Habit, whole: Decimal) -> list[tuple[Decimal, int]]:
    """The parts in which an amount is settled, and how many days after the due date each comes."""
    match habit:
        case Habit.PROMPT:
            parts = [(whole, numbers.randint(-6, 2))]
        case Habit.DAYS_LATE:
            parts = [(whole, numbers.randint(2, 13))]
        case Habit.WEEKS_LATE:
            parts = [(whole, numbers.randint(14, 50))]
        case Habit.IN_PARTS:
            first = (whole * Decimal(numbers.choice(("0.3", "0.5", "0.6")))).quantize(_CENT)
            parts = [(first, numbers.randint(0, 12)), (whole - first, numbers.randint(16, 45))]
        case Habit.DISPUTES if numbers.random() < 0.7:
            parts = [(whole, numbers.randint(0, 10))]
        case Habit.DISPUTES:  # settled for less: the rest comes as a credit note
            waived = (whole * Decimal("0.2")).quantize(_CENT)
            parts = [(whole - waived, numbers.randint(20, 35)), (waived, 45)]
        case Habit.NEVER:
            parts = []
    return parts


def _payment(
    numbers: random.Random, invoice: dict[str, Any], number: int, amount: Decimal, on: date
) -> dict[str, Any]:
    """One payment in twenty says nothing of the invoice; one in a hundred is a little too high."""
    extra = Decimal("4.20") if numbers.random() < 0.01 else Decimal(0)
    body = {
        "payment_id": f"PAY-{number:05}",
        "debtor_id": invoice["debtor_id"],
        "currency": invoice["currency"],
        "amount": str(amount + extra),
        "value_date": on.isoformat(),
    }
    if numbers.random() >= 0.05:
        body["allocations"] = [{"invoice_id": invoice["invoice_id"], "amount": str(amount)}]
    return body


def _credit_note(invoice: dict[str, Any], number: int, amount: Decimal, on: date) -> dict[str, Any]:
    return {
        "credit_note_id": f"CN-{number:05}",
        "debtor_id": invoice["debtor_id"],
        "currency": invoice["currency"],
        "amount": str(amount),
        "issued_on": on.isoformat(),
        "invoice_id": invoice["invoice_id"],
    }


def _workday(day: date) -> date:
    """The day itself, or the Monday after a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)

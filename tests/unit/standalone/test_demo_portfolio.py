"""The demo's portfolio: the same for the same seed, invented throughout, and adding up."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standalone.demo.portfolio import Habit, Portfolio, portfolio

STARTS, ENDS = date(2026, 1, 5), date(2026, 4, 6)


@pytest.fixture(scope="module")
def made() -> Portfolio:
    return portfolio(seed=2026, starts_on=STARTS, ends_on=ENDS)


def all_of(made: Portfolio, kind: Any) -> list[dict[str, Any]]:
    return [dict(item) for day in (made.opening, *made.days) for item in day.items.get(kind, ())]


def test_the_same_seed_gives_the_same_portfolio(made: Portfolio) -> None:
    again = portfolio(seed=2026, starts_on=STARTS, ends_on=ENDS)

    assert again == made
    assert portfolio(seed=2027, starts_on=STARTS, ends_on=ENDS) != made


def test_it_has_300_debtors_in_three_countries_and_4000_invoices(made: Portfolio) -> None:
    countries = Counter(debtor.country.code for debtor in made.debtors)

    assert countries == {"FR": 150, "DE": 90, "GB": 60}
    assert len(all_of(made, "invoices")) == 4_000
    assert set(Habit) == {debtor.habit for debtor in made.debtors}
    assert len({debtor.name for debtor in made.debtors}) == 300


def test_nobody_in_it_can_be_reached(made: Portfolio) -> None:
    reserved = re.compile(r"\+3363998\d{4}|\+447700900\d{3}|\+4917139200\d{2}")
    for debtor in made.debtors:
        contacts = debtor.body["contacts"]
        assert all(email.endswith(".example") for email in contacts["emails"])
        assert all(reserved.fullmatch(phone) for phone in contacts["phones"])


def test_a_few_debtors_lack_an_email_or_a_phone(made: Portfolio) -> None:
    without_email = sum(not debtor.body["contacts"]["emails"] for debtor in made.debtors)
    without_phone = sum(not debtor.body["contacts"]["phones"] for debtor in made.debtors)

    assert 0 < without_email < 20
    assert 20 < without_phone < 150


def test_ids_are_used_once(made: Portfolio) -> None:
    for kind, key in (
        ("debtors", "debtor_id"),
        ("invoices", "invoice_id"),
        ("payments", "payment_id"),
    ):
        ids = [item[key] for item in all_of(made, kind)]
        assert len(ids) == len(set(ids))


def test_what_was_before_the_clock_starts_is_in_the_opening(made: Portfolio) -> None:
    assert all(item["issued_on"] < STARTS.isoformat() for item in made.opening.items["invoices"])
    assert all(STARTS <= day.on <= ENDS for day in made.days)
    for day in made.days:
        assert {item["issued_on"] for item in day.items.get("invoices", ())} <= {day.on.isoformat()}
        assert {item["value_date"] for item in day.items.get("payments", ())} <= {
            day.on.isoformat()
        }


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000), st.dates(date(2020, 1, 1), date(2035, 1, 1)))
def test_for_any_seed_amounts_are_cents_and_nothing_is_allocated_twice(
    seed: int, starts_on: date
) -> None:
    made = portfolio(seed=seed, starts_on=starts_on, ends_on=starts_on + timedelta(days=91))
    open_amounts = {
        item["invoice_id"]: Decimal(item["amount"]) for item in all_of(made, "invoices")
    }
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for item in all_of(made, "payments"):
        for part in item.get("allocations", ()):
            paid[part["invoice_id"]] += Decimal(part["amount"])
    for item in all_of(made, "credit-notes"):
        paid[item["invoice_id"]] += Decimal(item["amount"])

    assert all(amount > 0 and amount.as_tuple().exponent == -2 for amount in open_amounts.values())
    assert all(paid[invoice] <= open_amounts[invoice] for invoice in paid)
    assert all(Decimal(item["amount"]) > 0 for item in all_of(made, "payments"))


def test_who_never_pays_never_pays(made: Portfolio) -> None:
    never = {debtor.debtor_id for debtor in made.debtors if debtor.habit is Habit.NEVER}

    assert never
    assert not never & {item["debtor_id"] for item in all_of(made, "payments")}

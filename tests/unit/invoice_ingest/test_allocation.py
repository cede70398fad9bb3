from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_ingest.domain.allocation import (
    OpenCharge,
    OpenItem,
    Split,
    Wanted,
    as_wanted,
    automatic,
    take_back,
)
from invoice_ingest.domain.payment_order import SEQUENCES, Component

PRINCIPAL_FIRST = SEQUENCES["principal_first"]
COSTS_FIRST = SEQUENCES["costs_interest_principal"]
INTEREST_FIRST = SEQUENCES["interest_principal_costs"]
LATE = date(2040, 1, 1)

amounts = st.integers(0, 10**15)
days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
orders = st.sampled_from(list(SEQUENCES.values()))
kinds = st.sampled_from(["interest", "compensation", "fee"])


@st.composite
def items(draw: Any, minor: Any = amounts) -> list[OpenItem]:
    ids = draw(st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=6))
    return [
        OpenItem(
            invoice_id=invoice_id,
            issued_on=draw(days),
            due_on=draw(days),
            open_minor=draw(minor),
            charges=tuple(
                OpenCharge(
                    charge_id=f"{invoice_id}{n}",
                    kind=draw(kinds),
                    assessed_on=draw(days),
                    open_minor=draw(minor),
                )
                for n in range(draw(st.integers(0, 3)))
            ),
        )
        for invoice_id in ids
    ]


def item(invoice_id: str, due_on: date, open_minor: int, *charges: OpenCharge) -> OpenItem:
    return OpenItem(
        invoice_id=invoice_id,
        issued_on=due_on,
        due_on=due_on,
        open_minor=open_minor,
        charges=charges,
    )


def extra(charge_id: str, kind: Component, open_minor: int, on: date = LATE) -> OpenCharge:
    return OpenCharge(charge_id=charge_id, kind=kind, assessed_on=on, open_minor=open_minor)


def booked(split: Split) -> list[tuple[str, int]]:
    return [(s.charge_id or s.invoice_id, s.amount_minor) for s in split.shares]


JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))


def test_the_oldest_due_invoice_is_covered_first() -> None:
    split = automatic(
        150, [item("new", FEBRUARY, 100), item("old", JANUARY, 100)], PRINCIPAL_FIRST, on=LATE
    )

    assert booked(split) == [("old", 100), ("new", 50)]
    assert split.rest_minor == 0


def test_an_overpayment_leaves_a_rest() -> None:
    split = automatic(150, [item("only", JANUARY, 100)], PRINCIPAL_FIRST, on=LATE)

    assert split.rest_minor == 50


def test_every_due_principal_comes_before_any_charge_and_charges_before_what_is_not_due() -> None:
    old = item("old", JANUARY, 100, extra("fee", "fee", 5), extra("interest", "interest", 7))
    new = item("new", FEBRUARY, 100, extra("fixed", "compensation", 40))
    later = item("later", MARCH, 100)

    split = automatic(1_000, [later, new, old], PRINCIPAL_FIRST, on=FEBRUARY)

    assert booked(split) == [
        ("old", 100),
        ("new", 100),
        ("interest", 7),
        ("fee", 5),
        ("fixed", 40),
        ("later", 100),
    ]


def test_costs_then_interest_then_principal_goes_invoice_by_invoice() -> None:
    old = item(
        "old",
        JANUARY,
        100,
        extra("interest", "interest", 7, JANUARY),
        extra("f", "fee", 5, JANUARY),
    )
    new = item("new", FEBRUARY, 100, extra("fixed", "compensation", 40, FEBRUARY))

    split = automatic(200, [new, old], COSTS_FIRST, on=MARCH)

    assert booked(split) == [("f", 5), ("interest", 7), ("old", 100), ("fixed", 40), ("new", 48)]


def test_where_the_law_names_interest_only_costs_wait_for_every_due_principal() -> None:
    charges = (
        extra("interest", "interest", 7, JANUARY),
        extra("fixed", "compensation", 40, JANUARY),
    )

    split = automatic(
        500, [item("a", JANUARY, 100, *charges), item("b", FEBRUARY, 100)], INTEREST_FIRST, on=MARCH
    )

    assert booked(split) == [("interest", 7), ("a", 100), ("b", 100), ("fixed", 40)]


def test_a_charge_of_a_later_day_never_comes_before_the_principal() -> None:
    charges = (extra("early", "interest", 7, JANUARY), extra("late", "interest", 9, MARCH))

    split = automatic(110, [item("a", JANUARY, 100, *charges)], COSTS_FIRST, on=FEBRUARY)

    assert booked(split) == [("early", 7), ("a", 100), ("late", 3)]


def test_charges_of_one_kind_go_by_age() -> None:
    charges = (extra("x", "interest", 5, MARCH), extra("y", "interest", 5, JANUARY))

    split = automatic(7, [item("a", JANUARY, 0, *charges)], PRINCIPAL_FIRST, on=LATE)

    assert booked(split) == [("y", 5), ("x", 2)]


def wanted(*wants: Wanted, amount: int, order: Any = PRINCIPAL_FIRST, **known: OpenItem) -> Split:
    return as_wanted(amount, wants, known, order, on=MARCH)


def want(invoice_id: str, amount_minor: int, covers: Any = None) -> Wanted:
    return Wanted(invoice_id=invoice_id, amount_minor=amount_minor, covers=covers)


FEE = extra("fee", "fee", 5, JANUARY)


def test_the_erp_names_more_than_is_open_and_the_rest_waits() -> None:
    split = wanted(want("i", 150), amount=150, i=item("i", JANUARY, 100))

    assert (booked(split), split.rest_minor) == ([("i", 100)], 50)


def test_what_an_invoice_gets_beyond_its_principal_covers_its_charges() -> None:
    split = wanted(want("i", 103), amount=103, i=item("i", JANUARY, 100, FEE))

    assert (booked(split), split.rest_minor) == ([("i", 100), ("fee", 3)], 0)


def test_what_the_erp_did_not_name_covers_the_charges_of_what_it_named_and_nothing_else() -> None:
    other = item("j", JANUARY, 100, extra("other", "fee", 5))

    split = wanted(want("i", 100), amount=120, i=item("i", JANUARY, 100, FEE), j=other)

    assert (booked(split), split.rest_minor) == ([("i", 100), ("fee", 5)], 15)


def test_what_the_erp_kept_back_covers_no_charge_while_the_principal_is_open() -> None:
    split = wanted(want("i", 60), amount=100, i=item("i", JANUARY, 100, FEE))

    assert (booked(split), split.rest_minor) == ([("i", 60)], 40)


def test_the_rest_covers_the_charges_of_the_oldest_named_invoice_first() -> None:
    split = wanted(
        want("new", 100),
        want("old", 100),
        amount=203,
        new=item("new", FEBRUARY, 100, extra("of-new", "interest", 5)),
        old=item("old", JANUARY, 100, extra("of-old", "fee", 5)),
    )

    assert booked(split) == [("new", 100), ("old", 100), ("of-old", 3)]


def test_what_the_debtor_designated_wins_over_the_order() -> None:
    known = {"i": item("i", JANUARY, 100, FEE)}

    principal = wanted(want("i", 100, "principal"), amount=110, order=COSTS_FIRST, **known)
    charges = wanted(want("i", 100, "charges"), amount=100, **known)
    both = wanted(want("i", 90, "principal"), want("i", 10, "charges"), amount=100, **known)

    assert (booked(principal), principal.rest_minor) == ([("i", 100)], 10)
    assert (booked(charges), charges.rest_minor) == ([("fee", 5)], 95)
    assert (booked(both), both.rest_minor) == ([("i", 90), ("fee", 5)], 5)


def test_more_than_was_paid_cannot_be_allocated() -> None:
    with pytest.raises(ValueError, match="more is allocated"):
        wanted(want("i", 11), amount=10, i=item("i", JANUARY, 100))


def owed(open_items: list[OpenItem]) -> dict[str, int]:
    principal = {i.invoice_id: i.open_minor for i in open_items}
    return principal | {c.charge_id: c.open_minor for i in open_items for c in i.charges}


@given(amount=amounts, open_items=items(), order=orders, on=days)
def test_automatic_allocation_conserves_money_and_never_covers_too_much(
    amount: int, open_items: list[OpenItem], order: Any, on: date
) -> None:
    split = automatic(amount, open_items, order, on=on)

    taken = booked(split)
    assert sum(minor for _, minor in taken) + split.rest_minor == amount
    assert len({place for place, _ in taken}) == len(taken)
    assert all(0 < minor <= owed(open_items)[place] for place, minor in taken)
    assert split.rest_minor >= 0
    assert split.rest_minor == 0 or sum(minor for _, minor in taken) == sum(
        owed(open_items).values()
    )


@given(amount=amounts, open_items=items(), order=orders, on=days)
def test_no_younger_invoice_is_covered_while_an_older_one_is_open(
    amount: int, open_items: list[OpenItem], order: Any, on: date
) -> None:
    shares = dict(booked(automatic(amount, open_items, order, on=on)))

    short = [i for i in open_items if shares.get(i.invoice_id, 0) < i.open_minor]
    for younger in open_items:
        if shares.get(younger.invoice_id):
            assert all(
                (younger.due_on, younger.issued_on, younger.invoice_id)
                <= (older.due_on, older.issued_on, older.invoice_id)
                for older in short
            )


@given(amount=amounts, open_items=items(), on=days)
def test_principal_first_covers_no_charge_while_a_due_principal_is_open(
    amount: int, open_items: list[OpenItem], on: date
) -> None:
    split = automatic(amount, open_items, PRINCIPAL_FIRST, on=on)

    shares = dict(booked(split))
    if any(share.charge_id for share in split.shares):
        assert all(
            shares.get(i.invoice_id, 0) == i.open_minor for i in open_items if i.due_on <= on
        )


@given(amount=amounts, open_items=items(), order=orders, on=days)
def test_nothing_is_covered_of_what_is_not_due_while_anything_else_is_open(
    amount: int, open_items: list[OpenItem], order: Any, on: date
) -> None:
    shares = dict(booked(automatic(amount, open_items, order, on=on)))

    later = {i.invoice_id for i in open_items if i.due_on > on}
    if later & set(shares):
        rest = {place: minor for place, minor in owed(open_items).items() if place not in later}
        assert all(shares.get(place, 0) == minor for place, minor in rest.items())


@given(
    parts=st.lists(st.integers(1, 500), min_size=1, max_size=5),
    open_items=items(st.integers(0, 300)),
    order=orders,
    on=days,
)
def test_payments_of_one_day_cover_the_same_however_they_are_cut(
    parts: list[int], open_items: list[OpenItem], order: Any, on: date
) -> None:
    at_once = dict(booked(automatic(sum(parts), open_items, order, on=on)))

    in_parts: dict[str, int] = {}
    for part in parts:
        left = [less(i, in_parts) for i in open_items]
        for place, minor in booked(automatic(part, left, order, on=on)):
            in_parts[place] = in_parts.get(place, 0) + minor

    assert in_parts == at_once


def less(open_item: OpenItem, taken: dict[str, int]) -> OpenItem:
    return replace(
        open_item,
        open_minor=open_item.open_minor - taken.get(open_item.invoice_id, 0),
        charges=tuple(
            replace(c, open_minor=c.open_minor - taken.get(c.charge_id, 0))
            for c in open_item.charges
        ),
    )


@given(amount=st.integers(0, 1_000), open_items=items(st.integers(1, 300)), order=orders, on=days)
def test_a_payment_that_is_booked_late_covers_the_principal_that_it_had_covered_on_its_day(
    amount: int, open_items: list[OpenItem], order: Any, on: date
) -> None:
    tomorrow = on + timedelta(days=1)
    due = [i for i in open_items if i.due_on <= on]
    charged_since = [
        replace(i, charges=tuple(replace(c, assessed_on=tomorrow) for c in i.charges)) for i in due
    ]

    late = automatic(amount, charged_since, order, on=on)

    principal = [(s.invoice_id, s.amount_minor) for s in late.shares if s.charge_id is None]
    assert principal == booked(
        automatic(amount, [replace(i, charges=()) for i in due], order, on=on)
    )


@given(amount=amounts, open_items=items(), order=orders, data=st.data())
def test_allocation_as_wanted_conserves_money(
    amount: int, open_items: list[OpenItem], order: Any, data: st.DataObject
) -> None:
    left = amount
    wants = []
    for open_item in open_items:
        part = data.draw(st.integers(0, left))
        left -= part
        if part:
            covers = data.draw(st.sampled_from([None, "principal", "charges"]))
            wants.append(want(open_item.invoice_id, part, covers))

    split = as_wanted(amount, wants, {i.invoice_id: i for i in open_items}, order, on=MARCH)

    taken = booked(split)
    assert sum(minor for _, minor in taken) + split.rest_minor == amount
    assert len({place for place, _ in taken}) == len(taken)
    assert all(0 < minor <= owed(open_items)[place] for place, minor in taken)
    for one in wants:
        if one.covers == "principal":
            assert not [s for s in split.shares if s.charge_id and s.invoice_id == one.invoice_id]
        elif one.covers == "charges":
            assert one.invoice_id not in dict(taken)


@given(covers=st.lists(st.integers(0, 1000), max_size=8), data=st.data())
def test_a_surplus_is_taken_back_exactly(covers: list[int], data: st.DataObject) -> None:
    surplus = data.draw(st.integers(0, sum(covers)))

    taken = take_back(surplus, list(enumerate(covers)))

    assert sum(part for _, part in taken) == surplus
    assert all(0 < part <= covers[key] for key, part in taken)


def test_more_than_was_covered_cannot_be_taken_back() -> None:
    with pytest.raises(ValueError, match="never covered"):
        take_back(5, [("a", 4)])

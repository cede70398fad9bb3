from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_ingest.domain.allocation import OpenItem, Wanted, as_wanted, oldest_first, take_back

amounts = st.integers(0, 10**15)
days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
items = st.lists(
    st.builds(
        OpenItem,
        invoice_id=st.text("abc", min_size=1, max_size=3),
        issued_on=days,
        due_on=days,
        open_minor=amounts,
    ),
    unique_by=lambda item: item.invoice_id,
    max_size=8,
)


def item(invoice_id: str, due_on: date, open_minor: int) -> OpenItem:
    return OpenItem(invoice_id=invoice_id, issued_on=due_on, due_on=due_on, open_minor=open_minor)


def test_the_oldest_due_invoice_is_covered_first() -> None:
    split = oldest_first(
        150, [item("new", date(2026, 2, 1), 100), item("old", date(2026, 1, 1), 100)]
    )

    assert [(s.invoice_id, s.amount_minor) for s in split.shares] == [("old", 100), ("new", 50)]
    assert split.rest_minor == 0


def test_an_overpayment_leaves_a_rest() -> None:
    split = oldest_first(150, [item("only", date(2026, 1, 1), 100)])

    assert split.rest_minor == 50


def test_the_erp_names_more_than_is_open_and_the_rest_waits() -> None:
    split = as_wanted(150, [Wanted(invoice_id="i", amount_minor=150)], {"i": 100})

    assert [(s.invoice_id, s.amount_minor) for s in split.shares] == [("i", 100)]
    assert split.rest_minor == 50


def test_more_than_was_paid_cannot_be_allocated() -> None:
    with pytest.raises(ValueError, match="more is allocated"):
        as_wanted(10, [Wanted(invoice_id="i", amount_minor=11)], {"i": 100})


@given(amount=amounts, open_items=items)
def test_automatic_allocation_conserves_money_and_never_covers_too_much(
    amount: int, open_items: list[OpenItem]
) -> None:
    split = oldest_first(amount, open_items)

    assert sum(share.amount_minor for share in split.shares) + split.rest_minor == amount
    open_minor = {i.invoice_id: i.open_minor for i in open_items}
    assert all(0 < s.amount_minor <= open_minor[s.invoice_id] for s in split.shares)
    assert split.rest_minor >= 0
    assert split.rest_minor == 0 or sum(s.amount_minor for s in split.shares) == sum(
        open_minor.values()
    )


@given(amount=amounts, open_items=items)
def test_no_younger_invoice_is_covered_while_an_older_one_is_open(
    amount: int, open_items: list[OpenItem]
) -> None:
    shares = {s.invoice_id: s.amount_minor for s in oldest_first(amount, open_items).shares}

    short = [i for i in open_items if shares.get(i.invoice_id, 0) < i.open_minor]
    for younger in open_items:
        if shares.get(younger.invoice_id):
            assert all(
                (younger.due_on, younger.issued_on, younger.invoice_id)
                <= (older.due_on, older.issued_on, older.invoice_id)
                for older in short
            )


@given(amount=amounts, open_items=items, data=st.data())
def test_allocation_as_wanted_conserves_money(
    amount: int, open_items: list[OpenItem], data: st.DataObject
) -> None:
    left = amount
    wants = []
    for open_item in open_items:
        part = data.draw(st.integers(0, left))
        left -= part
        if part:
            wants.append(Wanted(invoice_id=open_item.invoice_id, amount_minor=part))
    open_minor = {i.invoice_id: i.open_minor for i in open_items}

    split = as_wanted(amount, wants, open_minor)

    assert sum(s.amount_minor for s in split.shares) + split.rest_minor == amount
    assert all(0 < s.amount_minor <= open_minor[s.invoice_id] for s in split.shares)


@given(covers=st.lists(st.integers(0, 1000), max_size=8), data=st.data())
def test_a_surplus_is_taken_back_exactly(covers: list[int], data: st.DataObject) -> None:
    surplus = data.draw(st.integers(0, sum(covers)))

    taken = take_back(surplus, list(enumerate(covers)))

    assert sum(part for _, part in taken) == surplus
    assert all(0 < part <= covers[key] for key, part in taken)


def test_more_than_was_covered_cannot_be_taken_back() -> None:
    with pytest.raises(ValueError, match="never covered"):
        take_back(5, [("a", 4)])

"""What payments do to charges: order, conservation, and everything that takes money back."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_ingest.domain import posting
from invoice_ingest.domain.book import Book
from invoice_ingest.domain.charging import waive
from invoice_ingest.domain.credit import CreditKey
from invoice_ingest.domain.fact import CashChanged, ChargePaid, ChargePaymentUndone, CreditAllocated
from invoice_ingest.domain.outcome import Status
from tests.unit.invoice_ingest.samples import (
    TODAY,
    book,
    charge,
    charged,
    credit,
    draft,
    invoice,
    wanted,
)

FEB_1, FEB_5 = date(2026, 2, 1), date(2026, 2, 5)
INTEREST = charge("interest", amount_minor=123)
FIXED = charge("fixed", kind="compensation", amount_minor=4_000)
FEE = charge("fee", kind="fee", amount_minor=500)


def demanded(**more: Any) -> Book:
    """An invoice over 100.00 with charges of 46.23."""
    return charged(book(invoice(), **more), INTEREST, FIXED, FEE)


def owed(sheet: Book) -> dict[str, int]:
    return {i: v.open_minor for i, v in sheet.invoices.items()} | {
        i: v.open_minor for i, v in sheet.charges.items()
    }


def cash(sheet: Book, currency: str = "EUR") -> int:
    return sheet.cash.get(("d1", currency), 0)


@pytest.mark.parametrize(
    "payment",
    [
        credit(amount_minor=14_623),
        credit(amount_minor=14_623, wanted=wanted(i1=14_623)),
        credit(amount_minor=14_623, wanted=wanted(i1=10_000)),
        credit(amount_minor=14_623, wanted=(*wanted("principal", i1=10_000), *wanted(i1=4_623))),
    ],
    ids=["not allocated", "allocated", "principal allocated", "designated"],
)
def test_who_pays_what_was_demanded_owes_nothing(payment: Any) -> None:
    sheet = demanded()

    posting.put_credit(sheet, payment)

    assert set(owed(sheet).values()) == {0}
    after = sheet.invoices["i1"]
    assert (after.status, after.settled_on, after.charges_open_minor) == ("paid", FEB_5, 0)
    assert (cash(sheet), [f for f in sheet.facts if isinstance(f, CashChanged)]) == (0, [])


@pytest.mark.parametrize("named", [None, wanted(i1=10_000)])
def test_who_pays_the_principal_exactly_is_dunned_no_more(named: Any) -> None:
    sheet = demanded()

    posting.put_credit(sheet, credit(amount_minor=10_000, wanted=named))

    after = sheet.invoices["i1"]
    assert (after.status, after.open_minor, after.charges_open_minor) == ("paid", 0, 4_623)


@pytest.mark.parametrize(
    ("order", "country", "rests"),
    [
        ("principal_first", "DE", {"i1": 5_400, "interest": 123, "fixed": 4_000, "fee": 500}),
        ("by_law", "DE", {"i1": 10_000, "interest": 23, "fixed": 0, "fee": 0}),
        ("by_law", "FR", {"i1": 10_000, "interest": 0, "fixed": 0, "fee": 23}),
        ("by_law", "AT", {"i1": 5_523, "interest": 0, "fixed": 4_000, "fee": 500}),
        ("by_law", "GB", {"i1": 5_400, "interest": 123, "fixed": 4_000, "fee": 500}),
        ("by_law", "ZZ", {"i1": 5_400, "interest": 123, "fixed": 4_000, "fee": 500}),
        ("costs_interest_principal", "GB", {"i1": 10_000, "interest": 23, "fixed": 0, "fee": 0}),
    ],
)
def test_a_part_payment_follows_the_tenants_order_and_the_law_of_the_debtors_country(
    order: Any, country: str, rests: dict[str, int]
) -> None:
    sheet = demanded(order=order, country=country)

    posting.put_credit(sheet, credit(amount_minor=4_600))

    assert owed(sheet) == rests


def test_a_payment_keeps_the_order_by_which_it_was_allocated() -> None:
    sheet = demanded(order="by_law", country="NL")

    posting.put_credit(sheet, credit("p1"))
    posting.put_credit(sheet, credit("n1", "credit_note", amount_minor=1))

    orders = {key.credit_id: found.payment_order for key, found in sheet.credits.items()}
    assert orders == {"p1": "costs_interest_principal", "n1": None}


def test_a_charge_assessed_after_the_value_date_takes_nothing_of_the_principal() -> None:
    sheet = book(invoice(), order="costs_interest_principal")
    charged(sheet, charge(assessed_on=TODAY))

    posting.put_credit(sheet, credit(amount_minor=10_000, dated_on=FEB_5))

    assert (sheet.invoices["i1"].status, sheet.charges["c1"].open_minor) == ("paid", 123)


def test_a_payment_tells_each_share_with_what_is_left() -> None:
    sheet = demanded()
    facts_before = len(sheet.facts)

    posting.put_credit(sheet, credit(amount_minor=12_123, dated_on=date(2026, 1, 31)))

    first, interest, fixed = sheet.facts[facts_before:]
    assert isinstance(first, CreditAllocated)
    assert isinstance(interest, ChargePaid)
    assert isinstance(fixed, ChargePaid)
    assert (fixed.kind, fixed.amount_minor, fixed.charge_open_minor) == (
        "compensation",
        2_000,
        2_000,
    )
    told = (first, interest, fixed)
    assert [f.invoice.charges_open_minor for f in told] == [4_623, 4_500, 2_500]
    assert [f.effective_on for f in told] == [date(2026, 1, 31), FEB_1, FEB_1]
    versions = [f.invoice.version for f in told]
    assert versions == sorted(set(versions))


def test_a_later_payment_covers_the_charges_of_a_paid_invoice() -> None:
    sheet = demanded()
    posting.put_credit(sheet, credit("p1", amount_minor=10_000))

    posting.put_credit(sheet, credit("p2", amount_minor=4_000))

    after = sheet.invoices["i1"]
    assert (after.status, after.settled_on, after.charges_open_minor) == ("paid", FEB_5, 623)
    assert cash(sheet) == 0


def test_a_credit_note_never_covers_charges() -> None:
    for named in (None, wanted(i1=14_623)):
        sheet = demanded(order="costs_interest_principal")

        posting.put_credit(sheet, credit("n", "credit_note", amount_minor=14_623, wanted=named))
        posting.allocate_cash(sheet, "d1", on=None)

        assert sheet.invoices["i1"].charges_open_minor == 4_623
        assert cash(sheet) == 4_623


def test_currencies_do_not_meet() -> None:
    sheet = book(invoice("eur"), invoice("usd", currency="USD"))
    charged(sheet, charge("e", invoice_id="eur"), charge("u", invoice_id="usd", currency="USD"))

    posting.put_credit(sheet, credit("p", amount_minor=20_000, currency="USD"))

    assert owed(sheet) == {"eur": 10_000, "usd": 0, "e": 123, "u": 0}
    assert (cash(sheet, "USD"), cash(sheet)) == (9_877, 0)


def test_a_bounced_payment_is_owed_again_principal_and_charges() -> None:
    sheet = demanded()
    before = owed(sheet)
    posting.put_credit(sheet, credit(amount_minor=15_000))

    posting.reverse_payment(sheet, "p1", reason="bounced", on=TODAY)

    assert owed(sheet) == before
    assert sheet.invoices["i1"].charges_open_minor == 4_623
    assert cash(sheet) == 0
    undone = [f for f in sheet.facts if isinstance(f, ChargePaymentUndone)]
    assert [(f.cause, f.amount_minor, f.covered_on, f.effective_on) for f in undone] == [
        ("payment_reversed", 500, FEB_5, TODAY),
        ("payment_reversed", 4_000, FEB_5, TODAY),
        ("payment_reversed", 123, FEB_5, TODAY),
    ]
    assert posting.reverse_payment(sheet, "p1", reason="again", on=None) is Status.UNCHANGED


def test_a_cancelled_invoice_gives_back_what_its_charges_were_paid_with() -> None:
    sheet = demanded()
    posting.put_credit(sheet, credit(amount_minor=12_000))

    posting.cancel_invoice(sheet, "i1", reason="mistake", on=TODAY)

    assert set(owed(sheet).values()) == {0}
    assert cash(sheet) == sheet.credits[CreditKey("payment", "p1")].unallocated_minor == 12_000
    assert [c.covered_minor for c in sheet.charges.values()] == [0, 0, 0]
    cancelled = [f.amount_minor for f in sheet.facts if isinstance(f, ChargePaymentUndone)]
    assert sum(cancelled) == 2_000
    assert len([f for f in sheet.facts if isinstance(f, CashChanged)]) == 1


def test_a_write_off_gives_up_what_is_open_of_the_charges_and_what_was_paid_stays_paid() -> None:
    sheet = demanded(order="costs_interest_principal")
    posting.put_credit(sheet, credit(amount_minor=1_000))

    posting.write_off_invoice(sheet, "i1", reason="insolvent", on=TODAY)

    assert set(owed(sheet).values()) == {0}
    given_up = {i: c.given_up_minor for i, c in sheet.charges.items()}
    assert given_up == {"interest": 123, "fixed": 3_500, "fee": 0}
    assert cash(sheet) == 0


def test_money_freed_elsewhere_covers_charges_when_asked() -> None:
    sheet = demanded()
    posting.put_credit(sheet, credit("p1", amount_minor=10_000, wanted=wanted(i1=10_000)))
    posting.put_invoice(sheet, draft("i2"))
    posting.put_credit(sheet, credit("p2", amount_minor=10_000, wanted=wanted(i2=10_000)))
    posting.cancel_invoice(sheet, "i2", reason="mistake", on=None)
    assert (sheet.invoices["i1"].charges_open_minor, cash(sheet)) == (4_623, 10_000)

    posting.allocate_cash(sheet, "d1", on=TODAY)

    assert (sheet.invoices["i1"].charges_open_minor, cash(sheet)) == (0, 5_377)


def test_a_payment_may_cover_a_charge_in_two_steps_and_bounces_as_a_whole() -> None:
    sheet = book(invoice(), invoice("i2"))
    charged(sheet, FIXED)
    posting.put_credit(
        sheet, credit("p1", amount_minor=21_000, wanted=wanted(i1=10_000, i2=10_000))
    )
    posting.cancel_invoice(sheet, "i2", reason="mistake", on=None)
    posting.allocate_cash(sheet, "d1", on=None)
    assert owed(sheet) == {"i1": 0, "i2": 0, "fixed": 0}
    [cover] = sheet.charge_covers.values()
    assert (cover.booked_minor, cover.amount_minor) == (4_000, 4_000)

    posting.reverse_payment(sheet, "p1", reason="bounced", on=None)

    assert (owed(sheet), cash(sheet)) == ({"i1": 10_000, "i2": 0, "fixed": 4_000}, 0)


def test_going_back_to_a_mark_takes_back_what_charges_were_paid() -> None:
    sheet = demanded()
    mark = sheet.mark()
    before = owed(sheet)

    posting.put_credit(sheet, credit(amount_minor=14_623))
    sheet.back_to(mark)

    assert owed(sheet) == before
    assert sheet.changed_charge_covers() == []
    assert posting.put_credit(sheet, credit(amount_minor=14_623)) is Status.CREATED


@given(
    paid=st.lists(st.integers(1, 9_000), min_size=1, max_size=3),
    charges=st.lists(st.integers(1, 3_000), min_size=1, max_size=3),
    named=st.booleans(),
    data=st.data(),
)
def test_it_does_not_matter_whether_the_charge_or_the_payment_came_first(
    paid: list[int], charges: list[int], named: bool, data: st.DataObject
) -> None:
    """Principal first, one invoice: the state is the same in whatever order they arrive."""
    payments = [
        credit(f"p{n}", amount_minor=minor, wanted=wanted(i1=minor) if named else None)
        for n, minor in enumerate(paid)
    ]
    costs = [charge(f"c{n}", amount_minor=minor) for n, minor in enumerate(charges)]

    def after(arrivals: list[Any]) -> tuple[int, int, int]:
        sheet = book(invoice())
        for arrival in arrivals:
            if arrival in payments:
                posting.put_credit(sheet, arrival)
            else:
                charged(sheet, arrival)
        state = sheet.invoices["i1"]
        return state.open_minor, state.charges_open_minor, cash(sheet)

    shuffled = data.draw(st.permutations([*payments, *costs]))
    assert after(shuffled) == after([*costs, *payments])


ids = st.sampled_from(["a", "b", "c"])
minor = st.integers(1, 500)
days = st.dates(date(2026, 1, 1), date(2026, 6, 30))
currencies = st.sampled_from(["EUR", "USD"])
some = st.sampled_from("pqrs")
orders = st.one_of(
    st.tuples(st.just("invoice"), ids, st.integers(0, 500), days),
    st.tuples(st.just("charge"), st.sampled_from("uvwxyz"), ids, minor, days),
    st.tuples(st.just("charge"), st.sampled_from("uvwxyz"), ids, minor, days),
    st.tuples(st.just("payment"), some, minor, days, currencies),
    st.tuples(st.just("named"), some, minor, days, ids, st.sampled_from([None, "principal", "charges"])),
    st.tuples(st.just("note"), some, minor, days),
    st.tuples(st.just("waive"), ids, st.sampled_from("uvwxyz"), st.booleans()),
    st.tuples(st.just("reverse"), some, days),
    st.tuples(st.just("cancel"), ids, days),
    st.tuples(st.just("write_off"), ids, days),
    st.tuples(st.just("cash"), days),
)  # fmt: skip


def post(sheet: Book, order: tuple[Any, ...]) -> None:
    match order:
        case ("invoice", i, amount, on):
            posting.put_invoice(sheet, draft(i, amount_minor=amount, effective_on=on))
        case ("charge", i, target, amount, on):
            if target in sheet.invoices:
                kind = {"u": "fee", "v": "compensation"}.get(i, "interest")
                new = charge(i, invoice_id=target, amount_minor=amount, assessed_on=on, kind=kind)
                charged(sheet, new)
        case ("payment", i, amount, on, currency):
            posting.put_credit(
                sheet, credit(i, amount_minor=amount, dated_on=on, currency=currency)
            )
        case ("named", i, amount, on, target, covers):
            wants = wanted(covers, **{target: amount // 2}) if amount > 1 else ()
            posting.put_credit(
                sheet, credit(f"n{i}", amount_minor=amount, dated_on=on, wanted=wants)
            )
        case ("note", i, amount, on):
            posting.put_credit(sheet, credit(i, "credit_note", amount_minor=amount, dated_on=on))
        case ("waive", i, charge_id, part):
            waive(sheet, i, charge_id, reason="r", on=None, open_part_only=part)
        case ("reverse", i, on):
            posting.reverse_payment(sheet, i, reason="r", on=on)
            posting.reverse_payment(sheet, f"n{i}", reason="r", on=on)
        case ("cancel", i, on):
            posting.cancel_invoice(sheet, i, reason="r", on=on)
        case ("write_off", i, on):
            posting.write_off_invoice(sheet, i, reason="r", on=on)
        case ("cash", on):
            posting.allocate_cash(sheet, "d1", on=on)
        case _:
            raise AssertionError(order)


def check(sheet: Book) -> None:
    """Every sum that must hold at every moment."""
    for currency in ("EUR", "USD"):
        live = [
            c
            for c in sheet.credits.values()
            if c.reversed_on is None and c.draft.currency == currency
        ]
        covered = sum(
            cover.amount_minor
            for cover in (*sheet.covers.values(), *sheet.charge_covers.values())
            if sheet.credits[cover.key].draft.currency == currency
        )
        assert sum(c.draft.amount_minor for c in live) == covered + cash(sheet, currency)
        assert sum(c.unallocated_minor for c in live) == cash(sheet, currency)
    for known in sheet.credits.values():
        used = sum(c.amount_minor for c in sheet.covers_by(known.draft.key))
        charges = sum(c.amount_minor for c in sheet.charge_covers_by(known.draft.key))
        whole = 0 if known.reversed_on else known.draft.amount_minor
        assert used + charges + known.unallocated_minor == whole
        assert known.draft.kind == "payment" or not charges
    for found in sheet.charges.values():
        assert found.open_minor >= 0
        covers = sheet.covers_of_charge(found.charge_id)
        assert found.covered_minor == sum(cover.amount_minor for cover in covers)
    for state in sheet.invoices.values():
        of_it = sheet.charges_of(state.invoice_id)
        assert state.charges_open_minor == sum(c.open_minor for c in of_it)
        covers_ = sheet.covers_of(state.invoice_id)
        assert state.covered_minor == sum(cover.amount_minor for cover in covers_)
        assert state.open_minor >= 0


@settings(max_examples=300)
@given(
    st.lists(orders, max_size=30),
    st.sampled_from(["principal_first", "by_law", "costs_interest_principal"]),
)
def test_money_is_conserved_whatever_is_posted(
    given_orders: list[tuple[Any, ...]], order: Any
) -> None:
    sheet = book(order=order, country="AT")
    for given_order in given_orders:
        post(sheet, given_order)
        check(sheet)


@settings(max_examples=150)
@given(st.lists(orders, max_size=30))
def test_every_event_says_what_was_booked(given_orders: list[tuple[Any, ...]]) -> None:
    """Who adds up the events of an invoice knows what its charges owe, version by version."""
    sheet = book()
    for given_order in given_orders:
        post(sheet, given_order)

    told: dict[str, int] = {}
    versions: dict[str, int] = {}
    for fact in sheet.facts:
        if isinstance(fact, CashChanged):
            continue
        state = fact.invoice
        assert state.version == versions.get(state.invoice_id, 0) + 1
        versions[state.invoice_id] = state.version
        told[state.invoice_id] = state.charges_open_minor
    assert told == {i: state.charges_open_minor for i, state in sheet.invoices.items()}


@settings(max_examples=150)
@given(st.lists(orders, max_size=20), minor, days, st.booleans())
def test_a_payment_that_bounces_at_once_leaves_everything_owed_as_before(
    given_orders: list[tuple[Any, ...]], amount: int, on: date, named: bool
) -> None:
    sheet = book(order="by_law", country="DE")
    for given_order in given_orders:
        post(sheet, given_order)
    before = (owed(sheet), dict(sheet.cash))
    wants = wanted(**dict.fromkeys(list(sheet.invoices)[:amount], 1)) if named else None

    taken = posting.put_credit(
        sheet, credit("last", amount_minor=amount, dated_on=on, wanted=wants)
    )
    posting.reverse_payment(sheet, "last", reason="bounced", on=None)

    assert taken is Status.CREATED
    after = {k: v for k, v in sheet.cash.items() if v or k in before[1]}
    assert (owed(sheet), after) == before


@settings(max_examples=100)
@given(st.lists(orders, max_size=25))
def test_the_same_orders_give_the_same_books(given_orders: list[tuple[Any, ...]]) -> None:
    sheets = book(order="by_law", country="PT"), book(order="by_law", country="PT")
    for sheet in sheets:
        for given_order in given_orders:
            post(sheet, given_order)

    one, other = sheets
    assert one.facts == other.facts
    assert one.changed_charge_covers() == other.changed_charge_covers()

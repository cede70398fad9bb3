from datetime import date
from typing import Any

import pytest

from invoice_ingest.domain import posting
from invoice_ingest.domain.book import Book
from invoice_ingest.domain.charging import ChargeError, post_charges, waive
from invoice_ingest.domain.credit import CreditKey
from invoice_ingest.domain.fact import (
    CashChanged,
    ChargePaid,
    ChargePaymentUndone,
    ChargePosted,
    ChargeWaived,
)
from invoice_ingest.domain.outcome import Outcome, Refusal, Status, Why
from tests.unit.invoice_ingest.samples import TODAY, book, charge, charged, credit, invoice, wanted

FEB_5 = date(2026, 2, 5)


def cash(sheet: Book) -> int:
    return sheet.cash.get(("d1", "EUR"), 0)


def left(sheet: Book, payment_id: str) -> int:
    return sheet.credits[CreditKey("payment", payment_id)].unallocated_minor


def test_a_charge_is_booked_beside_the_principal() -> None:
    sheet = charged(book(invoice()), charge())

    after = sheet.invoices["i1"]
    assert (after.charges_open_minor, after.open_minor, after.version) == (123, 10_000, 2)
    assert [(type(f), f.effective_on) for f in sheet.facts] == [(ChargePosted, date(2026, 2, 1))]


def test_a_charge_is_booked_once_however_often_it_is_told() -> None:
    sheet = book(invoice())

    post_charges(
        {"acme": sheet}, [charge("c1"), charge("c2"), charge("c2")], known={("acme", "c1")}
    )

    assert [c.charge_id for c in sheet.new_charges()] == ["c2"]
    assert sheet.invoices["i1"].charges_open_minor == 123


def test_two_tenants_may_use_the_same_ids() -> None:
    mine, other = book(invoice()), book(invoice())

    post_charges(
        {"acme": mine, "other": other}, [charge(), charge(tenant="other")], known={("other", "c9")}
    )

    assert [len(sheet.new_charges()) for sheet in (mine, other)] == [1, 1]


def test_a_paid_invoice_takes_the_charge_a_closed_one_does_not() -> None:
    sheet = book(invoice("paid"), invoice("off"), invoice("gone"))
    posting.put_credit(sheet, credit(wanted=wanted(paid=10_000)))
    posting.write_off_invoice(sheet, "off", reason="x", on=None)
    posting.cancel_invoice(sheet, "gone", reason="x", on=None)

    charged(sheet, *(charge(i, invoice_id=i) for i in ("paid", "off", "gone")))

    assert {c.charge_id: (c.is_void, c.open_minor) for c in sheet.new_charges()} == {
        "paid": (False, 123),
        "off": (True, 0),
        "gone": (True, 0),
    }
    assert [f.charge_id for f in sheet.facts if isinstance(f, ChargePosted)] == ["paid"]


@pytest.mark.parametrize(
    ("sheets", "wrong", "words"),
    [
        ({}, charge(), "does not have"),
        ({"acme": book()}, charge(), "does not have"),
        ({"acme": book(invoice())}, charge(currency="USD"), "currency"),
    ],
)
def test_a_charge_that_does_not_fit_is_an_error(sheets: Any, wrong: Any, words: str) -> None:
    with pytest.raises(ChargeError, match=words):
        post_charges(sheets, [wrong], known=set())


def test_money_that_came_before_its_charge_covers_it_from_the_day_of_the_charge() -> None:
    sheet = book(invoice())
    posting.put_credit(sheet, credit(amount_minor=10_200, dated_on=FEB_5))

    charged(sheet, charge(assessed_on=TODAY))

    assert sheet.charges["c1"].open_minor == 0
    assert sheet.invoices["i1"].charges_open_minor == 0
    assert (cash(sheet), left(sheet, "p1")) == (77, 77)
    assert [(type(f), f.effective_on) for f in sheet.facts[-3:]] == [
        (ChargePosted, TODAY),
        (ChargePaid, TODAY),
        (CashChanged, TODAY),
    ]


def test_a_charge_takes_the_oldest_money_that_is_meant_for_it_and_no_other() -> None:
    sheet = book(invoice(), invoice("i2"), invoice("usd", currency="USD"))
    for payment in (
        credit("on-account", amount_minor=50, wanted=()),
        credit("of-i2", amount_minor=10_050, wanted=wanted(i2=10_000)),
        credit("dollars", amount_minor=10_050, currency="USD"),
        credit("note", "credit_note", amount_minor=50, dated_on=date(2026, 1, 2), wanted=()),
        credit("newer", amount_minor=10_100, dated_on=TODAY, wanted=wanted(i1=10_000)),
        credit("older", amount_minor=60, dated_on=FEB_5, wanted=wanted(i1=60)),
    ):
        posting.put_credit(sheet, payment)
    assert sheet.invoices["i1"].status == "paid"

    charged(sheet, charge(amount_minor=130))

    assert sheet.charges["c1"].open_minor == 0
    kept = {i: left(sheet, i) for i in ("on-account", "of-i2", "dollars", "older", "newer")}
    assert kept == {"on-account": 50, "of-i2": 50, "dollars": 50, "older": 0, "newer": 30}
    assert cash(sheet) == 50 + 50 + 50 + 30


def test_what_the_debtor_designated_for_the_principal_covers_no_later_charge() -> None:
    sheet = book(invoice())
    posting.put_credit(
        sheet, credit(amount_minor=10_100, wanted=wanted(covers="principal", i1=10_000))
    )

    charged(sheet, charge())

    assert (sheet.charges["c1"].open_minor, cash(sheet)) == (123, 100)


@pytest.mark.parametrize(
    ("payment", "rest"),
    [
        (credit(amount_minor=9_000, wanted=wanted(i1=5_000)), 4_000),
        (credit(amount_minor=9_000, wanted=wanted("charges", i1=9_000)), 8_877),
    ],
    ids=["kept back", "designated"],
)
def test_a_charge_takes_money_before_the_principal_is_paid_only_if_the_debtor_said_so(
    payment: Any, rest: int
) -> None:
    sheet = book(invoice())
    posting.put_credit(sheet, payment)

    charged(sheet, charge())

    assert (cash(sheet), sheet.invoices["i1"].status) == (rest, "open")


def given_up(sheet: Book, charge_id: str = "c1", **more: Any) -> Outcome:
    return waive(sheet, "i1", charge_id, **{"reason": "goodwill", "on": None} | more)


@pytest.mark.parametrize("kind", ["interest", "compensation", "fee"])
def test_a_charge_of_any_kind_that_is_given_up_is_owed_no_more(kind: Any) -> None:
    sheet = charged(book(invoice()), charge(kind=kind), charge("c2", amount_minor=4_000))

    outcome = given_up(sheet, on=date(2026, 2, 2))

    after = sheet.invoices["i1"]
    assert outcome is Status.UPDATED
    assert (after.charges_open_minor, after.open_minor, after.version) == (4_000, 10_000, 4)
    assert sheet.facts[2:] == [
        ChargeWaived(
            invoice=after,
            effective_on=date(2026, 2, 2),
            charge_id="c1",
            kind=kind,
            amount_minor=123,
            reason="goodwill",
        )
    ]


def test_giving_up_a_charge_again_changes_nothing() -> None:
    sheet = charged(book(invoice()), charge())
    given_up(sheet)
    facts_before = list(sheet.facts)

    assert given_up(sheet) is Status.UNCHANGED
    assert sheet.facts == facts_before


def test_a_paid_invoice_stays_paid_when_its_charge_is_given_up() -> None:
    sheet = charged(book(invoice()), charge())
    posting.put_credit(sheet, credit())

    given_up(sheet)

    after = sheet.invoices["i1"]
    assert (after.status, after.settled_on, after.charges_open_minor) == ("paid", FEB_5, 0)


def test_a_paid_charge_that_is_given_up_frees_its_money() -> None:
    sheet = charged(book(invoice()), charge())
    posting.put_credit(sheet, credit("p1", amount_minor=10_100))
    posting.put_credit(sheet, credit("p2", amount_minor=23))
    facts_before = len(sheet.facts)

    outcome = given_up(sheet)

    told = sheet.facts[facts_before:]
    assert outcome is Status.UPDATED
    assert sheet.charges["c1"].given_up_minor == 123
    assert (cash(sheet), left(sheet, "p1"), left(sheet, "p2")) == (123, 100, 23)
    assert [type(f) for f in told] == [
        ChargePaymentUndone,
        ChargePaymentUndone,
        ChargeWaived,
        CashChanged,
    ]
    owed = [f.invoice.charges_open_minor for f in told if not isinstance(f, CashChanged)]
    assert owed == [100, 123, 0]


def test_the_open_part_of_a_charge_can_be_given_up_and_what_was_paid_stays_paid() -> None:
    sheet = charged(book(invoice()), charge())
    posting.put_credit(sheet, credit(amount_minor=10_100))

    first = given_up(sheet, open_part_only=True)
    again = given_up(sheet, open_part_only=True)
    then_all = given_up(sheet)

    assert (first, again, then_all) == (Status.UPDATED, Status.UNCHANGED, Status.UPDATED)
    amounts = [f.amount_minor for f in sheet.facts if isinstance(f, ChargeWaived)]
    assert amounts == [23, 100]
    assert cash(sheet) == 100


def test_a_payment_of_a_charge_that_was_given_up_in_part_bounces_and_that_part_is_owed() -> None:
    sheet = charged(book(invoice()), charge())
    posting.put_credit(sheet, credit(amount_minor=10_100))
    given_up(sheet, open_part_only=True)

    posting.reverse_payment(sheet, "p1", reason="bounced", on=None)

    assert sheet.charges["c1"].open_minor == sheet.invoices["i1"].charges_open_minor == 100
    assert given_up(sheet) is Status.UPDATED


def closed(end: Any) -> Book:
    sheet = charged(book(invoice()), charge())
    end(sheet, "i1", reason="x", on=None)
    return sheet


def bounced_after_write_off() -> Book:
    sheet = charged(book(invoice()), charge())
    posting.put_credit(sheet, credit(amount_minor=100))
    posting.write_off_invoice(sheet, "i1", reason="x", on=None)
    posting.reverse_payment(sheet, "p1", reason="x", on=None)
    return sheet


def void() -> Book:
    return charged(closed(posting.cancel_invoice), charge("late"))


def paid() -> Book:
    sheet = charged(book(invoice()), charge())
    posting.put_credit(sheet, credit(amount_minor=10_123))
    return sheet


@pytest.mark.parametrize(
    ("sheet", "changes", "why", "slug"),
    [
        (book(invoice()), {}, Why.UNKNOWN, "unknown-charge"),
        (void(), {"charge_id": "late"}, Why.UNKNOWN, "unknown-charge"),
        (charged(book(invoice("i2")), charge(invoice_id="i2")), {}, Why.UNKNOWN, "unknown-invoice"),
        (
            charged(book(invoice(), invoice("i2")), charge(invoice_id="i2")),
            {},
            Why.UNKNOWN,
            "unknown-charge",
        ),
        (paid(), {"open_part_only": True}, Why.CONFLICT, "charge-paid"),
        (closed(posting.cancel_invoice), {}, Why.CONFLICT, "invoice-cancelled"),
        (closed(posting.write_off_invoice), {}, Why.CONFLICT, "invoice-written-off"),
        (bounced_after_write_off(), {}, Why.CONFLICT, "charge-given-up"),
    ],
)
def test_a_charge_that_is_not_owed_cannot_be_given_up(
    sheet: Book, changes: dict[str, Any], why: Why, slug: str
) -> None:
    mark = sheet.mark()

    outcome = given_up(sheet, **changes)

    assert isinstance(outcome, Refusal)
    assert (outcome.why, outcome.slug) == (why, slug)
    assert sheet.mark() == mark

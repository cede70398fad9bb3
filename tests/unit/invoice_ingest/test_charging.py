from datetime import date
from typing import Any

import pytest

from invoice_ingest.domain.book import Book, Loaded
from invoice_ingest.domain.charging import Charge, ChargeError, post_charges, waive
from invoice_ingest.domain.fact import ChargeWaived
from invoice_ingest.domain.invoice import Invoice, cancel, cover, write_off
from invoice_ingest.domain.invoice import charge as charged_with
from invoice_ingest.domain.outcome import Outcome, Refusal, Status, Why
from tests.unit.invoice_ingest.samples import TODAY, invoice


def charge(charge_id: str = "c1", **changes: Any) -> Charge:
    given: dict[str, Any] = {
        "tenant": "acme",
        "charge_id": charge_id,
        "invoice_id": "i1",
        "kind": "interest",
        "currency": "EUR",
        "amount_minor": 123,
        "assessed_on": TODAY,
        "basis": "L441-10",
    }
    return Charge(**given | changes)


def test_a_charge_is_booked_beside_the_principal() -> None:
    charged = post_charges([charge()], invoices={("acme", "i1"): invoice()}, known=set())

    assert [(i.charges_open_minor, i.open_minor, i.version) for i in charged.invoices] == [
        (123, 10_000, 2)
    ]
    assert [(f.charge_id, f.effective_on) for f in charged.facts] == [("c1", TODAY)]


def test_a_charge_is_booked_once_however_often_it_is_told() -> None:
    charged = post_charges(
        [charge("c1"), charge("c2"), charge("c2")],
        invoices={("acme", "i1"): invoice()},
        known={("acme", "c1")},
    )

    assert [c.charge_id for c in charged.charges] == ["c2"]
    assert charged.invoices[0].charges_open_minor == 123


def test_two_tenants_may_use_the_same_ids() -> None:
    charged = post_charges(
        [charge(), charge(tenant="other")],
        invoices={("acme", "i1"): invoice(), ("other", "i1"): invoice()},
        known={("other", "c9")},
    )

    assert len(charged.facts) == 2


def test_a_paid_invoice_takes_the_charge_a_closed_one_does_not() -> None:
    invoices = {
        ("acme", "paid"): cover(invoice("paid"), 10_000, on=date(2026, 2, 1)),
        ("acme", "off"): write_off(invoice("off"), on=TODAY),
        ("acme", "gone"): cancel(invoice("gone"), on=TODAY)[0],
    }

    charged = post_charges(
        [charge(i, invoice_id=i) for i in ("paid", "off", "gone")], invoices=invoices, known=set()
    )

    assert [c.is_void for c in charged.charges] == [False, True, True]
    assert [f.charge_id for f in charged.facts] == ["paid"]


def test_a_charge_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ChargeError, match="does not have"):
        post_charges([charge(invoice_id="x")], invoices={}, known=set())
    with pytest.raises(ChargeError, match="currency"):
        post_charges([charge(currency="USD")], invoices={("acme", "i1"): invoice()}, known=set())


def sheet(*invoices: Invoice) -> Book:
    loaded = Loaded(
        debtors={}, invoices={i.invoice_id: i for i in invoices}, credits={}, covers={}, cash={}
    )
    return Book(tenant="acme", today=TODAY, loaded=loaded)


def given_up(book: Book, found: Charge | None, *, on: date | None = None) -> Outcome:
    return waive(book, "i1", found, reason="goodwill", on=on)


@pytest.mark.parametrize("kind", ["interest", "compensation", "fee"])
def test_a_charge_of_any_kind_that_is_given_up_is_owed_no_more(kind: Any) -> None:
    book = sheet(charged_with(charged_with(invoice(), 123), 4_000))

    outcome = given_up(book, charge(kind=kind), on=date(2026, 2, 2))

    after = book.invoices["i1"]
    assert outcome is Status.UPDATED
    assert (after.charges_open_minor, after.open_minor, after.version) == (4_000, 10_000, 4)
    assert book.facts == [
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
    book = sheet(charged_with(invoice(), 4_000))

    outcome = given_up(book, charge(waived_on=TODAY))

    assert (outcome, book.facts, book.changed_invoices()) == (Status.UNCHANGED, [], [])


def test_a_paid_invoice_stays_paid_when_its_charge_is_given_up() -> None:
    paid = cover(charged_with(invoice(), 123), 10_000, on=date(2026, 2, 1))
    book = sheet(paid)

    given_up(book, charge())

    after = book.invoices["i1"]
    assert (after.status, after.settled_on, after.charges_open_minor) == (
        "paid",
        date(2026, 2, 1),
        0,
    )


@pytest.mark.parametrize(
    ("found", "before", "why", "slug"),
    [
        (None, invoice(), Why.UNKNOWN, "unknown-charge"),
        (charge(is_void=True), invoice(), Why.UNKNOWN, "unknown-charge"),
        (charge(), charged_with(invoice(), 122), Why.CONFLICT, "charge-paid"),
        (charge(), cancel(invoice(), on=TODAY)[0], Why.CONFLICT, "invoice-cancelled"),
        (charge(), write_off(invoice(), on=TODAY), Why.CONFLICT, "invoice-written-off"),
        (charge(), invoice("other"), Why.UNKNOWN, "unknown-invoice"),
    ],
)
def test_a_charge_that_is_not_owed_cannot_be_given_up(
    found: Charge | None, before: Invoice, why: Why, slug: str
) -> None:
    book = sheet(before)

    outcome = given_up(book, found)

    assert isinstance(outcome, Refusal)
    assert (outcome.why, outcome.slug) == (why, slug)
    assert (book.facts, book.changed_invoices()) == ([], [])

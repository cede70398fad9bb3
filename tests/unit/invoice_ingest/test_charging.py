from datetime import date
from typing import Any

import pytest

from invoice_ingest.domain.charging import Charge, ChargeError, post_charges
from invoice_ingest.domain.invoice import cancel, cover, write_off
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

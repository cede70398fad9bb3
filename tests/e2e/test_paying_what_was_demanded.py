"""Given a debtor who got a formal notice with interest and compensation,
when what was demanded is paid, principal and charges, in one sum and without a word,
then nothing is owed of that invoice, no money is left over that could hold back anything,
and the debtor's other invoice is dunned on; who pays the principal alone is dunned for it no more.
"""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.stack import Stack

POLICY: dict[str, Any] = {
    "name": "Formal notice, then hand-over; money without an invoice holds back",
    "country": "FR",
    "unmatched_receipts": "hold",
    "calendar": {
        "weekdays": ["mon", "tue", "wed", "thu", "fri"],
        "opens": "08:00",
        "closes": "20:00",
        "holidays": "observe",
    },
    "levels": [
        {
            "code": "formal_notice", "threshold_days": 10, "channels": ["email"],
            "template": "formal_notice", "charges": ["interest", "compensation"],
        },
        {"code": "hand_over", "threshold_days": 40, "gap_days": 10, "final": "agency"},
    ],
}  # fmt: skip
DEBTOR = {
    "name": "Boulangerie Petit", "kind": "business", "country": "FR",
    "contacts": {"emails": ["compta@petit.example"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def tenant(stack: Stack) -> str:
    """On 20 March: i-1 of d-1 and d-2 had its formal notice, i-2 of d-1 is due soon."""
    name = "demanded"
    stack.make_tenant(name, sandbox_starts_on=date(2026, 2, 1))
    stack.call("PUT", "engine", "/v1/policies/strict", name, POLICY)
    stack.call("PUT", "engine", "/v1/default-policy", name, {"policy_id": "strict"})
    for debtor_id in ("d-1", "d-2"):
        stack.call("PUT", "ingest", f"/v1/debtors/{debtor_id}", name, DEBTOR)
        invoice(stack, name, f"i-1-{debtor_id}", debtor_id, due_on="2026-03-05")
    invoice(stack, name, "i-2-d-1", "d-1", due_on="2026-03-25")
    walk(stack, name, "2026-03-20")
    return name


def invoice(stack: Stack, tenant: str, invoice_id: str, debtor_id: str, *, due_on: str) -> None:
    body = {
        "debtor_id": debtor_id, "issued_on": "2026-02-02", "due_on": due_on,
        "currency": "EUR", "amount": "1000.00",
    }  # fmt: skip
    stack.call("PUT", "ingest", f"/v1/invoices/{invoice_id}", tenant, body)


def walk(stack: Stack, tenant: str, day: str) -> None:
    path = "/v1/clock?wait_s=90"
    assert stack.call("POST", "engine", path, tenant, {"advance_to": day})["settled"]


def look(stack: Stack, tenant: str, invoice_id: str) -> dict[str, Any]:
    return stack.call("GET", "ingest", f"/v1/invoices/{invoice_id}", tenant)


def demanded(stack: Stack, tenant: str, invoice_id: str) -> Decimal:
    """Principal and charges, when the ledger has booked both charges."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        seen = look(stack, tenant, invoice_id)
        if len(seen["charges"]) == 2:
            return Decimal(seen["open"]) + Decimal(seen["charges_open"])
        time.sleep(0.1)
    raise AssertionError("the charges of the notice were not booked")


def pay(stack: Stack, tenant: str, payment_id: str, debtor_id: str, amount: Decimal) -> Any:
    body = {
        "debtor_id": debtor_id, "currency": "EUR", "amount": str(amount),
        "value_date": "2026-03-20",
    }  # fmt: skip
    return stack.call("PUT", "ingest", f"/v1/payments/{payment_id}", tenant, body)


def states(stack: Stack, tenant: str) -> dict[str, tuple[str, str]]:
    cases = stack.pages("engine", "/v1/cases", tenant)
    return {case["invoice_id"]: (case["state"], case["charges_open"]) for case in cases}


def test_who_pays_what_was_demanded_owes_nothing_and_is_dunned_for_the_next_invoice_alone(
    stack: Stack, tenant: str
) -> None:
    whole = demanded(stack, tenant, "i-1-d-1")
    principal = demanded(stack, tenant, "i-1-d-2") - Decimal(
        look(stack, tenant, "i-1-d-2")["charges_open"]
    )

    taken = pay(stack, tenant, "p-1", "d-1", whole)
    pay(stack, tenant, "p-2", "d-2", principal)
    walk(stack, tenant, "2026-04-20")

    assert whole > Decimal("1040.00")
    assert taken["unallocated"] == "0.00"
    paid = look(stack, tenant, "i-1-d-1")
    assert (paid["status"], paid["charges_open"]) == ("paid", "0.00")
    assert {charge["status"] for charge in paid["charges"]} == {"paid"}
    short = look(stack, tenant, "i-1-d-2")
    assert (short["status"], {charge["status"] for charge in short["charges"]}) == (
        "paid",
        {"open"},
    )
    served = {
        (level["invoice_id"], level["level"])
        for level in stack.pages("engine", "/v1/levels", tenant)
        if level["outcome"] == "served"
    }
    assert served == {
        ("i-1-d-1", "formal_notice"),
        ("i-1-d-2", "formal_notice"),
        ("i-2-d-1", "formal_notice"),
    }
    known = states(stack, tenant)
    assert known["i-1-d-1"] == ("closed", "0.00")
    assert known["i-1-d-2"] == ("closed", short["charges_open"])

"""What was demanded, principal and charges, is what a payment covers; and all of it can be undone."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from dunning_common.events.receivables import (
    ChargePaidV1,
    ChargePaymentUndoneV1,
    InvoiceState,
    UnallocatedCashChangedV1,
)
from invoice_ingest.entrypoints.consumers import apply_events
from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE, Ledger
from tests.integration.invoice_ingest.test_charges import assessed, consumed, hear

INTEREST, FIXED, FEE = (UUID(int=n) for n in (1, 2, 3))


def payment(amount: str, value_date: str = "2026-03-05", **changes: Any) -> dict[str, Any]:
    return {
        "debtor_id": "d1", "currency": "EUR", "amount": amount, "value_date": value_date,
    } | changes  # fmt: skip


def named(amount: str, invoice_id: str = "i1", **more: Any) -> dict[str, Any]:
    return {"allocations": [{"invoice_id": invoice_id, "amount": amount} | more]}


async def put(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.put(path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def look(client: httpx.AsyncClient, invoice_id: str = "i1") -> dict[str, Any]:
    return dict((await client.get(f"/v1/invoices/{invoice_id}")).json())


async def demand(ledger: Ledger, client: httpx.AsyncClient) -> None:
    """An invoice over 100.00 with charges of 46.23, assessed on 1 March."""
    await put(client, "/v1/invoices/i1", INVOICE)
    await hear(
        ledger,
        assessed(INTEREST, kind="interest", amount_minor=123),
        assessed(FIXED),
        assessed(FEE, kind="fee", amount_minor=500),
    )


async def told(ledger: Ledger, kind: Any) -> list[Any]:
    return [payload for _, payload in await ledger.events() if isinstance(payload, kind)]


def stands(seen: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {c["kind"]: (c["status"], c["paid"], c["open"]) for c in seen["charges"]}


async def test_a_payment_of_what_was_demanded_leaves_nothing_open_and_no_cash(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)

    taken = await put(acme, "/v1/payments/p1", payment("146.23"))
    again = await put(acme, "/v1/payments/p1", payment("146.23"))

    assert taken == {
        "id": "p1",
        "status": "created",
        "unallocated": "0.00",
        "allocations": [{"invoice_id": "i1", "amount": "100.00"}],
        "charges": [
            {"invoice_id": "i1", "charge_id": str(INTEREST), "kind": "interest", "amount": "1.23"},
            {"invoice_id": "i1", "charge_id": str(FIXED), "kind": "compensation", "amount": "40.00"},
            {"invoice_id": "i1", "charge_id": str(FEE), "kind": "fee", "amount": "5.00"},
        ],
    }  # fmt: skip
    assert again == taken | {"status": "unchanged"}
    seen = await look(acme)
    assert (seen["status"], seen["open"], seen["charges_open"]) == ("paid", "0.00", "0.00")
    assert {c["status"] for c in seen["charges"]} == {"paid"}
    assert await told(ledger, UnallocatedCashChangedV1) == []
    paid = await told(ledger, ChargePaidV1)
    assert [(p.kind, p.amount_minor, p.charge_open_minor) for p in paid] == [
        ("interest", 123, 0),
        ("compensation", 4_000, 0),
        ("fee", 500, 0),
    ]
    assert [p.invoice.charges_open_minor for p in paid] == [4_500, 500, 0]
    assert {p.effective_on for p in paid} == {date(2026, 3, 5)}
    await ledger.money_is_conserved()


async def test_an_erp_that_allocates_the_principal_alone_leaves_the_rest_to_the_charges(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    await put(acme, "/v1/invoices/i2", INVOICE)

    taken = await put(acme, "/v1/payments/p1", payment("150.00", **named("100.00")))

    assert taken["unallocated"] == "3.77"
    assert (await look(acme))["charges_open"] == "0.00"
    assert (await look(acme, "i2"))["open"] == "100.00"
    await ledger.money_is_conserved()


async def test_a_payment_of_the_principal_settles_it_and_the_charges_stay_to_be_seen(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    await put(acme, "/v1/invoices/i2", INVOICE)

    await put(acme, "/v1/payments/p1", payment("100.00", **named("100.00")))
    await put(acme, "/v1/payments/p2", payment("10.00", **named("10.00")))

    seen = await look(acme)
    assert (seen["status"], seen["charges_open"]) == ("paid", "36.23")
    assert stands(seen) == {
        "interest": ("paid", "1.23", "0.00"),
        "compensation": ("open", "8.77", "31.23"),
        "fee": ("open", "0.00", "5.00"),
    }
    [fixed] = [c for c in seen["charges"] if c["kind"] == "compensation"]
    assert fixed["payments"] == [
        {
            "payment_id": "p2", "amount": "8.77", "booked": "8.77",
            "effective_on": "2026-03-05", "reversed_on": None,
        }
    ]  # fmt: skip
    owing = (await acme.get("/v1/invoices", params={"charges_open": True})).json()["items"]
    clear = (await acme.get("/v1/invoices", params={"charges_open": False})).json()["items"]
    assert ([i["invoice_id"] for i in owing], [i["invoice_id"] for i in clear]) == (["i1"], ["i2"])


async def test_a_bounced_payment_is_owed_again_with_its_charges(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    await put(acme, "/v1/payments/p1", payment("150.00"))

    await acme.post(
        "/v1/payments/p1/reverse", json={"reason": "chargeback", "effective_on": "2026-03-09"}
    )

    seen = await look(acme)
    assert (seen["status"], seen["open"], seen["charges_open"]) == ("open", "100.00", "46.23")
    assert {c["payments"][0]["reversed_on"] for c in seen["charges"]} == {"2026-03-09"}
    undone = await told(ledger, ChargePaymentUndoneV1)
    assert {(p.cause, p.reason, p.covered_on) for p in undone} == {
        ("payment_reversed", "chargeback", date(2026, 3, 5))
    }
    assert undone[-1].invoice.charges_open_minor == 4_623
    shown = (await acme.get("/v1/payments/p1")).json()
    assert (shown["charges"], shown["unallocated"]) == ([], "0.00")
    await ledger.money_is_conserved()


async def test_a_payment_that_covered_charges_alone_bounces_too(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    await put(acme, "/v1/payments/p1", payment("100.00"))
    await put(acme, "/v1/payments/p2", payment("46.23"))

    await acme.post("/v1/payments/p2/reverse", json={"reason": "bounced"})

    seen = await look(acme)
    assert (seen["status"], seen["charges_open"]) == ("paid", "46.23")
    await ledger.money_is_conserved()


async def test_a_charge_that_is_given_up_after_it_was_paid_frees_its_money(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    await put(acme, "/v1/payments/p1", payment("143.00"))
    path = f"/v1/invoices/i1/charges/{FEE}/waive"

    part = await acme.post(path, json={"reason": "the rest", "open_part_only": True})
    seen = await look(acme)
    whole = await acme.post(path, json={"reason": "all of it"})

    assert (part.json()["status"], part.json()["charges_open"]) == ("updated", "0.00")
    assert stands(seen)["fee"] == ("waived", "1.77", "0.00")
    assert whole.json()["status"] == "updated"
    [fee] = [c for c in (await look(acme))["charges"] if c["kind"] == "fee"]
    assert (fee["status"], fee["paid"], fee["given_up"]) == ("waived", "0.00", "5.00")
    assert (await acme.get("/v1/payments/p1")).json()["unallocated"] == "1.77"
    [undone] = await told(ledger, ChargePaymentUndoneV1)
    assert (undone.cause, undone.amount_minor, undone.charge_open_minor) == (
        "charge_waived",
        177,
        177,
    )
    await ledger.money_is_conserved()


async def test_a_cancelled_invoice_gives_back_all_and_a_written_off_one_keeps_what_was_paid(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    await put(acme, "/v1/payments/p1", payment("120.00"))
    await put(acme, "/v1/invoices/i2", INVOICE)
    await hear(ledger, assessed(invoice_id="i2", kind="fee", amount_minor=500))
    await put(acme, "/v1/payments/p2", payment("2.00", **named("2.00", "i2", covers="charges")))

    await acme.post("/v1/invoices/i1/cancel", json={"reason": "mistake"})
    await acme.post("/v1/invoices/i2/write-off", json={"reason": "insolvent"})

    cancelled, written_off = await look(acme), await look(acme, "i2")
    assert {c["status"] for c in cancelled["charges"]} == {"cancelled"}
    assert (await acme.get("/v1/payments/p1")).json()["unallocated"] == "120.00"
    [fee] = written_off["charges"]
    assert (fee["status"], fee["paid"], fee["given_up"]) == ("written_off", "2.00", "3.00")
    await ledger.money_is_conserved()


async def test_a_charge_that_is_told_after_its_payment_is_covered_by_it(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)
    await put(acme, "/v1/payments/p1", payment("140.00", **named("100.00")))
    await put(acme, "/v1/payments/p0", payment("9.00", allocations=[]))

    await hear(ledger, assessed(FIXED), assessed(FIXED))

    seen = await look(acme)
    assert (seen["status"], seen["charges_open"]) == ("paid", "0.00")
    cash = await told(ledger, UnallocatedCashChangedV1)
    assert [p.unallocated_minor for p in cash] == [4_000, 4_900, 900]
    await ledger.money_is_conserved()


async def test_charges_of_many_tenants_in_one_batch_take_each_tenants_own_money(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    other = Ledger(house=ledger.house, name=f"{ledger.name}-other")
    client = await other.registered()
    await put(client, "/v1/debtors/d1", DEBTOR)
    for each, amount in ((acme, "140.00"), (client, "100.00")):
        await put(each, "/v1/invoices/i1", INVOICE)
        await put(each, "/v1/payments/p1", payment(amount))

    apply = apply_events(ledger.house.desk)
    async with ledger.house.db.worker() as connection:
        await apply(connection, [consumed(of, assessed(FIXED)) for of in (ledger, other)])

    assert [(await look(each))["charges_open"] for each in (acme, client)] == ["0.00", "40.00"]
    await ledger.money_is_conserved()
    await other.money_is_conserved()
    await client.aclose()


async def test_a_charge_and_a_payment_at_the_same_moment_end_the_same_way(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    ids = [f"i{n}" for n in range(12)]
    for invoice_id in ids:
        await put(acme, f"/v1/invoices/{invoice_id}", INVOICE)

    await asyncio.gather(
        *(hear(ledger, assessed(invoice_id=i)) for i in ids),
        *(put(acme, f"/v1/payments/p-{i}", payment("140.00", **named("140.00", i))) for i in ids),
    )

    seen = [await look(acme, invoice_id) for invoice_id in ids]
    assert {(i["status"], i["charges_open"]) for i in seen} == {("paid", "0.00")}
    await ledger.money_is_conserved()


async def test_the_database_itself_refuses_a_credit_note_on_a_charge(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    note = {"debtor_id": "d1", "currency": "EUR", "amount": "146.23", "issued_on": "2026-03-05"}

    taken = await put(acme, "/v1/credit-notes/n1", note)

    assert (taken["unallocated"], taken["charges"]) == ("46.23", [])
    with pytest.raises(asyncpg.CheckViolationError):
        await ledger.rows(
            "INSERT INTO charge_cover (tenant, kind, credit_id, charge_id, invoice_id, booked_minor,"
            " amount_minor, effective_on) SELECT tenant, 'credit_note', 'n1', charge_id, invoice_id,"
            " 1, 1, assessed_on FROM charge LIMIT 1"
        )


async def test_the_tenant_chooses_what_money_covers_first(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    path = f"/v1/tenants/{ledger.name}/payment-order"
    before = (await acme.get(path)).json()
    chosen = await put(acme, path, {"automatic": "by_law"})
    again = await put(acme, path, {"automatic": "by_law"})
    await demand(ledger, acme)
    await put(acme, "/v1/invoices/i2", INVOICE)

    await put(acme, "/v1/payments/p1", payment("60.00"))
    await put(acme, "/v1/payments/p2", payment("60.00", **named("60.00")))

    assert (before["automatic"], before["allocated"]) == ("principal_first", "principal_first")
    assert (chosen["status"], again["status"]) == ("updated", "unchanged")
    seen = await look(acme)
    assert (seen["open"], seen["charges_open"]) == ("26.23", "0.00")
    orders = [(await acme.get(f"/v1/payments/{i}")).json()["payment_order"] for i in ("p1", "p2")]
    assert orders == ["interest_costs_principal", "principal_first"]
    after = (await acme.get(path)).json()
    assert after["automatic"] == "by_law"
    [germany] = [law for law in after["laws"] if law["country"] == "DE"]
    assert germany == {
        "country": "DE",
        "order": "costs_interest_principal",
        "covers": ["fee", "compensation", "interest", "principal"],
        "source": "BGB § 367 (1)",
    }


async def test_the_payment_order_is_the_tenants_own(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    path = f"/v1/tenants/{ledger.name}/payment-order"
    stranger = await ledger.registered(f"{ledger.name}-x")

    answers = [
        await acme.put(path, json={"automatic": "whatever"}),
        await stranger.put(path, json={"automatic": "by_law"}),
        await ledger.client("*").put("/v1/tenants/nobody/payment-order", json={}),
        await ledger.client("*").get("/v1/tenants/nobody/payment-order"),
        await ledger.client(scopes=["tenants:read"]).put(path, json={}),
    ]

    assert [a.status_code for a in answers] == [422, 403, 404, 404, 403]
    assert (await acme.get(path)).json()["automatic"] == "principal_first"


async def test_registering_a_tenant_again_keeps_its_payment_order(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    path = f"/v1/tenants/{ledger.name}/payment-order"
    await put(acme, path, {"automatic": "by_law", "allocated": "by_law"})

    await ledger.registered(name="Atelier Dubois & Fils")

    seen = (await acme.get(path)).json()
    assert (seen["automatic"], seen["allocated"]) == ("by_law", "by_law")


async def test_a_payment_sent_again_with_another_designation_is_another_payment(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    body = payment("100.00", **named("100.00", covers="charges"))

    first = await put(acme, "/v1/payments/p1", body)
    again = await put(acme, "/v1/payments/p1", body)
    other = await acme.put("/v1/payments/p1", json=payment("100.00", **named("100.00")))

    assert (first["unallocated"], again["status"]) == ("53.77", "unchanged")
    assert [e["pointer"] for e in other.json()["errors"]] == ["/allocations"]
    assert (await look(acme))["open"] == "100.00"


async def test_bulk_payments_cover_charges_in_order(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    items = [payment("70.00") | {"payment_id": f"p{n}"} for n in range(3)]

    answer = await acme.post("/v1/bulk/payments", json=items)

    assert answer.json()["summary"]["created"] == 3
    rests = [(await acme.get(f"/v1/payments/p{n}")).json()["unallocated"] for n in range(3)]
    assert rests == ["0.00", "0.00", "63.77"]
    await ledger.money_is_conserved()


async def test_the_state_in_each_event_is_the_one_that_the_ledger_shows(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await demand(ledger, acme)
    await put(acme, "/v1/payments/p1", payment("120.00"))
    await acme.post("/v1/payments/p1/reverse", json={"reason": "bounced"})

    states: list[InvoiceState] = [
        payload.invoice for _, payload in await ledger.events() if hasattr(payload, "invoice")
    ]

    assert [state.version for state in states] == list(range(1, len(states) + 1))
    seen = await look(acme)
    assert (states[-1].version, states[-1].charges_open_minor) == (seen["version"], 4_623)

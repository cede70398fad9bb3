from typing import Any

import httpx

from dunning_common.events.receivables import (
    CreditNoteAllocatedV1,
    InvoiceAmendedV1,
    InvoiceCancelledV1,
    InvoiceWrittenOffV1,
    PaymentAllocatedV1,
    PaymentReversedV1,
    UnallocatedCashChangedV1,
)
from tests.integration.invoice_ingest.conftest import INVOICE, Ledger


def payment(amount: str, value_date: str = "2026-02-05", **more: Any) -> dict[str, Any]:
    return {
        "debtor_id": "d1", "currency": "EUR", "amount": amount, "value_date": value_date,
    } | more  # fmt: skip


async def put(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.put(path, json=body)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def look(client: httpx.AsyncClient, invoice_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/invoices/{invoice_id}")).json()
    return found


async def test_any_client_may_resend_anything(acme: httpx.AsyncClient, ledger: Ledger) -> None:
    statuses = [
        (await put(acme, "/v1/invoices/i1", INVOICE | changes))["status"]
        for changes in (
            {"revision": 2},
            {"revision": 2},
            {"revision": 1, "amount": "5.00"},
            {"revision": 3, "amount": "120.00"},
            {"revision": 3, "amount": "120.00"},
        )
    ]

    assert statuses == ["created", "unchanged", "stale", "updated", "unchanged"]
    seen = await look(acme, "i1")
    assert (seen["amount"], seen["revision"], seen["version"]) == ("120.00", 3, 2)
    assert (await ledger.types())[1:3] == ["InvoiceIssuedV1", "InvoiceAmendedV1"]


async def test_without_revisions_the_last_one_sent_wins(acme: httpx.AsyncClient) -> None:
    first = await put(acme, "/v1/invoices/i1", INVOICE)
    same = await put(acme, "/v1/invoices/i1", INVOICE)
    other = await put(acme, "/v1/invoices/i1", INVOICE | {"due_on": "2026-02-28"})

    assert [a["status"] for a in (first, same, other)] == ["created", "unchanged", "updated"]
    assert (await look(acme, "i1"))["revision"] == 2


async def test_an_amendment_without_a_date_is_effective_today_where_the_tenant_is(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)
    await put(acme, "/v1/invoices/i1", INVOICE | {"amount": "90.00"})

    amended = [p for _, p in await ledger.events() if isinstance(p, InvoiceAmendedV1)]

    assert str(amended[0].effective_on) == "2026-03-16"


async def test_partial_payments_settle_an_invoice_on_the_last_value_date(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)

    first = await put(acme, "/v1/payments/p1", payment("40.00"))
    second = await put(acme, "/v1/payments/p2", payment("60.00", "2026-02-09"))

    assert first["allocations"] == [{"invoice_id": "i1", "amount": "40.00"}]
    assert second["unallocated"] == "0.00"
    seen = await look(acme, "i1")
    assert (seen["status"], seen["settled_on"], seen["version"]) == ("paid", "2026-02-09", 3)
    told = [p for _, p in await ledger.events() if isinstance(p, PaymentAllocatedV1)]
    assert [(p.payment_id, p.amount_minor, p.invoice.open_minor) for p in told] == [
        ("p1", 4_000, 6_000),
        ("p2", 6_000, 0),
    ]
    await ledger.money_is_conserved()


async def test_one_payment_covers_many_invoices_oldest_due_first(acme: httpx.AsyncClient) -> None:
    await put(acme, "/v1/invoices/new", INVOICE | {"due_on": "2026-03-01"})
    await put(acme, "/v1/invoices/old", INVOICE)

    taken = await put(acme, "/v1/payments/p1", payment("150.00"))

    assert taken["allocations"] == [
        {"invoice_id": "new", "amount": "50.00"},
        {"invoice_id": "old", "amount": "100.00"},
    ]


async def test_the_erp_says_what_a_payment_is_for(acme: httpx.AsyncClient, ledger: Ledger) -> None:
    for invoice_id in ("i1", "i2"):
        await put(acme, f"/v1/invoices/{invoice_id}", INVOICE)

    body = payment(
        "130.00",
        allocations=[
            {"invoice_id": "i2", "amount": "100.00"},
            {"invoice_id": "i1", "amount": "10.00"},
        ],
    )
    taken = await put(acme, "/v1/payments/p1", body)
    again = await put(acme, "/v1/payments/p1", body)

    assert taken["unallocated"] == again["unallocated"] == "20.00"
    assert taken["allocations"] == again["allocations"]
    assert again["status"] == "unchanged"
    assert [(await look(acme, i))["open"] for i in ("i1", "i2")] == ["90.00", "0.00"]
    await ledger.money_is_conserved()


async def test_money_on_account_covers_nothing_when_the_erp_says_so(
    acme: httpx.AsyncClient,
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)

    taken = await put(acme, "/v1/payments/p1", payment("30.00", allocations=[]))

    assert (taken["unallocated"], taken["allocations"]) == ("30.00", [])


async def test_an_overpayment_is_unallocated_cash(acme: httpx.AsyncClient, ledger: Ledger) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)

    taken = await put(acme, "/v1/payments/p1", payment("110.00"))

    assert taken["unallocated"] == "10.00"
    cash = [p for _, p in await ledger.events() if isinstance(p, UnallocatedCashChangedV1)]
    assert [p.unallocated_minor for p in cash] == [1_000]
    balances = (await acme.get("/v1/debtors/d1")).json()["balances"]
    assert balances == [
        {"currency": "EUR", "open": "0.00", "charges_open": "0.00", "unallocated": "10.00"}
    ]


async def test_a_payment_never_changes(acme: httpx.AsyncClient) -> None:
    await put(acme, "/v1/payments/p1", payment("10.00"))

    answer = await acme.put("/v1/payments/p1", json=payment("11.00"))

    assert answer.status_code == 409
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/amount"]


async def test_another_debtors_invoice_is_refused_at_the_field(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE | {"debtor_id": "d2"})

    answer = await acme.put(
        "/v1/payments/p1",
        json=payment("10.00", allocations=[{"invoice_id": "i1", "amount": "10.00"}]),
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/allocations/0/invoice_id"
    assert await ledger.rows("SELECT 1 FROM credit") == []


async def test_a_reversed_payment_is_owed_again(acme: httpx.AsyncClient, ledger: Ledger) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)
    await put(acme, "/v1/payments/p1", payment("110.00"))

    answer = await acme.post(
        "/v1/payments/p1/reverse", json={"reason": "chargeback", "effective_on": "2026-02-20"}
    )
    again = await acme.post("/v1/payments/p1/reverse", json={"reason": "chargeback"})

    assert [a.json()["status"] for a in (answer, again)] == ["updated", "unchanged"]
    seen = await look(acme, "i1")
    assert (seen["status"], seen["open"], seen["settled_on"]) == ("open", "100.00", None)
    assert seen["allocations"][0]["reversed_on"] == "2026-02-20"
    [reversal] = [p for _, p in await ledger.events() if isinstance(p, PaymentReversedV1)]
    assert (reversal.amount_minor, reversal.reason) == (10_000, "chargeback")
    assert (await ledger.types())[-2:] != ["PaymentReversedV1", "PaymentReversedV1"]
    await ledger.money_is_conserved()


async def test_a_credit_note_reduces_its_invoice(acme: httpx.AsyncClient, ledger: Ledger) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)
    note = {"debtor_id": "d1", "currency": "EUR", "amount": "25.00", "issued_on": "2026-01-15"}

    taken = await put(acme, "/v1/credit-notes/n1", note | {"invoice_id": "i1"})

    assert taken["allocations"] == [{"invoice_id": "i1", "amount": "25.00"}]
    [told] = [p for _, p in await ledger.events() if isinstance(p, CreditNoteAllocatedV1)]
    assert (told.credit_note_id, told.invoice.open_minor) == ("n1", 7_500)
    assert (await acme.get("/v1/credit-notes/n1")).json()["amount"] == "25.00"


async def test_lowering_a_paid_invoice_frees_the_surplus(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)
    await put(acme, "/v1/payments/p1", payment("100.00"))

    await put(acme, "/v1/invoices/i1", INVOICE | {"amount": "80.00"})

    seen = await look(acme, "i1")
    assert (seen["status"], seen["allocations"][0]["amount"]) == ("paid", "80.00")
    assert (await acme.get("/v1/payments/p1")).json()["unallocated"] == "20.00"
    await ledger.money_is_conserved()


async def test_a_cancelled_invoice_gives_the_money_back(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)
    await put(acme, "/v1/payments/p1", payment("60.00"))

    answer = await acme.post("/v1/invoices/i1/cancel", json={"reason": "wrong customer"})

    assert answer.json()["invoice_status"] == "cancelled"
    [told] = [p for _, p in await ledger.events() if isinstance(p, InvoiceCancelledV1)]
    assert (told.invoice.open_minor, told.reason) == (0, "wrong customer")
    assert (await acme.get("/v1/payments/p1")).json()["unallocated"] == "60.00"
    await ledger.money_is_conserved()


async def test_a_write_off_closes_what_is_open(acme: httpx.AsyncClient, ledger: Ledger) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)
    await put(acme, "/v1/payments/p1", payment("60.00"))

    answer = await acme.post(
        "/v1/invoices/i1/write-off", json={"reason": "insolvent", "effective_on": "2026-03-01"}
    )

    assert answer.json()["invoice_status"] == "written_off"
    [told] = [p for _, p in await ledger.events() if isinstance(p, InvoiceWrittenOffV1)]
    assert (told.amount_minor, str(told.effective_on)) == (4_000, "2026-03-01")


async def test_a_zero_amount_invoice_is_paid_at_once(acme: httpx.AsyncClient) -> None:
    taken = await put(acme, "/v1/invoices/i1", INVOICE | {"amount": "0.00"})

    assert taken["invoice_status"] == "paid"
    assert (await look(acme, "i1"))["settled_on"] == "2026-01-01"


async def test_money_that_came_before_its_invoice_covers_it_when_asked(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await put(acme, "/v1/payments/p1", payment("70.00"))
    await put(acme, "/v1/payments/p2", payment("60.00"))
    await put(acme, "/v1/invoices/i1", INVOICE)
    await put(acme, "/v1/invoices/i2", INVOICE | {"debtor_id": "d2"})
    assert (await look(acme, "i1"))["open"] == "100.00"

    answer = await acme.post("/v1/debtors/d1/allocate-cash", json={"effective_on": "2026-02-10"})
    again = await acme.post("/v1/debtors/d1/allocate-cash", json={})
    unknown = await acme.post("/v1/debtors/nobody/allocate-cash", json={})

    assert answer.json() == {"id": "d1", "status": "updated", "invoices": ["i1"]}
    assert (again.json()["status"], unknown.status_code) == ("unchanged", 404)
    seen = await look(acme, "i1")
    assert (seen["status"], seen["settled_on"]) == ("paid", "2026-02-10")
    assert (await acme.get("/v1/payments/p2")).json()["unallocated"] == "30.00"
    await ledger.money_is_conserved()


async def test_a_credit_may_cover_an_invoice_in_two_steps(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE | {"amount": "60.00"})
    await put(acme, "/v1/payments/p1", payment("100.00"))
    await put(acme, "/v1/invoices/i1", INVOICE | {"amount": "90.00"})

    await acme.post("/v1/debtors/d1/allocate-cash", json={})

    seen = await look(acme, "i1")
    assert (seen["status"], seen["allocations"][0]["amount"]) == ("paid", "90.00")
    await ledger.money_is_conserved()
    await acme.post("/v1/payments/p1/reverse", json={"reason": "bounced"})
    assert (await look(acme, "i1"))["open"] == "90.00"
    await ledger.money_is_conserved()


async def test_currencies_have_their_own_decimals(acme: httpx.AsyncClient) -> None:
    await put(acme, "/v1/invoices/yen", INVOICE | {"currency": "JPY", "amount": "1500"})
    await put(acme, "/v1/invoices/dinar", INVOICE | {"currency": "KWD", "amount": "1.234"})

    assert (await look(acme, "yen"))["open"] == "1500"
    assert (await look(acme, "dinar"))["open"] == "1.234"


async def test_invoices_are_listed_by_debtor_and_status_page_by_page(
    acme: httpx.AsyncClient,
) -> None:
    for number in range(5):
        await put(acme, f"/v1/invoices/i{number}", INVOICE)
    await put(acme, "/v1/invoices/other", INVOICE | {"debtor_id": "d2"})
    await put(acme, "/v1/payments/p1", payment("100.00"))

    params: dict[str, Any] = {"debtor_id": "d1", "status": "open", "limit": 3}
    first = (await acme.get("/v1/invoices", params=params)).json()
    second = (
        await acme.get("/v1/invoices", params=params | {"cursor": first["next_cursor"]})
    ).json()

    assert [i["invoice_id"] for i in first["items"] + second["items"]] == ["i1", "i2", "i3", "i4"]
    assert second["next_cursor"] is None


async def test_events_of_an_account_are_in_one_stream_in_order(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await put(acme, "/v1/invoices/i1", INVOICE)
    await put(acme, "/v1/payments/p1", payment("110.00"))
    await acme.post("/v1/payments/p1/reverse", json={"reason": "bounced"})

    events = [e for e, _ in await ledger.events() if e.key == f"{ledger.name}:d1"]

    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    assert [e.type for e in events] == [
        "DebtorTermsChangedV1",
        "InvoiceIssuedV1",
        "PaymentAllocatedV1",
        "UnallocatedCashChangedV1",
        "PaymentReversedV1",
        "UnallocatedCashChangedV1",
    ]

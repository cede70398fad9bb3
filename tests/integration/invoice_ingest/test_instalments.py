from typing import Any

import httpx
import pytest

from dunning_common.events.receivables import InvoiceIssuedV1
from tests.integration.invoice_ingest.conftest import INVOICE, Ledger, ndjson

DATES = ("2026-01-31", "2026-02-28", "2026-03-31")
PAYMENT = {"debtor_id": "d1", "currency": "EUR", "value_date": "2026-03-01"}
CLOSING = {"reason": "agreed"}


def plan(*amounts: str) -> list[dict[str, str]]:
    return [
        {"due_on": day, "amount": amount}
        for day, amount in zip(DATES[: len(amounts)], amounts, strict=True)
    ]


THIRDS: dict[str, Any] = INVOICE | {
    "due_on": DATES[-1],
    "instalments": plan("30.00", "30.00", "40.00"),
}


async def put(client: httpx.AsyncClient, invoice_id: str = "i1", **changes: Any) -> Any:
    return await client.put(f"/v1/invoices/{invoice_id}", json=THIRDS | changes)


async def taken(
    client: httpx.AsyncClient, invoice_id: str = "i1", **changes: Any
) -> dict[str, Any]:
    answer = await put(client, invoice_id, **changes)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def shown(client: httpx.AsyncClient, invoice_id: str = "i1") -> dict[str, Any]:
    answer = await client.get(f"/v1/invoices/{invoice_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def pay(client: httpx.AsyncClient, payment_id: str, amount: str, *named: str) -> None:
    parts = [{"invoice_id": invoice_id, "amount": amount} for invoice_id in named]
    answer = await client.put(
        f"/v1/payments/{payment_id}", json=PAYMENT | {"amount": amount, "allocations": parts}
    )
    assert answer.status_code == 200, answer.text


def problem(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return (
        answer.status_code,
        body["type"].removeprefix("urn:dunning:problem:"),
        [error["pointer"] for error in body["errors"]],
    )


async def test_each_instalment_is_an_invoice_with_its_own_date(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    answer = await taken(acme, number="FA-7")

    assert (answer["status"], answer["open"]) == ("created", "100.00")
    issued = [p.invoice for _, p in await ledger.events() if isinstance(p, InvoiceIssuedV1)]
    assert [(i.invoice_id, i.number, i.due_on.isoformat(), i.amount_minor) for i in issued] == [
        ("i1~1", "FA-7 (1/3)", DATES[0], 3000),
        ("i1~2", "FA-7 (2/3)", DATES[1], 3000),
        ("i1~3", "FA-7 (3/3)", DATES[2], 4000),
    ]
    whole = await shown(acme)
    assert (whole["number"], whole["amount"], whole["due_on"]) == ("FA-7", "100.00", DATES[-1])
    assert [i["due_on"] for i in whole["instalments"]] == list(DATES)
    assert (await shown(acme, "i1~2"))["document_id"] == "i1"


async def test_the_due_date_of_the_document_may_be_left_out(acme: httpx.AsyncClient) -> None:
    body = {key: value for key, value in THIRDS.items() if key != "due_on"}

    answer = await acme.put("/v1/invoices/i1", json=body)

    assert answer.status_code == 200, answer.text
    assert (await shown(acme))["due_on"] == DATES[-1]
    assert (await taken(acme))["status"] == "unchanged"


async def test_a_payment_by_document_id_covers_the_oldest_first(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await taken(acme)

    await pay(acme, "p1", "45.00", "i1")

    whole = await shown(acme)
    assert [i["open"] for i in whole["instalments"]] == ["0.00", "15.00", "40.00"]
    assert (whole["open"], whole["status"]) == ("55.00", "open")
    assert [(a["id"], a["amount"]) for a in whole["allocations"]] == [
        ("p1", "30.00"),
        ("p1", "15.00"),
    ]
    await pay(acme, "p1", "45.00", "i1")  # sent again
    await pay(acme, "p2", "60.00", "i1")
    whole = await shown(acme)
    assert (whole["open"], whole["status"], whole["settled_on"]) == ("0.00", "paid", "2026-03-01")
    reversal = await acme.post("/v1/payments/p2/reverse", json=CLOSING)
    assert reversal.status_code == 200
    assert (await shown(acme))["open"] == "55.00"
    await ledger.money_is_conserved()


async def test_a_credit_note_by_document_id_covers_the_oldest_first(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await taken(acme)

    note = {"debtor_id": "d1", "currency": "EUR", "amount": "35.00", "issued_on": "2026-02-01"}
    answer = await acme.put("/v1/credit-notes/n1", json=note | {"invoice_id": "i1"})

    assert answer.status_code == 200, answer.text
    assert [i["open"] for i in (await shown(acme))["instalments"]] == ["0.00", "25.00", "40.00"]
    await ledger.money_is_conserved()


async def test_money_for_the_document_never_comes_from_another_debtor(
    acme: httpx.AsyncClient,
) -> None:
    await taken(acme)

    answer = await acme.put(
        "/v1/payments/p1",
        json=PAYMENT
        | {
            "debtor_id": "d2",
            "amount": "1.00",
            "allocations": [{"invoice_id": "i1", "amount": "1.00"}],
        },
    )

    assert problem(answer) == (422, "invalid-request", ["/allocations/0/invoice_id"])


async def test_cancelling_the_document_cancels_every_instalment(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await taken(acme)
    await pay(acme, "p1", "45.00", "i1")

    answer = await acme.post("/v1/invoices/i1/cancel", json=CLOSING)

    assert (answer.json()["status"], answer.json()["invoice_status"]) == ("updated", "cancelled")
    whole = await shown(acme)
    assert {i["status"] for i in whole["instalments"]} == {"cancelled"}
    debtor = (await acme.get("/v1/debtors/d1")).json()
    assert debtor["balances"][0]["unallocated"] == "45.00"
    again = await acme.post("/v1/invoices/i1/cancel", json=CLOSING)
    assert again.json()["status"] == "unchanged"
    assert problem(await put(acme, revision=9))[:2] == (409, "invoice-cancelled")
    await ledger.money_is_conserved()


async def test_writing_the_document_off_gives_up_what_is_open_of_it(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await taken(acme)
    await pay(acme, "p1", "45.00", "i1")

    answer = await acme.post("/v1/invoices/i1/write-off", json=CLOSING)

    assert (answer.json()["status"], answer.json()["open"]) == ("updated", "0.00")
    statuses = [i["status"] for i in (await shown(acme))["instalments"]]
    assert statuses == ["paid", "written_off", "written_off"]
    again = await acme.post("/v1/invoices/i1/write-off", json=CLOSING)
    assert again.json()["status"] == "unchanged"
    await ledger.money_is_conserved()


async def test_a_paid_document_has_nothing_to_write_off(acme: httpx.AsyncClient) -> None:
    await taken(acme)
    await pay(acme, "p1", "100.00", "i1")

    answer = await acme.post("/v1/invoices/i1/write-off", json=CLOSING)

    assert answer.json()["type"].endswith("invoice-paid")


async def test_a_revision_replaces_the_plan_and_an_older_one_is_stale(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await taken(acme, revision=2)

    assert (await taken(acme, revision=2))["status"] == "unchanged"
    assert (await taken(acme, revision=1))["status"] == "stale"
    assert problem(await put(acme, revision=2, tags=["a"])) == (
        409, "revision-conflict", ["/revision"],
    )  # fmt: skip
    halves = {"due_on": DATES[1], "instalments": plan("50.00", "50.00")}
    assert (await taken(acme, revision=3, **halves))["status"] == "updated"
    assert [i["number"] for i in (await shown(acme))["instalments"]] == ["i1 (1/2)", "i1 (2/2)"]
    assert (await shown(acme, "i1~3"))["status"] == "cancelled"
    assert (await taken(acme, revision=4))["status"] == "updated"
    ids = [i["invoice_id"] for i in (await shown(acme))["instalments"]]
    assert ids == ["i1~1", "i1~2", "i1~4"]
    assert (await shown(acme))["amount"] == "100.00"
    await ledger.money_is_conserved()


async def test_without_revisions_the_last_plan_wins(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await taken(acme)

    changed = await taken(acme, instalments=plan("20.00", "20.00", "60.00"))

    assert changed["status"] == "updated"
    assert [i["amount"] for i in (await shown(acme))["instalments"]] == ["20.00", "20.00", "60.00"]
    assert (await taken(acme))["status"] == "updated"
    await ledger.money_is_conserved()


async def test_an_instalment_that_was_paid_cannot_leave_the_plan(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await taken(acme)
    await pay(acme, "p1", "5.00", "i1~3")

    answer = await put(acme, due_on=DATES[1], instalments=plan("50.00", "50.00"))

    assert problem(answer) == (409, "instalment-paid", ["/instalments"])
    assert len((await shown(acme))["instalments"]) == 3
    await ledger.money_is_conserved()


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"instalments": plan("30.00", "0.00", "70.00")}, ["/instalments/1/amount"]),
        ({"instalments": plan("30.00", "1.005", "70.00")}, ["/instalments/1/amount"]),
        ({"instalments": plan("30.00", "30.00", "30.00")}, ["/instalments"]),
        ({"instalments": plan("100.00")}, ["/instalments"]),
        ({"instalments": []}, ["/instalments"]),
        ({"instalments": [THIRDS["instalments"][0]] * 61}, ["/instalments"]),
        ({"instalments": plan("1.00", "2.00", "97.00")[::-1]}, [
            "/instalments/1/due_on", "/instalments/2/due_on", "/due_on",
        ]),
        ({"issued_on": "2026-02-01"}, ["/instalments/0/due_on"]),
        ({"due_on": DATES[0]}, ["/due_on"]),
        ({"instalments": None, "due_on": None}, ["/due_on"]),
        ({"instalments": [{"due_on": DATES[0]}, {"amount": "1"}]}, [
            "/instalments/0/amount", "/instalments/1/due_on",
        ]),
        ({"debtor_id": "nobody"}, ["/debtor_id"]),
    ],
)  # fmt: skip
async def test_a_plan_that_does_not_fit_is_refused_where_it_is_wrong(
    acme: httpx.AsyncClient, ledger: Ledger, changes: dict[str, Any], pointers: list[str]
) -> None:
    assert problem(await put(acme, **changes)) == (422, "invalid-request", pointers)
    assert await ledger.rows("SELECT 1 FROM invoice") == []


async def test_an_invoice_keeps_its_shape(acme: httpx.AsyncClient) -> None:
    await taken(acme)
    await taken(acme, invoice_id="i2", instalments=None)

    plain = await put(acme, instalments=None)
    parted = await put(acme, "i2")

    assert problem(plain) == (409, "invoice-has-instalments", ["/instalments"])
    assert problem(parted) == (409, "invoice-without-instalments", ["/instalments"])


async def test_an_instalment_changes_through_its_document_only(acme: httpx.AsyncClient) -> None:
    await taken(acme)

    sent = await put(acme, "i1~2", instalments=None)
    cancelled = await acme.post("/v1/invoices/i1~2/cancel", json=CLOSING)

    assert problem(sent) == (409, "instalment-of-document", ["/invoice_id"])
    assert problem(cancelled) == (409, "instalment-of-document", ["/invoice_id"])
    written_off = await acme.post("/v1/invoices/i1~2/write-off", json=CLOSING)
    assert written_off.json()["status"] == "updated"
    assert (await shown(acme))["open"] == "70.00"


async def test_a_document_never_takes_the_id_of_another_invoice(acme: httpx.AsyncClient) -> None:
    await taken(acme, invoice_id="i1~3", instalments=None)

    assert problem(await put(acme)) == (409, "invoice-id-taken", ["/invoice_id"])


async def test_bulk_takes_plain_invoices_beside_documents(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    body = ndjson(
        INVOICE | {"invoice_id": "i0"},
        THIRDS | {"invoice_id": "i1", "revision": 1},
        THIRDS | {"invoice_id": "i2", "amount": "99.00"},
        THIRDS
        | {"invoice_id": "i1", "revision": 2, "due_on": DATES[1]}
        | {"instalments": plan("50.00", "50.00")},
        THIRDS | {"invoice_id": "i1", "revision": 3},
        INVOICE | {"invoice_id": "i1"},
        INVOICE | {"invoice_id": "i1~1"},
        THIRDS | {"invoice_id": "i0"},
        INVOICE | {"invoice_id": "i3"},
    )

    answer = await acme.post(
        "/v1/bulk/invoices", content=body, headers={"content-type": "application/x-ndjson"}
    )

    assert [item["status"] for item in answer.json()["items"]] == [
        "created", "created", "invalid", "updated", "updated",
        "invalid", "invalid", "invalid", "created",
    ]  # fmt: skip
    rows = await ledger.rows("SELECT invoice_id FROM invoice ORDER BY 1")
    assert [row["invoice_id"] for row in rows] == ["i0", "i1~1", "i1~2", "i1~3", "i1~4", "i3"]
    assert (await shown(acme))["open"] == "100.00"

from typing import Any

import httpx
import orjson
import pytest

from dunning_common.events.receivables import InvoiceIssuedV1
from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE, Ledger, ndjson

NDJSON = {"content-type": "application/x-ndjson"}


def invoice(invoice_id: str, **changes: Any) -> dict[str, Any]:
    return INVOICE | {"invoice_id": invoice_id} | changes


async def send(client: httpx.AsyncClient, kind: str, body: bytes) -> dict[str, Any]:
    answer = await client.post(f"/v1/bulk/{kind}", content=body, headers=NDJSON)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def test_good_items_are_taken_beside_bad_ones_in_order(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    body = ndjson(
        invoice("i1"),
        invoice("i2", amount="1.005"),
        invoice("i3", debtor_id="nobody"),
        invoice("i4", due_on="2025-01-01"),
        [],
        invoice("i5"),
    )

    answer = await send(acme, "invoices", body)

    assert answer["summary"] == {
        "created": 2, "updated": 0, "unchanged": 0, "stale": 0, "invalid": 4,
    }  # fmt: skip
    assert [(i["index"], i["id"], i["status"]) for i in answer["items"]] == [
        (0, "i1", "created"),
        (1, "i2", "invalid"),
        (2, "i3", "invalid"),
        (3, "i4", "invalid"),
        (4, None, "invalid"),
        (5, "i5", "created"),
    ]
    pointers = [i["problem"]["errors"][0]["pointer"] for i in answer["items"] if "problem" in i]
    assert pointers == ["/amount", "/debtor_id", "/due_on", ""]
    rows = await ledger.rows("SELECT invoice_id FROM invoice ORDER BY 1")
    assert [row["invoice_id"] for row in rows] == ["i1", "i5"]


async def test_a_json_array_is_as_good_as_lines(acme: httpx.AsyncClient) -> None:
    answer = await acme.post("/v1/bulk/invoices", json=[invoice("i1"), invoice("i2")])

    assert answer.json()["summary"]["created"] == 2


async def test_the_same_key_twice_is_handled_in_order(acme: httpx.AsyncClient) -> None:
    answer = await send(
        acme,
        "invoices",
        ndjson(
            invoice("i1", revision=1),
            invoice("i1", revision=2, amount="50.00"),
            invoice("i1", revision=1),
            invoice("i1", revision=2, amount="60.00"),
        ),
    )

    assert [i["status"] for i in answer["items"]] == ["created", "updated", "stale", "invalid"]
    assert answer["items"][3]["problem"]["status"] == 409
    assert (await acme.get("/v1/invoices/i1")).json()["amount"] == "50.00"


async def test_a_request_sent_again_changes_nothing(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    body = ndjson(*(invoice(f"i{n}") for n in range(20)))
    await send(acme, "invoices", body)
    before = len(await ledger.events())

    again = await send(acme, "invoices", body)

    assert again["summary"]["unchanged"] == 20
    assert len(await ledger.events()) == before


async def test_a_broken_last_line_is_reported_and_the_complete_ones_are_taken(
    acme: httpx.AsyncClient,
) -> None:
    body = ndjson(invoice("i1"), invoice("i2"))

    answer = await send(acme, "invoices", body[:-20])

    assert [i["status"] for i in answer["items"]] == ["created", "invalid"]
    assert answer["items"][1]["problem"]["type"].endswith(":malformed-json")


async def test_blank_lines_windows_lines_and_a_mark_do_not_matter(acme: httpx.AsyncClient) -> None:
    body = (
        b"\xef\xbb\xbf" + ndjson(invoice("i1"), invoice("i2")).replace(b"\n", b"\r\n\r\n") + b"\n\n"
    )

    answer = await send(acme, "invoices", body)

    assert answer["summary"]["created"] == 2


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/x-ndjson", ndjson(invoice("i1")) + b'\n{"number": "caf\xe9"}', 400),
        ("application/x-ndjson", ndjson(invoice("i1")).decode().encode("utf-16"), 400),
        ("application/json", b"[{]", 400),
        ("application/json", b"[" + orjson.dumps(invoice("i1")), 400),
        ("application/json", b'["caf\xe9"]', 400),
        ("application/json", orjson.dumps(invoice("i1")), 422),
        ("application/json", b"", 400),
        ("text/csv", b"a,b", 415),
        ("", b"{}", 415),
        ("application/json", b"[" + b" " * (16 * 1024 * 1024) + b"]", 413),
    ],
)
async def test_a_body_that_cannot_be_read_stores_nothing(
    acme: httpx.AsyncClient, ledger: Ledger, content_type: str, body: bytes, status: int
) -> None:
    answer = await acme.post(
        "/v1/bulk/invoices", content=body, headers={"content-type": content_type}
    )

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await ledger.rows("SELECT 1 FROM invoice") == []


async def test_a_line_without_end_is_reported_and_the_next_is_taken(
    acme: httpx.AsyncClient,
) -> None:
    body = b'{"number": "' + b"x" * 3_000_000 + b'"}\n' + ndjson(invoice("i1"))

    answer = await send(acme, "invoices", body)

    assert [i["status"] for i in answer["items"]] == ["invalid", "created"]


async def test_nothing_sent_is_nothing_done(acme: httpx.AsyncClient) -> None:
    assert (await send(acme, "payments", b""))["items"] == []


async def test_more_than_one_transaction_full_is_taken_in_order(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    answer = await send(acme, "invoices", ndjson(*(invoice(f"i{n:05}") for n in range(2_500))))

    assert [i["index"] for i in answer["items"]] == list(range(2_500))
    assert answer["summary"]["created"] == 2_500
    issued = [
        p.invoice.invoice_id for _, p in await ledger.events() if isinstance(p, InvoiceIssuedV1)
    ]
    assert issued == [f"i{n:05}" for n in range(2_500)]


async def test_debtors_payments_and_credit_notes_come_in_bulk_too(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    debtors = [DEBTOR | {"debtor_id": f"x{n}"} for n in range(3)]
    await send(acme, "debtors", ndjson(*debtors, DEBTOR | {"debtor_id": "bad", "country": "ZZ"}))
    await send(acme, "invoices", ndjson(*(invoice(f"i{n}", debtor_id=f"x{n}") for n in range(3))))
    money = {"currency": "EUR", "amount": "60.00"}

    paid = await send(
        acme,
        "payments",
        ndjson(
            *(
                money | {"payment_id": f"p{n}", "debtor_id": f"x{n}", "value_date": "2026-02-01"}
                for n in range(3)
            ),
            money | {"payment_id": "p0", "debtor_id": "x1", "value_date": "2026-02-01"},
        ),
    )
    noted = await send(
        acme,
        "credit-notes",
        ndjson(
            *(
                money
                | {"credit_note_id": f"n{n}", "debtor_id": f"x{n}", "issued_on": "2026-02-02"}
                | {"invoice_id": f"i{n}"}
                for n in range(3)
            )
        ),
    )

    assert paid["summary"] | {"invalid": 1, "created": 3} == paid["summary"]
    assert paid["items"][3]["problem"]["status"] == 409
    assert noted["summary"]["created"] == 3
    rows = await ledger.rows(
        "SELECT status, unallocated_minor FROM invoice JOIN cash USING (debtor_id)"
    )
    assert {tuple(row) for row in rows} == {("paid", 2_000)}
    await ledger.money_is_conserved()


async def test_payments_of_one_debtor_in_a_batch_share_the_invoices(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await send(acme, "invoices", ndjson(*(invoice(f"i{n}") for n in range(3))))
    base = {"debtor_id": "d1", "currency": "EUR", "amount": "150.00", "value_date": "2026-02-01"}

    await send(acme, "payments", ndjson(*(base | {"payment_id": f"p{n}"} for n in range(3))))

    rows = await ledger.rows("SELECT sum(open_minor) AS open FROM invoice")
    assert rows[0]["open"] == 0
    cash = await ledger.rows("SELECT unallocated_minor FROM cash")
    assert [row["unallocated_minor"] for row in cash] == [15_000]
    await ledger.money_is_conserved()

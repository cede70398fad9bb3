"""The send permit: no reminder leaves after a payment was acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.invoice_ingest.conftest import INVOICE, Ledger

PAYMENT: dict[str, Any] = {
    "debtor_id": "d1", "currency": "EUR", "amount": "100.00", "value_date": "2026-02-05",
}  # fmt: skip
LONG_S = 60.0


@pytest.fixture
async def invoiced(acme: httpx.AsyncClient) -> httpx.AsyncClient:
    for invoice_id in ("i1", "i2"):
        answer = await acme.put(f"/v1/invoices/{invoice_id}", json=INVOICE)
        assert answer.status_code == 200
    return acme


async def ask(
    ledger: Ledger, *invoices: tuple[str, int], permit_id: str = "m1", lease_s: float = LONG_S
) -> dict[str, Any]:
    answer = await ledger.client("*").post(
        "/internal/permits",
        json={
            "lease_s": lease_s,
            "requests": [
                {
                    "permit_id": f"{ledger.name}-{permit_id}",
                    "tenant": ledger.name,
                    "invoices": [{"invoice_id": i, "version": v} for i, v in invoices],
                }
            ],
        },
    )
    assert answer.status_code == 200, answer.text
    given: dict[str, Any] = answer.json()["answers"][0]
    return given


async def give_back(ledger: Ledger, permit_id: str = "m1") -> None:
    answer = await ledger.client("*").post(
        "/internal/permits/return", json={"permit_ids": [f"{ledger.name}-{permit_id}"]}
    )
    assert answer.status_code == 204


async def stored(ledger: Ledger, invoice_id: str, status: str) -> None:
    """Return when the change is committed, though perhaps not acknowledged yet."""
    client = ledger.client()
    for _ in range(1_000):
        if (await client.get(f"/v1/invoices/{invoice_id}")).json()["status"] == status:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{invoice_id} never became {status}")


async def test_an_open_invoice_may_be_reminded(ledger: Ledger, invoiced: httpx.AsyncClient) -> None:
    given = await ask(ledger, ("i1", 1), ("i2", 1))

    assert given["granted"]
    assert given["expires_in_s"] == LONG_S
    assert given["refused"] == []


async def test_a_permit_under_an_unusual_name_is_given_and_taken_back_as_any_other(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    """Such a request is not read directly, but by the models."""
    given = await ask(ledger, ("i1", 1), permit_id="é 1")
    request = asyncio.create_task(invoiced.put("/v1/payments/p1", json=PAYMENT))
    await stored(ledger, "i1", "paid")
    refused = await ask(ledger, ("i1", 1), permit_id="é 2")

    await give_back(ledger, permit_id="é 1")

    assert given == {
        "permit_id": f"{ledger.name}-é 1", "granted": True, "expires_in_s": LONG_S, "refused": [],
    }  # fmt: skip
    assert refused == {
        "permit_id": f"{ledger.name}-é 2", "granted": False,
        "refused": [{"invoice_id": "i1", "reason": "paid"}],
    }  # fmt: skip
    assert (await request).status_code == 200


async def test_a_permit_after_the_payment_is_refused(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    await invoiced.put("/v1/payments/p1", json=PAYMENT | {"amount": "130.00"})

    given = await ask(ledger, ("i1", 1), ("i2", 1), ("i9", 1))

    assert not given["granted"]
    assert "expires_in_s" not in given
    assert given["refused"] == [
        {"invoice_id": "i1", "reason": "paid"},
        {"invoice_id": "i2", "reason": "changed"},
        {"invoice_id": "i9", "reason": "unknown"},
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/v1/payments/p1", PAYMENT, "paid"),
        (
            "PUT",
            "/v1/credit-notes/n1",
            {"debtor_id": "d1", "currency": "EUR", "amount": "100.00", "issued_on": "2026-02-01"},
            "paid",
        ),
        ("POST", "/v1/invoices/i1/cancel", {"reason": "wrong"}, "cancelled"),
        ("POST", "/v1/invoices/i1/write-off", {"reason": "insolvent"}, "written_off"),
        ("PUT", "/v1/invoices/i1", INVOICE | {"amount": "0.00"}, "paid"),
        ("POST", "/v1/bulk/payments", [PAYMENT | {"payment_id": "p1"}], "paid"),
    ],
)
async def test_what_stops_a_reminder_commits_at_once_and_is_acknowledged_after_the_permit_is_back(
    ledger: Ledger,
    invoiced: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any,
    status: str,
) -> None:
    assert (await ask(ledger, ("i1", 1)))["granted"]

    request = asyncio.create_task(invoiced.request(method, path, json=body))
    await stored(ledger, "i1", status)
    done, _ = await asyncio.wait([request], timeout=0.4)
    assert not done, "acknowledged while the reminder was on its way"
    assert not (await ask(ledger, ("i1", 1), permit_id="m2"))["granted"]
    await give_back(ledger)

    assert (await request).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/v1/payments/p1", PAYMENT, "paid"),
        ("POST", "/v1/invoices/i1/cancel", {"reason": "wrong"}, "cancelled"),
        ("PUT", "/v1/invoices/i1", INVOICE | {"amount": "0.00"}, "paid"),
        ("POST", "/v1/bulk/payments", [PAYMENT | {"payment_id": "p1"}], "paid"),
    ],
)
async def test_what_is_sent_again_because_the_answer_was_lost_waits_for_the_permit_too(
    ledger: Ledger,
    invoiced: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any,
    status: str,
) -> None:
    """The first request committed and its caller hung up: the second changes nothing, and may not
    be acknowledged at once, while the reminder from before the payment is still on its way."""
    assert (await ask(ledger, ("i1", 1)))["granted"]
    first = asyncio.create_task(invoiced.request(method, path, json=body))
    await stored(ledger, "i1", status)
    first.cancel()

    again = asyncio.create_task(invoiced.request(method, path, json=body))
    done, _ = await asyncio.wait([again], timeout=0.4)
    assert not done, "acknowledged while the reminder was on its way"
    await give_back(ledger)

    assert (await again).status_code == 200


async def test_permits_granted_after_the_change_are_no_reason_to_wait(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    """Else a debtor whose other invoices are reminded all day would never get an answer."""
    body = PAYMENT | {"allocations": [{"invoice_id": "i1", "amount": "100.00"}]}
    await invoiced.put("/v1/payments/p1", json=body)
    assert (await ask(ledger, ("i2", 1), permit_id="m1"))["granted"]

    again = asyncio.create_task(invoiced.put("/v1/payments/p1", json=body))
    await asyncio.wait([again], timeout=0.4)
    assert (await ask(ledger, ("i2", 1), permit_id="m2"))["granted"]
    await give_back(ledger, "m1")

    assert (await asyncio.wait_for(again, LONG_S / 2)).status_code == 200
    await give_back(ledger, "m2")


async def test_a_payment_waits_no_longer_than_the_lease(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    assert (await ask(ledger, ("i1", 1), lease_s=0.5))["granted"]

    answer = await invoiced.put("/v1/payments/p1", json=PAYMENT)

    assert answer.status_code == 200
    live = await ledger.rows("SELECT 1 FROM permit WHERE expires_at > clock_timestamp()")
    assert live == []


async def test_a_payment_of_other_invoices_does_not_wait(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    assert (await ask(ledger, ("i2", 1)))["granted"]

    answer = await asyncio.wait_for(
        invoiced.put(
            "/v1/payments/p1",
            json=PAYMENT | {"allocations": [{"invoice_id": "i1", "amount": "100.00"}]},
        ),
        LONG_S / 2,
    )

    assert answer.status_code == 200
    await give_back(ledger)


async def test_a_payment_waits_for_every_permit_on_its_invoices(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    await ask(ledger, ("i1", 1), permit_id="m1")
    await ask(ledger, ("i1", 1), ("i2", 1), permit_id="m2")

    request = asyncio.create_task(invoiced.put("/v1/payments/p1", json=PAYMENT))
    await stored(ledger, "i1", "paid")
    await give_back(ledger, "m1")
    done, _ = await asyncio.wait([request], timeout=0.4)
    assert not done
    await give_back(ledger, "m2")

    assert (await request).status_code == 200


async def test_nothing_goes_to_an_erased_debtor(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    await invoiced.delete("/v1/debtors/d1")

    given = await ask(ledger, ("i1", 1))

    assert given["refused"] == [{"invoice_id": "i1", "reason": "changed"}]


async def test_another_tenants_invoice_of_the_same_id_is_unknown(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    answer = await ledger.client("*").post(
        "/internal/permits",
        json={
            "lease_s": 5,
            "requests": [
                {
                    "permit_id": "x",
                    "tenant": "nobody",
                    "invoices": [{"invoice_id": "i1", "version": 1}],
                }
            ],
        },
    )

    assert answer.json()["answers"][0]["refused"] == [{"invoice_id": "i1", "reason": "unknown"}]


async def test_racing_payments_and_permits_never_both_win(
    ledger: Ledger, invoiced: httpx.AsyncClient
) -> None:
    """Whoever comes second knows of the first: a granted permit is seen by the payment."""
    await invoiced.post(
        "/v1/bulk/invoices", json=[INVOICE | {"invoice_id": f"r{n}"} for n in range(30)]
    )

    async def race(number: int) -> tuple[bool, bool]:
        invoice_id = f"r{number}"
        body = PAYMENT | {"allocations": [{"invoice_id": invoice_id, "amount": "100.00"}]}
        paying = asyncio.create_task(invoiced.put(f"/v1/payments/p{number}", json=body))
        given = await ask(ledger, (invoice_id, 1), permit_id=f"m{number}")
        acknowledged = paying.done()
        if given["granted"]:
            await asyncio.sleep(0.05)
            acknowledged = paying.done()
            await give_back(ledger, f"m{number}")
        assert (await paying).status_code == 200
        return given["granted"], acknowledged

    for granted, acknowledged in await asyncio.gather(*(race(n) for n in range(30))):
        assert not (granted and acknowledged)

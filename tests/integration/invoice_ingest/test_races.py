"""Many clients at once: each gets a proper answer, and no money is made or lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import httpx

from dunning_common.db import driver
from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE, Ledger
from tests.integration.invoice_ingest.test_charges import assessed, hear


def payment(**changes: Any) -> dict[str, Any]:
    return {
        "debtor_id": "d1", "currency": "EUR", "amount": "10.00", "value_date": "2026-02-01",
    } | changes  # fmt: skip


async def test_the_same_new_thing_sent_many_times_at_once_is_created_once(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    for path, body in (
        ("/v1/debtors/new", DEBTOR),
        ("/v1/invoices/i1", INVOICE),
        ("/v1/payments/p1", payment()),
    ):
        answers = await asyncio.gather(*(acme.put(path, json=body) for _ in range(8)))

        assert Counter(a.json().get("status") for a in answers) == {"created": 1, "unchanged": 7}

    types = Counter(await ledger.types())
    assert (types["InvoiceIssuedV1"], types["PaymentAllocatedV1"]) == (1, 1)


async def test_a_tenant_registered_many_times_at_once_is_one(ledger: Ledger) -> None:
    await asyncio.gather(*(ledger.registered() for _ in range(6)))

    assert len(await ledger.rows("SELECT 1 FROM tenant")) == 1


async def test_payments_racing_for_one_invoice_cover_it_exactly_once(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await acme.put("/v1/invoices/i1", json=INVOICE)

    answers = await asyncio.gather(
        *(acme.put(f"/v1/payments/p{n}", json=payment(amount="30.00")) for n in range(8))
    )

    assert {a.status_code for a in answers} == {200}
    assert (await acme.get("/v1/invoices/i1")).json()["status"] == "paid"
    rows = await ledger.rows("SELECT unallocated_minor FROM cash")
    assert [row["unallocated_minor"] for row in rows] == [8 * 3_000 - 10_000]
    await ledger.money_is_conserved()


async def test_batches_in_opposite_order_do_not_block_each_other(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    items = [INVOICE | {"invoice_id": f"i{n}", "debtor_id": f"d{n % 2 + 1}"} for n in range(200)]

    answers = await asyncio.gather(
        *(
            acme.post("/v1/bulk/invoices", json=batch)
            for batch in (items, items[::-1], items[100:] + items[:100])
        )
    )

    total = sum((Counter(a.json()["summary"]) for a in answers), Counter())
    assert total == Counter({"created": 200, "unchanged": 400})


async def test_everything_at_once_on_one_account_keeps_the_books(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    chance = random.Random(7)
    await acme.post("/v1/bulk/invoices", json=[INVOICE | {"invoice_id": f"i{n}"} for n in range(6)])

    async def act(number: int) -> int:
        invoice_id = f"i{chance.randrange(6)}"
        match chance.randrange(10):
            case 0:
                body = payment(amount=f"{chance.randrange(1, 90)}.00")
                answer = await acme.put(f"/v1/payments/a{number}", json=body)
            case 1:
                wanted = [{"invoice_id": invoice_id, "amount": "10.00"}]
                answer = await acme.put(f"/v1/payments/b{number}", json=payment(allocations=wanted))
            case 2:
                answer = await acme.post(
                    f"/v1/payments/a{chance.randrange(60)}/reverse", json={"reason": "bounced"}
                )
            case 3:
                answer = await acme.put(
                    f"/v1/invoices/{invoice_id}",
                    json=INVOICE | {"amount": f"{chance.randrange(120)}.00"},
                )
            case 4:
                answer = await acme.post(
                    f"/v1/invoices/{invoice_id}/cancel", json={"reason": "mistake"}
                )
            case 6:
                await hear(ledger, assessed(invoice_id=invoice_id, amount_minor=700))
                return 200
            case 7:
                known = await ledger.rows("SELECT invoice_id, charge_id FROM charge")
                on, charge_id = chance.choice(known) if known else (invoice_id, "none")
                answer = await acme.post(
                    f"/v1/invoices/{on}/charges/{charge_id}/waive", json={"reason": "goodwill"}
                )
            case 8:
                answer = await acme.post("/v1/debtors/d1/allocate-cash", json={})
            case _:
                note = {"debtor_id": "d1", "currency": "EUR", "amount": "5.00"}
                answer = await acme.put(
                    f"/v1/credit-notes/n{number}", json=note | {"issued_on": "2026-02-02"}
                )
        return answer.status_code

    statuses = await asyncio.gather(*(act(n) for n in range(100)))

    assert set(statuses) <= {200, 404, 409}
    await ledger.money_is_conserved()
    events = [e for e, _ in await ledger.events() if e.key.endswith(":d1")]
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))


async def test_who_waits_for_a_row_sees_what_the_other_wrote(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    """A charge being booked holds the invoice; permit and payment must not go by the old row."""
    await acme.put("/v1/invoices/i1", json=INVOICE)
    permit = {
        "lease_s": 5,
        "requests": [
            {
                "permit_id": f"{ledger.name}-m1",
                "tenant": ledger.name,
                "invoices": [{"invoice_id": "i1", "version": 1}],
            }
        ],
    }

    async with ledger.house.db.worker() as connection:
        await (await driver(connection)).execute(
            "UPDATE invoice SET charges_open_minor = 500, version = 2"
            " WHERE tenant = $1 AND invoice_id = 'i1'",
            ledger.name,
        )
        asking = asyncio.create_task(ledger.client("*").post("/internal/permits", json=permit))
        paying = asyncio.create_task(acme.put("/v1/payments/p1", json=payment()))
        done, _ = await asyncio.wait([asking, paying], timeout=0.5)
        assert not done

    assert (await asking).json()["answers"][0]["refused"][0]["reason"] == "changed"
    assert (await paying).status_code == 200
    seen = (await acme.get("/v1/invoices/i1")).json()
    assert (seen["charges_open"], seen["open"], seen["version"]) == ("5.00", "90.00", 3)

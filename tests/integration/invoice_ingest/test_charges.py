from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from dunning_common.consumer import Consumed
from dunning_common.events.dunning import CaseClosedV1, ChargeAssessedV1, ChargeWithdrawnV1
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.receivables import ChargePostedV1, ChargeWaivedV1
from dunning_common.ids import account_key
from invoice_ingest.domain.charging import ChargeError
from invoice_ingest.entrypoints.consumers import apply_events
from tests.integration.invoice_ingest.conftest import INVOICE, NOW, Ledger


def consumed(ledger: Ledger, payload: Payload) -> Consumed:
    envelope = Envelope(
        type=type(payload).__name__,
        source="dunning-engine",
        subject="i1",
        tenant=ledger.name,
        key=account_key(ledger.name, "d1"),
        sequence=1,
        data=payload.model_dump(mode="json"),
    )
    return Consumed(envelope, payload)


def assessed(charge_id: UUID | None = None, **changes: Any) -> ChargeAssessedV1:
    given: dict[str, Any] = {
        "debtor_id": "d1",
        "invoice_id": "i1",
        "charge_id": charge_id or uuid4(),
        "kind": "compensation",
        "currency": "EUR",
        "amount_minor": 4_000,
        "assessed_on": date(2026, 3, 1),
        "basis": "D441-5",
    }
    return ChargeAssessedV1(**given | changes)


async def hear(ledger: Ledger, *payloads: Payload) -> None:
    apply = apply_events(ledger.house.desk)
    async with ledger.house.db.worker() as connection:
        await apply(connection, [consumed(ledger, payload) for payload in payloads])


async def test_an_assessed_charge_is_booked_once_beside_the_principal(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await acme.put("/v1/invoices/i1", json=INVOICE)
    fixed = assessed()

    await hear(ledger, fixed, fixed, assessed(kind="interest", amount_minor=123))
    await hear(ledger, fixed, assessed(kind="fee", amount_minor=500, basis="contract"))

    seen = (await acme.get("/v1/invoices/i1")).json()
    assert (seen["open"], seen["charges_open"], seen["version"]) == ("100.00", "46.23", 4)
    assert sorted((c["kind"], c["amount"]) for c in seen["charges"]) == [
        ("compensation", "40.00"),
        ("fee", "5.00"),
        ("interest", "1.23"),
    ]
    posted = [p for _, p in await ledger.events() if isinstance(p, ChargePostedV1)]
    assert [(p.kind, p.invoice.charges_open_minor) for p in posted] == [
        ("compensation", 4_000),
        ("interest", 4_123),
        ("fee", 4_623),
    ]


async def test_other_events_of_the_engine_are_left_alone(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    before = await ledger.types()

    await hear(
        ledger,
        CaseClosedV1(debtor_id="d1", invoice_id="i1", reason="paid", effective_at=NOW),
    )

    assert await ledger.types() == before


async def test_a_charge_on_a_cancelled_invoice_is_kept_void(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await acme.put("/v1/invoices/i1", json=INVOICE)
    await acme.post("/v1/invoices/i1/cancel", json={"reason": "wrong"})

    await hear(ledger, assessed())

    seen = (await acme.get("/v1/invoices/i1")).json()
    assert (seen["charges_open"], seen["charges"]) == ("0.00", [])
    assert [row["is_void"] for row in await ledger.rows("SELECT is_void FROM charge")] == [True]


async def test_a_charge_on_an_unknown_invoice_is_poison_and_stores_nothing(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await acme.put("/v1/invoices/i1", json=INVOICE)

    with pytest.raises(ChargeError):
        await hear(ledger, assessed(), assessed(invoice_id="nope"))

    assert await ledger.rows("SELECT 1 FROM charge") == []


async def test_a_charge_that_is_given_up_is_owed_no_more_and_told_once(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    fee = assessed(kind="fee", amount_minor=500)
    await acme.put("/v1/invoices/i1", json=INVOICE)
    await hear(ledger, fee, assessed())
    path = f"/v1/invoices/i1/charges/{fee.charge_id}/waive"

    first = await acme.post(path, json={"reason": "goodwill", "effective_on": "2026-03-02"})
    again = await acme.post(path, json={"reason": "said twice"})

    assert first.json() == {
        "id": str(fee.charge_id),
        "status": "updated",
        "invoice_id": "i1",
        "charges_open": "40.00",
        "version": 4,
    }
    assert again.json() == first.json() | {"status": "unchanged"}
    seen = (await acme.get("/v1/invoices/i1")).json()
    assert (seen["open"], seen["charges_open"]) == ("100.00", "40.00")
    assert {c["kind"]: (c["waived_on"], c["waived_reason"]) for c in seen["charges"]} == {
        "fee": ("2026-03-02", "goodwill"),
        "compensation": (None, None),
    }
    waived = [p for _, p in await ledger.events() if isinstance(p, ChargeWaivedV1)]
    assert [(p.charge_id, p.kind, p.amount_minor, p.reason) for p in waived] == [
        (str(fee.charge_id), "fee", 500, "goodwill")
    ]
    assert (waived[0].effective_on, waived[0].invoice.charges_open_minor) == (
        date(2026, 3, 2),
        4_000,
    )


async def test_a_charge_that_was_given_up_is_not_booked_again(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    fee = assessed(kind="fee", amount_minor=500)
    await acme.put("/v1/invoices/i1", json=INVOICE)
    await hear(ledger, fee)
    await acme.post(f"/v1/invoices/i1/charges/{fee.charge_id}/waive", json={"reason": "goodwill"})

    await hear(ledger, fee)

    assert (await acme.get("/v1/invoices/i1")).json()["charges_open"] == "0.00"


async def test_a_charge_is_given_up_only_on_its_own_invoice_with_a_reason_and_while_it_is_owed(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    fee = assessed(kind="fee", amount_minor=500)
    path = f"charges/{fee.charge_id}/waive"
    await acme.put("/v1/invoices/i1", json=INVOICE)
    await acme.put("/v1/invoices/i2", json=INVOICE)
    await hear(ledger, fee)

    answers = [
        await acme.post(f"/v1/invoices/nope/{path}", json={"reason": "x"}),
        await acme.post(f"/v1/invoices/i2/{path}", json={"reason": "x"}),
        await acme.post("/v1/invoices/i1/charges/nope/waive", json={"reason": "x"}),
        await acme.post(f"/v1/invoices/i1/{path}", json={}),
        await acme.post(f"/v1/invoices/i1/{path}", json={"reason": " "}),
    ]
    await acme.post("/v1/invoices/i1/write-off", json={"reason": "insolvent"})
    late = await acme.post(f"/v1/invoices/i1/{path}", json={"reason": "x"})

    assert [(a.status_code, a.json()["type"].rsplit(":", 1)[1]) for a in answers] == [
        (404, "unknown-invoice"),
        (404, "unknown-charge"),
        (404, "unknown-charge"),
        (422, "invalid-request"),
        (422, "invalid-request"),
    ]
    assert (late.status_code, late.json()["type"].rsplit(":", 1)[1]) == (409, "invoice-written-off")
    assert not [p for _, p in await ledger.events() if isinstance(p, ChargeWaivedV1)]


def withdrawn(charge: ChargeAssessedV1) -> ChargeWithdrawnV1:
    return ChargeWithdrawnV1(
        debtor_id="d1",
        invoice_id=charge.invoice_id,
        charge_id=charge.charge_id,
        kind=charge.kind,
        currency="EUR",
        basis=charge.basis,
        reason="a consumer does not owe it",
        effective_at=datetime(2026, 3, 5, tzinfo=UTC),
    )


async def test_what_is_open_of_a_withdrawn_charge_is_given_up_once(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    fixed, fee = assessed(), assessed(kind="fee", amount_minor=500)
    await acme.put("/v1/invoices/i1", json=INVOICE)
    await hear(ledger, fixed, fee)

    await hear(ledger, withdrawn(fixed))
    await hear(ledger, withdrawn(fixed), withdrawn(assessed()))

    seen = (await acme.get("/v1/invoices/i1")).json()
    assert (seen["open"], seen["charges_open"]) == ("100.00", "5.00")
    waived = [p for _, p in await ledger.events() if isinstance(p, ChargeWaivedV1)]
    assert [(p.kind, p.amount_minor, p.reason) for p in waived] == [
        ("compensation", 4_000, "a consumer does not owe it")
    ]


async def test_a_charge_that_is_booked_and_withdrawn_in_one_batch_is_not_owed(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    fixed = assessed()
    await acme.put("/v1/invoices/i1", json=INVOICE)

    await hear(ledger, fixed, withdrawn(fixed))

    assert (await acme.get("/v1/invoices/i1")).json()["charges_open"] == "0.00"

"""What a debtor corrects about itself reaches the ledger, and from there everybody."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dunning_common import vault
from dunning_common.consumer import Consumed
from dunning_common.events.contacts import ContactsChangedV1
from dunning_common.events.envelope import Envelope
from dunning_common.events.responses import ContactCorrectedV1, ReplyReceivedV1, Response
from dunning_common.ids import account_key
from invoice_ingest.entrypoints.consumers import apply_events
from invoice_ingest.handlers.correct_contacts import CorrectionError
from tests.integration.invoice_ingest.conftest import Ledger
from tests.integration.invoice_ingest.test_tenants_and_debtors import key_of


async def _corrected(
    ledger: Ledger, said: Mapping[str, Any], *, debtor_id: str = "d1", of: str = "d1"
) -> ContactCorrectedV1:
    """A correction as the notifier tells it, sealed with the key of the debtor `of`."""
    (held,) = await key_of(ledger, of)
    context = f"{len(ledger.name)}|{ledger.name}|{debtor_id}"
    key = base64.b64decode(held["key"])
    sealed = vault.seal(key, json.dumps(said).encode(), context=context)
    return ContactCorrectedV1(
        response_id=uuid4(),
        debtor_id=debtor_id,
        invoice_ids=(),
        source="portal",
        effective_at=datetime(2026, 3, 1, tzinfo=UTC),
        key_id=held["key_id"],
        ciphertext=base64.b64encode(sealed).decode(),
    )


async def _hear(ledger: Ledger, *payloads: Response) -> None:
    events = [
        Consumed(
            Envelope(
                type=type(payload).__name__,
                source="notifier",
                subject=str(payload.response_id),
                tenant=ledger.name,
                key=account_key(ledger.name, payload.debtor_id),
                sequence=1,
                data=payload.model_dump(mode="json"),
            ),
            payload,
        )
        for payload in payloads
    ]
    async with ledger.house.db.worker() as connection:
        await apply_events(ledger.house.desk)(connection, events)


async def _told(ledger: Ledger) -> list[ContactsChangedV1]:
    return [
        payload
        for _, payload in await ledger.events("contacts.v1")
        if isinstance(payload, ContactsChangedV1) and payload.debtor_id == "d1"
    ]


async def test_a_correction_changes_what_it_names_and_is_told_on(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    before = (await acme.get("/v1/debtors/d1")).json()
    address = {"lines": ["2 rue Neuve"], "postcode": "69001", "city": "Lyon", "country": "FR"}
    correction = await _corrected(ledger, {"emails": ["new@example.org"], "address": address})

    await _hear(ledger, correction)

    after = (await acme.get("/v1/debtors/d1")).json()
    assert after["contacts"] == before["contacts"] | {
        "emails": ["new@example.org"], "address": address,
    }  # fmt: skip
    (held,) = await key_of(ledger, "d1")
    contacts = vault.open_contacts(
        base64.b64decode(held["key"]), (await _told(ledger))[-1].ciphertext,
        tenant=ledger.name, debtor_id="d1",
    )  # fmt: skip
    assert contacts.emails == ("new@example.org",)
    assert contacts.name == before["name"]


async def test_a_correction_told_twice_is_told_on_once(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    assert acme
    correction = await _corrected(ledger, {"name": "Dupont SARL"})
    before = len(await _told(ledger))

    await _hear(ledger, correction, correction)
    await _hear(ledger, correction)

    assert len(await _told(ledger)) == before + 1


async def test_the_later_of_two_corrections_wins(ledger: Ledger, acme: httpx.AsyncClient) -> None:
    first = await _corrected(ledger, {"emails": ["a@example.org"], "name": "First"})
    second = await _corrected(ledger, {"emails": ["b@example.org"]})

    await _hear(ledger, first, second)

    after = (await acme.get("/v1/debtors/d1")).json()
    assert (after["name"], after["contacts"]["emails"]) == ("First", ["b@example.org"])


async def test_who_was_erased_is_not_brought_back(ledger: Ledger, acme: httpx.AsyncClient) -> None:
    correction = await _corrected(ledger, {"name": "Back again"})
    await acme.delete("/v1/debtors/d1")
    told = len(await _told(ledger))

    await _hear(ledger, correction)

    assert len(await _told(ledger)) == told


async def test_a_correction_of_a_stranger_or_with_another_key_is_parked(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    assert acme
    stranger = await _corrected(ledger, {"name": "Nobody"}, debtor_id="nobody")
    foreign = await _corrected(ledger, {"name": "Other"}, debtor_id="d1", of="d2")

    with pytest.raises(CorrectionError, match="not known here"):
        await _hear(ledger, stranger)
    with pytest.raises(vault.VaultError):
        await _hear(ledger, foreign)


async def test_other_answers_are_left_alone(ledger: Ledger, acme: httpx.AsyncClient) -> None:
    assert acme
    before = await ledger.types()
    reply = ReplyReceivedV1(
        response_id=uuid4(), debtor_id="d1", invoice_ids=(), source="email", channel="email",
        effective_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip

    await _hear(ledger, reply)

    assert await ledger.types() == before

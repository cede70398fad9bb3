import base64
from typing import Any

import httpx

from dunning_common import vault
from dunning_common.events.contacts import ContactsChangedV1
from dunning_common.events.receivables import DebtorTermsChangedV1
from dunning_common.events.tenants import TenantRegisteredV1
from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE, TENANT, Ledger


async def key_of(ledger: Ledger, debtor_id: str) -> list[dict[str, Any]]:
    answer = await ledger.client("*").post(
        "/internal/debtor-keys", json={"debtors": [{"tenant": ledger.name, "debtor_id": debtor_id}]}
    )
    assert answer.status_code == 200, answer.text
    keys: list[dict[str, Any]] = answer.json()["keys"]
    return keys


async def test_a_tenant_is_registered_once_and_told_once(ledger: Ledger) -> None:
    client = ledger.client()

    first = await client.put(f"/v1/tenants/{ledger.name}", json=TENANT)
    again = await client.put(f"/v1/tenants/{ledger.name}", json=TENANT)
    moved = await client.put(f"/v1/tenants/{ledger.name}", json=TENANT | {"name": "Dubois & Fils"})

    assert [a.json()["status"] for a in (first, again, moved)] == [
        "created",
        "unchanged",
        "updated",
    ]
    [(envelope, _), (_, payload)] = await ledger.events("tenants.v1")
    assert envelope.key == ledger.name
    assert isinstance(payload, TenantRegisteredV1)
    assert payload.name == "Dubois & Fils"
    assert (await client.get(f"/v1/tenants/{ledger.name}")).json()["name"] == "Dubois & Fils"


async def test_a_sandbox_stays_one(ledger: Ledger) -> None:
    client = await ledger.registered(sandbox=True, sandbox_starts_on="2025-01-01")

    answer = await client.put(f"/v1/tenants/{ledger.name}", json=TENANT)

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/sandbox"


async def test_a_tenant_that_was_never_registered_is_a_problem(ledger: Ledger) -> None:
    client = ledger.client("nobody")

    for answer in (
        await client.get("/v1/tenants/nobody"),
        await client.put("/v1/debtors/d1", json=DEBTOR),
        await client.put("/v1/invoices/i1", json=INVOICE),
        await client.post("/v1/bulk/debtors", json=[DEBTOR | {"debtor_id": "d1"}]),
    ):
        assert (answer.status_code, answer.json()["type"]) == (
            404,
            "urn:dunning:problem:unknown-tenant",
        )


async def test_a_debtor_gets_zone_and_language_of_its_country(acme: httpx.AsyncClient) -> None:
    await acme.put("/v1/debtors/de", json=DEBTOR | {"country": "DE", "region": "BY"})
    await acme.put("/v1/debtors/us", json=DEBTOR | {"country": "US", "language": "fr"})

    german = (await acme.get("/v1/debtors/de")).json()
    american = (await acme.get("/v1/debtors/us")).json()

    assert (german["zone"], german["language"]) == ("Europe/Berlin", "de")
    assert (american["zone"], american["language"]) == ("America/New_York", "fr")


async def test_contacts_leave_only_sealed_with_the_debtors_own_key(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    events = await ledger.events("contacts.v1")
    keys = [await key_of(ledger, debtor_id) for debtor_id in ("d1", "d2")]

    assert len({key[0]["key"] for key in keys}) == 2
    for (envelope, payload), [key] in zip(events, keys, strict=True):
        assert isinstance(payload, ContactsChangedV1)
        assert payload.key_id == key["key_id"]
        clear = vault.open_contacts(
            base64.b64decode(key["key"]),
            payload.ciphertext,
            tenant=ledger.name,
            debtor_id=payload.debtor_id,
        )
        assert clear.name == "Boulangerie Petit"
        assert clear.phones == ("+33639981234",)
        assert b"Petit" not in envelope.to_bytes()


async def test_keys_lie_wrapped_in_the_database(ledger: Ledger, acme: httpx.AsyncClient) -> None:
    [key] = await key_of(ledger, "d1")

    rows = await ledger.rows("SELECT wrapped FROM debtor_key")

    assert all(base64.b64decode(key["key"]) not in row["wrapped"] for row in rows)


async def test_a_debtor_sent_again_is_told_only_when_it_changed(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    before = len(await ledger.events("contacts.v1"))

    same = await acme.put("/v1/debtors/d1", json=DEBTOR)
    terms = await acme.put("/v1/debtors/d1", json=DEBTOR | {"segment": "gold"})
    contacts = await acme.put("/v1/debtors/d1", json=DEBTOR | {"segment": "gold", "name": "Grand"})

    assert [a.json()["status"] for a in (same, terms, contacts)] == [
        "unchanged", "updated", "updated",
    ]  # fmt: skip
    assert len(await ledger.events("contacts.v1")) == before + 1
    told = [p for _, p in await ledger.events() if isinstance(p, DebtorTermsChangedV1)]
    assert [p.segment for p in told if p.debtor_id == "d1"] == [None, "gold"]


async def test_a_debtors_risk_is_kept_shown_and_told(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await acme.put("/v1/debtors/d1", json=DEBTOR | {"risk": "high"})
    bulk = await acme.post("/v1/bulk/debtors", json=[DEBTOR | {"debtor_id": "d9", "risk": "low"}])
    await acme.put("/v1/debtors/d1", json=DEBTOR | {"risk": "low"})
    await acme.put("/v1/debtors/d1", json=DEBTOR)

    assert bulk.json()["summary"]["created"] == 1
    assert (await acme.get("/v1/debtors/d9")).json()["risk"] == "low"
    assert (await acme.get("/v1/debtors/d1")).json()["risk"] is None
    told = [p for _, p in await ledger.events() if isinstance(p, DebtorTermsChangedV1)]
    assert [p.risk for p in told if p.debtor_id == "d1"] == [None, "high", "low", None]
    await acme.delete("/v1/debtors/d9")
    assert (await acme.get("/v1/debtors/d9")).json()["risk"] is None


async def test_an_erased_debtor_is_gone_and_its_books_stay(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await acme.put("/v1/invoices/i1", json=INVOICE)

    erased = await acme.delete("/v1/debtors/d1")
    again = await acme.delete("/v1/debtors/d1")

    assert [a.json()["status"] for a in (erased, again)] == ["erased", "unchanged"]
    assert await key_of(ledger, "d1") == []
    assert (await ledger.types("contacts.v1"))[1] == "DebtorErasedV1"
    seen = (await acme.get("/v1/debtors/d1")).json()
    assert (seen["is_erased"], seen["name"], seen["contacts"]) == (True, None, None)
    assert seen["balances"][0]["open"] == "100.00"
    rows = await ledger.rows("SELECT debtor::text AS everything FROM debtor WHERE debtor_id = 'd1'")
    assert "petit" not in rows[0]["everything"].lower()
    payment = {"debtor_id": "d1", "currency": "EUR", "amount": "100.00", "value_date": "2026-02-01"}
    assert (await acme.put("/v1/payments/p1", json=payment)).status_code == 200


async def test_an_erased_debtor_does_not_come_back(acme: httpx.AsyncClient) -> None:
    await acme.delete("/v1/debtors/d1")

    debtor = await acme.put("/v1/debtors/d1", json=DEBTOR)
    invoice = await acme.put("/v1/invoices/i1", json=INVOICE)

    assert (debtor.status_code, invoice.status_code) == (409, 409)


async def test_debtors_are_listed_page_by_page(acme: httpx.AsyncClient) -> None:
    first = (await acme.get("/v1/debtors", params={"limit": 1})).json()
    second = (
        await acme.get("/v1/debtors", params={"limit": 1, "cursor": first["next_cursor"]})
    ).json()

    assert [d["debtor_id"] for d in first["items"] + second["items"]] == ["d1", "d2"]
    assert second["next_cursor"] is None

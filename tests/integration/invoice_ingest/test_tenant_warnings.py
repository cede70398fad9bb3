"""A tenant that registers without what its letters must say is told at once, and can look it up."""

from __future__ import annotations

from tests.integration.invoice_ingest.conftest import TENANT, Ledger


async def test_registering_names_what_formal_letters_lack_with_law_and_remedy(
    ledger: Ledger,
) -> None:
    client = ledger.client()

    answer = await client.put(f"/v1/tenants/{ledger.name}", json=TENANT)

    assert answer.is_success
    warnings = answer.json()["warnings"]
    assert [warning["pointer"] for warning in warnings] == [
        "/legal/register_entry",
        "/legal/capital",
    ]
    assert "C. com. R123-237" in warnings[0]["detail"]
    assert warnings[1]["remedy"] == "register the tenant again with legal.capital"
    shown = (await client.get(f"/v1/tenants/{ledger.name}")).json()
    assert shown["warnings"] == warnings
    assert shown["legal"]["form"] == "SARL"


async def test_a_change_that_completes_it_silences_the_warnings(ledger: Ledger) -> None:
    client = ledger.client()
    legal = TENANT["legal"] | {"capital": "8 000 €", "register_entry": "RCS Paris 123 456 789"}

    answer = await client.put(f"/v1/tenants/{ledger.name}", json=TENANT | {"legal": legal})

    assert answer.json()["warnings"] == []
    assert (await client.get(f"/v1/tenants/{ledger.name}")).json()["warnings"] == []

from tests.integration.invoice_ingest.conftest import INVOICE, Ledger


async def test_smoke(ledger: Ledger, acme) -> None:
    r = await acme.put("/v1/invoices/i1", json=INVOICE); print(r.json())
    r = await acme.put("/v1/payments/p1", json={"debtor_id":"d1","currency":"EUR","amount":"150.00","value_date":"2026-02-01"}); print(r.json())
    r = await acme.get("/v1/invoices/i1"); print(r.json())
    r = await acme.get("/v1/debtors/d1"); print(r.json())
    print(await ledger.types()); await ledger.money_is_conserved()
    r = await acme.get("/openapi.json"); assert r.status_code==200, r.text
    r = await acme.post("/v1/payments/p1/reverse", json={"reason":"chargeback"}); print(r.json())
    r = await acme.get("/v1/debtors/d1"); print(r.json())
    await ledger.money_is_conserved()
    assert 0

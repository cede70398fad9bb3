"""A debtor's account: the fake keeps the promises of the ledger's own interface, and both are held."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import pytest

from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.adapters.http_accounts import HttpAccounts
from notifier.portal.account import Account, Owed
from notifier.ports.portal import Accounts, AccountsUnavailableError, Document
from notifier.testing import FakeAccounts
from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE
from tests.integration.notifier.conftest import TENANT
from tests.integration.notifier.test_real_ledger import RealLedger, ledger

__all__ = ["ledger"]

PDF = b"%PDF-1.7\n%%EOF\n"


def owed(invoice_id: str, minor: int) -> Owed:
    return Owed(
        invoice_id=invoice_id,
        number=invoice_id,
        issued_on=date(2026, 1, 1),
        due_on=date(2026, 1, 31),
        currency="EUR",
        amount_minor=10_000,
        open_minor=minor,
    )


@pytest.fixture(params=["fake", "real"])
async def accounts(request: pytest.FixtureRequest, ledger: RealLedger) -> Accounts:
    """Debtor d1 with i1 (open), i2 (40.00 open) and i3 (paid); i1 has a document; d2 is erased."""
    if request.param == "fake":
        return _fake()
    await ledger.put("/v1/invoices/i3", INVOICE)
    paid = {"debtor_id": "d1", "currency": "EUR", "value_date": "2026-03-01"}
    shares: list[dict[str, Any]] = [
        {"invoice_id": "i3", "amount": "100.00"},
        {"invoice_id": "i2", "amount": "60.00"},
    ]
    await ledger.put("/v1/payments/p1", {**paid, "amount": "160.00", "allocations": shares})
    await ledger.put("/v1/debtors/d2", DEBTOR)
    await ledger.client.delete("/v1/debtors/d2", headers={"x-tenant": TENANT})
    kept = await ledger.client.put(
        "/v1/invoices/i1/document",
        content=PDF,
        headers={
            "x-tenant": TENANT,
            "content-type": "application/pdf",
            "content-disposition": 'attachment; filename="i1.pdf"',
        },
    )
    assert kept.status_code in (200, 201), kept.text
    token = ledger.client.headers["authorization"].removeprefix("Bearer ")
    return HttpAccounts(ledger.client, base_url="http://ledger", token=token, timeout_s=5.0)


def _fake() -> FakeAccounts:
    contacts = Contacts(
        name="Boulangerie Petit",
        language="fr",
        emails=("compta@petit.example.com",),
        phones=("06 39 98 12 34",),
        address=PostalAddress(
            lines=("2 place du Marché",), postcode="69001", city="Lyon", country="FR"
        ),
    )
    account = Account(
        contacts=contacts, owed=(owed("i1", 10_000), owed("i2", 4_000)), unallocated=(("EUR", 0),)
    )
    document = Document(file_name="i1.pdf", media_type="application/pdf", content=PDF)
    return FakeAccounts(accounts={(TENANT, "d1"): account}, documents={(TENANT, "i1"): document})


async def test_an_account_shows_what_is_owed_and_to_whom_it_belongs(accounts: Accounts) -> None:
    found = await accounts.account(TENANT, "d1")

    assert found is not None
    assert found.contacts.name == "Boulangerie Petit"
    assert found.contacts.emails == ("compta@petit.example.com",)
    assert found.contacts.language == "fr"
    assert sorted(found.owed, key=lambda item: item.invoice_id) == [
        owed("i1", 10_000),
        owed("i2", 4_000),
    ]
    assert [minor for _, minor in found.unallocated] == [0]


@pytest.mark.parametrize("debtor", ["nobody", "d2", "../d1", "d/1"])
async def test_nobody_and_the_erased_have_no_account(accounts: Accounts, debtor: str) -> None:
    assert await accounts.account(TENANT, debtor) is None


async def test_documents_are_known_and_fetched_one_by_one(accounts: Accounts) -> None:
    assert await accounts.documented(TENANT, ["i1", "i2", "none"]) == frozenset({"i1"})
    found = await accounts.document(TENANT, "i1")

    assert found is not None
    assert (found.content, found.media_type) == (PDF, "application/pdf")
    assert await accounts.document(TENANT, "i2") is None


@pytest.mark.parametrize("kind", ["fake", "http"])
async def test_no_answer_is_said_so(kind: str) -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"unexpected": True})

    async with httpx.AsyncClient(transport=httpx.MockTransport(broken)) as client:
        accounts: Accounts = (
            FakeAccounts(down=True)
            if kind == "fake"
            else HttpAccounts(client, base_url="http://x", token="t", timeout_s=1.0)
        )
        assert await accounts.documented(TENANT, ["i1"]) == frozenset()
        with pytest.raises(AccountsUnavailableError):
            await accounts.account(TENANT, "d1")
        with pytest.raises(AccountsUnavailableError):
            await accounts.document(TENANT, "i1")

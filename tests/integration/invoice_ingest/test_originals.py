"""The original document of an invoice: kept sealed, handed out, forgotten with its debtor."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

import httpx
import pytest

from invoice_ingest.domain.original import ORIGINAL_BYTES_MAX
from tests.integration.invoice_ingest.conftest import INVOICE, Ledger

PDF = b"%PDF-1.7\nan invoice"
AS_PDF = {"content-type": "application/pdf"}
URL = "/v1/invoices/i1/document"


async def kept(
    client: httpx.AsyncClient,
    body: bytes = PDF,
    *,
    url: str = URL,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    return await client.put(url, content=body, headers={**AS_PDF, **(headers or {})})


@pytest.fixture
async def owing(acme: httpx.AsyncClient) -> httpx.AsyncClient:
    """A company with an invoice."""
    answer = await acme.put("/v1/invoices/i1", json=INVOICE)
    assert answer.status_code == 200, answer.text
    return acme


async def test_a_document_comes_back_as_it_was_sent(owing: httpx.AsyncClient) -> None:
    name = {"content-disposition": 'attachment; filename="../F 2026/1.PDF"'}

    first = await kept(owing, headers=name)
    again = await kept(owing, headers=name)
    other = await kept(owing, PDF + b"2", headers=name)
    got = await owing.get(URL)

    assert [a.json()["status"] for a in (first, again, other)] == [
        "created",
        "unchanged",
        "updated",
    ]
    assert first.json()["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert first.json()["file_name"].endswith(".pdf")
    assert "/" not in first.json()["file_name"]
    assert got.content == PDF + b"2"
    assert got.headers["content-type"] == "application/pdf"


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"", "application/pdf", 422),
        (b"<html>", "application/pdf", 422),
        (PDF, "text/html", 422),
        (PDF + b"x" * ORIGINAL_BYTES_MAX, "application/pdf", 413),
    ],
    ids=["empty", "no pdf", "named otherwise", "too large"],
)
async def test_what_is_no_document_is_refused_and_nothing_is_kept(
    owing: httpx.AsyncClient, body: bytes, media_type: str, status: int
) -> None:
    refused = await kept(owing, body, headers={"content-type": media_type})

    assert refused.status_code == status
    assert refused.json()["errors"][0]["detail"]
    assert (await owing.get(URL)).status_code == 404


async def test_an_invoice_that_is_not_there_has_none(owing: httpx.AsyncClient) -> None:
    url = "/v1/invoices/i2/document"

    answers = [await kept(owing, url=url), await owing.get(url), await owing.delete(url)]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_a_document_can_be_forgotten(owing: httpx.AsyncClient) -> None:
    await kept(owing)

    gone = await owing.delete(URL)

    assert gone.status_code == 204
    assert (await owing.get(URL)).status_code == 404


async def test_an_instalment_has_its_documents_paper(acme: httpx.AsyncClient) -> None:
    parts = [
        {"due_on": "2026-03-10", "amount": "50.00"},
        {"due_on": "2026-04-10", "amount": "50.00"},
    ]
    answer = await acme.put(
        "/v1/invoices/i1", json=INVOICE | {"due_on": "2026-04-10", "instalments": parts}
    )
    assert answer.status_code == 200, answer.text

    assert (await kept(acme)).status_code == 200

    assert (await acme.get("/v1/invoices/i1~2/document")).content == PDF
    assert (await acme.get(URL)).content == PDF


async def test_the_bytes_lie_sealed_and_go_with_their_debtor(
    owing: httpx.AsyncClient, ledger: Ledger
) -> None:
    await kept(owing)
    ((content,),) = await ledger.rows("SELECT content FROM original")

    await owing.delete("/v1/debtors/d1")

    assert PDF not in bytes(content)
    assert (await owing.get(URL)).status_code == 404
    assert (await kept(owing)).status_code == 410


async def test_another_company_sees_no_document(owing: httpx.AsyncClient, ledger: Ledger) -> None:
    await kept(owing)
    other = await ledger.registered("other")

    assert (await other.get(URL)).status_code == 404
    assert (await kept(other)).status_code == 404


async def test_services_get_documents_of_many_invoices_within_their_room(
    owing: httpx.AsyncClient, platform: httpx.AsyncClient, ledger: Ledger
) -> None:
    await kept(owing)
    asked = [{"tenant": ledger.name, "invoice_id": name} for name in ("i0", "i1")]

    answer = await platform.post("/internal/documents", json={"invoices": asked})
    tight = await platform.post("/internal/documents", json={"invoices": asked, "bytes_max": 3})
    outside = await ledger.client(scopes=["ledger:read"]).post(
        "/internal/documents", json={"invoices": asked}
    )

    (document,) = answer.json()["documents"]
    assert base64.b64decode(document["content"]) == PDF
    assert tight.json() == {"documents": [], "left_out": ["i1"]}
    assert outside.status_code == 403

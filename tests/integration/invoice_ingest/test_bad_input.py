"""Every bad input is a problem with a pointer and the right status; nothing of it is stored."""

from typing import Any

import httpx
import pytest

from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE, TENANT, Ledger

PAYMENT: dict[str, Any] = {
    "debtor_id": "d1", "currency": "EUR", "amount": "1.00", "value_date": "2026-01-01",
}  # fmt: skip


def assert_problem(answer: httpx.Response, status: int, *pointers: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:dunning:problem:")
    assert [error["pointer"] for error in body.get("errors", [])] == list(pointers)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"currency": "XXY"}, "/currency"),
        ({"currency": "eur"}, "/currency"),
        ({"currency": 978}, "/currency"),
        ({"amount": "1.005"}, "/amount"),
        ({"amount": "NaN"}, "/amount"),
        ({"amount": "Infinity"}, "/amount"),
        ({"amount": "1e30"}, "/amount"),
        ({"amount": "9" * 18}, "/amount"),
        ({"amount": "9" * 5000}, "/amount"),
        ({"amount": "-1.00"}, "/amount"),
        ({"amount": "1,00"}, "/amount"),
        ({"amount": " 1.00"}, "/amount"),
        ({"amount": "١.00"}, "/amount"),
        ({"amount": ""}, "/amount"),
        ({"amount": 1.5}, "/amount"),
        ({"amount": 10**30}, "/amount"),
        ({"amount": None}, "/amount"),
        ({"amount": {"value": "1"}}, "/amount"),
        ({"due_on": "2025-12-31"}, "/due_on"),
        ({"due_on": "2026-02-30"}, "/due_on"),
        ({"due_on": "31/01/2026"}, "/due_on"),
        ({"due_on": "2026-01-31T00:00:00"}, "/due_on"),
        ({"due_on": 20260131}, "/due_on"),
        ({"due_on": "9999-12-31"}, "/due_on"),
        ({"issued_on": "0001-01-01"}, "/issued_on"),
        ({"issued_on": None}, "/issued_on"),
        ({"debtor_id": "nobody"}, "/debtor_id"),
        ({"debtor_id": "d\u0000"}, "/debtor_id"),
        ({"debtor_id": "a/b"}, "/debtor_id"),
        ({"debtor_id": "x" * 101}, "/debtor_id"),
        ({"debtor_id": ""}, "/debtor_id"),
        ({"debtor_id": " d1"}, "/debtor_id"),
        ({"number": "line\nbreak"}, "/number"),
        ({"number": "\u202egnihtemos"}, "/number"),
        ({"number": "   "}, "/number"),
        ({"revision": 0}, "/revision"),
        ({"revision": 10**30}, "/revision"),
        ({"revision": "2"}, "/revision"),
        ({"revision": 1.5}, "/revision"),
        ({"revision": True}, "/revision"),
        ({"tags": ["ok", "\u0000"]}, "/tags/1"),
        ({"tags": "text"}, "/tags"),
        ({"tags": ["x"] * 21}, "/tags"),
        ({"ammount": "1.00"}, "/ammount"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
async def test_a_bad_field_of_an_invoice_is_pointed_at(
    acme: httpx.AsyncClient, ledger: Ledger, change: dict[str, Any], pointer: str
) -> None:
    answer = await acme.put("/v1/invoices/i1", json=INVOICE | change)

    assert_problem(answer, 422, pointer)
    assert await ledger.rows("SELECT 1 FROM invoice") == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"contacts": {"emails": ["nobody"]}}, "/contacts/emails/0"),
        ({"contacts": {"emails": ["a@b.example\r\nBcc: c@d.example"]}}, "/contacts/emails/0"),
        ({"contacts": {"phones": ["12"]}}, "/contacts/phones/0"),
        ({"contacts": {"phones": ["call me maybe"]}}, "/contacts/phones/0"),
        ({"contacts": {"address": {"lines": [], "country": "FR"}}}, "/contacts/address/lines"),
        ({"contacts": {"address": {"lines": ["x"], "country": "UK"}}}, "/contacts/address/country"),
        ({"country": "France"}, "/country"),
        ({"country": "ZZ"}, "/country"),
        ({"zone": "Mars/Olympus"}, "/zone"),
        ({"zone": "../../etc/passwd"}, "/zone"),
        ({"language": "french"}, "/language"),
        ({"kind": "person"}, "/kind"),
        ({"risk": 3}, "/risk"),
        ({"risk": " "}, "/risk"),
        ({"risk": "x" * 61}, "/risk"),
        ({"risk": "high\nlow"}, "/risk"),
        ({"name": "a\u0000b"}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"contacts": {"fax": "1"}}, "/contacts/fax"),
    ],
)
async def test_a_bad_field_of_a_debtor_is_pointed_at(
    acme: httpx.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    answer = await acme.put("/v1/debtors/new", json=DEBTOR | change)

    assert_problem(answer, 422, pointer)
    assert (await acme.get("/v1/debtors/new")).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": "0.00"}, "/amount"),
        ({"amount": "-5.00"}, "/amount"),
        ({"value_date": "yesterday"}, "/value_date"),
        ({"allocations": [{"invoice_id": "nope", "amount": "1.00"}]}, "/allocations/0/invoice_id"),
        ({"allocations": [{"invoice_id": "i", "amount": "x"}]}, "/allocations/0/amount"),
        ({"allocations": [{"invoice_id": "i", "amount": "0.00"}]}, "/allocations/0/amount"),
        ({"allocations": {}}, "/allocations"),
        ({"debtor_id": "nobody"}, "/debtor_id"),
    ],
)
async def test_a_bad_field_of_a_payment_is_pointed_at(
    acme: httpx.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    answer = await acme.put("/v1/payments/p1", json=PAYMENT | change)

    assert_problem(answer, 422, pointer)
    assert (await acme.get("/v1/payments/p1")).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"bank": {"holder": "x", "iban": "FR7630006000011234567890188"}}, "/bank/iban"),
        ({"bank": {"holder": "x", "iban": TENANT["bank"]["iban"], "bic": "no"}}, "/bank/bic"),
        ({"zone": "Paris"}, "/zone"),
        ({"base_currency": "FRF1"}, "/base_currency"),
        ({"email_from": "not an address"}, "/email_from"),
        ({"legal": None}, "/legal"),
        ({"sandbox": "yes"}, "/sandbox"),
        ({"payments_fresh_until": "2026-01-01T00:00:00"}, "/payments_fresh_until"),
    ],
)
async def test_a_bad_field_of_a_tenant_is_pointed_at(
    ledger: Ledger, change: dict[str, Any], pointer: str
) -> None:
    client = ledger.client()

    answer = await client.put(f"/v1/tenants/{ledger.name}", json=TENANT | change)

    assert_problem(answer, 422, pointer)


async def test_everything_wrong_is_named_at_once(acme: httpx.AsyncClient) -> None:
    answer = await acme.put(
        "/v1/invoices/i1", json={"debtor_id": "d1", "issued_on": "x", "currency": "XXY"}
    )

    assert_problem(answer, 422, "/issued_on", "/due_on", "/currency", "/amount")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'a': 1}",
        b'{"amount": NaN}',
        b'{"amount": Infinity}',
        b'{"amount": 1e999}',
        b'{"number": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"number": "caf\xe9"}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b'{"amount": 1' + b"0" * 5000 + b"}",
    ],
)
async def test_a_body_that_is_not_json_is_400(acme: httpx.AsyncClient, body: bytes) -> None:
    answer = await acme.put(
        "/v1/invoices/i1", content=body, headers={"content-type": "application/json"}
    )

    assert_problem(answer, 400)


async def test_a_body_that_is_too_large_for_one_order_is_413(acme: httpx.AsyncClient) -> None:
    body = b'{"number": "' + b"x" * 5_000_000 + b'"}'

    answer = await acme.put(
        "/v1/invoices/i1", content=body, headers={"content-type": "application/json"}
    )

    assert_problem(answer, 413)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"text"', b"7"])
async def test_json_that_is_no_invoice_is_422(acme: httpx.AsyncClient, body: bytes) -> None:
    answer = await acme.put(
        "/v1/invoices/i1", content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/invoices/a%2Fb", 404),
        ("/v1/invoices/" + "x" * 101, 422),
        ("/v1/invoices/%00", 422),
        ("/v1/invoices/%0A", 422),
        ("/v1/invoices/a%5Cb", 422),
        ("/v1/invoices/%FF%FE", 404),
        ("/v1/invoices/%20", 422),
        ("/v1/invoices?cursor=%00", 422),
        ("/v1/invoices?cursor=!!!", 422),
        ("/v1/invoices?cursor=AAAA", 422),
        ("/v1/invoices?limit=0", 422),
        ("/v1/invoices?limit=99999999999999999999", 422),
        ("/v1/invoices?status=lost", 422),
        ("/v1/invoices?debtor_id=%00", 422),
        ("/v1/tenants/UPPER", 422),
    ],
)
async def test_a_bad_address_is_a_problem(acme: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await acme.get(path)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_no_answer_repeats_what_was_sent(acme: httpx.AsyncClient) -> None:
    secret = "marie.curie@radium"

    answers = [
        await acme.put("/v1/debtors/new", json=DEBTOR | {"contacts": {"emails": [secret]}}),
        await acme.put("/v1/debtors/new", json=DEBTOR | {"name": secret + "\n" + secret}),
        await acme.post("/v1/bulk/debtors", json=[DEBTOR | {"debtor_id": "x", "kind": secret}]),
    ]

    assert all(secret not in answer.text for answer in answers)


async def test_a_token_is_needed_with_the_right_scope_and_tenant(ledger: Ledger) -> None:
    await ledger.registered()
    reader = ledger.client(scopes=["ledger:read"])
    stranger = ledger.client("other")

    nobody = await reader.get("/v1/invoices/i1", headers={"authorization": ""})
    forged = await reader.get("/v1/invoices/i1", headers={"authorization": "Bearer x.y.z"})
    no_scope = await reader.put("/v1/invoices/i1", json=INVOICE)
    internal = await reader.post("/internal/permits", json={"lease_s": 1, "requests": []})
    foreign = await stranger.get("/v1/invoices/i1", headers={"x-tenant": ledger.name})
    foreign_tenant = await stranger.get(f"/v1/tenants/{ledger.name}")

    statuses = [
        a.status_code for a in (nobody, forged, no_scope, internal, foreign, foreign_tenant)
    ]
    assert statuses == [401, 401, 403, 403, 403, 403]


async def test_a_token_of_all_tenants_must_name_one(
    ledger: Ledger, platform: httpx.AsyncClient
) -> None:
    await ledger.registered()

    unnamed = await platform.get("/v1/invoices")
    named = await platform.get("/v1/invoices", headers={"x-tenant": ledger.name})
    nonsense = await platform.get("/v1/invoices", headers={"x-tenant": "no such\ttenant"})

    assert [a.status_code for a in (unnamed, named, nonsense)] == [400, 200, 404]

"""Requests made up from the OpenAPI document, good and bad: never a 5xx, problems are always problems."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.integration.invoice_ingest.conftest import House, Ledger

schemathesis.serializer.alias("application/pdf", "application/octet-stream")

_MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
_SHARED = ("/internal/feed", "/internal/parked")
"""Routes of the shared library, which tests them itself."""

_bounded = settings(
    max_examples=150,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would take minutes
    suppress_health_check=list(HealthCheck),
)
_schemas: dict[int, Any] = {}


def operations(house: House) -> list[Any]:
    """Every operation of the ledger itself; the document is read once."""
    if id(house) not in _schemas:
        schema = schemathesis.openapi.from_dict(house.app.openapi())
        found = [result.ok() for result in schema.get_all_operations()]
        _schemas[id(house)] = [o for o in found if not o.path.startswith(_SHARED)]
    operations_: list[Any] = _schemas[id(house)]
    return operations_


@cache
def _strategy(operation: Any, mode: GenerationMode) -> Any:
    return operation.as_strategy(generation_mode=mode)


@_bounded
@given(data=st.data())
async def test_no_request_made_from_the_document_breaks_the_service(
    ledger: Ledger, acme: httpx.AsyncClient, data: st.DataObject
) -> None:
    operation = data.draw(st.sampled_from(operations(ledger.house)))
    case = data.draw(_strategy(operation, data.draw(st.sampled_from(_MODES))))

    answer = await send(acme, case)

    assert_answered(answer)


JSON = {"content-type": "application/json"}


def dumps(value: Any) -> bytes:
    """JSON as a careless client writes it: NaN, lone surrogates and all."""
    return json.dumps(value).encode()


_text = st.text(max_size=12) | st.sampled_from(
    ["d1", "i1", "EUR", "1.00", "2026-01-31", "\0", "\ud800"]
)
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_invoice: dict[str, Any] = {
    "debtor_id": "d1",
    "issued_on": "2026-01-01",
    "due_on": "2026-01-31",
    "currency": "EUR",
    "amount": "1.00",
}
_payment: dict[str, Any] = {
    "debtor_id": "d1",
    "currency": "EUR",
    "amount": "1.00",
    "value_date": "2026-01-01",
    "allocations": [{"invoice_id": "i1", "amount": "1.00"}],
}


@_bounded
@given(
    changes=st.dictionaries(st.sampled_from([*_invoice, *_payment, "revision", "tags"]), _json),
    is_payment=st.booleans(),
    in_bulk=st.booleans(),
)
async def test_one_wrong_value_in_a_good_body_never_breaks_the_service(
    acme: httpx.AsyncClient, changes: dict[str, Any], is_payment: bool, in_bulk: bool
) -> None:
    body = (_payment if is_payment else _invoice) | changes
    noun = "payments" if is_payment else "invoices"
    item_id = {"payment_id" if is_payment else "invoice_id": "x"}

    answer = (
        await acme.post(f"/v1/bulk/{noun}", content=dumps([body | item_id]), headers=JSON)
        if in_bulk
        else await acme.put(f"/v1/{noun}/x", content=dumps(body), headers=JSON)
    )

    assert_answered(answer)


@_bounded
@given(
    body=st.binary(max_size=60) | _json.map(dumps),
    path=st.sampled_from(["bulk/debtors", "bulk/payments", "imports"]),
    content_type=st.sampled_from(
        ["application/json", "application/x-ndjson", "multipart/form-data; boundary=x", "x"]
    ),
)
async def test_any_bytes_in_a_body_never_break_the_service(
    acme: httpx.AsyncClient, body: bytes, path: str, content_type: str
) -> None:
    answer = await acme.post(f"/v1/{path}", content=body, headers={"content-type": content_type})

    assert_answered(answer)


async def send(client: httpx.AsyncClient, case: Any) -> httpx.Response:
    """The case as it goes over the wire; the token is ours."""
    wire = requests.Request(
        **{
            name: value
            for name, value in case.as_transport_kwargs(base_url="http://ledger").items()
            if name in ("method", "url", "headers", "params", "data", "json", "files", "cookies")
        }
    ).prepare()
    headers = {
        name: value
        for name, value in wire.headers.items()
        if name.lower() not in ("authorization", "x-tenant", "content-length")
    }
    body = wire.body.encode() if isinstance(wire.body, str) else wire.body
    return await client.request(
        str(wire.method), str(wire.url), headers=headers, content=body or b""
    )


def assert_answered(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code

"""Every error leaves as an RFC 9457 problem that names the field and echoes nothing."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from dunning_common import problems
from dunning_common.problems import FieldError, ProblemError, json_pointer


class Line(BaseModel):
    amount: int = Field(gt=0)


class Order(BaseModel):
    lines: list[Line]


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    problems.install(app)

    @app.post("/orders")
    def place(order: Order) -> dict[str, int]:
        return {"lines": len(order.lines)}

    @app.get("/refused")
    def refuse() -> None:
        raise ProblemError(
            409, "already-paid", "The invoice is paid.", detail="Reverse the payment first.",
            errors=[FieldError(pointer="/amount", detail="too late")],
            headers={"retry-after": "5"}, extra={"paid_on": "2026-01-02"},
        )  # fmt: skip

    @app.get("/broken")
    def break_() -> None:
        raise RuntimeError("secret: 4711")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://here")


async def test_a_problem_carries_all_its_members(client: httpx.AsyncClient) -> None:
    answer = await client.get("/refused")

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"
    assert answer.json() == {
        "type": "urn:dunning:problem:already-paid",
        "title": "The invoice is paid.",
        "status": 409,
        "detail": "Reverse the payment first.",
        "errors": [{"pointer": "/amount", "detail": "too late"}],
        "paid_on": "2026-01-02",
    }


async def test_a_wrong_field_is_pointed_at(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders", json={"lines": [{"amount": 1}, {"amount": -7}]})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/lines/1/amount"]


async def test_what_was_sent_is_not_echoed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders", json={"lines": [{"amount": "hunter2"}]})

    assert "hunter2" not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b'{"lines": [}', b"\xff\xfe", b"[1,"])
async def test_a_body_that_is_no_json_is_the_callers_fault(
    client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post(
        "/orders", content=body, headers={"content-type": "application/json"}
    )

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/orders", 405)]
)
async def test_a_wrong_address_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_bug_says_nothing_of_its_inside(client: httpx.AsyncClient) -> None:
    answer = await client.get("/broken")

    assert answer.status_code == 500
    assert "4711" not in answer.text
    assert answer.json()["type"] == "urn:dunning:problem:internal"


def test_a_pointer_escapes_what_rfc_6901_says() -> None:
    assert json_pointer(("items", 0, "a/b", "c~d")) == "/items/0/a~1b/c~0d"
    assert json_pointer(()) == ""


@given(st.lists(st.text(max_size=6), max_size=4))
def test_a_pointer_leads_back_to_its_path(path: list[str]) -> None:
    parts = json_pointer(path).split("/")[1:]

    assert [part.replace("~1", "/").replace("~0", "~") for part in parts] == path

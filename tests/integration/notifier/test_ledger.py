"""The ledger over HTTP: what is asked, what is understood, and that silence means nothing is sent."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from notifier.adapters.http_ledger import HttpLedger
from notifier.ports.ledger import Denied, Granted, LedgerUnavailableError, PermitRequest

PERMITS = [
    PermitRequest(permit_id=UUID(int=1), tenant="acme", invoices=(("i1", 3),)),
    PermitRequest(permit_id=UUID(int=2), tenant="acme", invoices=(("i2", 1),)),
]


def ledger(answer: Any, heard: list[httpx.Request] | None = None) -> HttpLedger:
    def handle(request: httpx.Request) -> httpx.Response:
        if heard is not None:
            heard.append(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, json=answer)

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return HttpLedger(client, base_url="http://ledger/", token="t", timeout_s=1.0)


async def test_permits_are_asked_for_in_one_call_and_understood() -> None:
    heard: list[httpx.Request] = []
    answers = [
        {"permit_id": str(UUID(int=1)), "granted": True, "expires_in_s": 4.5},
        {
            "permit_id": str(UUID(int=2)),
            "granted": False,
            "refused": [{"invoice_id": "i2", "reason": "paid"}],
        },
    ]

    got = await ledger({"answers": answers}, heard).permits(PERMITS, lease_s=5.0)

    assert got == {
        UUID(int=1): Granted(expires_in_s=4.5),
        UUID(int=2): Denied(refused=(("i2", "paid"),)),
    }
    (request,) = heard
    assert str(request.url) == "http://ledger/internal/permits"
    assert request.headers["authorization"] == "Bearer t"
    assert orjson.loads(request.content) == {
        "lease_s": 5.0,
        "requests": [
            {
                "permit_id": str(UUID(int=n)),
                "tenant": "acme",
                "invoices": [{"invoice_id": f"i{n}", "version": version}],
            }
            for n, version in ((1, 3), (2, 1))
        ],
    }


async def test_keys_are_decoded_and_erased_debtors_missing() -> None:
    heard: list[httpx.Request] = []
    key = base64.b64encode(bytes(32)).decode()
    rows = [{"tenant": "acme", "debtor_id": "d1", "key_id": "k", "key": key}]

    got = await ledger({"keys": rows}, heard).keys({("acme", "d1"), ("acme", "d2")})

    assert got == {("acme", "d1"): bytes(32)}
    assert str(heard[0].url) == "http://ledger/internal/debtor-keys"
    assert len(orjson.loads(heard[0].content)["debtors"]) == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("down"),
        httpx.ReadTimeout("slow"),
        httpx.Response(500),
        httpx.Response(403, json={}),
        httpx.Response(200, content=b"not json"),
        {},
        {"answers": [{}], "keys": [{}]},
        {"answers": 7, "keys": 7},
    ],
)
async def test_anything_but_a_proper_answer_means_unavailable(answer: Any) -> None:
    with pytest.raises(LedgerUnavailableError):
        await ledger(answer).permits(PERMITS, lease_s=5.0)
    with pytest.raises(LedgerUnavailableError):
        await ledger(answer).keys({("acme", "d1")})


async def test_permits_that_cannot_be_given_back_are_left_to_expire() -> None:
    heard: list[httpx.Request] = []
    permit_id = uuid4()

    await ledger(httpx.ConnectError("down"), heard).return_permits([permit_id])

    assert orjson.loads(heard[0].content) == {"permit_ids": [str(permit_id)]}

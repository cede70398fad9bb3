"""The whole engine as it is put together: broker, feeds, HTTP, loops."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dunning_common.auth import SCOPES, make_key_pair, mint
from dunning_common.bus import Record
from dunning_common.events.dunning import NoticeMessageV2
from dunning_common.events.envelope import Envelope
from dunning_common.events.registry import parse_payload
from dunning_common.events.responses import ReplyReceivedV1
from dunning_common.service import Service
from dunning_common.testing.bus import MemoryBus
from dunning_engine.adapters.builtin_policies import BUILT_IN_IDS
from dunning_engine.bootstrap import build
from dunning_engine.entrypoints.web import to_cursor
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import FakeFeed, Ledger, answer, answered, quiet_settings
from tests.conftest import Databases

START = date(2026, 3, 1)
DUE = date(2026, 4, 1)
POLICY = """
name: Ours
country: FR
levels:
  - code: reminder
    threshold_days: 3
    channels: [email]
    template: first_reminder
"""


@dataclass
class System:
    """A running engine, its broker, its feed, and a client of its API."""

    service: Service
    bus: MemoryBus
    feed: FakeFeed
    client: httpx.AsyncClient
    tokens: Callable[..., dict[str, str]]

    async def publish(self, *envelopes: Envelope) -> None:
        for envelope in envelopes:
            self.feed.add(envelope)
            record = Record(key=envelope.key, value=envelope.to_bytes())
            self.bus.store(parse_payload(envelope).topic, [record])

    def heard(self) -> list[Envelope]:
        return [
            Envelope.from_bytes(record.value)
            for topic, record in self.bus.published
            if topic == "dunning.v1"
        ]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_key_pair(folder / "private.pem", folder / "jwks.json")
    return folder


@pytest.fixture
async def system(databases: Databases, keys: Path) -> AsyncIterator[System]:
    name = await databases.clone(SCHEMA)
    async with _running(databases, keys, name) as made:
        yield made


@asynccontextmanager
async def _running(databases: Databases, keys: Path, name: str) -> AsyncIterator[System]:
    settings = quiet_settings(
        api_database_url=databases.role_url(SCHEMA.api_role, name),
        worker_database_url=databases.role_url(SCHEMA.worker_role, name),
        token_keys_file=keys / "jwks.json",
    )

    def tokens(tenant: str = "acme", scopes: frozenset[str] = SCOPES) -> dict[str, str]:
        token = mint(
            keys / "private.pem", subject="tester", tenant=tenant, scopes=scopes,
            now=datetime.now(UTC), lifetime=timedelta(hours=1),
        )  # fmt: skip
        return {"authorization": f"Bearer {token}"}

    bus, feed = MemoryBus(), FakeFeed()
    service = await build(settings, bus=bus, feeds=feed.clients())
    tasks = [asyncio.create_task(_loop(loop)) for loop in service.loops.values()]
    transport = httpx.ASGITransport(service.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://engine.test", headers=tokens()
    ) as client:
        yield System(service, bus, feed, client, tokens)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await service.close()


async def _loop(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


async def _until(check: Callable[[], Awaitable[Any]], timeout_s: float = 30) -> Any:
    async with asyncio.timeout(timeout_s):
        while not (found := await check()):  # noqa: ASYNC110 -- asks over HTTP
            await asyncio.sleep(0.02)
        return found


async def _answer_for_ever(system: System) -> None:
    seen: set[str] = set()
    while True:
        for envelope in system.heard():
            if envelope.type == "NoticeRequestedV2" and envelope.data["notice_id"] not in seen:
                seen.add(envelope.data["notice_id"])
                for number, data in enumerate(envelope.data["messages"]):
                    message = NoticeMessageV2.model_validate(data)
                    news = answer(envelope, message, "sent")
                    await system.publish(
                        news.model_copy(
                            update={"sequence": system.feed.next_sequence(news), "id": uuid4()}
                        )
                    )
                    assert number < 4
        await asyncio.sleep(0.005)


@pytest.fixture
async def answering(system: System) -> AsyncIterator[None]:
    task = asyncio.create_task(_answer_for_ever(system))
    yield
    task.cancel()
    await asyncio.wait([task])


async def _sandbox(system: System) -> Ledger:
    ledger = Ledger()
    await system.publish(
        ledger.registered(sandbox_from=START),
        ledger.debtor(),
        ledger.invoice(issued_on=START, due_on=DUE),
    )
    return ledger


@pytest.mark.usefixtures("answering")
async def test_the_clock_walks_over_http_and_everything_can_be_read(system: System) -> None:
    await _sandbox(system)

    moved = await system.client.post(
        "/v1/clock", params={"wait_s": 60}, json={"advance_to": "2026-06-30"}
    )

    assert moved.status_code == 200, moved.text
    assert moved.json() == {
        "now": "2026-06-29T22:00:00Z",
        "target": "2026-06-29T22:00:00Z",
        "settled": True,
        "waiting_for": [],
        "sandbox": True,
    }
    assert (await system.client.get("/v1/clock")).json() == moved.json()
    levels = (await system.client.get("/v1/levels", params={"limit": 3})).json()
    rest = (await system.client.get("/v1/levels", params={"cursor": levels["next_cursor"]})).json()
    items = levels["items"] + rest["items"]
    assert [(item["level"], item["on"]) for item in items] == [
        ("courtesy", "2026-03-27"),
        ("first_reminder", "2026-04-08"),
        ("second_reminder", "2026-04-22"),
        ("formal_notice", "2026-05-07"),
        ("hand_over", "2026-05-18"),
    ]
    assert items[2]["channels"] == {"email": "sent", "sms": "sent"}
    assert rest["next_cursor"] is None
    case = (await system.client.get("/v1/cases/i1")).json()
    assert case["state"] == "handed_over"
    assert case["closed"] == "handed_over"
    assert case["open"] == "100.00"
    listed = await system.client.get("/v1/cases", params={"state": "handed_over"})
    assert [item["invoice_id"] for item in listed.json()["items"]] == ["i1"]


@pytest.mark.usefixtures("answering")
async def test_explain_says_what_was_done_and_why(system: System) -> None:
    await _sandbox(system)
    await system.client.post("/v1/clock", params={"wait_s": 60}, json={"advance_to": "2026-04-10"})

    said = (await system.client.get("/v1/explain/i1")).json()

    assert said["state"] == "scheduled"
    assert said["next"]["level"] == "second_reminder"
    assert said["next"]["at"] == "2026-04-22T06:00:00Z"
    assert said["obstacles"] == []
    assert [entry["outcome"] for entry in said["history"]] == ["served", "served"]
    assert "goes out now" in said["history"][0]["why"]
    decision_id = said["history"][0]["decision_id"]
    decision = (await system.client.get(f"/v1/decisions/{decision_id}")).json()
    assert decision["record"]["outcome"]["notices"][0]["items"][0]["invoice_id"] == "i1"
    again = (await system.client.post(f"/v1/decisions/{decision_id}/recompute")).json()
    assert again["identical"] is True
    everything = (await system.client.post("/v1/decisions/recompute")).json()
    assert everything["checked"] >= len(said["history"])
    assert everything["different"] == []
    assert everything["next_cursor"] is None


async def test_a_clock_that_waits_says_for_what(system: System) -> None:
    await _sandbox(system)

    body = (
        await system.client.post(
            "/v1/clock", params={"wait_s": 2}, json={"advance_to": "2026-06-30"}
        )
    ).json()

    assert body["settled"] is False
    assert body["now"] == "2026-03-27T07:00:00Z"
    assert body["waiting_for"] == ["notices in flight: 1"]


@pytest.mark.usefixtures("answering")
async def test_a_broker_that_lost_the_ledgers_events_does_not_falsify_the_clock(
    system: System,
) -> None:
    ledger = Ledger()
    for envelope in (
        ledger.registered(sandbox_from=START),
        ledger.debtor(),
        ledger.invoice(issued_on=START, due_on=DUE),
    ):
        system.feed.add(envelope)  # the feed has it, the broker does not

    body = (
        await system.client.post(
            "/v1/clock", params={"wait_s": 60}, json={"advance_to": "2026-04-10"}
        )
    ).json()

    assert body["settled"] is True
    items = (await system.client.get("/v1/levels")).json()["items"]
    assert [item["level"] for item in items] == ["courtesy", "first_reminder"]


async def test_what_debtors_answer_is_heard_from_the_broker_or_pulled_from_the_feed(
    system: System,
) -> None:
    await _sandbox(system)
    await _until(lambda: _found(system, "/v1/cases/i1"))
    answers = [
        answered(ReplyReceivedV1, channel=channel, sequence=number)
        for number, channel in enumerate(("email", "sms", "email"), start=1)
    ]

    await system.publish(answers[0])
    system.feed.add(answers[1])  # the broker lost it
    await system.publish(answers[2])

    async def taken() -> list[str]:
        body = (await system.client.get("/v1/responses", params={"debtor_id": "d1"})).json()
        found = [item["response_id"] for item in body["items"]]
        return found if len(found) == len(answers) else []

    assert await _until(taken) == [answer.data["response_id"] for answer in answers]


async def test_the_engine_started_again_goes_on_walking(databases: Databases, keys: Path) -> None:
    name = await databases.clone(SCHEMA)
    async with _running(databases, keys, name) as first:
        await _sandbox(first)
        await first.client.post(
            "/v1/clock", params={"wait_s": 1}, json={"advance_to": "2026-04-10"}
        )
        published = first.bus, first.feed

    async with _running(databases, keys, name) as second:
        second.bus.published += published[0].published
        second.feed.events = published[1].events
        task = asyncio.create_task(_answer_for_ever(second))

        async def arrived() -> bool:
            return bool((await second.client.get("/v1/clock")).json()["settled"])

        await _until(arrived)
        task.cancel()
        await asyncio.wait([task])
        items = (await second.client.get("/v1/levels")).json()["items"]

    assert [item["outcome"] for item in items] == ["served", "served"]


async def test_a_real_tenants_payment_revokes_the_notice_in_flight(system: System) -> None:
    ledger, today = Ledger(), datetime.now(UTC).date()
    await system.publish(ledger.registered(), ledger.debtor(zone="UTC"))
    put = await system.client.put(
        "/v1/policies/any-time",
        content=POLICY.replace("threshold_days: 3", "threshold_days: 0")
        + "calendar: {weekdays: [mon, tue, wed, thu, fri, sat, sun], opens: 00:00, closes: 23:59,"
        + " holidays: ignore}",
        headers={"content-type": "application/yaml"},
    )
    assert put.json() == {"policy_id": "any-time", "version": 1, "status": "created"}, put.text
    await system.publish(
        ledger.invoice(issued_on=today, due_on=today - timedelta(days=9), policy_id="any-time")
    )

    async def requested() -> bool:
        return any(e.type == "NoticeRequestedV2" for e in system.heard())

    await _until(requested)
    await system.publish(ledger.paid(on=today))

    async def revoked() -> bool:
        return any(e.type == "NoticeRevokedV1" for e in system.heard())

    await _until(revoked)


async def test_policies_are_stored_as_versions(system: System) -> None:
    async def put(text: str) -> Any:
        return await system.client.put(
            "/v1/policies/ours", content=text, headers={"content-type": "application/yaml"}
        )

    created, same = (await put(POLICY)).json(), (await put(POLICY + "# a comment\n")).json()
    changed = (await put(POLICY.replace("threshold_days: 3", "threshold_days: 5"))).json()

    assert created == {"policy_id": "ours", "version": 1, "status": "created"}
    assert same == {"policy_id": "ours", "version": 1, "status": "unchanged"}
    assert changed == {"policy_id": "ours", "version": 2, "status": "updated"}
    listed = (await system.client.get("/v1/policies")).json()
    assert [item["policy_id"] for item in listed["items"]] == [*BUILT_IN_IDS, "ours"]
    first = (await system.client.get("/v1/policies/ours", params={"version": 1})).json()
    assert first["document"]["levels"][0]["threshold_days"] == 3
    built_in = (await system.client.get("/v1/policies/france-b2b")).json()
    assert built_in["built_in"] is True
    assert "courtesy" in built_in["source"]


async def test_a_wrong_policy_is_refused_with_line_and_column(system: System) -> None:
    answered = await system.client.put(
        "/v1/policies/ours",
        content=POLICY.replace("threshold_days: 3", "threshold_days: soon"),
        headers={"content-type": "application/yaml"},
    )

    assert answered.status_code == 422
    assert answered.headers["content-type"] == "application/problem+json"
    (error,) = answered.json()["errors"]
    assert (error["pointer"], error["line"]) == ("/levels/0/threshold_days", 6)
    assert error["column"] > 1


async def test_a_built_in_policy_cannot_be_replaced(system: System) -> None:
    answered = await system.client.put("/v1/policies/france-b2b", content=POLICY)

    assert answered.status_code == 409


async def test_the_default_policy_must_exist(system: System) -> None:
    wrong = await system.client.put("/v1/default-policy", json={"policy_id": "nothing"})
    right = await system.client.put("/v1/default-policy", json={"policy_id": "uk-b2b"})

    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "/policy_id"
    assert right.json() == {"policy_id": "uk-b2b"}
    assert (await system.client.get("/v1/policies")).json()["default_policy_id"] == "uk-b2b"


async def test_holds_are_placed_listed_and_released(system: System) -> None:
    ledger = Ledger()
    for envelope in (
        ledger.registered(),
        ledger.debtor(),
        ledger.invoice(issued_on=START, due_on=DUE),
    ):
        system.feed.add(envelope)  # known to the ledger only: the engine asks

    placed = await system.client.post(
        "/v1/holds", json={"debtor_id": "d1", "invoice_id": "i1", "reason": "talks"}
    )
    listed = (await system.client.get("/v1/holds")).json()["items"]
    released = await system.client.post(f"/v1/holds/{placed.json()['hold_id']}/release")
    again = await system.client.post(f"/v1/holds/{placed.json()['hold_id']}/release")

    assert placed.status_code == 201, placed.text
    assert [hold["hold_id"] for hold in listed] == [placed.json()["hold_id"]]
    assert released.json()["released_at"] == again.json()["released_at"] is not None
    assert (await system.client.get("/v1/holds")).json()["items"] == []
    ended = (await system.client.get("/v1/holds", params={"released": True})).json()["items"]
    assert len(ended) == 1


async def test_another_tenants_things_are_answered_as_if_they_were_not_there(
    system: System,
) -> None:
    await _sandbox(system)
    await _until(lambda: _found(system, "/v1/cases/i1"))
    hold = await system.client.post("/v1/holds", json={"debtor_id": "d1", "reason": "talks"})
    stranger = system.tokens("other")

    for method, path in (
        ("GET", "/v1/cases/i1"),
        ("GET", "/v1/explain/i1"),
        ("POST", f"/v1/holds/{hold.json()['hold_id']}/release"),
        ("GET", "/v1/clock"),
    ):
        answered = await system.client.request(method, path, headers=stranger)
        assert answered.status_code == 404, path
        assert "acme" not in answered.text
    for path in ("/v1/cases", "/v1/levels", "/v1/holds"):
        listed = await system.client.get(path, headers=stranger)
        assert listed.json()["items"] == [], path
    foreign = await system.client.get("/v1/cases/i1", headers={"x-tenant": "other"})
    assert foreign.status_code == 403


async def _found(system: System, path: str) -> bool:
    return (await system.client.get(path)).status_code == 200


async def test_a_scope_is_needed_for_everything(system: System) -> None:
    nobody = system.tokens(scopes=frozenset({"kpi:read"}))
    document = system.service.app.openapi()

    for path, methods in document["paths"].items():
        for method in methods:
            url = re.sub(r"\{[^}]+\}", str(uuid4()), path)
            answered = await system.client.request(method, url, headers=nobody, json={})
            assert answered.status_code == 403, (method, path)


BAD_REQUESTS: list[tuple[str, str, Any, int]] = [
    ("POST", "/v1/clock", {"advance_to": "tomorrow"}, 422),
    ("POST", "/v1/clock", {"advance_to": 1e18}, 422),
    ("POST", "/v1/clock", {"advance_to": "9999-12-31T23:59:59-12:00"}, 422),
    ("POST", "/v1/clock", {"advance_to": "0001-01-01"}, 422),
    ("POST", "/v1/clock", {}, 422),
    ("POST", "/v1/clock", {"advance_to": "2025-01-01"}, 409),
    ("POST", "/v1/clock?wait_s=nan", {"advance_to": "2026-03-02"}, 422),
    ("POST", "/v1/holds", {"debtor_id": "d1", "reason": ""}, 422),
    ("POST", "/v1/holds", {"debtor_id": "d\x00", "reason": "x"}, 422),
    ("POST", "/v1/holds", {"debtor_id": "d1", "reason": "a\x00b"}, 422),
    ("POST", "/v1/holds", {"debtor_id": "nobody", "reason": "x"}, 422),
    ("POST", "/v1/holds", {"debtor_id": "d1", "invoice_id": "no", "reason": "x"}, 422),
    (
        "POST",
        "/v1/holds",
        {"debtor_id": "d1", "reason": "x", "until": "2020-01-01T00:00:00Z"},
        422,
    ),
    (
        "POST",
        "/v1/holds",
        {"debtor_id": "d1", "reason": "x", "until": "9999-12-31T23:59:59-12:00"},
        422,
    ),
    ("POST", "/v1/holds", {"debtor_id": "d1", "reason": "x", "until": "2027-01-01"}, 422),
    ("POST", "/v1/holds/nonsense/release", None, 422),
    ("POST", f"/v1/holds/{uuid4()}/release", None, 404),
    ("GET", "/v1/cases/none", None, 404),
    ("GET", "/v1/cases/a%00b", None, 422),
    ("GET", "/v1/cases?state=weird", None, 422),
    ("GET", "/v1/cases?limit=0", None, 422),
    ("GET", "/v1/cases?limit=99999", None, 422),
    ("GET", "/v1/cases?cursor=%21%21", None, 422),
    ("GET", "/v1/cases?debtor_id=%00", None, 422),
    ("GET", "/v1/levels?cursor=WzFd", None, 422),
    *(
        ("GET", f"/v1/levels?cursor={to_cursor(place)}", None, 422)
        for place in (
            ["2026-01-01", "a", 1, 1],
            ["0001-01-01T00:00:00+23:59", "a", 1, 1],
            ["2026-01-01T00:00:00Z", "a", 2**31, 1],
            ["2026-01-01T00:00:00Z", "a\x00", 1, 1],
            [1, "a", 1, 1],
            {"a": 1},
        )
    ),
    ("GET", f"/v1/cases?cursor={to_cursor([None])}", None, 422),
    ("GET", f"/v1/holds?cursor={to_cursor([7])}", None, 422),
    ("GET", "/v1/holds?cursor=WzFd", None, 422),
    ("GET", "/v1/explain/none", None, 404),
    ("GET", "/v1/decisions/1", None, 422),
    ("GET", f"/v1/decisions/{uuid4()}", None, 404),
    ("POST", f"/v1/decisions/{uuid4()}/recompute", None, 404),
    ("GET", "/v1/responses", None, 422),
    ("GET", "/v1/responses?debtor_id=%00", None, 422),
    ("GET", f"/v1/responses?debtor_id=d1&cursor={to_cursor(['2026-01-01', 'x'])}", None, 422),
    ("GET", "/v1/policies/UPPER", None, 422),
    ("GET", "/v1/policies/none", None, 404),
    ("GET", "/v1/policies/none?version=99999999999", None, 422),
    ("PUT", "/v1/policies/ours", None, 422),
    ("PUT", "/v1/default-policy", {"policy_id": "Bad Id"}, 422),
]


async def test_bad_input_is_a_problem_and_never_a_failure(system: System) -> None:
    await _sandbox(system)
    await _until(lambda: _found(system, "/v1/cases/i1"))

    for method, path, body, status in BAD_REQUESTS:
        answered = await system.client.request(method, path, json=body)

        assert answered.status_code == status, (method, path, body, answered.text)
        assert answered.headers["content-type"] == "application/problem+json"


async def test_a_broken_body_is_a_problem(system: System) -> None:
    for body in (b"{", b"[1]", b"\xff\xfe", b'{"advance_to": "\\ud800"}'):
        answered = await system.client.post(
            "/v1/clock", content=body, headers={"content-type": "application/json"}
        )

        assert answered.status_code in (400, 422), body
        assert answered.headers["content-type"] == "application/problem+json"

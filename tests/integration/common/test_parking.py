"""Poison is parked with its error, and so is the rest of its key; everybody else goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.auth import mint
from dunning_common.consumer import Consumed, Consumer
from dunning_common.db import driver
from tests.integration.common.world import POISON, TOPIC, World, cash, keep, until


async def parked(world: World) -> list[tuple[str, int, bool]]:
    """Key, sequence, and whether it is the poison itself."""
    rows = await world.query(
        "SELECT key, sequence, error IS NOT NULL AS poison FROM parked_event ORDER BY key, sequence"
    )
    return [(row["key"], row["sequence"], row["poison"]) for row in rows]


async def absorb(world: World, consumer: Consumer) -> None:
    assert await consumer.catch_up([TOPIC])


class Faulty:
    """A handler with a bug, until somebody mends it."""

    def __init__(self, *amounts: int) -> None:
        self.refused = set(amounts)

    async def __call__(self, connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        for event in events:
            if getattr(event.payload, "unallocated_minor", 0) in self.refused:
                raise ValueError(f"cannot apply {event.envelope.subject}")
        await keep(connection, events)


async def test_poison_parks_its_own_key_only(world: World) -> None:
    world.start(world.relay().run)
    world.start(world.consumer().run)

    await world.write(cash("bad", 1), cash("bad", POISON), cash("bad", 3), cash("good", 1))
    for amount in range(2, 30):
        await world.write(cash("good", amount), cash("bad", amount + 2))
    await world.until_applied(30)

    assert await world.amounts() == {"bad": [1], "good": list(range(1, 30))}

    async def waiting() -> int:
        return len(await parked(world))

    await until(waiting, 30)
    assert (await parked(world))[:2] == [("acme:bad", 2, True), ("acme:bad", 3, False)]


async def test_many_poisons_in_one_batch_are_all_found(memory_world: World) -> None:
    bad = {3, 4, 17, 31, 32, 63}
    await memory_world.write(
        *(cash(f"d{number}", POISON if number in bad else number) for number in range(64)),
        *(cash(f"d{number}", 1000) for number in range(64)),
    )

    await absorb(memory_world, memory_world.consumer())

    assert {key for key, _, _ in await parked(memory_world)} == {f"acme:d{n}" for n in bad}
    assert len(await memory_world.applied()) == 2 * (64 - len(bad))
    assert [entry for entry in await parked(memory_world) if entry[0] == "acme:d17"] == [
        ("acme:d17", 1, True), ("acme:d17", 2, False),
    ]  # fmt: skip


async def test_a_failure_that_passes_parks_nobody_even_while_poison_is_sought(
    memory_world: World,
) -> None:
    failures = [ConnectionResetError("reset"), ConnectionResetError("again")]

    async def shaky(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        if len(events) == 1 and failures:
            raise failures.pop()
        await keep(connection, events)

    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(shaky).run)
    await memory_world.write(cash("good", 1), cash("bad", POISON), cash("fine", 3))
    await memory_world.until_applied(2)

    assert not failures
    assert await parked(memory_world) == [("acme:bad", 1, True)]


async def test_the_error_is_kept_beside_the_event(memory_world: World) -> None:
    await memory_world.write(cash("bad", POISON))

    await absorb(memory_world, memory_world.consumer())

    (row,) = await memory_world.query("SELECT * FROM parked_event")
    assert "not_forbidden" in row["error"]
    assert row["tenant"] == "acme"


async def test_the_error_that_is_kept_shows_no_values(memory_world: World) -> None:
    """They may be personal; the event itself is kept anyway."""

    class Person(BaseModel):
        age: int

    async def careless(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        if any(event.envelope.subject == "model" for event in events):
            Person.model_validate({"age": "hunter2"})
        raw = await driver(connection)
        for event in events:
            await raw.execute(
                "INSERT INTO balance (tenant, key, amount) VALUES ('acme', 'hunter2', $1)",
                event.envelope.sequence,
            )
            await connection.execute(
                text("INSERT INTO balance (tenant, key, amount) VALUES ('acme', :key, 1)"),
                {"key": "hunter2"},
            )

    await memory_world.write(cash("model", 1), cash("row", 2))
    await absorb(memory_world, memory_world.consumer(careless))

    rows = await memory_world.query("SELECT error FROM parked_event ORDER BY key")
    errors = [row["error"] for row in rows]
    assert "/age: Input should be a valid integer" in errors[0]
    assert "balance_pkey" in errors[1]
    assert not any("hunter2" in error for error in errors)


async def test_an_event_of_an_unknown_type_is_parked(memory_world: World) -> None:
    await memory_world.write(cash("d1", 1), cash("d2", 1))
    await memory_world.query(
        "UPDATE outbox SET envelope = convert_to(replace(convert_from(envelope, 'UTF8'), "
        "'UnallocatedCashChangedV1', 'FromTheFutureV9'), 'UTF8') WHERE key = 'acme:d1'",
        db=memory_world.writer,
    )

    await absorb(memory_world, memory_world.consumer())

    assert await parked(memory_world) == [("acme:d1", 1, True)]
    assert await memory_world.applied("acme:d2") == [1]


async def test_an_event_whose_payload_does_not_parse_is_parked(memory_world: World) -> None:
    await memory_world.write(cash("d1", 1), cash("d2", 1))
    await memory_world.query(
        "UPDATE outbox SET envelope = convert_to(replace(convert_from(envelope, 'UTF8'), "
        "'2026-01-01', 'yesterday'), 'UTF8') WHERE key = 'acme:d1'",
        db=memory_world.writer,
    )

    await absorb(memory_world, memory_world.consumer())

    assert await parked(memory_world) == [("acme:d1", 1, True)]
    assert await memory_world.applied("acme:d2") == [1]


async def test_a_constraint_that_is_checked_at_the_commit_parks_its_event_only(
    memory_world: World,
) -> None:
    async def with_balance(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await keep(connection, events)
        await (await driver(connection)).execute(
            "INSERT INTO balance SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])",
            [event.envelope.tenant for event in events],
            [event.envelope.key for event in events],
            [getattr(event.payload, "unallocated_minor", 0) for event in events],
        )

    await memory_world.write(*(cash(f"d{number}", number) for number in range(10)))
    await memory_world.write(cash("again", 5))

    await absorb(memory_world, memory_world.consumer(with_balance))

    assert len(await parked(memory_world)) == 1
    assert len(await memory_world.applied()) == 10


async def test_retried_events_are_applied_in_order_once_the_cause_is_gone(
    memory_world: World,
) -> None:
    handler = Faulty(2)
    consumer = memory_world.consumer(handler)
    await memory_world.write(*(cash("bad", amount) for amount in (1, 2, 3, 4)), cash("other", 2))
    await absorb(memory_world, consumer)
    still = await consumer.retry_parked()
    assert (still.applied, still.still_parked) == (0, 4)

    handler.refused.clear()
    done = await consumer.retry_parked(topic=TOPIC, key="acme:bad")

    assert (done.applied, done.still_parked) == (3, 1)
    assert await memory_world.applied("acme:bad") == [1, 2, 3, 4]
    assert (await consumer.retry_parked()).still_parked == 0
    await memory_world.write(cash("bad", 5))
    await absorb(memory_world, consumer)
    assert await memory_world.applied("acme:bad") == [1, 2, 3, 4, 5]


async def test_a_long_queue_behind_poison_is_worked_off_whole(memory_world: World) -> None:
    handler = Faulty(0)
    consumer = memory_world.consumer(handler)
    await memory_world.write(*(cash("bad", amount) for amount in range(231)))
    await absorb(memory_world, consumer)
    handler.refused.clear()

    done = await consumer.retry_parked()

    assert (done.applied, done.still_parked) == (231, 0)
    assert await memory_world.applied("acme:bad") == list(range(1, 232))


async def test_a_second_poison_behind_the_first_parks_the_rest_again(
    memory_world: World,
) -> None:
    handler = Faulty(1, 3)
    consumer = memory_world.consumer(handler)
    await memory_world.write(*(cash("bad", amount) for amount in (1, 2, 3, 4)))
    await absorb(memory_world, consumer)
    handler.refused = {3}

    done = await consumer.retry_parked()

    assert (done.applied, done.still_parked) == (2, 2)
    assert await memory_world.applied() == [1, 2]
    assert await parked(memory_world) == [("acme:bad", 3, True), ("acme:bad", 4, False)]


async def test_discarding_the_poison_lets_the_rest_of_its_key_through(
    memory_world: World,
) -> None:
    consumer = memory_world.consumer()
    await memory_world.write(*(cash("bad", amount) for amount in (1, POISON, 3)))
    await absorb(memory_world, consumer)

    assert await consumer.discard_parked(topic=TOPIC, key="acme:bad", sequence=2)

    assert await memory_world.applied("acme:bad") == [1, 3]
    assert await parked(memory_world) == []
    assert not await consumer.discard_parked(topic=TOPIC, key="acme:bad", sequence=2)


async def test_the_number_of_parked_events_is_measured(memory_world: World) -> None:
    registry = CollectorRegistry()
    consumer = memory_world.consumer(registry=registry)
    await memory_world.write(cash("bad", POISON), cash("bad", 2), cash("good", 3))
    await absorb(memory_world, consumer)

    assert registry.get_sample_value("dunning_events_parked") == 2
    assert registry.get_sample_value("dunning_events_poisoned_total") == 1
    assert registry.get_sample_value("dunning_events_consumed_total", {"topic": TOPIC}) == 1


async def test_a_handler_may_write_events_and_poison_takes_its_own_back(
    memory_world: World,
) -> None:
    async def answering(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await keep(connection, events)
        await outbox.append(
            connection, [cash(f"answer-{e.envelope.subject}", 1) for e in events], source="reader"
        )

    await memory_world.write(cash("good", 1), cash("bad", POISON))
    await absorb(memory_world, memory_world.consumer(answering))

    rows = await memory_world.query("SELECT key FROM outbox")
    assert [row["key"] for row in rows] == ["acme:answer-good"]


async def test_a_broken_transaction_inside_a_handler_is_taken_back_whole(
    memory_world: World,
) -> None:
    async def careless(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await keep(connection, events)
        if any(event.envelope.subject == "bad" for event in events):
            await connection.execute(text("SELECT 1 / 0"))

    await memory_world.write(cash("good", 1), cash("bad", 2), cash("fine", 3))
    await absorb(memory_world, memory_world.consumer(careless))

    assert sorted(await memory_world.amounts()) == ["fine", "good"]


class TestOverHttp:
    """The routes under /internal/parked."""

    async def client(self, world: World, consumer: Consumer) -> httpx.AsyncClient:
        await world.write(
            *(cash("bad", amount) for amount in (POISON, 2, 3)), cash("worse", POISON)
        )
        await absorb(world, consumer)
        return world.client(world.app(world.reader, consumer))

    async def test_parked_events_are_listed_without_their_data(self, memory_world: World) -> None:
        client = await self.client(memory_world, memory_world.consumer())

        body = (await client.get("/internal/parked", params={"limit": 3})).json()

        assert body["total"] == 4
        first = body["items"][0]
        assert {key: first[key] for key in ("topic", "key", "tenant", "sequence", "type")} == {
            "topic": TOPIC, "key": "acme:bad", "tenant": "acme", "sequence": 1,
            "type": "UnallocatedCashChangedV1",
        }  # fmt: skip
        assert "envelope" not in first
        rest = await client.get("/internal/parked", params={"cursor": body["next_cursor"]})
        assert [item["key"] for item in rest.json()["items"]] == ["acme:worse"]
        assert rest.json()["next_cursor"] is None

    async def test_a_cursor_of_somebody_else_is_refused(self, memory_world: World) -> None:
        client = await self.client(memory_world, memory_world.consumer())

        nonsense = [[], {}, [1, 2, 3], ["t", "k", 10**18 * 99], ["t", "\0", 1], ["t", "k", -1]]
        for cursor in ("zz", "00", *(json.dumps(value).encode().hex() for value in nonsense)):
            answer = await client.get("/internal/parked", params={"cursor": cursor})
            assert answer.status_code == 400, cursor

    async def test_retry_and_discard_work_over_http(self, memory_world: World) -> None:
        client = await self.client(memory_world, memory_world.consumer())

        tried = await client.post("/internal/parked/retry", json={})
        gone = await client.post(
            "/internal/parked/discard", json={"topic": TOPIC, "key": "acme:bad", "sequence": 1}
        )
        missing = await client.post(
            "/internal/parked/discard", json={"topic": TOPIC, "key": "acme:bad", "sequence": 1}
        )

        assert tried.json() == {"applied": 0, "still_parked": 4}
        assert gone.json() == {"discarded": True}
        assert missing.status_code == 404
        assert await memory_world.applied("acme:bad") == [2, 3]

    async def test_only_services_may_come_here(self, memory_world: World) -> None:
        client = await self.client(memory_world, memory_world.consumer())
        token = mint(
            memory_world.keys / "key.pem", subject="erp", tenant="acme",
            scopes=frozenset({"ledger:write"}), now=datetime.now(UTC), lifetime=timedelta(hours=1),
        )  # fmt: skip
        headers = {"authorization": f"Bearer {token}"}

        for path in ("feed/heads", "feed/replay", "parked/retry", "parked/discard"):
            answer = await client.post(f"/internal/{path}", json={}, headers=headers)
            assert answer.status_code == 403, path
        assert (await client.get("/internal/parked", headers=headers)).status_code == 403

    async def test_nonsense_is_refused(self, memory_world: World) -> None:
        client = await self.client(memory_world, memory_world.consumer())
        nonsense: list[tuple[str, Any]] = [
            ("feed/heads", {}), ("feed/heads", {"topic": TOPIC, "since": -1}),
            ("feed/heads", {"topic": TOPIC, "since": 10**30}),
            ("feed/heads", {"topic": TOPIC, "limit": 10**6}),
            ("feed/heads", {"topic": TOPIC, "settled_s": "NaN"}),
            ("feed/replay", {"topic": TOPIC, "after": {"k": -1}}),
            ("feed/replay", {"topic": TOPIC, "after": {"k": 10**30}}),
            ("feed/replay", {"topic": TOPIC, "after": []}),
            ("parked/discard", {"topic": TOPIC, "key": "k", "sequence": 0}),
            ("parked/retry", {"unknown": 1}),
            ("parked/retry", {"key": "\0"}),
            ("feed/heads", {"topic": "\0"}),
            ("feed/heads", {"topic": TOPIC, "keys": ["a\0"]}),
            ("feed/replay", {"topic": TOPIC, "after": {"a\0": 1}}),
        ]  # fmt: skip

        for path, body in nonsense:
            answer = await client.post(f"/internal/{path}", json=body)
            assert answer.status_code == 422, (path, body)
        for place in ("nonsense", "1", ":", "-1:k", "99999999999999999999:k", "x:k"):
            answer = await client.post(
                "/internal/feed/heads", json={"topic": TOPIC, "after_key": place}
            )
            assert answer.status_code == 400, place
        answer = await client.get("/internal/parked", params={"key": "a\0"})
        assert answer.status_code == 422

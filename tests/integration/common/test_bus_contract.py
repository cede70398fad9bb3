"""What relay and consumer rely on, held by the memory bus and by the Kafka adapter alike."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from dunning_common.bus import Bus, BusError, Received, Record, Subscription
from dunning_common.ids import new_id
from dunning_common.kafka import MAX_RECORD_BYTES, KafkaBus
from dunning_common.testing.bus import PrefixedBus
from standalone.embedded.child import free_port

TOPIC = "things.v1"
PARTITIONS = 3
ALL = range(PARTITIONS)


def records(*values: str, key: str = "k") -> list[Record]:
    return [Record(key, value.encode()) for value in values]


async def publish(bus: Bus, batch: list[Record], topic: str = TOPIC) -> None:
    publisher = await bus.publisher()
    try:
        await publisher.publish(topic, batch)
    finally:
        await publisher.close()


async def subscribe(bus: Bus, group: str = "g", partitions: Collection[int] = ALL) -> Subscription:
    return await bus.subscribe([TOPIC], group=group, partitions=partitions)


async def drain(subscription: Subscription, count: int) -> list[Received]:
    """Fetch until so many have come."""
    found: list[Received] = []
    deadline = asyncio.get_running_loop().time() + 30
    while len(found) < count and asyncio.get_running_loop().time() < deadline:
        found += await subscription.fetch(max_records=100, timeout_s=1)
    return found


def values(received: list[Received]) -> list[str]:
    return [(record.value or b"").decode() for record in received]


@pytest.fixture(autouse=True)
async def _topic(bus: Bus) -> None:
    await bus.ensure_topics({TOPIC: False}, partitions=PARTITIONS)


async def test_records_of_one_key_arrive_in_order(bus: Bus) -> None:
    wanted = [str(number) for number in range(250)]
    await publish(bus, records(*wanted))

    received = await drain(await subscribe(bus), len(wanted))

    assert values(received) == wanted
    assert len({record.partition for record in received}) == 1
    assert {(record.topic, record.key) for record in received} == {(TOPIC, "k")}


async def test_many_publications_keep_their_order(bus: Bus) -> None:
    publisher = await bus.publisher()
    for number in range(30):
        await publisher.publish(TOPIC, records(str(number)))

    assert values(await drain(await subscribe(bus), 30)) == [str(number) for number in range(30)]


async def test_a_fetch_brings_no_more_than_asked_for(bus: Bus) -> None:
    await publish(bus, records(*"abcdefghij"))
    subscription = await subscribe(bus)

    first: list[Received] = []
    while not first:
        first = await subscription.fetch(max_records=4, timeout_s=1)

    assert 0 < len(first) <= 4
    assert values(first + await drain(subscription, 10 - len(first))) == list("abcdefghij")


async def test_a_fetch_that_finds_nothing_returns_empty(bus: Bus) -> None:
    subscription = await subscribe(bus)

    assert await subscription.fetch(max_records=10, timeout_s=0.1) == []


async def test_a_waiting_fetch_gets_what_comes(bus: Bus) -> None:
    subscription = await subscribe(bus)
    waiting = asyncio.ensure_future(drain(subscription, 1))
    await asyncio.sleep(0.1)

    await publish(bus, records("late"))

    assert values(await waiting) == ["late"]


async def test_a_group_goes_on_where_it_committed(bus: Bus) -> None:
    await publish(bus, records("a", "b", "c"))
    first = await subscribe(bus)
    received = await drain(first, 3)
    await first.commit({(TOPIC, received[1].partition): received[1].offset + 1})
    await first.close()

    assert values(await drain(await subscribe(bus), 1)) == ["c"]


async def test_what_was_not_committed_comes_again(bus: Bus) -> None:
    await publish(bus, records("a", "b"))
    first = await subscribe(bus)
    await drain(first, 2)
    await first.close()

    assert values(await drain(await subscribe(bus), 2)) == ["a", "b"]


async def test_every_group_gets_everything(bus: Bus) -> None:
    await publish(bus, records("a", "b"))

    assert values(await drain(await subscribe(bus, "one"), 2)) == ["a", "b"]
    assert values(await drain(await subscribe(bus, "two"), 2)) == ["a", "b"]


async def test_readers_of_different_partitions_share_the_records(bus: Bus) -> None:
    keys = [f"key-{number}" for number in range(60)]
    await publish(bus, [Record(key, key.encode()) for key in keys])

    shares = []
    for number in ALL:
        subscription = await subscribe(bus, partitions=[number])
        found: list[Received] = []
        while batch := await subscription.fetch(max_records=100, timeout_s=1):
            found += batch
        shares.append(values(found))

    assert sorted(value for share in shares for value in share) == sorted(keys)
    assert all(shares)


async def test_topics_that_exist_are_left_as_they_are(bus: Bus) -> None:
    await publish(bus, records("a"))

    count = await bus.ensure_topics({TOPIC: False, "other.v1": True}, partitions=1)

    assert count == PARTITIONS
    assert values(await drain(await subscribe(bus), 1)) == ["a"]


async def test_empty_and_large_values_pass(bus: Bus) -> None:
    large = "x" * 900_000
    await publish(bus, records("", large, "end"))

    assert values(await drain(await subscribe(bus), 3)) == ["", large, "end"]


async def test_keys_may_be_any_text(bus: Bus) -> None:
    await publish(bus, [Record("acme:Müller & Söhne 🧾", b"v")])

    (received,) = await drain(await subscribe(bus), 1)

    assert received.key == "acme:Müller & Söhne 🧾"


async def test_what_is_closed_may_be_closed_again(bus: Bus) -> None:
    publisher, subscription = await bus.publisher(), await subscribe(bus)

    for _ in range(2):
        await publisher.close()
        await subscription.close()


async def test_a_closed_subscription_says_so(bus: Bus) -> None:
    subscription = await subscribe(bus)
    await subscription.close()

    with pytest.raises(BusError):
        await subscription.fetch(max_records=1, timeout_s=0.1)


async def test_a_record_that_no_broker_takes_holds_up_nobody(kafka_bootstrap: str) -> None:
    """It is left out; consumers see the gap and ask the feed."""
    bus = PrefixedBus(KafkaBus(kafka_bootstrap), f"t{new_id().hex}")
    await bus.ensure_topics({TOPIC: False}, partitions=1)
    huge = "x" * (MAX_RECORD_BYTES + 1)

    await publish(bus, records("before", huge, "after"))

    subscription = await subscribe(bus, partitions=[0])
    assert values(await drain(subscription, 2)) == ["before", "after"]
    await subscription.close()


async def test_a_broker_that_is_not_there_is_a_bus_error() -> None:
    bus = KafkaBus(f"127.0.0.1:{free_port()}")

    with pytest.raises(BusError):
        await bus.publisher()
    with pytest.raises(BusError):
        await bus.subscribe([TOPIC], group="g", partitions=[0])
    with pytest.raises(BusError):
        await bus.ensure_topics({TOPIC: False}, partitions=1)

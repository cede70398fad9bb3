"""Catching up over HTTP: everything that was committed before the call, without the broker."""

from __future__ import annotations

from datetime import timedelta

from dunning_common import outbox
from dunning_common.events.registry import TOPICS
from dunning_common.feed import HEADS_PER_PAGE, FeedClient
from dunning_common.testing.bus import MemoryBus
from tests.integration.common.world import POISON, TOPIC, World, cash


async def test_catching_up_brings_all_that_was_committed(memory_world: World) -> None:
    await memory_world.write(*(cash(f"d{number % 9}", number) for number in range(200)))

    assert await memory_world.consumer().catch_up([TOPIC])

    assert len(await memory_world.applied()) == 200
    assert await memory_world.applied("acme:d4") == list(range(1, 23))


async def test_catching_up_again_brings_what_came_since(memory_world: World) -> None:
    consumer = memory_world.consumer()
    for amount in range(1, 6):
        await memory_world.write(cash("d1", amount))
        assert await consumer.catch_up([TOPIC], tenant="acme")
        assert await memory_world.applied() == list(range(1, amount + 1))


async def test_catching_up_can_be_for_one_tenant(memory_world: World) -> None:
    await memory_world.write(cash("d1", 1, tenant="acme"), cash("d1", 2, tenant="other"))

    assert await memory_world.consumer().catch_up([TOPIC], tenant="other")

    rows = await memory_world.query("SELECT tenant FROM applied")
    assert [row["tenant"] for row in rows] == ["other"]


async def test_catching_up_can_be_for_some_keys(memory_world: World) -> None:
    await memory_world.write(cash("d1", 1), cash("d2", 1), cash("d3", 1))

    assert await memory_world.consumer().catch_up([TOPIC], keys=["acme:d1", "acme:d3"])

    assert sorted(await memory_world.amounts()) == ["d1", "d3"]


async def test_a_transaction_that_was_open_is_brought_the_next_time(memory_world: World) -> None:
    """A time or an id as cursor would skip it: it was written before and committed after."""
    consumer = memory_world.consumer()
    async with memory_world.writer.worker() as slow:
        await outbox.append(slow, [cash("slow", 1)], source="writer")
        await memory_world.write(cash("quick", 1))
        assert await consumer.catch_up([TOPIC], tenant="acme")
        assert sorted(await memory_world.amounts()) == ["quick"]

    assert await consumer.catch_up([TOPIC], tenant="acme")

    assert sorted(await memory_world.amounts()) == ["quick", "slow"]


async def test_a_feed_that_does_not_answer_is_said(memory_world: World) -> None:
    await memory_world.write(cash("d1", 1))
    memory_world.feed_down = True
    consumer = memory_world.consumer()
    assert not await consumer.catch_up([TOPIC])

    memory_world.feed_down = False

    assert await consumer.catch_up([TOPIC])
    assert await memory_world.applied() == [1]


async def test_a_topic_without_a_feed_is_never_complete(memory_world: World) -> None:
    assert not await memory_world.consumer().catch_up(["notifications.v1"])


async def test_a_broker_that_is_down_does_not_matter(
    memory_world: World, memory: MemoryBus
) -> None:
    memory.down = True
    consumer = memory_world.consumer()
    memory_world.start(consumer.run)
    await memory_world.write(cash("d1", 1))

    assert await consumer.catch_up([TOPIC])
    assert await memory_world.applied() == [1]


async def test_parked_events_count_as_received(memory_world: World) -> None:
    await memory_world.write(cash("d1", POISON), cash("d1", 2))
    consumer = memory_world.consumer()

    assert await consumer.catch_up([TOPIC])
    assert await consumer.catch_up([TOPIC], keys=["acme:d1"])
    assert len(await memory_world.query("SELECT * FROM parked_event")) == 2


async def test_when_nothing_is_missing_nothing_is_pulled(memory_world: World) -> None:
    consumer = memory_world.consumer()
    await memory_world.write(*(cash(f"d{number}", 1) for number in range(20)))
    await consumer.catch_up([TOPIC], tenant="acme")
    memory_world.feed_calls.clear()

    assert await consumer.catch_up([TOPIC], tenant="acme")

    assert memory_world.feed_calls == ["/internal/feed/heads"]
    assert memory_world.feed_request["since"] > 0, "it asks for all again"


async def test_more_streams_than_a_page_takes_are_all_brought(memory_world: World) -> None:
    count = HEADS_PER_PAGE + 50
    await memory_world.write(*(cash(f"d{number}", number + 1000) for number in range(count)))

    assert await memory_world.consumer().catch_up([TOPIC])

    assert len(await memory_world.applied()) == count


async def test_a_stream_longer_than_a_page_is_brought_in_order(memory_world: World) -> None:
    await memory_world.write(*(cash("d1", number + 1000) for number in range(4500)))
    await memory_world.write(cash("d0", 1), cash("d2", 1))

    assert await memory_world.consumer().catch_up([TOPIC])

    assert await memory_world.applied("acme:d1") == list(range(1, 4501))
    assert await memory_world.applied("acme:d2") == [1]


async def test_heads_leave_out_what_is_not_settled_and_bring_it_later(memory_world: World) -> None:
    feed: FeedClient = memory_world.feed()
    await memory_world.write(cash("d1", 1))

    early = await feed.heads(TOPIC, settled_s=3600)
    later = await feed.heads(TOPIC, since=early.txid)

    assert early.sequences == {}
    assert later.sequences == {"acme:d1": 1}


async def test_what_is_not_settled_comes_later_also_by_a_fraction_of_a_second(
    memory_world: World,
) -> None:
    feed = memory_world.feed()
    await memory_world.write(cash("d1", 1))
    move = "UPDATE stream_head SET moved_at = moved_at + $1::interval RETURNING key"

    await memory_world.query(move, timedelta(hours=1), db=memory_world.writer)  # fresh for certain
    early = await feed.heads(TOPIC, settled_s=0.5)
    await memory_world.query(move, -timedelta(hours=2), db=memory_world.writer)
    later = await feed.heads(TOPIC, since=early.txid, settled_s=0.5)

    assert early.sequences == {}
    assert later.sequences == {"acme:d1": 1}


async def test_heads_of_an_earlier_time_are_not_repeated(memory_world: World) -> None:
    feed = memory_world.feed()
    await memory_world.write(cash("d1", 1))
    first = await feed.heads(TOPIC)
    await memory_world.write(cash("d2", 1))

    second = await feed.heads(TOPIC, since=first.txid)

    assert second.sequences == {"acme:d2": 1}


async def test_a_cursor_of_another_cluster_compares_everything(memory_world: World) -> None:
    feed = memory_world.feed()
    await memory_world.write(cash("d1", 1))

    heads = await feed.heads(TOPIC, since=10**15)

    assert heads.sequences == {"acme:d1": 1}


async def test_a_topic_that_nobody_writes_is_complete(memory_world: World) -> None:
    consumer = memory_world.consumer(topics=list(TOPICS))

    assert await consumer.catch_up(list(TOPICS))

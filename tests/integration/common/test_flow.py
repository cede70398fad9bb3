"""From outbox to applied: nothing lost, nothing twice, in order."""

from __future__ import annotations

from tests.integration.common.world import World, cash


async def test_events_arrive_once_and_in_order(world: World) -> None:
    world.start(world.relay().run)
    world.start(world.consumer().run)

    for amount in range(1, 6):
        await world.write(cash("d1", amount), cash("d2", amount * 10))

    await world.until_applied(10)
    assert await world.amounts() == {"d1": [1, 2, 3, 4, 5], "d2": [10, 20, 30, 40, 50]}
    assert await world.applied("acme:d1") == [1, 2, 3, 4, 5]

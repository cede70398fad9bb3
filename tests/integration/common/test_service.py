"""Services run together, and fall together, so that a supervisor can start clean ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from dunning_common.service import Service, serve
from standalone.embedded.child import free_port
from tests.integration.common.world import until

Loop = Callable[[], Awaitable[None]]


class House:
    """Two services; remembers what was closed."""

    def __init__(self, **loops: Loop) -> None:
        self.closed: list[str] = []
        self.stop = asyncio.Event()
        self.ports: dict[str, int] = {}
        self.services = [self._service("one", loops), self._service("two", {})]

    def _service(self, name: str, loops: dict[str, Loop]) -> Service:
        app = FastAPI()
        self.ports[name] = free_port()

        @app.get("/")
        def root() -> str:
            return name

        async def close() -> None:
            self.closed.append(name)
            if name == "one":
                raise ConnectionResetError

        return Service(
            name=name, app=app, host="127.0.0.1", port=self.ports[name], loops=loops, close=close
        )

    async def answers(self) -> list[str]:
        found = []
        async with httpx.AsyncClient() as client:
            for port in self.ports.values():
                try:
                    found.append((await client.get(f"http://127.0.0.1:{port}/")).json())
                except httpx.TransportError:
                    found.append("")
        return found


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_all_services_answer_until_they_are_stopped() -> None:
    house = House(loop=for_ever)
    running = asyncio.ensure_future(serve(house.services, stop=house.stop))
    await until(house.answers, ["one", "two"])

    house.stop.set()
    await running

    assert await house.answers() == ["", ""]


async def test_all_are_closed_though_one_cannot_be() -> None:
    house = House()
    house.stop.set()

    await serve(house.services, stop=house.stop)

    assert house.closed == ["one", "two"]


async def test_a_loop_that_dies_takes_everything_down() -> None:
    async def dying() -> None:
        await asyncio.sleep(0.2)
        raise ValueError("a bug")

    house = House(dying=dying, other=for_ever)

    with pytest.raises(ExceptionGroup) as caught:
        await serve(house.services, stop=house.stop)

    assert caught.group_contains(ValueError, match="a bug")
    assert house.closed == ["one", "two"]
    assert await house.answers() == ["", ""]


async def test_a_loop_that_just_ends_is_a_failure_too() -> None:
    async def ending() -> None:
        return

    with pytest.raises(ExceptionGroup) as caught:
        await serve(House(ending=ending).services, stop=asyncio.Event())

    assert caught.group_contains(RuntimeError, match="ended")

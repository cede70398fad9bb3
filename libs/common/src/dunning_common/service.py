"""What a service is to its launcher: an HTTP application, some loops, and a way to close.

Runs them together; when one dies the others stop and the process ends with status 70, so that a
supervisor starts a clean one. No business meaning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
import uvicorn
from fastapi import FastAPI

Loop = Callable[[], Awaitable[None]]
log = structlog.get_logger()

EXIT_RESTART_ME = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A built service: `loops` run until cancelled; `close` releases pools and clients."""

    name: str
    app: FastAPI
    host: str
    port: int
    loops: dict[str, Loop] = field(default_factory=dict)
    close: Callable[[], Awaitable[None]]


async def serve(services: Sequence[Service], *, stop: asyncio.Event) -> None:
    """Run services until `stop` is set.

    Raises:
        ExceptionGroup: a loop or a server died.
    """
    servers = [(service, _server(service)) for service in services]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_loop(service.name, name, loop), name=f"{service.name}:{name}")
                for service in services
                for name, loop in service.loops.items()
            ]
            for service, server in servers:
                group.create_task(_http(server), name=f"{service.name}:http")
            await stop.wait()
            for _, server in servers:
                server.should_exit = True
            for task in tasks:
                task.cancel()
    finally:
        for service in services:
            await _close(service)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the launcher owns the signals."""

    def install_signal_handlers(self) -> None:
        """Leave signals to the launcher."""

    def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
        """Leave signals to the launcher."""
        from contextlib import nullcontext

        return nullcontext()


def _server(service: Service) -> _Server:
    return _Server(
        uvicorn.Config(
            service.app,
            host=service.host,
            port=service.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
            lifespan="off",
        )
    )


async def _http(server: uvicorn.Server) -> None:
    try:
        await server.serve()
    except asyncio.CancelledError:  # a sibling died; uvicorn itself would leave its sockets open
        if server.started:
            server.force_exit = True
            await server.shutdown()
        raise


async def _close(service: Service) -> None:
    """Close one service, whatever comes of it: the others must be closed as well."""
    try:
        await service.close()
    except Exception:
        log.exception("close_failed", service=service.name)


async def _loop(service: str, name: str, loop: Loop) -> None:
    try:
        await loop()
    except Exception:
        log.exception("loop_died", service=service, loop=name)
        raise
    raise RuntimeError(f"the loop {name} of {service} ended; loops run until cancelled")

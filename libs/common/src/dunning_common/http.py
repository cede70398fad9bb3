"""The HTTP shell of a service: problems, health, metrics, request limits, trace context.

Makes the FastAPI application; the routes are each service's own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from fastapi import Depends, FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from opentelemetry import propagate, trace
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dunning_common import problems
from dunning_common.auth import Verifier
from dunning_common.problems import ProblemError
from dunning_common.web import serve_docs

MAX_BODY_BYTES = 64 * 1024 * 1024
_TOO_LARGE = f"At most {MAX_BODY_BYTES} bytes; send several requests."
# Only tells OpenAPI (and so the docs page) that tokens exist; `auth.require` does the checking.
_BEARER = HTTPBearer(auto_error=False, description="A token made by `dunning token`.")

log = structlog.get_logger()
Check = Callable[[], Awaitable[None]]


def create_app(
    *,
    title: str,
    version: str,
    verifier: Verifier,
    registry: CollectorRegistry,
    ready: dict[str, Check],
    degraded: Sequence[str] = (),
) -> FastAPI:
    """A FastAPI application with everything that is the same in every service.

    Args:
        title: the service's name.
        version: shown in OpenAPI.
        verifier: checks tokens (`auth.require` reads it from `app.state.verifier`).
        registry: the service's own Prometheus registry.
        ready: named checks of `/health/ready`; each raises when it fails.
        degraded: names among them whose failure does not make the service unready (the broker).
    """
    app = FastAPI(
        title=title,
        version=version,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(_BEARER)],
    )
    app.state.verifier = verifier
    problems.install(app)
    app.add_middleware(_Observe, title=title, registry=registry)
    app.add_middleware(_LimitBody)
    _health(app, ready, frozenset(degraded))
    serve_docs(app)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _health(app: FastAPI, ready: dict[str, Check], degraded: frozenset[str]) -> None:
    @app.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/health/ready", include_in_schema=False)
    async def readiness() -> JSONResponse:
        states: dict[str, str] = {}
        for name, check in ready.items():
            try:
                await check()
                states[name] = "ok"
            except Exception as error:  # noqa: BLE001 -- any failure is an answer here
                states[name] = f"failed: {type(error).__name__}"
        failed = [name for name, state in states.items() if state != "ok"]
        broken = [name for name in failed if name not in degraded]
        status = "failed" if broken else "degraded" if failed else "ok"
        return JSONResponse(
            {"status": status, "checks": states}, status_code=503 if broken else 200
        )


class _LimitBody:
    """Refuses bodies that are too large, also those that do not say so beforehand."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > MAX_BODY_BYTES:
            problem = ProblemError(413, "body-too-large", _TOO_LARGE)
            await problem.response()(scope, receive, send)
            return
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, counting, send)


class _Observe:
    """Counts and times requests by route, inside a span that continues the caller's trace.

    Plain ASGI: Starlette's `@middleware` costs a task and two queues per request.
    """

    def __init__(self, app: ASGIApp, *, title: str, registry: CollectorRegistry) -> None:
        self._app = app
        self._tracer = trace.get_tracer(title)
        self._requests = Counter(
            "dunning_http_requests_total",
            "Requests by route and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "dunning_http_request_seconds", "Time to answer.", ["route"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # unless an answer says otherwise

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        caller = propagate.extract(dict(Headers(scope=scope)))
        try:
            with self._tracer.start_as_current_span(scope["method"], context=caller):
                await self._app(scope, receive, watching)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._requests.labels(route, scope["method"], status).inc()
            self._seconds.labels(route).observe(time.perf_counter() - started)

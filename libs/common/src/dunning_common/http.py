"""The HTTP shell of a service: problems, health, metrics, request limits, trace context.

Makes the FastAPI application; the routes are each service's own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from fastapi import Depends, FastAPI, Request, Response
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

from dunning_common import problems
from dunning_common.auth import Verifier
from dunning_common.problems import ProblemError
from dunning_common.web import serve_docs

MAX_BODY_BYTES = 64 * 1024 * 1024
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
    _observe(app, title, registry)
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


def _observe(app: FastAPI, title: str, registry: CollectorRegistry) -> None:
    requests = Counter(
        "dunning_http_requests_total",
        "Requests by route and status.",
        ["route", "method", "status"],
        registry=registry,
    )
    seconds = Histogram(
        "dunning_http_request_seconds", "Time to answer.", ["route"], registry=registry
    )
    tracer = trace.get_tracer(title)

    @app.middleware("http")
    async def observe(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
            return ProblemError(
                413, "body-too-large", f"At most {MAX_BODY_BYTES} bytes; send several requests."
            ).response()
        context = propagate.extract(dict(request.headers))
        started = time.perf_counter()
        with tracer.start_as_current_span(f"{request.method}", context=context):
            response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "unmatched")
        requests.labels(route, request.method, response.status_code).inc()
        seconds.labels(route).observe(time.perf_counter() - started)
        return response

"""What all routes share: who calls for which tenant, strict JSON, and refusals as problems."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import asyncpg
import orjson
import structlog
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.problems import FieldError, ProblemError
from invoice_ingest.domain.outcome import Outcome, Refusal, Status, Why
from invoice_ingest.handlers.ports import UnknownTenantError

log = structlog.get_logger()

STATUS_CODES = {Why.INVALID: 422, Why.CONFLICT: 409, Why.UNKNOWN: 404, Why.ERASED: 410}
"""The one table from the core's refusals to HTTP."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


class ProblemBody(BaseModel):
    """RFC 9457 problem details; `errors` point at fields."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[dict[str, str]] | None = None


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: these problems may come back."""
    content = {"application/problem+json": {"schema": ProblemBody.model_json_schema()}}
    words = {
        400: "Not JSON, or not UTF-8",
        401: "No valid token",
        403: "Scope or tenant missing",
        404: "Unknown",
        409: "Contradicts the ledger",
        410: "Erased",
        413: "Too large",
        415: "Unknown media type",
        422: "Fields are missing or wrong",
        503: "The database does not answer; send it again",
    }
    wanted = {401, 403, 503, *codes}
    return {code: {"description": words[code], "content": content} for code in sorted(wanted)}


JSON_BYTES_MAX = 4 * 1024 * 1024
"""Largest JSON body of a single order; what is larger is bulk."""


class StrictRequest(Request):
    """Reads JSON by the book: UTF-8, no NaN, no lone surrogates, bounded depth and size."""

    async def body(self) -> bytes:
        """The bytes, once and for all.

        Raises:
            HTTPException: 413, they are too many.
        """
        if not hasattr(self, "_body"):
            parts: list[bytes] = []
            size = 0
            async for part in self.stream():
                size += len(part)
                if size > JSON_BYTES_MAX:
                    raise HTTPException(413, f"At most {JSON_BYTES_MAX} bytes; use bulk for more.")
                parts.append(part)
            self._body = b"".join(parts)
        return self._body

    async def json(self) -> Any:
        """What the bytes say.

        Raises:
            orjson.JSONDecodeError: nothing.
        """
        return orjson.loads(await self.body())


class StrictRoute(APIRoute):
    """A route whose JSON body is read strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given a strict request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def tenant_with(scope: str) -> Callable[..., str]:
    """FastAPI dependency: the tenant that the caller acts for, when it has the scope.

    Raises:
        ProblemError: 401, 403, 400 when a `*` token names no tenant, 404 when it cannot exist.
    """

    def dependency(
        principal: Principal = Depends(require(scope)),
        x_tenant: Annotated[str | None, Header(description="For tokens of all tenants.")] = None,
    ) -> str:
        tenant = tenant_of(principal, x_tenant)
        if not _TENANT.fullmatch(tenant):
            raise unknown_tenant()
        return tenant

    return dependency


def unknown_tenant() -> ProblemError:
    """The answer about a tenant that does not exist here."""
    return ProblemError(
        404,
        "unknown-tenant",
        "There is no such tenant.",
        detail="Register it first: PUT /v1/tenants/{tenant}.",
    )


def problem_of(refusal: Refusal) -> ProblemError:
    """A refusal as it leaves the service."""
    errors = [FieldError(pointer=flaw.pointer, detail=flaw.detail) for flaw in refusal.flaws]
    return ProblemError(STATUS_CODES[refusal.why], refusal.slug, refusal.title, errors=errors)


def accepted(outcome: Outcome) -> Status:
    """The status of an accepted order.

    Raises:
        ProblemError: it was refused.
    """
    if isinstance(outcome, Refusal):
        raise problem_of(outcome)
    return outcome


Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[
    str | None, Query(max_length=800, description="`next_cursor` of the page before.")
]


def after(cursor: str | None) -> str:
    """The id behind which a page starts.

    Raises:
        ProblemError: 422, not a cursor of ours.
    """
    if not cursor:
        return ""
    try:
        place = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        place = "\0"
    if "\0" in place:
        raise ProblemError(
            422,
            "invalid-request",
            "Some fields are missing or wrong.",
            errors=[FieldError(pointer="/cursor", detail="send next_cursor as it was received")],
        )
    return place


def page(items: list[dict[str, Any]], *, limit: int, key: str) -> dict[str, Any]:
    """A page; it was read with one row more than `limit`, to know whether there is another."""
    shown = items[:limit]
    more = len(items) > limit
    return {
        "items": shown,
        "next_cursor": base64.urlsafe_b64encode(shown[-1][key].encode()).decode() if more else None,
    }


def install(app: FastAPI) -> None:
    """Turn what the ledger's shell raises into problems."""

    @app.exception_handler(UnknownTenantError)
    async def _unknown_tenant(_: Request, __: UnknownTenantError) -> JSONResponse:
        return unknown_tenant().response()

    async def _unavailable(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, asyncpg.DataError):  # an interface error that is our own mistake
            raise error
        log.warning("database_unavailable", path=request.url.path, error=type(error).__name__)
        return ProblemError(
            503,
            "unavailable",
            "The database does not answer.",
            detail="Send it again: everything here may be sent twice, and what was stored of a "
            "bulk request is then answered as unchanged.",
            headers={"Retry-After": "2"},
        ).response()

    for error in (
        OSError,
        OperationalError,
        InterfaceError,
        PoolTimeoutError,
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.exceptions.OperatorInterventionError,
        asyncpg.exceptions.InsufficientResourcesError,
        asyncpg.DeadlockDetectedError,
    ):
        app.add_exception_handler(error, _unavailable)

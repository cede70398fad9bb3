"""What the engine's routes share: the tenant of a request, pages of lists, ids in paths."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Path, Query, Request

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.problems import FieldError, ProblemError
from dunning_engine.acting import SUBJECT

LIMIT_MAX = 1000

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most items on the page.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of a page.")]
# PostgreSQL's text cannot hold NUL, and no other control character belongs in an id.
ExternalId = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, and on whose data."""

    tenant: str
    subject: str


def caller(scope: str) -> Callable[..., Awaitable[Caller]]:
    """FastAPI dependency: the caller has the scope and acts for the tenant of the request."""

    # Async, so that it runs in the task of the request and the audit finds the subject there.
    async def dependency(
        request: Request, principal: Principal = Depends(require(scope))
    ) -> Caller:
        tenant = tenant_of(principal, request.headers.get("x-tenant"))
        SUBJECT.set(principal.subject)
        return Caller(tenant, principal.subject)

    return dependency


def to_cursor(place: Sequence[object]) -> str:
    """An opaque cursor for the place where a page ended."""
    return base64.urlsafe_b64encode(orjson.dumps(list(place), default=str)).decode()


def from_cursor(cursor: str | None, read: Callable[[list[Any]], Any], first: Any) -> Any:
    """The place that a cursor stands for; `first` without one.

    Raises:
        ProblemError: 422, not a cursor of this list.
    """
    if not cursor:
        return first
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor))
        return read(values if isinstance(values, list) else [])
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError):
        raise ProblemError(
            422,
            "invalid-cursor",
            "The cursor is not one of this list.",
            detail="Send next_cursor of the page before, or leave it out.",
        ) from None


def page(
    rows: Sequence[Any], limit: int, show: Callable[[Any], Any], place: Callable[[Any], Any]
) -> dict[str, Any]:
    """A page of a list: at most `limit` of the rows (one more was asked for)."""
    shown = rows[:limit]
    more = len(rows) > limit
    return {
        "items": [show(row) for row in shown],
        "next_cursor": to_cursor(place(shown[-1])) if more else None,
    }


def not_found(what: str) -> ProblemError:
    """A 404; the same for what does not exist and for what is another tenant's."""
    return ProblemError(404, "not-found", f"There is no such {what}.")


def invalid(pointer: str, detail: str, *, slug: str = "invalid-request") -> ProblemError:
    """A 422 about one field."""
    return ProblemError(
        422,
        slug,
        "Some fields are missing or wrong.",
        errors=[FieldError(pointer=pointer, detail=detail)],
    )

"""RFC 9457 problem details: the only shape in which an error leaves a service.

Maps errors to HTTP; business modules raise their own errors and know nothing of status codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

TYPE_BASE = "urn:dunning:problem:"
MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong: `pointer` is an RFC 6901 JSON pointer into the request body."""

    pointer: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        """The member of `errors[]`."""
        return {"pointer": self.pointer, "detail": self.detail}


class ProblemError(Exception):
    """An error that the caller should see."""

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        *,
        detail: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers or {}
        self.extra = extra or {}

    def body(self) -> dict[str, Any]:
        """The members of the problem document."""
        body: dict[str, Any] = {
            "type": TYPE_BASE + self.slug,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        return body | self.extra

    def response(self) -> JSONResponse:
        """The HTTP answer."""
        return JSONResponse(
            self.body(), status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def json_pointer(path: Sequence[str | int]) -> str:
    """RFC 6901 pointer of a path such as `("items", 0, "due_on")`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def field_errors(errors: Sequence[Any], *, skip: int = 0) -> tuple[FieldError, ...]:
    """Pydantic's error list as field errors, without echoing any input."""
    return tuple(
        FieldError(pointer=json_pointer(error["loc"][skip:]), detail=error["msg"])
        for error in errors
    )


def install(app: FastAPI) -> None:
    """Make every error of the app an RFC 9457 problem."""

    @app.exception_handler(ProblemError)
    async def _problem(_: Request, error: ProblemError) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = error.errors()
        if any(item["type"] == "json_invalid" for item in errors):
            return ProblemError(400, "malformed-json", "The body is not valid JSON.").response()
        return ProblemError(
            422,
            "invalid-request",
            "Some fields are missing or wrong.",
            errors=field_errors(errors, skip=1),
        ).response()

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        return ProblemError(
            error.status_code,
            f"http-{error.status_code}",
            str(error.detail),
            headers=dict(error.headers or {}),
        ).response()

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", path=request.url.path, exc_info=error)
        return ProblemError(
            500, "internal", "Something went wrong here; nothing was stored."
        ).response()

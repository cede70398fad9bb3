"""The HTTP side of the catcher: pages for people, a JSON API for tests and scripts.

What people sent is never trusted: previews are served under a sandboxing policy and shown in an
iframe without rights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from dunning_common import problems
from standalone.catcher import caught, providers
from standalone.catcher.accepts import AcceptLog
from standalone.catcher.letters import Spool

_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PREVIEW_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_PAGE_SIZE = 100
_TEMPLATES = Jinja2Templates(directory=Path(__file__).parent / "pages")
View = Literal["messages", "letters"]


def create_app(accepts: AcceptLog, spool: Spool) -> FastAPI:
    """The application; `accepts.run()` must be running for messages to be taken."""
    app = FastAPI(title="mail catcher", version="1", redoc_url=None)
    problems.install(app)
    app.include_router(_api(accepts, spool))
    app.include_router(_pages(accepts, spool))
    app.include_router(_parts(accepts, spool))
    app.include_router(providers.router(accepts))
    return app


def _api(accepts: AcceptLog, spool: Spool) -> APIRouter:
    router = APIRouter()

    @router.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/api/messages")
    async def messages(
        tenant: str | None = None,
        invoice: str | None = None,
        text: str | None = None,
        after: int = Query(default=0, ge=0),
        limit: int = Query(default=200, ge=1, le=5_000),
    ) -> dict[str, Any]:
        """Messages with an id above `after`, oldest first; go on with `next_after` until empty."""
        found = accepts.after(after, tenant=tenant, invoice=invoice, text=text, limit=limit)
        return {
            "items": [message.as_dict() for message in found],
            "next_after": found[-1].id if found else after,
            "kept": len(accepts),
            "accepted": accepts.last_id,
        }

    @router.delete("/api/messages")
    async def delete_all() -> dict[str, int]:
        """Forget all messages (the letters stay where they are)."""
        return {"deleted": await accepts.delete_all()}

    @router.get("/api/messages/{message_id}")
    async def message(message_id: int) -> dict[str, Any]:
        """One message with its whole text and HTML."""
        found, raw = _found(accepts, message_id)
        via = found.summary.via
        text = caught.plain_text(caught.parse_email(raw)) if via == "smtp" else found.summary.text
        return {**found.as_dict(), "text": text, "html": caught.preview(via, raw)}

    @router.get("/api/messages/{message_id}/raw")
    async def raw(message_id: int) -> Response:
        """The bytes as they were accepted: `.eml`, or the provider's JSON or form."""
        found, content = _found(accepts, message_id)
        if found.summary.via == "smtp":
            return _download(content, f"message-{message_id}.eml", "message/rfc822")
        return _download(content, f"message-{message_id}.json", "application/json")

    @router.get("/api/letters")
    async def letters(
        tenant: str | None = None,
        invoice: str | None = None,
        skip: int = Query(default=0, ge=0),
        limit: int = Query(default=200, ge=1, le=5_000),
    ) -> dict[str, Any]:
        """The letters in the spool folder, newest first."""
        found = spool.newest(skip=skip, limit=limit, tenant=tenant, invoice=invoice)
        return {"items": [letter.as_dict() for letter in found], "count": spool.count()}

    return router


def _pages(accepts: AcceptLog, spool: Spool) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index(
        request: Request,
        view: View = "messages",
        text: str = "",
        tenant: str = "",
        invoice: str = "",
        before: int | None = None,
        skip: int = Query(default=0, ge=0),
    ) -> HTMLResponse:
        values: dict[str, Any] = {
            "view": view, "text": text, "tenant": tenant, "invoice": invoice, "skip": skip,
            "kept": len(accepts), "letter_count": spool.count(), "page_size": _PAGE_SIZE,
            "messages": [], "letters": [],
        }  # fmt: skip
        if view == "messages":
            values["messages"] = accepts.newest(
                before=before, tenant=tenant, invoice=invoice, text=text, limit=_PAGE_SIZE
            )
        else:
            values["letters"] = spool.newest(
                skip=skip, limit=_PAGE_SIZE, tenant=tenant, invoice=invoice
            )
        return _page(request, "index.html", values)

    @router.get("/messages/{message_id}")
    async def message(request: Request, message_id: int) -> HTMLResponse:
        found, raw = _found(accepts, message_id)
        values: dict[str, Any] = {"message": found, "text": found.summary.text, "files": []}
        if found.summary.via == "smtp":
            parsed = caught.parse_email(raw)
            values["text"] = caught.plain_text(parsed)
            values["headers"] = caught.headers(parsed)
            values["files"] = [name for name, _ in caught.attachments(parsed)]
        values["has_html"] = bool(caught.preview(found.summary.via, raw))
        return _page(request, "message.html", values)

    return router


def _parts(accepts: AcceptLog, spool: Spool) -> APIRouter:
    """What the pages frame or link: previews, attachments, letters."""
    router = APIRouter(include_in_schema=False)

    @router.get("/messages/{message_id}/html")
    async def html(message_id: int) -> HTMLResponse:
        found, raw = _found(accepts, message_id)
        return HTMLResponse(
            caught.preview(found.summary.via, raw),
            headers={
                "Content-Security-Policy": _PREVIEW_POLICY,
                "Referrer-Policy": "no-referrer",
            },
        )

    @router.get("/messages/{message_id}/files/{number}")
    async def attachment(message_id: int, number: int) -> Response:
        found, raw = _found(accepts, message_id)
        files = caught.attachments(caught.parse_email(raw)) if found.summary.via == "smtp" else []
        if not 0 <= number < len(files):
            raise HTTPException(404, "This message has no such attachment.")
        name, content = files[number]
        return _download(content, name, "application/octet-stream")

    @router.get("/letters/{path:path}")
    async def letter(path: str) -> FileResponse:
        file = spool.file(path)
        if file is None:
            raise HTTPException(404, "There is no such letter.")
        return FileResponse(file, media_type="application/pdf", content_disposition_type="inline")

    return router


def _found(accepts: AcceptLog, message_id: int) -> tuple[caught.Caught, bytes]:
    found = accepts.get(message_id)
    if found is None:
        raise HTTPException(404, "There is no such message here; the oldest are dropped.")
    return found, accepts.raw(message_id)


def _page(request: Request, name: str, values: dict[str, Any]) -> HTMLResponse:
    answer = _TEMPLATES.TemplateResponse(request, name, values)
    answer.headers["Content-Security-Policy"] = _PAGE_POLICY
    return answer


def _download(content: bytes, name: str, media_type: str) -> Response:
    safe = "".join(c for c in name if c.isascii() and (c.isalnum() or c in "._- ")) or "file"
    return Response(
        content,
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{safe}"',
            "X-Content-Type-Options": "nosniff",
        },
    )

"""What came in, over HTTP: the list of what needs a person, and what strangers wrote.

No words and no addresses but in the one route that shows them, for what nobody could match.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.db import Database
from dunning_common.problems import ProblemError
from notifier.domain.issues import REMEDIES, IssueKind, ListedIssue
from notifier.domain.redaction import redact
from notifier.handlers.strangers import (
    NoSuchDebtorError,
    NoSuchReplyError,
    Strangers,
    WordsGoneError,
)
from notifier.ports.inbound import InboundStore, InboundView
from notifier.ports.issues import Issues
from notifier.ports.ledger import LedgerUnavailableError

XTenant = Annotated[str | None, Header(alias="X-Tenant")]


class CloseBody(BaseModel):
    """What was done about it."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(min_length=3, max_length=300, pattern=r"\S")


class AssignBody(BaseModel):
    """Whose words they are."""

    model_config = ConfigDict(extra="forbid")

    debtor_id: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")


def issue_routes(*, db: Database, issues: Issues) -> APIRouter:
    """The routes under `/v1/feedback-issues`."""
    router = APIRouter(prefix="/v1/feedback-issues", tags=["feedback"])

    @router.get("")
    async def list_issues(
        kind: IssueKind | None = None,
        closed: bool = False,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """What came in and could not be understood or matched, each with what to do about it."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            found = await issues.page(
                connection, kind=kind, closed=closed, after=after, limit=limit
            )
        more = found[-1].seq if len(found) == limit else None
        return {"items": [_issue_json(issue) for issue in found], "next_after": more}

    @router.post("/{issue_id}/close")
    async def close_issue(
        issue_id: UUID,
        body: CloseBody,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Take something from the list; closed again, the first note stays."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            issue = await issues.close(
                connection, issue_id, person=principal.subject, note=redact(body.note)
            )
        if issue is None:
            raise ProblemError(404, "issue-not-found", "There is no issue of that id.")
        return _issue_json(issue)

    return router


def reply_routes(*, db: Database, store: InboundStore, strangers: Strangers) -> APIRouter:
    """The routes under `/v1/replies`."""
    router = APIRouter(prefix="/v1/replies", tags=["feedback"])

    @router.get("")
    async def list_replies(
        kind: Annotated[str | None, Query(max_length=30, pattern=r"^[a-z_]+$")] = None,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """What came in by mail and text, and what it was understood to be."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            found = await store.page(connection, kind=kind, after=after, limit=limit)
        more = found[-1].seq if len(found) == limit else None
        return {"items": [_reply_json(view) for view in found], "next_after": more}

    @router.get("/{inbound_id}/content")
    async def get_words(
        inbound_id: UUID,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """What a stranger wrote, while it is kept in clear."""
        try:
            words = await strangers.words(tenant_of(principal, x_tenant), inbound_id)
        except (NoSuchReplyError, WordsGoneError) as error:
            raise _problem(error) from None
        return {
            "from": words.sender,
            "subject": words.subject,
            "text": words.text,
            "file_names": words.file_names,
        }

    @router.post("/{inbound_id}/assign")
    async def assign_reply(
        inbound_id: UUID,
        body: AssignBody,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Give a stranger's words to a debtor: from then on they are an answer of that debtor."""
        try:
            response_id = await strangers.assign(
                tenant_of(principal, x_tenant),
                inbound_id,
                debtor_id=body.debtor_id,
                person=principal.subject,
            )
        except (
            NoSuchReplyError,
            WordsGoneError,
            NoSuchDebtorError,
            LedgerUnavailableError,
        ) as error:
            raise _problem(error) from None
        return {"response_id": response_id}

    return router


def _problem(error: Exception) -> ProblemError:
    match error:
        case NoSuchReplyError():
            return ProblemError(404, "reply-not-found", "Nothing came in under that id.")
        case WordsGoneError():
            return ProblemError(
                410,
                "words-gone",
                "These words are not kept in clear any more.",
                detail="They belong to a debtor (see /v1/responses), or were deleted by age.",
            )
        case NoSuchDebtorError():
            return ProblemError(
                404, "debtor-not-found", "The ledger knows no debtor of that id, or erased it."
            )
        case _:
            return ProblemError(
                503,
                "ledger-unavailable",
                "The ledger holds the key to seal this with and does not answer.",
                headers={"retry-after": "5"},
            )


def _issue_json(listed: ListedIssue) -> dict[str, Any]:
    issue = listed.issue
    return {
        "issue_id": listed.issue_id,
        "kind": issue.kind,
        "source": issue.source,
        "ref": issue.ref,
        "detail": issue.detail,
        "excerpt": issue.excerpt,
        "at": listed.at,
        "remedy": REMEDIES[issue.kind],
        "closed_at": listed.closed_at,
        "closed_by": listed.closed_by,
        "note": listed.note,
    }


def _reply_json(view: InboundView) -> dict[str, Any]:
    return {
        "inbound_id": view.inbound_id,
        "channel": view.channel,
        "source": view.source,
        "kind": view.kind,
        "verdict": view.verdict,
        "message_id": view.message_id,
        "notice_id": view.notice_id,
        "debtor_id": view.debtor_id,
        "sender_hash": view.sender_hash,
        "received_at": view.received_at,
        "read_at": view.read_at,
        "has_words": view.is_readable,
    }

"""The HTTP interface of the list of calls: what is to be said to whom, and what came of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.db import Database
from dunning_common.money import MoneyError, parse_minor
from dunning_common.problems import FieldError, ProblemError
from dunning_common.vault import VaultError
from notifier.channels.call_list import WAITING
from notifier.domain.calls import CallOutcome
from notifier.domain.message import State
from notifier.handlers.calls import (
    CallDesk,
    CallReport,
    NoSuchCallError,
    NotOpenError,
    Promise,
    ReportedMeanwhileError,
)
from notifier.handlers.write import open_content
from notifier.ports.calls import Calls, CallTask
from notifier.ports.ledger import Ledger, LedgerUnavailableError
from notifier.ports.reading import MessageReading

XTenant = Annotated[str | None, Header(alias="X-Tenant")]


class PromiseBody(BaseModel):
    """What was promised on the telephone."""

    model_config = ConfigDict(extra="forbid")

    amount: str = Field(max_length=30)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    on: date


class OutcomeBody(BaseModel):
    """What a call came to; with `tries_seen`, only while there were so many calls before it."""

    model_config = ConfigDict(extra="forbid")

    outcome: CallOutcome
    note: str = Field(default="", max_length=1000)
    promise: PromiseBody | None = None
    tries_seen: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _promises_belong_together(self) -> Self:
        if (self.promise is not None) != (self.outcome is CallOutcome.PROMISED):
            raise ValueError("a promise goes with the outcome 'promised', and only with it")
        return self


def call_routes(
    *, db: Database, calls: Calls, reading: MessageReading, ledger: Ledger, desk: CallDesk
) -> APIRouter:
    """The routes under `/v1/calls`."""
    router = APIRouter(prefix="/v1/calls", tags=["calls"])

    @router.get("")
    async def list_calls(
        due: bool = False,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Open calls, oldest first; with `due` only those that may be tried now."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            tasks = await calls.page(connection, due_only=due, after=after, limit=limit)
        more = tasks[-1].seq if len(tasks) == limit else None
        return {"items": [_as_json(task) for task in tasks], "next_after": more}

    @router.get("/{message_id}")
    async def get_call(
        message_id: UUID,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """One call: number, script, and what the calls so far came to."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            task = await calls.one(connection, message_id)
            tries = await calls.tries(connection, message_id)
            sealed = await reading.content(connection, message_id)
        if task is None:
            raise _not_found()
        history = [
            {"at": each.at, "outcome": each.outcome, "note": each.note, "person": each.person}
            for each in tries
        ]
        script = await _script(ledger, task, sealed) if sealed is not None else {}
        return _as_json(task) | script | {"calls": history}

    @router.post("/{message_id}/outcome")
    async def report_outcome(
        message_id: UUID,
        body: OutcomeBody,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Say what a call came to."""
        said = CallReport(
            outcome=body.outcome,
            person=principal.subject,
            note=body.note,
            promise=promise_of(body.promise) if body.promise else None,
            tries_seen=body.tries_seen,
        )
        try:
            task = await desk.report(tenant_of(principal, x_tenant), message_id, said)
        except NoSuchCallError:
            raise _not_found() from None
        except NotOpenError as error:
            raise ProblemError(
                409,
                "call-not-open",
                "Nothing can be said about this call now.",
                detail=f"Its message is {error.state}: paid, revoked or settled in the meantime; "
                "while it is planned or sending, try again in a few seconds.",
            ) from None
        except ReportedMeanwhileError as error:
            raise ProblemError(
                409,
                "call-reported-meanwhile",
                "A call was reported since; nothing was written down.",
                detail=f"By now `tries` is {error.tries}, and `tries_seen` is {body.tries_seen}: "
                "fetch the call again, and report only a call that is not in it.",
            ) from None
        return _as_json(task)

    return router


def promise_of(body: PromiseBody) -> Promise:
    """The promise in minor units.

    Raises:
        ProblemError: 422, the amount is none.
    """
    try:
        amount_minor = parse_minor(body.amount, body.currency)
    except MoneyError as error:
        raise ProblemError(
            422,
            "invalid-request",
            "The promised amount is none.",
            errors=[FieldError(pointer="/promise/amount", detail=str(error))],
        ) from None
    if amount_minor <= 0:
        raise ProblemError(
            422,
            "invalid-request",
            "The promised amount is none.",
            errors=[FieldError(pointer="/promise/amount", detail="must be more than 0")],
        )
    return Promise(currency=body.currency, amount_minor=amount_minor, on=body.on)


async def _script(ledger: Ledger, task: CallTask, sealed: bytes) -> dict[str, Any]:
    """What is to be said to whom; nothing of it when the debtor was erased."""
    debtor = (task.message.tenant, task.message.debtor_id)
    try:
        keys = await ledger.keys({debtor})
        opened: dict[str, Any] = orjson.loads(open_content(keys[debtor], sealed, task.message))
    except LedgerUnavailableError:
        raise ProblemError(
            503,
            "ledger-unavailable",
            "The ledger holds the key to this call and does not answer.",
            headers={"retry-after": "5"},
        ) from None
    except (KeyError, VaultError):
        return {}
    return opened


def _not_found() -> ProblemError:
    return ProblemError(404, "call-not-found", "There is no call of that id.")


def _as_json(task: CallTask) -> dict[str, Any]:
    message = task.message
    is_open = message.state is State.PLANNED and task.sha256 is not None
    return {
        "message_id": message.message_id,
        "notice_id": message.notice_id,
        "debtor_id": message.debtor_id,
        "level": message.level,
        "level_no": message.level_no,
        "invoice_ids": message.invoice_ids,
        "state": message.state if not is_open else WAITING,
        "planned_at": task.planned_at,
        "tries": task.tries,
        "next_call_at": task.next_call_at,
    }

"""Routes of promises to pay: take one, see how it stands."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.entrypoints.hold_edges import (
    READ,
    WRITE,
    Amount,
    Covering,
    Day,
    IdempotencyKey,
    Text,
    asking_ledger,
    problem_of,
    resend_of,
    show_hold,
    show_standing,
)
from dunning_engine.entrypoints.web import Caller
from dunning_engine.handlers.agree_plan import follow_plan
from dunning_engine.handlers.keep_hold import HoldError
from dunning_engine.handlers.take_promise import PromiseSource, take_promise
from dunning_engine.handlers.walk_clock import CatchUp
from dunning_engine.records import HoldRow, Resend

GRACE_DAYS_MAX = 60


class Promising(Covering):
    """A promise to pay. Without invoices: whatever is due by `pay_on`; without `amount`: all of it.

    Promises of several instalments are payment plans.
    """

    amount: Amount | None = None
    pay_on: Day
    source: PromiseSource
    grace_days: int | None = Field(default=None, ge=0, le=GRACE_DAYS_MAX)
    note: Text | None = None


def promise_routes(rooms: StoreRoom, catch_up: CatchUp) -> APIRouter:
    """Take and show promises to pay."""
    router = APIRouter(prefix="/v1", tags=["promises"])

    @router.post("/promises", status_code=201)
    async def take(
        body: Promising,
        response: Response,
        idempotency_key: IdempotencyKey = None,
        who: Caller = WRITE,
    ) -> dict[str, Any]:
        """Let reminders rest until the day on which the debtor says that it will pay."""
        resend = resend_of(who, idempotency_key, body)
        promise, created = await asking_ledger(
            catch_up, who, body.debtor_id, lambda: _take(rooms, body, who, resend)
        )
        response.status_code = 201 if created else 200
        return show_hold(promise)

    @router.get("/promises/{promise_id}")
    async def get_promise(promise_id: UUID, who: Caller = READ) -> dict[str, Any]:
        """A promise, and what was paid since."""
        try:
            async with rooms.tenant(who.tenant) as stores:
                found = await follow_plan(
                    stores.holds,
                    stores.sweep,
                    tenant=who.tenant,
                    hold_id=promise_id,
                    kind="promise",
                )
        except HoldError as error:
            raise problem_of(error, what="promise") from error
        return show_standing(found)

    return router


async def _take(
    rooms: StoreRoom, body: Promising, who: Caller, resend: Resend | None
) -> tuple[HoldRow, bool]:
    async with rooms.tenant(who.tenant) as stores:
        return await take_promise(
            stores.holds,
            stores.plan_rules,
            tenant=who.tenant,
            debtor_id=body.debtor_id,
            invoice_ids=body.invoice_ids,
            amount=body.amount,
            pay_on=body.pay_on,
            source=body.source,
            grace_days=body.grace_days,
            note=body.note,
            taken_by=who.subject,
            resend=resend,
        )

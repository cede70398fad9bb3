"""Routes to read cases, levels, decisions and explanations. They change nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query

from dunning_common.money import to_decimal_string
from dunning_common.problems import ProblemError
from dunning_engine.adapters.sql_cases import LevelPlace
from dunning_engine.adapters.sql_news import channels_from_json
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.domain.record import RecordError, recompute
from dunning_engine.entrypoints.web import (
    Caller,
    Cursor,
    ExternalId,
    Limit,
    caller,
    from_cursor,
    not_found,
    page,
    to_cursor,
)
from dunning_engine.handlers.explain_case import Reader, explain_case
from dunning_engine.handlers.explain_selection import explain_selection
from dunning_engine.handlers.sweep_accounts import Law
from dunning_engine.settings import Settings

State = Literal[
    "waiting",
    "scheduled",
    "held",
    "in_flight",
    "awaiting_approval",
    "blocked",
    "handed_over",
    "exhausted",
    "closed",
]
READ = Depends(caller("dunning:read"))
NUMBER_LIMIT = 2**31
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
NO_ID = UUID(int=0)
RECOMPUTED_PER_CALL = 200


def case_routes(rooms: StoreRoom, law: Law, settings: Settings) -> APIRouter:
    """Cases, levels, decisions, explanations."""
    router = APIRouter(prefix="/v1", tags=["cases"])
    _lists(router, rooms)
    _decisions(router, rooms)

    @router.get("/cases/{invoice_id}")
    async def get_case(invoice_id: ExternalId, who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            row = await stores.cases.case(who.tenant, invoice_id)
            if row is None:
                raise not_found("case")
            dossier = await stores.sweep.read(who.tenant, row["debtor_id"])
            chosen = await explain_selection(stores.policies, who.tenant, invoice_id, dossier)
        return _case(row) | chosen

    @router.get("/explain/{invoice_id}")
    async def explain(invoice_id: ExternalId, who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            reader = Reader(
                cases=stores.cases,
                accounts=stores.sweep,
                shelf=stores.policies,
                law=law,
                silence=settings.silence,
            )
            found = await explain_case(reader, who.tenant, invoice_id)
        if found is None:
            raise not_found("case")
        return found

    return router


def _lists(router: APIRouter, rooms: StoreRoom) -> None:
    @router.get("/cases")
    async def list_cases(
        state: State | None = None,
        debtor_id: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        after = from_cursor(cursor, _one_text, "")
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.cases.cases(
                who.tenant, state=state, debtor_id=debtor_id, after=after, limit=limit + 1
            )
        return page(rows, limit, _case, lambda row: [row["invoice_id"]])

    @router.get("/levels")
    async def list_levels(
        limit: Limit = 100, cursor: Cursor = None, who: Caller = READ
    ) -> dict[str, Any]:
        after = from_cursor(cursor, _level_place, (BEGINNING, "", 0, 0))
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.cases.levels(who.tenant, after=after, limit=limit + 1)
        return page(rows, limit, _level, _place_of_level)


def _decisions(router: APIRouter, rooms: StoreRoom) -> None:
    async def find(decision_id: UUID, who: Caller) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            row = await stores.cases.decision(who.tenant, decision_id)
        if row is None:
            raise not_found("decision")
        return row

    @router.get("/decisions/{decision_id}")
    async def get_decision(decision_id: UUID, who: Caller = READ) -> dict[str, Any]:
        row = await find(decision_id, who)
        return {
            "decision_id": row["decision_id"],
            "debtor_id": row["debtor_id"],
            "decided_at": row["decided_at"],
            "made_at": row["made_at"],
            "sha256": _sha256(row["record"]),
            "record": orjson.loads(row["record"]),
        }

    @router.get("/cases/{invoice_id}/decisions")
    async def get_decisions_of_case(invoice_id: ExternalId, who: Caller = READ) -> dict[str, Any]:
        """The records of all decisions that asked for a level of this case, oldest first."""
        async with rooms.tenant(who.tenant) as stores:
            if await stores.cases.case(who.tenant, invoice_id) is None:
                raise not_found("case")
            levels = await stores.cases.history(who.tenant, invoice_id)
            wanted = list(dict.fromkeys(level["decision_id"] for level in levels))
            records = await stores.cases.records(who.tenant, wanted)
        return {
            "items": [
                {
                    "decision_id": decision_id,
                    "sha256": _sha256(records[decision_id]),
                    "record": orjson.loads(records[decision_id]),
                }
                for decision_id in wanted
                if decision_id in records
            ]
        }

    @router.post("/decisions/recompute")
    async def recompute_decisions(cursor: Cursor = None, who: Caller = READ) -> dict[str, Any]:
        """Decide a page of stored decisions again; go on with `next_cursor` until it is null."""
        after = from_cursor(cursor, lambda values: UUID(values[0]), NO_ID)
        async with rooms.tenant(who.tenant) as stores:
            records = await stores.cases.page_of_decisions(
                who.tenant, after=after, limit=RECOMPUTED_PER_CALL
            )
        different = await asyncio.to_thread(_differing, records)
        full = len(records) == RECOMPUTED_PER_CALL
        return {
            "checked": len(records),
            "different": different,
            "next_cursor": to_cursor([records[-1][0]]) if full else None,
        }

    @router.post("/decisions/{decision_id}/recompute")
    async def recompute_decision(decision_id: UUID, who: Caller = READ) -> dict[str, Any]:
        row = await find(decision_id, who)
        try:
            again = recompute(row["record"])
        except RecordError as error:
            raise ProblemError(
                409, "record-damaged", "The record cannot be computed again.", detail=str(error)
            ) from error
        return {
            "identical": again == row["record"],
            "recorded_sha256": _sha256(row["record"]),
            "recomputed_sha256": _sha256(again),
        }


def _differing(records: Sequence[tuple[UUID, bytes]]) -> list[dict[str, Any]]:
    """The decisions that do not come out again byte by byte, and what is wrong with each."""
    found = []
    for decision_id, record in records:
        try:
            wrong = None if recompute(record) == record else "another outcome"
        except RecordError as error:
            wrong = str(error)
        if wrong:
            found.append({"decision_id": decision_id, "detail": wrong})
    return found


def _case(row: Any) -> dict[str, Any]:
    def money(minor: int) -> str:
        return to_decimal_string(minor, row["currency"])

    return {
        "invoice_id": row["invoice_id"],
        "number": row["number"],
        "debtor_id": row["debtor_id"],
        "issued_on": row["issued_on"],
        "due_on": row["due_on"],
        "currency": row["currency"],
        "amount": money(row["amount_minor"]),
        "open": money(row["open_minor"]),
        "charges_open": money(row["charges_open_minor"]),
        "status": row["status"],
        "settled_on": row["settled_on"],
        "policy_id": row["policy_id"],
        "policy_version": row["policy_version"],
        "opened_at": row["opened_at"],
        "level_no": row["level_no"] or 0,
        "state": row["state"],
        "reason": row["state_reason"],
        "next": None
        if row["next_level"] is None
        else {
            "level": row["next_level"],
            "level_no": row["next_level_no"],
            "at": row["next_at"],
        },
        "notice_in_flight": row["flight_notice"],
        "closed": row["closed"],
        "closed_at": row["closed_at"],
        "final_action": row["final_action"],
    }


def _level(row: Any) -> dict[str, Any]:
    return {
        "invoice_id": row["invoice_id"],
        "debtor_id": row["debtor_id"],
        "level": row["level"],
        "level_no": row["level_no"],
        "decided_at": row["decided_at"],
        "on": row["decided_on"],
        "served_at": row["served_at"],
        "outcome": row["outcome"],
        "reason": row["reason"],
        "notice_id": row["notice_id"],
        "channels": {
            channel: news.state for channel, news in channels_from_json(row["channels"]).items()
        },
    }


def _place_of_level(row: Any) -> list[Any]:
    return [row["decided_at"].isoformat(), row["invoice_id"], row["level_no"], row["try_no"]]


def _level_place(values: list[Any]) -> LevelPlace:
    at, invoice_id, level_no, try_no = values
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return (
        moment.astimezone(UTC),
        _one_text([invoice_id]),
        _small_number(level_no),
        _small_number(try_no),
    )


def _small_number(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < NUMBER_LIMIT:
        raise ValueError("not a level or try number")
    return value


def _one_text(values: list[Any]) -> str:
    (text,) = values
    if not isinstance(text, str) or "\x00" in text:
        raise ValueError("not a text")
    return text


def _sha256(record: bytes) -> str:
    return hashlib.sha256(record).hexdigest()

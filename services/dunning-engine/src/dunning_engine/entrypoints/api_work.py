"""Routes of the work list and of notes: what has to be done, who does it, what people know."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field, field_validator, model_validator

from dunning_common.money import MoneyError, exponent
from dunning_common.problems import ProblemError
from dunning_engine.adapters.sql_notes import NotePlace
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.domain.work_item import (
    WORK_KINDS,
    ItemKey,
    UnknownItemError,
    WorkKind,
    item_key,
)
from dunning_engine.domain.work_ranking import UNIT, ranking_value
from dunning_engine.domain.work_words import next_step, words_of
from dunning_engine.entrypoints.hold_edges import (
    READ,
    WRITE,
    Body,
    Day,
    Id,
    IdFilter,
    Line,
    amount,
)
from dunning_engine.entrypoints.web import (
    Caller,
    Cursor,
    ExternalId,
    Limit,
    from_cursor,
    invalid,
    not_found,
    page,
)
from dunning_engine.handlers.notes import ForeignInvoiceError, UnknownDebtorError, write_note
from dunning_engine.handlers.retry_failed import NotRetriableError, behind, retry_failed
from dunning_engine.handlers.work_list import (
    SnoozeError,
    assign_work,
    find_item,
    finish_work,
    group_work,
    list_work,
    snooze_work,
)
from dunning_engine.work_records import (
    NoteRow,
    RetryFilter,
    RetryRow,
    WorkFilter,
    WorkGroup,
    WorkItem,
    WorkPlace,
    WorkRules,
)

ItemId = Annotated[str, Path(min_length=1, max_length=1000, pattern=r"^[A-Za-z0-9_-]+$")]
Kinds = Annotated[
    list[WorkKind] | None, Query(alias="kind", description="Only these; may be repeated.")
]
Assignee = Annotated[
    str | None,
    Query(max_length=200, pattern=r"^[^\x00]*$", description="Only whose; empty: nobody's."),
]
NoteText = Annotated[str, Field(min_length=1, max_length=5000, pattern=r"^[^\x00]*$")]
CURRENCIES_MAX = 200
SHELVES = (0, 1, 2)
VALUE_DIGITS_MAX = 60


class Assigning(Body):
    """Who does it; null takes it away."""

    assignee: Line | None


class Snoozing(Body):
    """Until which day (exclusive) it stays off the list; null brings it back."""

    until: Day | None


class Retrying(Body):
    """Which of what failed is tried again: of a debtor, for a reason, or all.

    `reason` is a part of the postman's reason, such as `not_connected` or `content`.
    """

    debtor_id: Id | None = None
    reason: Line | None = None
    everything: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.everything == bool(self.debtor_id or self.reason):
            raise ValueError("say which: debtor_id, reason or both, or else everything")
        return self


class Noting(Body):
    """A note about the debtor, or about one of its invoices."""

    text: NoteText
    invoice_id: Id | None = None


class Ranking(Body):
    """How the list is ranked.

    `weights` say what a unit of each currency counts, such as {"EUR": "1", "GBP": "1.17"}; nothing
    is converted without them. An overdue invoice is silent after `silent_days` without an action.
    """

    weights: dict[str, Annotated[Decimal, Field(gt=0, le=10**9, decimal_places=9)]] = Field(
        default_factory=dict, max_length=CURRENCIES_MAX
    )
    silent_days: int = Field(default=30, ge=1, le=366)

    @field_validator("weights", mode="before")
    @classmethod
    def _exact(cls, weights: object) -> object:
        # A JSON number arrives as a float; what was meant is what it reads as.
        if not isinstance(weights, dict):
            return weights
        return {k: str(v) if isinstance(v, float) else v for k, v in weights.items()}

    @field_validator("weights")
    @classmethod
    def _known(cls, weights: dict[str, Decimal]) -> dict[str, Decimal]:
        for currency in weights:
            try:
                exponent(currency)
            except MoneyError as error:
                raise ValueError(str(error)) from error
        return weights


def work_routes(rooms: StoreRoom) -> APIRouter:
    """The work list, its marks and its ranking; notes."""
    router = APIRouter(prefix="/v1", tags=["work"])
    _list(router, rooms)
    _marks(router, rooms)
    _retries(router, rooms)
    _ranking(router, rooms)
    _notes(router, rooms)
    return router


def _wanted(
    kind: Kinds = None,
    assignee: Assignee = None,
    debtor_id: IdFilter = None,
    currency: Annotated[str | None, Query(pattern=r"^[A-Z]{3}$")] = None,
    snoozed: Annotated[bool, Query(description="Also what was put off.")] = False,
) -> WorkFilter:
    return WorkFilter(
        kinds=tuple(kind or WORK_KINDS),
        assignee=assignee,
        debtor_id=debtor_id,
        currency=currency,
        snoozed=snoozed,
    )


Wanted = Annotated[WorkFilter, Depends(_wanted)]
"""Which items a caller asks for, by the query."""


def _list(router: APIRouter, rooms: StoreRoom) -> None:
    @router.get("/work")
    async def list_items(
        wanted: Wanted,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        """What has to be done, what is worth most first."""
        after = from_cursor(cursor, work_place, None)
        async with rooms.tenant(who.tenant) as stores:
            items = await list_work(stores.work, who.tenant, wanted, after=after, limit=limit + 1)
        return page(items, limit, show_item, lambda item: list(place_of_item(item)))

    @router.get("/work-groups")
    async def list_groups(
        wanted: Wanted,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        """The same list, with all items of one kind, debtor and currency as one."""
        after = from_cursor(cursor, work_place, None)
        async with rooms.tenant(who.tenant) as stores:
            found = await group_work(stores.work, who.tenant, wanted, after=after, limit=limit + 1)
        return page(found, limit, show_group, lambda group: list(_place_of_group(group)))

    @router.get("/work/{item_id}")
    async def get_item(item_id: ItemId, who: Caller = READ) -> dict[str, Any]:
        key = _key(item_id)
        async with rooms.tenant(who.tenant) as stores:
            try:
                return show_item(await find_item(stores.work, who.tenant, key))
            except UnknownItemError as error:
                raise not_found("item") from error


def _marks(router: APIRouter, rooms: StoreRoom) -> None:
    @router.put("/work/{item_id}/assignee")
    async def assign(item_id: ItemId, body: Assigning, who: Caller = WRITE) -> dict[str, Any]:
        """Give it to somebody."""
        key = _key(item_id)
        async with rooms.tenant(who.tenant) as stores:
            try:
                item = await assign_work(
                    stores.work, tenant=who.tenant, key=key, assignee=body.assignee, by=who.subject
                )
            except UnknownItemError as error:
                raise not_found("item") from error
        return show_item(item) | {"assignee": body.assignee}

    @router.post("/work/{item_id}/snooze")
    async def snooze(item_id: ItemId, body: Snoozing, who: Caller = WRITE) -> dict[str, Any]:
        """Put it off until a day."""
        key = _key(item_id)
        async with rooms.tenant(who.tenant) as stores:
            try:
                item = await snooze_work(
                    stores.work, tenant=who.tenant, key=key, until=body.until, by=who.subject
                )
            except UnknownItemError as error:
                raise not_found("item") from error
            except SnoozeError as error:
                raise invalid("/until", str(error)) from error
        return show_item(item) | {"snoozed_until": body.until}

    @router.post("/work/{item_id}/done")
    async def done(item_id: ItemId, who: Caller = WRITE) -> dict[str, Any]:
        """Take it off the list. It comes back when it happens anew."""
        key = _key(item_id)
        async with rooms.tenant(who.tenant) as stores:
            try:
                item = await finish_work(stores.work, tenant=who.tenant, key=key, by=who.subject)
            except UnknownItemError as error:
                raise not_found("item") from error
        return show_item(item) | {"done": True}


def _retries(router: APIRouter, rooms: StoreRoom) -> None:
    @router.post("/work-retries")
    async def retry_some(body: Retrying, who: Caller = WRITE) -> dict[str, Any]:
        """Try again at once what failed, of one debtor, for one reason, or all of it."""
        wanted = RetryFilter(debtor_id=body.debtor_id, reason=body.reason)
        return show_retry(await retry(rooms, who, wanted))

    @router.post("/work/{item_id}/retry")
    async def retry_item(item_id: ItemId, who: Caller = WRITE) -> dict[str, Any]:
        """Try again at once what the item lists."""
        try:
            wanted = behind(_key(item_id))
        except NotRetriableError as error:
            raise ProblemError(
                409, "not-retriable", "There is nothing to try again.", detail=str(error)
            ) from error
        return show_retry(await retry(rooms, who, wanted))


async def retry(rooms: StoreRoom, who: Caller, wanted: RetryFilter) -> RetryRow:
    """Try it again, in a transaction of its own."""
    async with rooms.tenant(who.tenant) as stores:
        return await retry_failed(
            stores.retries, stores.approvals, stores.work, tenant=who.tenant, wanted=wanted,
            by=who.subject,
        )  # fmt: skip


def show_retry(row: RetryRow) -> dict[str, Any]:
    """What was tried again, as JSON; nothing, when it had been before."""
    return {
        "retry_id": row.retry_id if row.cases else None,
        "invoices": row.cases,
        "debtors": row.debtors,
    }


def _ranking(router: APIRouter, rooms: StoreRoom) -> None:
    @router.get("/work-rules")
    async def get_rules(who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            return _show_rules(await stores.work.rules(who.tenant))

    @router.put("/work-rules")
    async def put_rules(body: Ranking, who: Caller = WRITE) -> dict[str, Any]:
        """Give currencies weights, and say when silence is too long."""
        rules = WorkRules(weights=body.weights, silent_days=body.silent_days)
        async with rooms.tenant(who.tenant) as stores:
            await stores.work.save_rules(who.tenant, rules)
        return _show_rules(rules)


def _notes(router: APIRouter, rooms: StoreRoom) -> None:
    @router.post("/debtors/{debtor_id}/notes", status_code=201)
    async def add_note(debtor_id: ExternalId, body: Noting, who: Caller = WRITE) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            try:
                note = await write_note(
                    stores.notes,
                    tenant=who.tenant,
                    debtor_id=debtor_id,
                    invoice_id=body.invoice_id,
                    words=body.text,
                    by=who.subject,
                )
            except UnknownDebtorError as error:
                raise not_found("debtor") from error
            except ForeignInvoiceError as error:
                raise invalid("/invoice_id", str(error)) from error
        return _show_note(note)

    @router.get("/debtors/{debtor_id}/notes")
    async def list_notes(
        debtor_id: ExternalId,
        invoice_id: IdFilter = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        """Notes about a debtor, the newest first."""
        before = from_cursor(cursor, _note_place, None)
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.notes.listing(
                who.tenant, debtor_id, invoice_id=invoice_id, before=before, limit=limit + 1
            )
        return page(rows, limit, _show_note, lambda row: [row.written_at, row.note_id])


def show_item(item: WorkItem) -> dict[str, Any]:
    """An item as JSON; the amount is what its invoices owe with their charges."""
    return {
        "item_id": item.key.item_id,
        "kind": item.key.kind,
        "debtor_id": item.debtor_id,
        "invoice_ids": list(item.invoice_ids),
        "invoices": item.invoices,
        "currency": item.currency,
        "amount": amount(item.amount_minor, item.currency),
        "expected_value": amount(_worth(item), item.currency),
        "oldest_due_on": item.aged_from,
        "since": item.since,
        "cause": item.cause.code,
        "words": words_of(item.cause),
        "next_step": next_step(item.key.kind, item.cause),
        "level": item.cause.level,
        "level_no": item.cause.level_no,
        "policy_id": item.cause.policy_id,
        "hold_id": item.hold_id,
        "response_id": item.key.target if item.key.kind == "response" else None,
        "ends_on": item.cause.ends_on,
        "assignee": item.assignee,
        "snoozed_until": item.snoozed_until,
    }


def show_group(group: WorkGroup) -> dict[str, Any]:
    """A group as JSON; words and next step are those of the item that is worth most."""
    first = show_item(group.first)
    return {
        "kind": group.kind,
        "debtor_id": group.debtor_id,
        "currency": group.currency,
        "items": group.items,
        "invoices": group.invoices,
        "amount": amount(group.amount_minor, group.currency),
        "oldest_due_on": group.aged_from,
        "since": group.since,
        "first": first,
    }


def _place_of_group(group: WorkGroup) -> WorkPlace:
    return WorkPlace(
        group.ranked_on,
        group.shelf,
        group.shelf_currency,
        group.value,
        group.kind,
        f"{group.debtor_id or ''}{group.currency}",
    )


def place_of_item(item: WorkItem) -> WorkPlace:
    """Where the item stands in the list."""
    return WorkPlace(
        item.ranked_on, item.shelf, item.shelf_currency, item.value, item.key.kind, item.key.target
    )


def work_place(values: list[Any]) -> WorkPlace:
    """A cursor's values as a place in the list."""
    on, shelf, currency, value, kind, target = values
    found = Decimal(value)
    if not all(isinstance(text, str) and "\x00" not in text for text in values[2:]):
        raise ValueError("not texts")
    if type(shelf) is not int or shelf not in SHELVES:
        raise ValueError("not a shelf of the list")
    if not found.is_finite() or abs(found.adjusted()) > VALUE_DIGITS_MAX:
        raise ValueError("not a value")
    return WorkPlace(date.fromisoformat(on), shelf, currency, found, kind, target)


def _worth(item: WorkItem) -> int:
    """The expected value in minor units of the item's own currency, its weight left out."""
    days = (item.ranked_on - item.aged_from).days
    return ranking_value(item.key.kind, item.amount_minor, days) // UNIT


def _key(item_id: str) -> ItemKey:
    try:
        return item_key(item_id)
    except UnknownItemError as error:
        raise not_found("item") from error


def _show_rules(rules: WorkRules) -> dict[str, Any]:
    weights = {name: format(weight, "f") for name, weight in sorted(rules.weights.items())}
    return {"weights": weights, "silent_days": rules.silent_days}


def _show_note(note: NoteRow) -> dict[str, Any]:
    return {
        "note_id": note.note_id,
        "debtor_id": note.debtor_id,
        "invoice_id": note.invoice_id,
        "text": note.words,
        "written_at": note.written_at,
        "written_by": note.written_by,
    }


def _note_place(values: list[Any]) -> NotePlace:
    at, note_id = values
    written_at = datetime.fromisoformat(at)
    if written_at.tzinfo is None:
        raise ValueError("no time zone")
    return written_at.astimezone(UTC), UUID(note_id)

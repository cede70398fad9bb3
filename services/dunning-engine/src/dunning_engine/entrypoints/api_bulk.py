"""The route of bulk actions: preview, then do it to exactly what the preview showed.

Holding, releasing and assigning take `dunning:write`, approving and rejecting `dunning:approve`.
"""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, Field, field_validator, model_validator

from dunning_common.auth import Principal, require
from dunning_common.ids import new_id
from dunning_common.money import to_decimal_string
from dunning_common.problems import ProblemError
from dunning_engine.adapters.sql_stores import StoreRoom, Stores
from dunning_engine.bulk_records import (
    BulkAction,
    BulkItem,
    BulkParams,
    BulkPlan,
    BulkResult,
    BulkWish,
)
from dunning_engine.domain.work_item import WORK_KINDS, UnknownItemError, WorkKind, item_key
from dunning_engine.entrypoints.hold_edges import Body, Id, Line, Text, in_range
from dunning_engine.entrypoints.web import Caller, caller, invalid
from dunning_engine.handlers.bulk_actions import (
    ITEMS_MAX,
    BulkTools,
    EndsTooEarlyError,
    SetChangedError,
    TooManyItemsError,
    execute_bulk,
    preview_bulk,
)
from dunning_engine.handlers.place_hold import SimpleKind
from dunning_engine.work_records import CaseFilter, HoldFilter, WorkFilter

SHOWN = 100
"""Most items that a preview names; it counts all."""
CALLER = Depends(caller("dunning:read"))
NEEDS: dict[BulkAction, str] = {
    "hold": "dunning:write",
    "release": "dunning:write",
    "assign": "dunning:write",
    "approve": "dunning:approve",
    "reject": "dunning:approve",
}
Ids = Annotated[tuple[Id, ...] | None, Field(default=None, min_length=1, max_length=ITEMS_MAX)]
OpenState = Annotated[
    str | None,
    Field(
        default=None,
        pattern="^(waiting|scheduled|held|in_flight|blocked|awaiting_approval|exhausted)$",
    ),
]
_READS: dict[BulkAction, frozenset[str]] = {
    "hold": frozenset({"reason", "kind", "until", "owner"}),
    "release": frozenset({"note"}),
    "approve": frozenset(),
    "reject": frozenset(),
    "assign": frozenset({"assignee"}),
}
_CASE_FIELDS = frozenset(
    {"state", "reason", "debtor_id", "currency", "level_no", "policy_id", "segment", "overdue_days"}
)
_FILTERS: dict[BulkAction, frozenset[str]] = {
    "hold": _CASE_FIELDS,
    "approve": _CASE_FIELDS,
    "reject": _CASE_FIELDS,
    "release": frozenset({"hold_kind", "placed_by", "debtor_id"}),
    "assign": frozenset({"kinds", "assignee", "debtor_id", "currency"}),
}


class Filter(Body):
    """Which items; all that is given must hold.

    Cases: `state`, `reason`, `currency`, `level_no`, `policy_id`, `segment`, `overdue_days`; holds:
    `hold_kind`, `placed_by`; work items: `kinds`, `assignee`, `currency`; everywhere `debtor_id`.
    """

    debtor_id: Id | None = None
    state: OpenState
    reason: Line | None = None
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    level_no: int | None = Field(default=None, ge=1, le=1000)
    policy_id: Line | None = None
    segment: Line | None = None
    overdue_days: int | None = Field(default=None, ge=0, le=36500)
    hold_kind: SimpleKind | None = None
    placed_by: Line | None = None
    kinds: tuple[WorkKind, ...] | None = Field(default=None, min_length=1, max_length=50)
    assignee: str | None = Field(default=None, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")


class Params(Body):
    """What is done to each.

    `reason`, `kind`, `until`, `owner` of holds; the `note` of releases; the `assignee` of items
    (null: nobody).
    """

    reason: Text | None = None
    kind: SimpleKind = "manual"
    until: AwareDatetime | None = None
    owner: Line | None = None
    note: Text | None = None
    assignee: Line | None = None

    _in_range = field_validator("until")(in_range)


class BulkRequest(Body):
    """An action on the items of a list of ids, or on what a filter finds; at most 1000 a call.

    `invoice_ids` and `debtor_ids` go with hold, release, approve and reject; a hold of `debtor_ids`
    covers all that they owe, now and later. `hold_ids` go with release, `item_ids` with assign.
    `dry_run` only shows it. `expected` is the `token` of a preview: when anything changed since,
    nothing is done. What a filter finds is only done with it.
    """

    action: BulkAction
    invoice_ids: Ids
    debtor_ids: Ids
    hold_ids: tuple[UUID, ...] | None = Field(default=None, min_length=1, max_length=ITEMS_MAX)
    item_ids: tuple[Line, ...] | None = Field(default=None, min_length=1, max_length=ITEMS_MAX)
    filter: Filter | None = None
    params: Params = Params()
    dry_run: bool = True
    expected: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named = [
            name
            for name in ("invoice_ids", "debtor_ids", "hold_ids", "item_ids", "filter")
            if getattr(self, name) is not None
        ]
        if len(named) != 1:
            raise ValueError("give exactly one of invoice_ids, debtor_ids, hold_ids, item_ids, "
                             "filter")  # fmt: skip
        allowed = {
            "release": {"invoice_ids", "debtor_ids", "hold_ids", "filter"},
            "assign": {"item_ids", "filter"},
        }.get(self.action, {"invoice_ids", "debtor_ids", "filter"})
        if not set(named) <= allowed:
            raise ValueError(f"{self.action} takes one of {', '.join(sorted(allowed))}")
        if superfluous := self.params.model_fields_set - _READS[self.action]:
            raise ValueError(f"{self.action} has no params.{min(superfluous)}; leave it out")
        if self.action == "hold" and not self.params.reason:
            raise ValueError("a hold needs params.reason")
        if self.action == "assign" and "assignee" not in self.params.model_fields_set:
            raise ValueError("assign needs params.assignee; null for nobody")
        if self.filter and (wrong := self.filter.model_fields_set - _FILTERS[self.action]):
            raise ValueError(f"{self.action} cannot filter by {min(wrong)}")
        if self.filter and not self.filter.model_fields_set:
            raise ValueError("an empty filter finds everything; say what you mean")
        if self.filter and not self.dry_run and self.expected is None:
            raise ValueError("what a filter finds is only done with `expected`: preview it first")
        return self


def bulk_routes(rooms: StoreRoom) -> APIRouter:
    """Preview and do bulk actions."""
    router = APIRouter(prefix="/v1", tags=["bulk actions"])

    @router.post("/bulk-actions")
    async def act(body: BulkRequest, request: Request, who: Caller = CALLER) -> dict[str, Any]:
        """Show what an action would change, or do it: one result an item."""
        _may(request, NEEDS[body.action])
        wish = wish_of(body)
        try:
            async with rooms.tenant(who.tenant) as stores:
                if body.dry_run:
                    plan = await preview_bulk(tools_of(stores), who.tenant, wish)
                    return show_plan(plan)
                bulk_id = new_id()
                await stores.audit.part_of(f"bulk:{bulk_id}")
                plan, results = await execute_bulk(
                    tools_of(stores), who.tenant, wish, expected=body.expected, by=who.subject
                )
        except TooManyItemsError as error:
            raise ProblemError(422, "too-many-items", "Too much at once.", detail=str(error)) from (
                error
            )
        except SetChangedError as error:
            raise ProblemError(
                409, "set-changed", "It is not what the preview showed; nothing was done.",
                detail=str(error),
            ) from error  # fmt: skip
        except EndsTooEarlyError as error:
            raise invalid("/params/until", str(error)) from error
        return _done(plan, results) | {"bulk_id": bulk_id}

    return router


def tools_of(stores: Stores) -> BulkTools:
    """What bulk actions work with, bound to one transaction."""
    return BulkTools(
        bulk=stores.bulk, approvals=stores.approvals, work=stores.work, policies=stores.policies
    )


def wish_of(body: BulkRequest) -> BulkWish:
    """The request as the handlers know it.

    Raises:
        ProblemError: 422, an id that is none.
    """
    given = body.filter or Filter(state=None)
    debtors = (given.debtor_id,) if given.debtor_id is not None else body.debtor_ids
    params = body.params
    return BulkWish(
        action=body.action,
        whole_debtors=body.action == "hold" and body.debtor_ids is not None,
        cases=CaseFilter(
            invoice_ids=body.invoice_ids,
            debtor_ids=debtors,
            state=given.state,
            reason=given.reason,
            currency=given.currency,
            level_no=given.level_no,
            policy_id=given.policy_id,
            segment=given.segment,
            overdue_days=given.overdue_days,
        ),
        holds=HoldFilter(
            hold_ids=body.hold_ids,
            debtor_ids=debtors,
            invoice_ids=body.invoice_ids,
            kind=given.hold_kind,
            placed_by=given.placed_by,
        ),
        work=_work_filter(body, given),
        params=BulkParams(
            reason=params.reason or "",
            kind=params.kind,
            until=params.until,
            owner=params.owner,
            note=params.note,
            assignee=params.assignee,
        ),
    )


def _work_filter(body: BulkRequest, given: Filter) -> WorkFilter:
    keys = None
    if body.item_ids is not None:
        try:
            keys = tuple(item_key(item_id) for item_id in body.item_ids)
        except UnknownItemError as error:
            raise invalid("/item_ids", str(error)) from error
    kinds = given.kinds or WORK_KINDS
    return WorkFilter(
        kinds=tuple({key.kind for key in keys}) if keys else kinds,
        assignee=given.assignee,
        debtor_id=given.debtor_id,
        currency=given.currency,
        keys=keys,
        snoozed=keys is not None,
    )


def show_plan(plan: BulkPlan) -> dict[str, Any]:
    """What an action would do, as JSON; the first items only."""
    return {
        "action": plan.action,
        "dry_run": True,
        "count": sum(item.refused is None for item in plan.items),
        "refused": sum(item.refused is not None for item in plan.items),
        "invoices": sum(item.invoices for item in plan.items if item.refused is None),
        "amounts": _amounts(plan.amounts),
        "items": [_item(item) for item in plan.items[:SHOWN]],
        "token": plan.token,
    }


def _done(plan: BulkPlan, results: list[BulkResult]) -> dict[str, Any]:
    statuses = [result.status for result in results]
    return {
        "action": plan.action,
        "dry_run": False,
        "summary": {name: statuses.count(name) for name in ("done", "unchanged", "refused")},
        "amounts": _amounts(plan.amounts),
        "items": [
            _item(result.item)
            | {"status": result.status, "why": result.why, "hold_id": result.hold_id}
            for result in results
        ],
    }


def _item(item: BulkItem) -> dict[str, Any]:
    return {
        "target": item.target,
        "debtor_id": item.debtor_id,
        "invoice_ids": list(item.invoice_ids),
        "amounts": _amounts(item.amounts),
        "change": item.change,
        "refused": item.refused,
    }


def _amounts(minor_by_currency: Any) -> dict[str, str]:
    return {
        currency: to_decimal_string(minor, currency)
        for currency, minor in sorted(minor_by_currency.items())
    }


def _may(request: Request, scope: str) -> Principal:
    return require(scope)(request)

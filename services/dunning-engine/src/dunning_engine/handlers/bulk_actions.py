"""Do one thing to many cases, holds or work items: show first what it would change, then do it.

A preview and its execution find their items in the same way. The token of a preview stands for
exactly the items, and the states, that it showed: when anything of that changed meanwhile, nothing
is done. Everything happens in one transaction, under the locks of all accounts concerned.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from dunning_common.ids import new_id
from dunning_engine.bulk_records import BulkItem, BulkPlan, BulkResult, BulkWish
from dunning_engine.handlers.approve_level import ApprovalStore, decide_levels, rule
from dunning_engine.handlers.bulk_holds import (
    Accounts,
    BulkStore,
    PinnedPolicies,
    place_holds,
    release_holds,
)
from dunning_engine.handlers.place_hold import SIMPLE_KINDS
from dunning_engine.handlers.work_list import WorkStore, list_work
from dunning_engine.records import HoldRow
from dunning_engine.work_records import HoldFilter, LevelAsk, Mark, WaitingCase

ITEMS_MAX = 1000
"""Most items of one call."""
HOLDS_MAX = 100 * ITEMS_MAX


class TooManyItemsError(ValueError):
    """The filter finds more than one call takes."""

    def __init__(self) -> None:
        super().__init__(f"finds more than {ITEMS_MAX} items; narrow it, or do it in parts")


class EndsTooEarlyError(ValueError):
    """`until` is not in the future of the tenant's clock."""


class SetChangedError(ValueError):
    """What the preview showed is not what is there now; nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkTools:
    """What bulk actions work with, all in one transaction."""

    bulk: BulkStore
    approvals: ApprovalStore
    work: WorkStore
    policies: PinnedPolicies


async def preview_bulk(tools: BulkTools, tenant: str, wish: BulkWish) -> BulkPlan:
    """What the action would do now. Changes nothing.

    Raises:
        TooManyItemsError: narrow it.
    """
    items = await _items(tools, tenant, wish)
    return BulkPlan(action=wish.action, items=tuple(items), token=_token(wish, items))


async def execute_bulk(
    tools: BulkTools, tenant: str, wish: BulkWish, *, expected: str | None, by: str
) -> tuple[BulkPlan, list[BulkResult]]:
    """Do it, to all items that can take it; one result an item, in the plan's order.

    Args:
        tools: bound to one transaction.
        tenant: whose.
        wish: what, and to what.
        expected: the token of a preview; None takes what is there.
        by: who does it.

    Raises:
        TooManyItemsError: narrow it.
        SetChangedError: it is not what the preview showed.
        EndsTooEarlyError: a hold would end in the past.
    """
    before = await preview_bulk(tools, tenant, wish)
    debtors = sorted({item.debtor_id for item in before.items if item.debtor_id})
    accounts = await tools.approvals.lock_accounts(tenant, debtors)
    plan = await preview_bulk(tools, tenant, wish)  # again, now that nobody else can change it
    if expected is not None and plan.token != expected:
        raise SetChangedError("something changed since the preview; look at it again")
    unlocked = [i for i in plan.items if i.debtor_id and i.debtor_id not in accounts]
    if unlocked:
        raise SetChangedError("something changed at this moment; try again")
    return plan, await _execute(tools, tenant, wish, plan, accounts, by)


async def _items(tools: BulkTools, tenant: str, wish: BulkWish) -> list[BulkItem]:
    match wish.action:
        case "hold":
            items = await _to_hold(tools, tenant, wish)
        case "release":
            items = await _to_release(tools, tenant, wish)
        case "approve" | "reject":
            items = _to_rule(await _cases(tools, tenant, wish), wish)
        case "assign":
            items = await _to_assign(tools, tenant, wish)
        case _:
            assert_never(wish.action)
    return [*items, *_missing(wish, items)]


async def _cases(tools: BulkTools, tenant: str, wish: BulkWish) -> list[WaitingCase]:
    clock = await tools.work.clock(tenant)
    found = await tools.bulk.open_cases(tenant, wish.cases, today=clock.today, limit=ITEMS_MAX + 1)
    return _bounded(found)


def _missing(wish: BulkWish, items: Sequence[BulkItem]) -> list[BulkItem]:
    """What was named and not found: unknown here, paid, closed or ended."""
    if wish.action == "assign":
        named = [key.item_id for key in wish.work.keys or ()]
    elif wish.action == "release":
        named = [str(hold_id) for hold_id in wish.holds.hold_ids or ()]
    elif wish.whole_debtors:
        named = list(wish.cases.debtor_ids or ())
    else:
        named = list(wish.cases.invoice_ids or ())
    found = {item.target for item in items} | {name for i in items for name in i.invoice_ids}
    return [
        BulkItem(
            target=name,
            debtor_id=None,
            invoices=0,
            amounts={},
            change="nothing",
            state="",
            refused="there is nothing open of that id",
        )
        for name in dict.fromkeys(named)
        if name not in found
    ]


def _bounded(found: list[Any]) -> list[Any]:
    if len(found) > ITEMS_MAX:
        raise TooManyItemsError
    return found


async def _to_hold(tools: BulkTools, tenant: str, wish: BulkWish) -> list[BulkItem]:
    """One hold a debtor, for its invoices that were found or for all of them.

    The holds that there are count for the token: done again with it, nothing is held twice.
    """
    of_debtor: defaultdict[str, list[WaitingCase]] = defaultdict(list)
    for case in await _cases(tools, tenant, wish):
        of_debtor[case.debtor_id].append(case)
    held: defaultdict[str, list[str]] = defaultdict(list)
    theirs = HoldFilter(debtor_ids=list(of_debtor))
    for hold in await tools.bulk.live_holds(tenant, theirs, SIMPLE_KINDS, limit=HOLDS_MAX):
        held[hold.debtor_id].append(str(hold.hold_id))
    until = f" until {wish.params.until.isoformat()}" if wish.params.until else ""
    return [
        BulkItem(
            target=debtor_id,
            debtor_id=debtor_id,
            invoice_ids=tuple(case.invoice_id for case in found),
            invoices=len(found),
            amounts=_sums(found),
            change="all invoices of the debtor are held" + until
            if wish.whole_debtors
            else f"{len(found)} invoices are held{until}",
            state=json.dumps(
                [held[debtor_id], [[case.invoice_id, case.version] for case in found]]
            ),
        )
        for debtor_id, found in of_debtor.items()
    ]


async def _to_release(tools: BulkTools, tenant: str, wish: BulkWish) -> list[BulkItem]:
    holds = _bounded(
        await tools.bulk.live_holds(tenant, wish.holds, SIMPLE_KINDS, limit=ITEMS_MAX + 1)
    )
    covered = await tools.bulk.covered(tenant, [hold.hold_id for hold in holds])
    return [
        BulkItem(
            target=str(hold.hold_id),
            debtor_id=hold.debtor_id,
            invoice_ids=hold.invoice_ids,
            invoices=sum(count for count, _ in covered.get(hold.hold_id, {}).values()),
            amounts={
                currency: minor for currency, (_, minor) in covered.get(hold.hold_id, {}).items()
            },
            change=f"the hold ({hold.kind}) ends and reminders go on",
            state=str(hold.until),
            hold=hold,
        )
        for hold in holds
    ]


def _to_rule(cases: Sequence[WaitingCase], wish: BulkWish) -> list[BulkItem]:
    approved = wish.action == "approve"
    items = []
    for case in cases:
        level_no = case.waits_for
        refused = None if level_no is not None else "no level of it waits for approval"
        if level_no is not None and case.is_decided(level_no):
            ask = LevelAsk(invoice_id=case.invoice_id, level_no=level_no)
            if rule(ask, case, approved=approved).status == "unchanged":
                refused = f"{case.approval_by} said so already"
        what = f"level {case.level_no} ({case.level})"
        items.append(
            BulkItem(
                target=case.invoice_id,
                debtor_id=case.debtor_id,
                invoice_ids=(case.invoice_id,),
                invoices=1,
                amounts=_sums([case]),
                change=f"{what} goes out" if approved else f"{what} is skipped",
                state=json.dumps(
                    [case.version, case.state, level_no, case.approval_level_no, case.approved]
                ),
                refused=refused,
                level_no=level_no,
            )
        )
    return items


async def _to_assign(tools: BulkTools, tenant: str, wish: BulkWish) -> list[BulkItem]:
    found = _bounded(await list_work(tools.work, tenant, wish.work, limit=ITEMS_MAX + 1))
    to = wish.params.assignee or "nobody"
    return [
        BulkItem(
            target=item.key.item_id,
            debtor_id=None,
            invoice_ids=item.invoice_ids,
            invoices=item.invoices,
            amounts={item.currency: item.amount_minor},
            change=f"goes from {item.assignee or 'nobody'} to {to}",
            state=item.assignee or "",
            key=item.key,
        )
        for item in found
    ]


def _sums(cases: Sequence[WaitingCase]) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for case in cases:
        sums[case.currency] += case.open_minor + case.charges_open_minor
    return dict(sums)


def _token(wish: BulkWish, items: Sequence[BulkItem]) -> str:
    """Stands for the action, its parameters, every item and the state it is in."""
    parts = [
        wish.action,
        wish.whole_debtors,
        repr(wish.params),
        sorted([item.target, item.state, item.refused or ""] for item in items),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


async def _execute(
    tools: BulkTools,
    tenant: str,
    wish: BulkWish,
    plan: BulkPlan,
    accounts: Accounts,
    by: str,
) -> list[BulkResult]:
    todo = [item for item in plan.items if item.refused is None]
    match plan.action:
        case "hold":
            done = await _hold(tools, tenant, wish, todo, accounts, by)
        case "release":
            done = await _release(tools, wish, todo, accounts, by)
        case "approve" | "reject":
            done = await _rule(tools, tenant, wish, todo, by)
        case "assign":
            done = await _assign(tools, tenant, wish, todo, by)
        case _:
            assert_never(plan.action)
    results = {result.item.target: result for result in done}
    return [
        BulkResult(item=item, status="refused", why=item.refused)
        if item.refused is not None or item.target not in results
        else results[item.target]
        for item in plan.items
    ]


async def _hold(
    tools: BulkTools,
    tenant: str,
    wish: BulkWish,
    items: Sequence[BulkItem],
    accounts: Accounts,
    by: str,
) -> list[BulkResult]:
    params = wish.params
    holds = [
        HoldRow(
            tenant=tenant,
            hold_id=new_id(),
            debtor_id=item.target,
            invoice_ids=() if wish.whole_debtors else item.invoice_ids,
            kind=params.kind,
            reason=params.reason,
            until=params.until,
            placed_at=accounts[item.target].now,
            placed_by=by,
            owner=params.owner,
        )
        for item in items
    ]
    latest = max((hold.placed_at for hold in holds), default=None)
    if params.until and latest and params.until <= latest:
        raise EndsTooEarlyError(f"must be later than the tenant's clock, {latest.isoformat()}")
    await place_holds(tools.bulk, tools.approvals, holds)
    return [
        BulkResult(item=item, status="done", hold_id=hold.hold_id)
        for item, hold in zip(items, holds, strict=True)
    ]


async def _release(
    tools: BulkTools,
    wish: BulkWish,
    items: Sequence[BulkItem],
    accounts: Accounts,
    by: str,
) -> list[BulkResult]:
    await release_holds(
        tools.bulk,
        tools.approvals,
        tools.policies,
        [item.hold for item in items if item.hold],
        accounts,
        by=by,
        note=wish.params.note,
    )
    return [BulkResult(item=item, status="done") for item in items]


async def _rule(
    tools: BulkTools, tenant: str, wish: BulkWish, items: Sequence[BulkItem], by: str
) -> list[BulkResult]:
    asks = [
        LevelAsk(invoice_id=item.target, level_no=item.level_no)
        for item in items
        if item.level_no is not None
    ]
    rulings = await decide_levels(
        tools.approvals, tenant=tenant, asks=asks, approved=wish.action == "approve", by=by
    )
    of_invoice = {ruling.ask.invoice_id: ruling for ruling in rulings}
    return [
        BulkResult(item=item, status=ruling.status, why=str(ruling.why) if ruling.why else None)
        for item in items
        if (ruling := of_invoice.get(item.target))
    ]


async def _assign(
    tools: BulkTools, tenant: str, wish: BulkWish, items: Sequence[BulkItem], by: str
) -> list[BulkResult]:
    clock = await tools.work.clock(tenant)
    marks = [
        Mark(key=item.key, sets={"assignee": wish.params.assignee}) for item in items if item.key
    ]
    await tools.work.mark(tenant, marks, at=clock.now, by=by)
    return [BulkResult(item=item, status="done") for item in items]

"""The list of what people may have to act on: show it, and keep who does what and not before when.

Lists and keeps marks; what is on the list is what the facts say, nothing here decides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Protocol

from dunning_engine.domain.work_item import ItemKey, UnknownItemError
from dunning_engine.work_records import (
    Mark,
    WorkClock,
    WorkFilter,
    WorkGroup,
    WorkItem,
    WorkPlace,
    WorkRules,
)

SNOOZE_DAYS_MAX = 366


class SnoozeError(ValueError):
    """The day until which an item should rest is not in the near future."""


class WorkStore(Protocol):
    """Where items are found and marks are kept."""

    async def clock(self, tenant: str) -> WorkClock:
        """What time it is for the tenant, and its base currency."""
        ...

    async def rules(self, tenant: str) -> WorkRules:
        """What the tenant says about its list, or the defaults."""
        ...

    async def listing(
        self,
        tenant: str,
        wanted: WorkFilter,
        *,
        clock: WorkClock,
        rules: WorkRules,
        after: WorkPlace | None = None,
        limit: int,
    ) -> list[WorkItem]:
        """Items in the order of their expected value."""
        ...

    async def groups(
        self,
        tenant: str,
        wanted: WorkFilter,
        *,
        clock: WorkClock,
        rules: WorkRules,
        after: WorkPlace | None = None,
        limit: int,
    ) -> list[WorkGroup]:
        """The same items, those of one kind, debtor and currency as one."""
        ...

    async def mark(self, tenant: str, marks: Sequence[Mark], *, at: datetime, by: str) -> None:
        """Keep what somebody said about items."""
        ...


async def list_work(
    store: WorkStore,
    tenant: str,
    wanted: WorkFilter,
    *,
    after: WorkPlace | None = None,
    limit: int,
) -> list[WorkItem]:
    """Items in the order of their expected value."""
    clock, rules = await store.clock(tenant), await store.rules(tenant)
    return await store.listing(tenant, wanted, clock=clock, rules=rules, after=after, limit=limit)


async def group_work(
    store: WorkStore,
    tenant: str,
    wanted: WorkFilter,
    *,
    after: WorkPlace | None = None,
    limit: int,
) -> list[WorkGroup]:
    """What there is to do by kind, debtor and currency, in the order of its expected value."""
    clock, rules = await store.clock(tenant), await store.rules(tenant)
    return await store.groups(tenant, wanted, clock=clock, rules=rules, after=after, limit=limit)


async def assign_work(
    store: WorkStore, *, tenant: str, key: ItemKey, assignee: str | None, by: str
) -> WorkItem:
    """Give an item to somebody, or to nobody.

    Raises:
        UnknownItemError: nothing has to be done about it (any more).
    """
    return await _mark(store, tenant, key, {"assignee": assignee}, by)


async def snooze_work(
    store: WorkStore, *, tenant: str, key: ItemKey, until: date | None, by: str
) -> WorkItem:
    """Leave an item out of the list until a day (exclusive); None brings it back.

    Raises:
        UnknownItemError: nothing has to be done about it (any more).
        SnoozeError: the day is not after today, or too far ahead.
    """
    clock = await store.clock(tenant)
    if until is not None and not 0 < (until - clock.today).days <= SNOOZE_DAYS_MAX:
        raise SnoozeError(
            f"must be after today, {clock.today}, and at most {SNOOZE_DAYS_MAX} days ahead"
        )
    return await _mark(store, tenant, key, {"snoozed_until": until}, by)


async def finish_work(store: WorkStore, *, tenant: str, key: ItemKey, by: str) -> WorkItem:
    """Take an item off the list. It comes back when it happens anew.

    Raises:
        UnknownItemError: nothing has to be done about it (any more).
    """
    clock = await store.clock(tenant)
    return await _mark(store, tenant, key, {"done_at": clock.now}, by)


async def find_item(store: WorkStore, tenant: str, key: ItemKey) -> WorkItem:
    """The item as it is now, also when it was put off.

    Raises:
        UnknownItemError: nothing has to be done about it (any more).
    """
    wanted = WorkFilter(kinds=(key.kind,), keys=(key,), snoozed=True)
    items = await list_work(store, tenant, wanted, limit=1)
    if not items:
        raise UnknownItemError("nothing has to be done about this any more")
    return items[0]


async def _mark(
    store: WorkStore, tenant: str, key: ItemKey, sets: dict[str, Any], by: str
) -> WorkItem:
    found = await find_item(store, tenant, key)
    clock = await store.clock(tenant)
    await store.mark(tenant, [Mark(key=key, sets=sets)], at=clock.now, by=by)
    return found

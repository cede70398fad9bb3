"""Try again at once what failed: forget the failed tries of cases, and have them decided.

The tries themselves stay on record and go on counting, so that each has a notice of its own. What
is on its way is left alone. Asked twice, the second time finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from dunning_common.ids import new_id
from dunning_engine.domain.work_item import SEPARATOR, ItemKey
from dunning_engine.records import AccountAt
from dunning_engine.work_records import RetryFilter, RetryRow, WorkClock

RETRIABLE = frozenset({"undeliverable", "delayed"})
"""The kinds of work items behind which there are failed tries."""


class NotRetriableError(ValueError):
    """Behind the item there is nothing that was tried and failed."""


class RetryStore(Protocol):
    """Where cases with failed tries lie."""

    async def debtors(self, tenant: str, wanted: RetryFilter) -> list[str]:
        """Whose cases these are, each debtor once."""
        ...

    async def forget(
        self, tenant: str, wanted: RetryFilter, debtor_ids: Sequence[str]
    ) -> list[tuple[str, str]]:
        """Forget what failed of these debtors, whose accounts are locked: (invoice, debtor)."""
        ...

    async def keep(self, row: RetryRow) -> None:
        """Write down who asked for it."""
        ...


class Accounts(Protocol):
    """Where accounts are locked and woken."""

    async def lock_accounts(self, tenant: str, debtor_ids: Sequence[str]) -> dict[str, AccountAt]:
        """Lock the accounts of debtors in their order; unknown ones are missing."""
        ...

    async def wake_accounts(self, tenant: str, instants: Mapping[str, datetime]) -> None:
        """Have these debtors' accounts decided at the next opportunity."""
        ...


class Clocks(Protocol):
    """What time it is for a tenant."""

    async def clock(self, tenant: str) -> WorkClock:
        """The tenant's instant and day."""
        ...


def behind(key: ItemKey) -> RetryFilter:
    """The cases that a work item stands for.

    Raises:
        NotRetriableError: it is of another kind.
    """
    if key.kind not in RETRIABLE:
        raise NotRetriableError(
            f"an item of kind {key.kind!r} has no failed tries; only "
            f"{' and '.join(sorted(RETRIABLE))} ones have"
        )
    what, _, currency = key.target.rpartition(SEPARATOR)
    if key.kind == "delayed":
        return RetryFilter(reason=what, currency=currency)
    return RetryFilter(debtor_id=what, currency=currency)


async def retry_failed(
    store: RetryStore,
    accounts: Accounts,
    clocks: Clocks,
    *,
    tenant: str,
    wanted: RetryFilter,
    by: str,
) -> RetryRow:
    """Try these cases again at once, in the caller's transaction; says how many there were."""
    debtors = await store.debtors(tenant, wanted)
    locked = await accounts.lock_accounts(tenant, debtors) if debtors else {}
    found = await store.forget(tenant, wanted, sorted(locked)) if locked else []

    woken = {debtor_id: locked[debtor_id].now for _, debtor_id in found}
    clock = await clocks.clock(tenant)
    row = RetryRow(
        tenant=tenant,
        retry_id=new_id(),
        wanted=wanted,
        cases=len(found),
        debtors=len(woken),
        asked_at=clock.now,
        asked_by=by,
    )
    if found:  # nothing was done, so there is nothing to keep
        await store.keep(row)
        await accounts.wake_accounts(tenant, woken)
    return row

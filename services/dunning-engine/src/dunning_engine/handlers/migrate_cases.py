"""Take open cases to another policy version, debtor by debtor, under the debtor's lock.

Sends nothing: the cases are decided anew afterwards, like any other. One step is one transaction
and all progress is in rows, so a killed engine goes on; a case that is there already is left alone.
A case whose notice is in flight goes after its flight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from dunning_common.events.dunning import CaseMigratedV1
from dunning_common.ids import account_key, new_id
from dunning_common.outbox import Outgoing
from dunning_engine.domain.activation import Stage, is_in
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_migration import (
    Dates,
    DoneLevel,
    not_before,
    rung_of_approval,
    rungs_by_code,
)
from dunning_engine.handlers.activate_policy import UnknownVersionError
from dunning_engine.policy_records import MigratedCase, MigrationRow, MigrationStep, OpenCase

TenantPolicies = Mapping[tuple[str, PolicyKey], Policy]


class MigrationStore(Protocol):
    """Where migrations lie, and the cases that they move."""

    async def next_migration(self) -> MigrationRow | None:
        """One on which something can be done now, locked; None when there is none."""
        ...

    async def claim_open_cases(
        self, row: MigrationRow, limit: int
    ) -> tuple[list[OpenCase], str | None]:
        """Lock the next debtors and read their open cases that are not at the target.

        Tells the last debtor, too; None when there are no more.
        """
        ...

    async def claim_waiting_cases(self, row: MigrationRow, limit: int) -> list[OpenCase]:
        """Lock debtors whose cases waited for a flight that has ended, and read those cases."""
        ...

    async def save_step(self, step: MigrationStep) -> None:
        """Write the cases' new places and versions, and how far the migration has come."""
        ...

    async def wake(self, cases: Sequence[MigratedCase]) -> None:
        """Have their accounts decided at the next opportunity."""
        ...

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox; the last thing in the transaction."""
        ...


class VersionShelf(Protocol):
    """Where policy versions are found."""

    async def pinned(
        self, wanted: Sequence[tuple[str, PolicyKey]]
    ) -> Mapping[tuple[str, PolicyKey], Policy]:
        """Exact versions, by (tenant, key); unknown ones are missing."""
        ...


class AskStore(VersionShelf, Protocol):
    """Where migrations are asked for."""

    async def now(self, tenant: str) -> datetime:
        """The instant on the tenant's clock."""
        ...

    async def ask_migration(self, row: MigrationRow) -> None:
        """Have open cases migrated."""
        ...


async def ask_migration(
    store: AskStore, *, tenant: str, leave: tuple[str, int | None], go_to: PolicyKey, by: str
) -> MigrationRow:
    """Have all open cases of a policy (or of one version) go to a version, by the codes of levels.

    Raises:
        UnknownVersionError: there is no such version to leave or to go to.
    """
    keys = [go_to] if leave[1] is None else [go_to, (leave[0], leave[1])]
    found = await store.pinned([(tenant, key) for key in keys])
    for key in keys:
        if (tenant, key) not in found:
            raise UnknownVersionError(*key)
    row = MigrationRow(
        tenant=tenant,
        migration_id=new_id(),
        from_policy_id=leave[0],
        from_version=leave[1],
        policy_id=go_to[0],
        version=go_to[1],
        stage=Stage(version=go_to[1]),
        requested_at=await store.now(tenant),
        requested_by=by,
    )
    await store.ask_migration(row)
    return row


async def migrate_some(store: MigrationStore, shelf: VersionShelf, *, limit: int) -> int | None:
    """One step of one migration: at most so many debtors.

    Returns:
        How many cases were moved; None when nothing can be done now.
    """
    row = await store.next_migration()
    if row is None:
        return None
    if row.state == "running":
        claimed, after_debtor = await store.claim_open_cases(row, limit)
        wanted = [case for case in claimed if _belongs(case, row)]
    else:
        wanted, after_debtor = await store.claim_waiting_cases(row, limit), None
    policies = await shelf.pinned(
        sorted({(row.tenant, key) for key in [row.target, *(case.policy for case in wanted)]})
    )

    free = [case for case in wanted if not case.in_flight]
    moved = tuple(_moved(case, row, policies) for case in free)

    waiting = tuple(case for case in wanted if case.in_flight)
    await store.save_step(
        MigrationStep(row=row, moved=moved, waiting=waiting, after_debtor=after_debtor)
    )
    await store.wake(moved)

    await store.emit([_announcement(item, row) for item in moved])
    return len(moved)


def _belongs(case: OpenCase, row: MigrationRow) -> bool:
    return is_in(row.stage, tenant=row.tenant, invoice_id=case.key.invoice_id, segment=case.segment)


def _moved(case: OpenCase, row: MigrationRow, policies: TenantPolicies) -> MigratedCase:
    old, new = policies[row.tenant, case.policy], policies[row.tenant, row.target]
    done = [
        DoneLevel(rung=level.rung, code=level.code, outcome=level.outcome, on=level.on)
        for level in case.levels
    ]
    dates = Dates(issued_on=case.issued_on, due_on=case.due_on)
    rungs = rungs_by_code(done, old, new, dates)
    return MigratedCase(
        case=case,
        rungs=rungs,
        not_before=not_before(done, rungs, old, new),
        approval_level_no=rung_of_approval(case.approval_level_no, old, new),
    )


def _announcement(item: MigratedCase, row: MigrationRow) -> Outgoing:
    case = item.case
    return Outgoing(
        payload=CaseMigratedV1(
            debtor_id=case.account.debtor_id,
            invoice_id=case.key.invoice_id,
            from_policy_id=case.policy[0],
            from_policy_version=case.policy[1],
            policy_id=row.policy_id,
            policy_version=row.version,
            effective_at=case.now,
        ),
        tenant=row.tenant,
        key=account_key(row.tenant, case.account.debtor_id),
        subject=case.key.invoice_id,
    )

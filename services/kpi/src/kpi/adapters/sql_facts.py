"""Facts and aggregates in PostgreSQL, as sets: arrays in, rows out, never row by row.

Fits `kpi.handlers.fold.FactStore`. Computes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from kpi.domain.facts import (
    CashFact,
    ContactFact,
    Fact,
    InvoiceFact,
    LevelFact,
    MessageFact,
    Move,
    NoticeFact,
    Outcome,
    Tenant,
)
from kpi.domain.histories import FactSet, Histories, histories_of
from kpi.domain.invoice_history import InvoiceHistory
from kpi.domain.notice_history import CashHistory, NoticeHistory
from kpi.domain.tally import MEASURES, Key, Measure, Tally

_SQL_TYPES: Final = {
    "version": "bigint",
    "sequence": "bigint",
    "amount_minor": "bigint",
    "open_minor": "bigint",
    "charges_open_minor": "bigint",
    "unallocated_minor": "bigint",
    "level_no": "int",
    "is_paid": "boolean",
    "message_id": "uuid",
    "notice_id": "uuid",
    "effective_on": "date",
    "due_on": "date",
    "day": "date",
    "settled_on": "date",
    "undone_on": "date",
    "contacted_at": "timestamptz",
    "served_at": "timestamptz",
    "decided_at": "timestamptz",
}
"""Types of the columns that are not text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of facts. Its columns are the fact's fields; the first of them are the subject."""

    name: str
    columns: tuple[str, ...]
    subject: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]

    @classmethod
    def of(cls, name: str, fact: type[Fact], *, subject: tuple[str, ...]) -> _Table:
        """The table of a kind of fact."""
        columns = tuple(field.name for field in fields(fact))
        return cls(name=name, columns=columns, subject=subject, values=attrgetter(*columns))

    @property
    def insert(self) -> str:
        """Insert from one array per column; what is known stays as it is."""
        return (
            f"INSERT INTO {self.name} ({', '.join(self.columns)}) "
            f"SELECT * FROM unnest({_arrays(self.columns)}) ON CONFLICT DO NOTHING"
        )

    @property
    def select(self) -> str:
        """Rows about the subjects that are given as one array per column."""
        subject = ", ".join(self.subject)
        return (
            f"SELECT {', '.join(self.columns)} FROM {self.name} "
            f"JOIN unnest({_arrays(self.subject)}) AS wanted ({subject}) USING ({subject})"
        )

    @property
    def subjects(self) -> str:
        """The next portion of a tenant's subjects after the one given; with $3 the first one."""
        subject, beside = ", ".join(self.subject), ", ".join(self.subject[1:])
        after = ", ".join(
            f"${index}::{_SQL_TYPES.get(name, 'text')}"
            for index, name in enumerate(self.subject[1:], start=4)
        )
        return (
            f"SELECT DISTINCT {subject} FROM {self.name} "
            f"WHERE tenant = $1 AND ($3 OR ({beside}) > ({after})) "
            f"ORDER BY {subject} LIMIT $2"
        )


def _arrays(columns: Iterable[str]) -> str:
    return ", ".join(
        f"${index}::{_SQL_TYPES.get(name, 'text')}[]" for index, name in enumerate(columns, start=1)
    )


_ABOUT_INVOICE: Final = ("tenant", "invoice_id")
_ABOUT_NOTICE: Final = ("tenant", "notice_id")
_ABOUT_CASH: Final = ("tenant", "debtor_id", "currency")
_INVOICES: Final = _Table.of("invoice_fact", InvoiceFact, subject=_ABOUT_INVOICE)
_CONTACTS: Final = _Table.of("contact_fact", ContactFact, subject=_ABOUT_INVOICE)
_LEVELS: Final = _Table.of("level_fact", LevelFact, subject=_ABOUT_INVOICE)
_NOTICES: Final = _Table.of("notice_fact", NoticeFact, subject=_ABOUT_NOTICE)
_MESSAGES: Final = _Table.of("message_fact", MessageFact, subject=_ABOUT_NOTICE)
_CASH: Final = _Table.of("cash_fact", CashFact, subject=_ABOUT_CASH)

_TENANT_COLUMNS: Final = (
    "tenant, name, zone, base_currency, sandbox, sandbox_starts_on, latest_on, latest_at"
)
_MAKE_TENANTS: Final = (
    "INSERT INTO tenant (tenant) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING"
)
_LOCK_TENANTS: Final = (
    f"SELECT {_TENANT_COLUMNS} FROM tenant WHERE tenant = ANY($1::text[]) "
    "ORDER BY tenant FOR UPDATE"
)
_UPDATE_TENANTS: Final = """
UPDATE tenant SET name = new.name, zone = new.zone, base_currency = new.base_currency,
    sandbox = new.sandbox, sandbox_starts_on = new.sandbox_starts_on,
    latest_on = new.latest_on, latest_at = new.latest_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::date[], $7::date[],
    $8::timestamptz[])
    AS new (tenant, name, zone, base_currency, sandbox, sandbox_starts_on, latest_on, latest_at)
WHERE tenant.tenant = new.tenant
"""
_tenant_values: Final = attrgetter(*_TENANT_COLUMNS.split(", "))


class SqlFactStore:
    """The facts and aggregates of all tenants, inside one worker transaction."""

    def __init__(self, connection: AsyncConnection, *, portion: int = 5_000) -> None:
        """Args: an open transaction; how many subjects a rebuild holds in memory at once."""
        self._connection = connection
        self._portion = portion

    async def lock(self, tenants: Sequence[str]) -> dict[str, Tenant]:
        """Make rows for new tenants and hold all of them, in order, until the transaction ends."""
        raw = await driver(self._connection)
        await raw.execute(_MAKE_TENANTS, list(tenants))
        rows = await raw.fetch(_LOCK_TENANTS, list(tenants))
        return {row["tenant"]: Tenant(**row) for row in rows}

    async def load(self, touched: Histories) -> Histories:
        """What is recorded about everything that `touched` names."""
        invoices, notices = list(touched.invoices), list(touched.notices)
        invoice_rows = await self._rows(_INVOICES, invoices)
        message_rows = await self._rows(_MESSAGES, notices)
        return histories_of(
            FactSet(
                invoices=[
                    InvoiceFact(**(dict(row) | {"move": Move(row["move"])})) for row in invoice_rows
                ],
                contacts=[ContactFact(**row) for row in await self._rows(_CONTACTS, invoices)],
                levels=[LevelFact(**row) for row in await self._rows(_LEVELS, invoices)],
                notices=[NoticeFact(**row) for row in await self._rows(_NOTICES, notices)],
                messages=[
                    MessageFact(**(dict(row) | {"outcome": Outcome(row["outcome"])}))
                    for row in message_rows
                ],
                cash=[CashFact(**row) for row in await self._rows(_CASH, list(touched.cash))],
            )
        )

    async def record(self, facts: FactSet, tenants: Sequence[Tenant]) -> None:
        """Insert facts (known ones are left alone) and update the tenants' rows."""
        for table, found in (
            (_INVOICES, facts.invoices),
            (_CONTACTS, facts.contacts),
            (_LEVELS, facts.levels),
            (_NOTICES, facts.notices),
            (_MESSAGES, facts.messages),
            (_CASH, facts.cash),
        ):
            await self._execute(table.insert, [table.values(fact) for fact in found])
        await self._execute(_UPDATE_TENANTS, [_tenant_values(tenant) for tenant in tenants])

    async def add(self, tally: Tally) -> None:
        """Add to the aggregates, in the order of their keys."""
        for measure in MEASURES:
            rows = [key + sums for key, sums in tally.rows(measure)]
            await self._execute(_ADD[measure.table], rows)

    async def clear(self, tenant: str) -> Tally:
        """Delete a tenant's aggregates and return what they were."""
        raw = await driver(self._connection)
        tally = Tally()
        for measure in MEASURES:
            for row in await raw.fetch(_CLEAR[measure.table], tenant):
                key: Key = tuple(row[name] for name in measure.keys)
                tally.add(measure, key, tuple(int(row[name]) for name in measure.sums))
        return tally

    async def stream(self, tenant: str) -> AsyncIterator[Histories]:
        """All facts of a tenant in portions of whole histories."""
        async for invoices in self._subjects(_INVOICES, tenant):
            yield await self.load(
                Histories(invoices={(ref[0], ref[1]): InvoiceHistory() for ref in invoices})
            )
        async for notices in self._subjects(_NOTICES, tenant):
            yield await self.load(
                Histories(notices={(ref[0], ref[1]): NoticeHistory() for ref in notices})
            )
        async for debtors in self._subjects(_CASH, tenant):
            yield await self.load(
                Histories(cash={(ref[0], ref[1], ref[2]): CashHistory() for ref in debtors})
            )

    async def _subjects(self, table: _Table, tenant: str) -> AsyncIterator[list[tuple[Any, ...]]]:
        raw = await driver(self._connection)
        after: tuple[Any, ...] = (None,) * (len(table.subject) - 1)
        first = True
        while rows := await raw.fetch(table.subjects, tenant, self._portion, first, *after):
            subjects = [tuple(row) for row in rows]
            yield subjects
            first, after = False, subjects[-1][1:]

    async def _rows(self, table: _Table, subjects: Sequence[tuple[Any, ...]]) -> list[Any]:
        if not subjects:
            return []
        raw = await driver(self._connection)
        return await raw.fetch(table.select, *_columns(subjects))

    async def _execute(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            raw = await driver(self._connection)
            await raw.execute(sql, *_columns(rows))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _add_sql(measure: Measure) -> str:
    types = {name: _SQL_TYPES.get(name, "text") for name in measure.keys} | dict.fromkeys(
        measure.sums, "numeric"
    )
    arrays = ", ".join(f"${index}::{kind}[]" for index, kind in enumerate(types.values(), start=1))
    sums = ", ".join(f"{name} = held.{name} + excluded.{name}" for name in measure.sums)
    return (
        f"INSERT INTO {measure.table} AS held ({', '.join(types)}) SELECT * FROM unnest({arrays}) "
        f"ON CONFLICT ({', '.join(measure.keys)}) DO UPDATE SET {sums}"
    )


_ADD: Final = {measure.table: _add_sql(measure) for measure in MEASURES}
_CLEAR: Final = {
    measure.table: f"DELETE FROM {measure.table} WHERE tenant = $1 RETURNING *"
    for measure in MEASURES
}

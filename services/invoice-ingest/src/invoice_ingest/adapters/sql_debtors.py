"""Debtors in PostgreSQL, and their contacts' keys, wrapped with the master key.

Contacts lie in clear in one column of one table, which erasure empties; keys only ever lie wrapped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import vault
from dunning_common.db import driver
from invoice_ingest.adapters.sql_invoices import columns_of, tags_json
from invoice_ingest.domain.debtor import (
    Address,
    Contact,
    Debtor,
    DebtorKey,
    DebtorRef,
    Terms,
)

COLUMNS = """debtor_id, kind, country, region, zone, language, segment, risk, policy_id, tags,
    contact"""

_LOCK = f"""
SELECT {COLUMNS} FROM debtor WHERE tenant = $1 AND debtor_id = ANY($2::text[])
ORDER BY debtor_id FOR NO KEY UPDATE
"""
_PUT = f"""
INSERT INTO debtor (tenant, {COLUMNS}, erased_at)
SELECT $1, *, CASE WHEN contact IS NULL THEN now() END
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::jsonb[], $12::jsonb[]) AS new ({COLUMNS})
ON CONFLICT (tenant, debtor_id) DO UPDATE SET
    kind = excluded.kind, country = excluded.country, region = excluded.region,
    zone = excluded.zone, language = excluded.language, segment = excluded.segment,
    risk = excluded.risk, policy_id = excluded.policy_id, tags = excluded.tags,
    contact = excluded.contact, erased_at = excluded.erased_at, changed_at = now()
"""
_ADD_KEYS = """
INSERT INTO debtor_key (tenant, debtor_id, key_id, wrapped)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bytea[])
"""
_KEYS = """
SELECT tenant, debtor_id, key_id, wrapped FROM debtor_key
JOIN unnest($1::text[], $2::text[]) AS asked (tenant, debtor_id) USING (tenant, debtor_id)
"""
_DESTROY_KEY = "DELETE FROM debtor_key WHERE tenant = $1 AND debtor_id = $2"


class SqlDebtors:
    """Keeps debtors and the keys of their contacts."""

    def __init__(self, *, master_key: bytes) -> None:
        self._master_key = master_key

    async def load(
        self, connection: AsyncConnection, tenant: str, debtor_ids: Collection[str]
    ) -> dict[str, Debtor]:
        """Lock and read debtors, by id."""
        raw = await driver(connection)
        rows = await raw.fetch(_LOCK, tenant, debtor_ids)
        return {row["debtor_id"]: debtor_of(row) for row in rows}

    async def save(
        self, connection: AsyncConnection, tenant: str, debtors: Sequence[Debtor]
    ) -> None:
        """Insert or replace debtors."""
        if debtors:
            raw = await driver(connection)
            await raw.execute(_PUT, tenant, *columns_of([_row(debtor) for debtor in debtors]))

    async def add_keys(
        self, connection: AsyncConnection, tenant: str, keys: Mapping[str, DebtorKey]
    ) -> None:
        """Keep new debtors' keys, wrapped."""
        if not keys:
            return
        raw = await driver(connection)
        wrapped = [
            (
                i,
                k.key_id,
                vault.seal(self._master_key, k.key, context=_context(tenant, i, k.key_id)),
            )
            for i, k in sorted(keys.items())
        ]
        await raw.execute(_ADD_KEYS, tenant, *columns_of(wrapped))

    async def keys(
        self, connection: AsyncConnection, debtors: Collection[DebtorRef]
    ) -> dict[DebtorRef, DebtorKey]:
        """Keys of debtors; erased and unknown ones are missing.

        Raises:
            VaultError: the master key is not the one that the keys were wrapped with.
        """
        if not debtors:
            return {}
        raw = await driver(connection)
        tenants, ids = zip(*debtors, strict=True)
        return {
            (row["tenant"], row["debtor_id"]): DebtorKey(
                key_id=row["key_id"],
                key=vault.unseal(
                    self._master_key,
                    row["wrapped"],
                    context=_context(row["tenant"], row["debtor_id"], row["key_id"]),
                ),
            )
            for row in await raw.fetch(_KEYS, tenants, ids)
        }

    async def destroy_key(self, connection: AsyncConnection, tenant: str, debtor_id: str) -> None:
        """Forget a key for good."""
        raw = await driver(connection)
        await raw.execute(_DESTROY_KEY, tenant, debtor_id)


def debtor_of(row: asyncpg.Record) -> Debtor:
    """The debtor in a row that was read with `COLUMNS`."""
    return Debtor(
        debtor_id=row["debtor_id"],
        terms=Terms(
            kind=row["kind"],
            country=row["country"],
            region=row["region"],
            zone=row["zone"],
            language=row["language"],
            segment=row["segment"],
            risk=row["risk"],
            policy_id=row["policy_id"],
            tags=tuple(row["tags"]),
        ),
        contact=None if row["contact"] is None else _contact(row["contact"]),
    )


def _contact(stored: dict[str, Any]) -> Contact:
    address = stored["address"]
    return Contact(
        name=stored["name"],
        emails=tuple(stored["emails"]),
        phones=tuple(stored["phones"]),
        address=address and Address(**address | {"lines": tuple(address["lines"])}),
    )


def _row(debtor: Debtor) -> tuple[Any, ...]:
    terms = debtor.terms
    contact = debtor.contact
    return (
        debtor.debtor_id,
        terms.kind,
        terms.country,
        terms.region,
        terms.zone,
        terms.language,
        terms.segment,
        terms.risk,
        terms.policy_id,
        tags_json(terms.tags),
        None if contact is None else orjson.dumps(asdict(contact)).decode(),
    )


def _context(tenant: str, debtor_id: str, key_id: str) -> str:
    return f"debtor-key|{tenant}|{debtor_id}|{key_id}"

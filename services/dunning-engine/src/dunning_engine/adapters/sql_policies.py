"""Policies in PostgreSQL: immutable versions per tenant, beside the built-in ones of the package.

Parsed versions are kept in memory, because they never change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from dunning_engine.adapters.builtin_policies import builtin_policies, builtin_versions
from dunning_engine.adapters.pg_signals import signal_accounts
from dunning_engine.adapters.sql_activations import SqlActivations
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_document import read_policy
from dunning_engine.domain.policy_writing import to_document

_LATEST = """
SELECT DISTINCT ON (p.tenant, p.policy_id) p.tenant, p.policy_id, p.version, p.document::text
FROM unnest($1::text[], $2::text[]) AS w (tenant, policy_id)
JOIN policy p ON p.tenant = w.tenant AND p.policy_id = w.policy_id
ORDER BY p.tenant, p.policy_id, p.version DESC
"""
_EXACT = """
SELECT p.tenant, p.policy_id, p.version, p.document::text
FROM unnest($1::text[], $2::text[], $3::int[]) AS w (tenant, policy_id, version)
JOIN policy p ON p.tenant = w.tenant AND p.policy_id = w.policy_id AND p.version = w.version
"""
_ADD = """
INSERT INTO policy (tenant, policy_id, version, name, source, document, sha256, stored_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_LIST = """
SELECT DISTINCT ON (p.policy_id) p.policy_id, p.version, p.name, p.stored_at,
    a.version AS active_version
FROM policy p LEFT JOIN policy_active a USING (tenant, policy_id)
WHERE p.tenant = $1 ORDER BY p.policy_id, p.version DESC
"""
_READ = """
SELECT policy_id, version, name, source, document::text, stored_at, stored_by FROM policy
WHERE tenant = $1 AND policy_id = $2 AND ($3::int IS NULL OR version = $3)
ORDER BY version DESC LIMIT 1
"""
# Cases that no policy could be found for are tried again: by invoice, debtor or default they may
# ask for this one.
_WAKE_UNPINNED = """
UPDATE account a SET next_action_at = least(a.next_action_at,
    CASE a.time_source WHEN 'real' THEN clock_timestamp() WHEN 'sandbox' THEN
        (SELECT c.now FROM tenant_clock c WHERE c.tenant = a.tenant) END)
FROM (
    SELECT tenant, debtor_id FROM account JOIN (
        SELECT DISTINCT tenant, debtor_id FROM dunning_case
        WHERE tenant = $1 AND policy_id IS NULL
    ) AS unpinned USING (tenant, debtor_id)
    WHERE kind IS NOT NULL ORDER BY tenant, debtor_id FOR NO KEY UPDATE OF account
) AS w
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id
RETURNING a.tenant, a.time_source
"""
_SET_DEFAULT = """
INSERT INTO default_policy (tenant, policy_id) VALUES ($1, $2)
ON CONFLICT (tenant) DO UPDATE SET policy_id = excluded.policy_id
"""

PolicyCache = dict[tuple[str, PolicyKey], Policy]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """A stored version, with the text it was given as."""

    policy_id: str
    version: int
    name: str
    source: str
    document: Mapping[str, Any]
    stored_at: datetime | None
    stored_by: str


class SqlPolicies(SqlActivations):
    """Policies, their activations and the rules that choose them, inside one transaction."""

    def __init__(self, sql: asyncpg.Connection[Any], cache: PolicyCache) -> None:
        super().__init__(sql)
        self._sql = sql
        self._cache = cache

    async def latest(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Policy]:
        """The newest version of policies, by (tenant, policy id); unknown ones are missing."""
        known = builtin_policies()
        found = {key: known[key[1]] for key in wanted if key[1] in known}
        asked = [key for key in wanted if key not in found]
        if asked:
            rows = await self._sql.fetch(_LATEST, [t for t, _ in asked], [p for _, p in asked])
            found |= {(row["tenant"], row["policy_id"]): self._keep(row) for row in rows}
        return found

    async def pinned(
        self, wanted: Sequence[tuple[str, PolicyKey]]
    ) -> dict[tuple[str, PolicyKey], Policy]:
        """Exact versions, by (tenant, key); unknown ones are missing."""
        missing = [item for item in wanted if self._known(item) is None]
        if missing:
            rows = await self._sql.fetch(
                _EXACT,
                [tenant for tenant, _ in missing],
                [policy_id for _, (policy_id, _) in missing],
                [version for _, (_, version) in missing],
            )
            for row in rows:
                self._keep(row)
        return {item: policy for item in wanted if (policy := self._known(item)) is not None}

    async def add(
        self, tenant: str, policy: Policy, *, source: str, stored_by: str, activate: bool = True
    ) -> None:
        """Store a new version; the caller has chosen its number."""
        document = orjson.dumps(to_document(policy)).decode()
        await self._sql.execute(
            _ADD,
            tenant,
            policy.policy_id,
            policy.version,
            policy.name,
            source,
            document,
            hashlib.sha256(document.encode()).hexdigest(),
            stored_by,
        )
        if activate:
            await self.set_active(tenant, policy.policy_id, policy.version)

    async def wake_unpinned(self, tenant: str) -> None:
        """Have the accounts decided whose invoices found no policy so far."""
        await signal_accounts(self._sql, await self._sql.fetch(_WAKE_UNPINNED, tenant))

    async def set_default(self, tenant: str, policy_id: str) -> None:
        """Make it the tenant's default for cases that are opened from now on."""
        await self._sql.execute(_SET_DEFAULT, tenant, policy_id)

    async def lock(self, tenant: str, policy_id: str) -> None:
        """Keep others from storing a version of this policy until the transaction ends."""
        await self._sql.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"policy|{tenant}|{policy_id}"
        )

    async def read(self, tenant: str, policy_id: str, version: int | None) -> PolicyRow | None:
        """A stored version, the newest unless one is named."""
        row = await self._sql.fetchrow(_READ, tenant, policy_id, version)
        if row is None:
            return None
        return PolicyRow(**{**row, "document": orjson.loads(row["document"])})

    async def listing(self, tenant: str) -> list[Mapping[str, Any]]:
        """The newest version of each of the tenant's policies."""
        return list(await self._sql.fetch(_LIST, tenant))

    async def default(self, tenant: str) -> str | None:
        """The tenant's default policy, if it has one."""
        found = await self._sql.fetchval(
            "SELECT policy_id FROM default_policy WHERE tenant = $1", tenant
        )
        return None if found is None else str(found)

    def _known(self, item: tuple[str, PolicyKey]) -> Policy | None:
        return builtin_versions().get(item[1]) or self._cache.get(item)

    def _keep(self, row: Mapping[str, Any]) -> Policy:
        policy = read_policy(
            orjson.loads(row["document"]), policy_id=row["policy_id"], version=row["version"]
        )
        self._cache[row["tenant"], policy.key] = policy
        return policy

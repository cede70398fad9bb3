"""The tenants' own templates in PostgreSQL; see `notifier.ports.templates`. Never commits."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.content.model import OwnText
from notifier.ports.templates import TemplateUse, TemplateVersion, TextKey

_LAST_USE = """
SELECT DISTINCT ON (u.tenant, u.family, u.language) u.tenant, u.family, u.language, u.version
FROM template_use AS u
"""
_LAST_ORDER = "ORDER BY u.tenant, u.family, u.language, u.n DESC"
_IN_USE = f"""
SELECT v.tenant, v.family, v.language, v.version, v.source FROM (
    {_LAST_USE} JOIN unnest($1::text[], $2::text[]) AS x (tenant, family) USING (tenant, family)
    {_LAST_ORDER}) AS last
JOIN template_version AS v USING (tenant, family, language, version)
"""
_ALL_IN_USE = f"""
SELECT family, language, version FROM ({_LAST_USE} WHERE u.tenant = $1 {_LAST_ORDER}) AS last
WHERE version IS NOT NULL
"""
_VERSIONS = """
SELECT version, source, sha256, note, written_by, written_at FROM template_version
WHERE tenant = $1 AND family = $2 AND language = $3 ORDER BY version DESC
"""
_USES = """
SELECT version, used_by, since FROM template_use
WHERE tenant = $1 AND family = $2 AND language = $3 ORDER BY n DESC
"""
_ADD = """
INSERT INTO template_version (tenant, family, language, version, source, sha256, note, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_USE = """
INSERT INTO template_use (tenant, family, language, version, used_by) VALUES ($1, $2, $3, $4, $5)
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('template|' || $1, 0))"


class SqlTemplates:
    """See `notifier.ports.templates.TemplateShelf`."""

    async def in_use(
        self, connection: AsyncConnection, wanted: Collection[tuple[str, str]]
    ) -> Mapping[str, Mapping[TextKey, OwnText]]:
        """The texts in use of (tenant, family), in every language, by tenant."""
        raw = await driver(connection)
        pairs = sorted(wanted)
        rows = await raw.fetch(_IN_USE, [t for t, _ in pairs], [f for _, f in pairs])
        found: defaultdict[str, dict[TextKey, OwnText]] = defaultdict(dict)
        for row in rows:
            text = _text(row["family"], row["language"], row)
            found[row["tenant"]][text.key] = text
        return found

    async def versions(
        self, connection: AsyncConnection, tenant: str, key: TextKey
    ) -> list[TemplateVersion]:
        """All versions, the newest first."""
        raw = await driver(connection)
        return [
            TemplateVersion(
                text=_text(*key, row),
                sha256=row["sha256"],
                note=row["note"],
                written_by=row["written_by"],
                written_at=row["written_at"],
            )
            for row in await raw.fetch(_VERSIONS, tenant, *key)
        ]

    async def uses(
        self, connection: AsyncConnection, tenant: str, key: TextKey
    ) -> list[TemplateUse]:
        """What was in use since when, the newest first."""
        raw = await driver(connection)
        return [TemplateUse(**dict(row)) for row in await raw.fetch(_USES, tenant, *key)]

    async def all_in_use(self, connection: AsyncConnection, tenant: str) -> Mapping[TextKey, int]:
        """The version in use of each family and language that has one."""
        raw = await driver(connection)
        rows = await raw.fetch(_ALL_IN_USE, tenant)
        return {(row["family"], row["language"]): row["version"] for row in rows}

    async def lock(self, connection: AsyncConnection, tenant: str, key: TextKey) -> None:
        """Keep others from writing versions of it until the transaction ends."""
        raw = await driver(connection)
        await raw.execute(_LOCK, "|".join((tenant, *key)))

    async def add(
        self, connection: AsyncConnection, tenant: str, text: OwnText, *, note: str, person: str
    ) -> None:
        """Store a new version."""
        raw = await driver(connection)
        sha256 = hashlib.sha256(text.source.encode()).hexdigest()
        await raw.execute(_ADD, tenant, *text.key, text.version, text.source, sha256, note, person)

    async def use(
        self,
        connection: AsyncConnection,
        tenant: str,
        key: TextKey,
        version: int | None,
        *,
        person: str,
    ) -> None:
        """Put a version to use from now on."""
        raw = await driver(connection)
        await raw.execute(_USE, tenant, *key, version, person)


def _text(family: str, language: str, row: Mapping[str, Any]) -> OwnText:
    return OwnText(family=family, language=language, version=row["version"], source=row["source"])

"""Keeping the tenants' own templates, as a port."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.events.dunning import NoticeRequestedV2
from dunning_common.events.tenants import TenantRegisteredV1
from notifier.content.model import OwnText

TextKey = tuple[str, str]
"""Family and language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersion:
    """A version of a tenant's own text; it never changes."""

    text: OwnText
    sha256: str
    note: str
    written_by: str
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUse:
    """Since when which version is in use; `version` None is the built-in text."""

    version: int | None
    used_by: str
    since: datetime


class TemplateShelf(Protocol):
    """Where own templates are kept. All but `in_use` speak of the connection's tenant alone."""

    async def in_use(
        self, connection: AsyncConnection, wanted: Collection[tuple[str, str]]
    ) -> Mapping[str, Mapping[TextKey, OwnText]]:
        """The texts in use of (tenant, family), in every language, by tenant."""
        ...

    async def versions(
        self, connection: AsyncConnection, tenant: str, key: TextKey
    ) -> list[TemplateVersion]:
        """All versions, the newest first."""
        ...

    async def uses(
        self, connection: AsyncConnection, tenant: str, key: TextKey
    ) -> list[TemplateUse]:
        """What was in use since when, the newest first."""
        ...

    async def all_in_use(self, connection: AsyncConnection, tenant: str) -> Mapping[TextKey, int]:
        """The version in use of each family and language that has one."""
        ...

    async def lock(self, connection: AsyncConnection, tenant: str, key: TextKey) -> None:
        """Keep others from writing versions of it until the transaction ends."""
        ...

    async def add(
        self, connection: AsyncConnection, tenant: str, text: OwnText, *, note: str, person: str
    ) -> None:
        """Store a new version."""
        ...

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
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RealNotice:
    """What a preview on real data needs; `ciphertext` None: the debtor was erased."""

    notice: NoticeRequestedV2
    tenant: TenantRegisteredV1
    ciphertext: str | None


class NoticeShelf(Protocol):
    """Where notices are found (`notifier.adapters.sql_notices.SqlNotices`)."""

    async def real_notice(
        self, connection: AsyncConnection, tenant: str, notice_id: UUID
    ) -> RealNotice | None:
        """A notice with its creditor and sealed contacts."""
        ...

"""Finds one notice with all that is needed to write its message again, for previews."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from dunning_common.events.dunning import NoticeRequestedV3
from dunning_common.events.tenants import TenantRegisteredV1
from notifier.ports.templates import RealNotice

_REAL = """
SELECT n.body::text AS notice, t.body::text AS creditor, c.ciphertext
FROM notice AS n JOIN tenant AS t USING (tenant)
LEFT JOIN contact AS c USING (tenant, debtor_id)
WHERE n.tenant = $1 AND n.notice_id = $2
"""


class SqlNotices:
    """See `notifier.ports.templates.NoticeShelf`."""

    async def real_notice(
        self, connection: AsyncConnection, tenant: str, notice_id: UUID
    ) -> RealNotice | None:
        """A notice with its creditor and sealed contacts."""
        row = await (await driver(connection)).fetchrow(_REAL, tenant, notice_id)
        if row is None:
            return None
        return RealNotice(
            notice=NoticeRequestedV3.model_validate_json(row["notice"], extra="ignore"),
            tenant=TenantRegisteredV1.model_validate_json(row["creditor"], extra="ignore"),
            ciphertext=row["ciphertext"],
        )

"""Texts counted against their limits in PostgreSQL.

In a transaction of its own that ends before the first byte leaves: a crash after it counts a text
that was not sent, never the other way round. Two senders of a tenant wait for each other here.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from dunning_common.db import Database, driver
from notifier.domain.sms_limits import Exceeded, SmsLimits, SmsUse, judge
from notifier.ports.allowance import AllowanceUnavailableError

_LOCK_DAY = """
INSERT INTO sms_day AS d (tenant, day) VALUES ($1, (clock_timestamp() AT TIME ZONE 'UTC')::date)
ON CONFLICT (tenant, day) DO UPDATE SET messages = d.messages
RETURNING day, spent_minor, extract(epoch FROM
    (day + 1)::timestamp AT TIME ZONE 'UTC' - clock_timestamp())::float8 AS left_s,
    EXISTS (SELECT FROM sms_taken AS t WHERE t.tenant = $1 AND t.message_id = $2) AS counted
"""
_OF_NUMBER = """
SELECT count(*) AS texts, coalesce(extract(epoch FROM
    min(taken_at) + interval '24 hours' - clock_timestamp())::float8, 0) AS free_s
FROM sms_taken
WHERE tenant = $1 AND number_hash = $2 AND taken_at > clock_timestamp() - interval '24 hours'
"""
_TAKE = """
WITH taken AS (
    INSERT INTO sms_taken (tenant, message_id, number_hash, cost_minor) VALUES ($1, $2, $3, $4)
)
UPDATE sms_day SET spent_minor = spent_minor + $4, messages = messages + 1
WHERE tenant = $1 AND day = $5
"""


class SqlAllowance:
    """Leave to send texts; see `notifier.ports.allowance.Allowance`."""

    def __init__(self, db: Database, limits_of: Callable[[str], SmsLimits]) -> None:
        self._db = db
        self._limits_of = limits_of

    async def take(
        self, *, tenant: str, message_id: UUID, number_hash: str, cost_minor: int
    ) -> Exceeded | None:
        """Count this text, durably, unless a limit stands in the way; each text counts once.

        Raises:
            AllowanceUnavailableError: it could not be counted.
        """
        try:
            return await self._take(tenant, message_id, number_hash, cost_minor)
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise AllowanceUnavailableError(type(error).__name__) from error

    async def _take(
        self, tenant: str, message_id: UUID, number_hash: str, cost_minor: int
    ) -> Exceeded | None:
        async with self._db.worker() as connection:
            raw = await driver(connection)
            day = await raw.fetchrow(_LOCK_DAY, tenant, message_id)
            number = await raw.fetchrow(_OF_NUMBER, tenant, number_hash)
            if day is None or number is None:
                raise LookupError("sms_day cannot be counted")
            if day["counted"]:
                return None
            use = SmsUse(
                spent_minor=day["spent_minor"],
                to_number=number["texts"],
                day_left_s=day["left_s"],
                number_free_s=number["free_s"],
            )
            exceeded = judge(use, self._limits_of(tenant), cost_minor=cost_minor)
            if exceeded is None:
                await raw.execute(_TAKE, tenant, message_id, number_hash, cost_minor, day["day"])
            return exceeded

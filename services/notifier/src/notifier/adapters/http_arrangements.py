"""The engine's rules, verdicts and clock over its public HTTP interface, for the debtor's page.

Rules are remembered for a minute, and so, more shortly, is that nobody answered: a page never waits
for a dead engine again and again. While it is dead, the rules last known hold. Never retries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import orjson
import structlog

from dunning_common.clock import monotonic
from dunning_common.money import MoneyError
from notifier.portal.rules import OPEN, ArrangementRules, rules_of
from notifier.portal.verdicts import Verdict, verdicts_of

log = structlog.get_logger()

KNOWN_S = 60.0
"""How long rules are not asked for again: a change shows on the page that much later."""

UNKNOWN_S = 5.0
"""How long it is remembered that the engine did not answer."""

_TENANTS_MAX = 10_000
_ANSWERS_MOST = 1000
"""As many as the engine gives at once; of those beyond, the page says "received"."""


class HttpArrangements:
    """The engine as `notifier.ports.portal.Arrangements`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        base_url: str,
        token: str,
        timeout_s: float,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        """Args: timeout_s is of each call, now_s a monotonic clock in seconds."""
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._now_s = now_s
        self._known: OrderedDict[str, tuple[float, ArrangementRules]] = OrderedDict()
        self._silent_until_s = 0.0

    async def rules(self, tenant: str) -> ArrangementRules:
        """What the tenant allows, as last known when nobody answers; never known is `OPEN`."""
        until_s, found = self._known.get(tenant, (0.0, OPEN))
        if self._now_s() < until_s:
            return found
        try:
            fresh = rules_of(await self._get(tenant, "/v1/plan-rules"))
        except _NO_ANSWER as error:
            why = str(error) if isinstance(error, ValueError) else ""
            log.warning("plan_rules_unknown", error=type(error).__name__, why=why)
            return found
        self._known[tenant] = (self._now_s() + KNOWN_S, fresh)
        self._known.move_to_end(tenant)
        while len(self._known) > _TENANTS_MAX:
            self._known.popitem(last=False)
        return fresh

    async def now(self, tenant: str) -> datetime | None:
        """The time on a sandbox tenant's clock; None when nobody answers."""
        try:
            found = datetime.fromisoformat((await self._get(tenant, "/v1/clock"))["now"])
        except _NO_ANSWER as error:
            log.warning("clock_unknown", error=type(error).__name__)
            return None
        return found if found.tzinfo else None

    async def verdicts(self, tenant: str, debtor_id: str) -> Mapping[UUID, Verdict]:
        """What became of the debtor's promises and plans, by answer; none when nobody answers."""
        query = urlencode({"debtor_id": debtor_id, "limit": _ANSWERS_MOST})
        try:
            return verdicts_of(await self._get(tenant, f"/v1/responses?{query}"))
        except _NO_ANSWER as error:
            log.warning("verdicts_unknown", error=type(error).__name__)
            return {}

    async def _get(self, tenant: str, path: str) -> Mapping[str, Any]:
        if self._now_s() < self._silent_until_s:
            raise _StillSilentError
        try:
            response = await self._client.get(
                f"{self._base_url}{path}",
                headers={"authorization": f"Bearer {self._token}", "x-tenant": tenant},
                timeout=self._timeout_s,
            )
        except httpx.TransportError:
            self._silent_until_s = self._now_s() + UNKNOWN_S
            raise
        if response.is_server_error:
            self._silent_until_s = self._now_s() + UNKNOWN_S
        response.raise_for_status()
        document: Mapping[str, Any] = orjson.loads(response.content)
        return document


class _StillSilentError(Exception):
    """The engine did not answer a moment ago."""


_NO_ANSWER = (
    _StillSilentError, httpx.HTTPError, MoneyError,
    # A document that is none: it lacks a field, or has another kind of thing or number in it.
    KeyError, AttributeError, TypeError, ValueError, ArithmeticError,
)  # fmt: skip

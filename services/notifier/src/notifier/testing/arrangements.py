"""An engine's rules for promises and instalments in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from notifier.portal.rules import OPEN, ArrangementRules
from notifier.portal.verdicts import Verdict

DEFAULTS = ArrangementRules(
    promise_days_max=30, max_months=12, refuse=frozenset({"max_open_plans"})
)
"""What an engine says of a tenant that never set any."""


@dataclass(slots=True)
class FakeArrangements:
    """Rules and clocks by tenant, verdicts by tenant and debtor. Set `down`: no answer."""

    set_rules: dict[str, ArrangementRules] = field(default_factory=dict)
    clocks: dict[str, datetime] = field(default_factory=dict)
    found: dict[tuple[str, str], dict[UUID, Verdict]] = field(default_factory=dict)
    down: bool = False

    async def rules(self, tenant: str) -> ArrangementRules:
        """The tenant's rules, or the defaults; the widest when nobody answers."""
        return OPEN if self.down else self.set_rules.get(tenant, DEFAULTS)

    async def now(self, tenant: str) -> datetime | None:
        """The time on the tenant's clock; None when nobody answers."""
        return None if self.down else self.clocks.get(tenant)

    async def verdicts(self, tenant: str, debtor_id: str) -> dict[UUID, Verdict]:
        """What became of the debtor's promises and plans; none when nobody answers."""
        return {} if self.down else self.found.get((tenant, debtor_id), {})

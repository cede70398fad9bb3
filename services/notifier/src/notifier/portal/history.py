"""What went before: messages that were sent to the debtor, and what the debtor answered. Plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notifier.portal.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message that went to the debtor; `at` is the tenant's clock."""

    at: datetime
    channel: str
    template: str
    level: str
    level_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer of the debtor: its facts, never its words. `at` is the tenant's clock.

    `verdict` is what became of a promise or a plan, where that is known.
    """

    at: datetime
    kind: str
    state: str
    invoice_ids: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None

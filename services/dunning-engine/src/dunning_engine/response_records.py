"""Rows about debtors' answers as handlers and adapters pass them. Plain values; no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from dunning_common.values import Value
from dunning_engine.records import AccountKey

ResponseKind = Literal[
    "promise", "dispute", "plan", "claim", "contact", "opt_out", "opt_in", "reply"
]
ResponseState = Literal["waiting", "applied", "open", "not_needed"]


class ResponseRow(Value, frozen=True, kw_only=True):
    """What a debtor answered, and what was made of it.

    `waiting`: facts that it needs may be on their way here. `open`: a person has to look, `reason`
    is a code and `detail` our own words about it. `not_needed`: nothing was to be done any more.
    `body` is the event again, without anything sealed; `hold_ids` are the holds made of it.
    `taken_at` is the tenant's clock when it came.
    """

    tenant: str
    response_id: UUID
    debtor_id: str
    kind: ResponseKind
    source: str
    notice_id: UUID | None
    invoice_ids: tuple[str, ...]
    body: Mapping[str, Any]
    effective_at: datetime
    state: ResponseState = "waiting"
    reason: str | None = None
    detail: str | None = None
    hold_ids: tuple[UUID, ...] = ()
    taken_at: datetime | None = None

    @property
    def account_key(self) -> AccountKey:
        """Whose it is."""
        return AccountKey(self.tenant, self.debtor_id)

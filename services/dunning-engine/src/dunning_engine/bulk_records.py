"""Bulk actions as handlers and routes pass them: what is wished, what it would change, what came.

Plain values; no SQL, no rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from dunning_engine.domain.account import HoldKind
from dunning_engine.domain.work_item import ItemKey
from dunning_engine.records import HoldRow
from dunning_engine.work_records import CaseFilter, HoldFilter, WorkFilter

BulkAction = Literal["hold", "release", "approve", "reject", "assign"]
ResultStatus = Literal["done", "unchanged", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkParams:
    """What is to be done to each; every action reads only its own."""

    reason: str = ""
    kind: HoldKind = "manual"
    until: datetime | None = None
    owner: str | None = None
    note: str | None = None
    assignee: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkWish:
    """An action and to what: cases for hold, approve and reject; holds; or work items.

    `whole_debtors`: a hold covers all of a debtor's invoices, later ones too.
    """

    action: BulkAction
    cases: CaseFilter = field(default_factory=CaseFilter)
    holds: HoldFilter = field(default_factory=HoldFilter)
    work: WorkFilter = field(default_factory=WorkFilter)
    whole_debtors: bool = False
    params: BulkParams = field(default_factory=BulkParams)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkItem:
    """One thing that would change.

    `amounts` are minor units by currency; `state` is what the token stands for. `refused` says why
    it cannot be done; then nothing is done to it.
    """

    target: str
    debtor_id: str | None
    invoice_ids: tuple[str, ...] = ()
    invoices: int
    amounts: Mapping[str, int]
    change: str
    state: str
    refused: str | None = None
    level_no: int | None = None
    key: ItemKey | None = None
    hold: HoldRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPlan:
    """What an action would do, and the token that stands for it."""

    action: BulkAction
    items: tuple[BulkItem, ...]
    token: str

    @property
    def amounts(self) -> dict[str, int]:
        """What is concerned, by currency (minor units); refused items are left out."""
        sums: defaultdict[str, int] = defaultdict(int)
        for item in self.items:
            if item.refused is None:
                for currency, minor in item.amounts.items():
                    sums[currency] += minor
        return dict(sorted(sums.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """What came of one item. `hold_id` is the hold that was placed."""

    item: BulkItem
    status: ResultStatus
    why: str | None = None
    hold_id: UUID | None = None

"""Facts and aggregates in memory; passes the same contract tests as the store in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from kpi.domain.facts import Tenant
from kpi.domain.histories import FactSet, Histories, histories_of
from kpi.domain.invoice_history import InvoiceHistory
from kpi.domain.notice_history import CashHistory, NoticeHistory
from kpi.domain.tally import MEASURES, Tally


class MemoryFactStore:
    """Fits `kpi.handlers.fold.FactStore`; give `lambda _: store` to the fold."""

    def __init__(self) -> None:
        self.tenants: dict[str, Tenant] = {}
        self.histories = Histories()
        self.tally = Tally()

    async def lock(self, tenants: Sequence[str]) -> dict[str, Tenant]:
        """Make what is missing; nobody else is here."""
        return {name: self.tenants.setdefault(name, Tenant(tenant=name)) for name in tenants}

    async def load(self, touched: Histories) -> Histories:
        """What is recorded about everything that `touched` names."""
        known = self.histories
        return Histories(
            invoices={ref: known.invoices.get(ref, InvoiceHistory()) for ref in touched.invoices},
            notices={ref: known.notices.get(ref, NoticeHistory()) for ref in touched.notices},
            cash={ref: known.cash.get(ref, CashHistory()) for ref in touched.cash},
        )

    async def record(self, facts: FactSet, tenants: Sequence[Tenant]) -> None:
        """Keep new facts; known ones are left alone."""
        merged = self.histories.plus(histories_of(facts))
        self.histories.invoices |= merged.invoices
        self.histories.notices |= merged.notices
        self.histories.cash |= merged.cash
        self.tenants |= {tenant.tenant: tenant for tenant in tenants}

    async def add(self, tally: Tally) -> None:
        """Add to the aggregates."""
        for measure in MEASURES:
            for key, sums in tally.rows(measure):
                self.tally.add(measure, key, sums)

    async def clear(self, tenant: str) -> Tally:
        """Forget a tenant's aggregates and return what they were."""
        gone, kept = Tally(), Tally()
        for measure in MEASURES:
            for key, sums in self.tally.rows(measure):
                (gone if key[0] == tenant else kept).add(measure, key, sums)
        self.tally = kept
        return gone

    async def stream(self, tenant: str) -> AsyncIterator[Histories]:
        """All facts of a tenant, one subject at a time."""
        for ref, invoice in self.histories.invoices.items():
            if ref[0] == tenant:
                yield Histories(invoices={ref: invoice})
        for notice_ref, notice in self.histories.notices.items():
            if notice_ref[0] == tenant:
                yield Histories(notices={notice_ref: notice})
        for cash_ref, cash in self.histories.cash.items():
            if cash_ref[0] == tenant:
                yield Histories(cash={cash_ref: cash})

"""A ledger in memory: debtor keys, and permits that payments wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from dunning_common.clock import monotonic
from notifier.content.model import Attachment
from notifier.ports.ledger import (
    DebtorKey,
    Denied,
    Granted,
    InvoiceRef,
    LedgerUnavailableError,
    PermitRequest,
)


@dataclass(slots=True)
class FakeLedger:
    """A ledger in memory: keys, paid invoices, and permits that payments wait for.

    Set `down` and it answers nothing; `closed` says why an invoice must not be reminded.
    """

    debtor_keys: dict[DebtorKey, bytes] = field(default_factory=dict)
    originals: dict[InvoiceRef, Attachment] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    down: bool = False
    permit_s: float | None = None
    on_permit: Callable[[], None] = lambda: None
    asked: list[PermitRequest] = field(default_factory=list)
    live: dict[UUID, tuple[float, frozenset[str]]] = field(default_factory=dict)
    key_calls: int = 0
    permit_calls: int = 0
    return_calls: int = 0

    async def keys(self, debtors: Collection[DebtorKey]) -> Mapping[DebtorKey, bytes]:
        """The keys of debtors that were not erased."""
        self.key_calls += 1
        self._answer()
        return {d: self.debtor_keys[d] for d in debtors if d in self.debtor_keys}

    async def documents(self, invoices: Collection[InvoiceRef]) -> Mapping[InvoiceRef, Attachment]:
        """Those that `originals` holds."""
        self._answer()
        return {ref: self.originals[ref] for ref in invoices if ref in self.originals}

    async def permits(
        self, requests: Sequence[PermitRequest], *, lease_s: float
    ) -> Mapping[UUID, Granted | Denied]:
        """Permits for what is not closed."""
        self.permit_calls += 1
        self._answer()
        self.asked.extend(requests)
        answers = {request.permit_id: self._decide(request, lease_s) for request in requests}
        self.on_permit()
        return answers

    async def return_permits(self, permit_ids: Collection[UUID]) -> None:
        """Forget permits."""
        self.return_calls += 1
        for permit_id in permit_ids:
            self.live.pop(permit_id, None)

    async def pay(self, invoice_id: str) -> None:
        """Close an invoice; returns, like the ledger's answer, when no live permit covers it."""
        self.closed[invoice_id] = "paid"
        while any(  # noqa: ASYNC110 -- permits also end by the clock
            invoice_id in invoices and until > monotonic() for until, invoices in self.live.values()
        ):
            await asyncio.sleep(0.005)

    def _answer(self) -> None:
        if self.down:
            raise LedgerUnavailableError("the ledger is down")

    def _decide(self, request: PermitRequest, lease_s: float) -> Granted | Denied:
        refused = [
            (invoice_id, self.closed[invoice_id])
            for invoice_id, _ in request.invoices
            if invoice_id in self.closed
        ]
        if refused:
            return Denied(refused=tuple(refused))
        permit_s = self.permit_s or lease_s
        invoices = frozenset(invoice_id for invoice_id, _ in request.invoices)
        self.live[request.permit_id] = (monotonic() + permit_s, invoices)
        return Granted(expires_in_s=permit_s)

"""A ledger's books in memory, as far as debtors may see their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from notifier.portal.account import Account
from notifier.ports.portal import AccountsUnavailableError, Document


@dataclass(slots=True)
class FakeAccounts:
    """Accounts by tenant and debtor, documents by tenant and invoice. Set `down`: no answer."""

    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    down: bool = False
    calls: int = 0

    async def account(self, tenant: str, debtor_id: str) -> Account | None:
        """The debtor's account; None when there is none."""
        self._answer()
        return self.accounts.get((tenant, debtor_id))

    async def documented(self, tenant: str, invoice_ids: Sequence[str]) -> frozenset[str]:
        """Those of these invoices that have a document; none when nobody answers."""
        self.calls += 1
        if self.down:
            return frozenset()
        return frozenset(one for one in invoice_ids if (tenant, one) in self.documents)

    async def document(self, tenant: str, invoice_id: str) -> Document | None:
        """The document of an invoice, if there is one."""
        self._answer()
        return self.documents.get((tenant, invoice_id))

    def _answer(self) -> None:
        self.calls += 1
        if self.down:
            raise AccountsUnavailableError("the ledger is down")

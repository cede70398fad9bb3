"""What the notifier needs from the ledger, as a port: debtors' keys, permission to send."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from notifier.content.model import Attachment

DebtorKey = tuple[str, str]
"""Tenant and debtor."""


class LedgerUnavailableError(RuntimeError):
    """The ledger did not answer, or not usably: nothing may be sent now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitRequest:
    """May these invoices, in these versions, be reminded right now?"""

    permit_id: UUID
    tenant: str
    invoices: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Yes, for `expires_in_s` seconds from when the ledger answered."""

    expires_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """No: these invoices stand in the way, each with its reason (paid, cancelled, changed…)."""

    refused: tuple[tuple[str, str], ...]


InvoiceRef = tuple[str, str]
"""Tenant and invoice."""


class Ledger(Protocol):
    """The ledger's internal interface."""

    async def documents(self, invoices: Collection[InvoiceRef]) -> Mapping[InvoiceRef, Attachment]:
        """The original documents of invoices, as far as the company sent them.

        Raises:
            LedgerUnavailableError: no answer.
        """
        ...

    async def keys(self, debtors: Collection[DebtorKey]) -> Mapping[DebtorKey, bytes]:
        """The debtors' keys; those of erased debtors are missing.

        Raises:
            LedgerUnavailableError: no answer.
        """
        ...

    async def permits(
        self, requests: Sequence[PermitRequest], *, lease_s: float
    ) -> Mapping[UUID, Granted | Denied]:
        """Ask for permission to send, in one call.

        Raises:
            LedgerUnavailableError: no answer; permits may have been granted all the same.
        """
        ...

    async def return_permits(self, permit_ids: Collection[UUID]) -> None:
        """Give permits back, so that payments need not wait; failing that they expire."""
        ...

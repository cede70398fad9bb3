"""What the use cases need from storage and time, and the desk that brings it all to them.

Each method works inside the caller's open transaction and handles sets, never one row at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.events.tenants import TenantRegisteredV1
from invoice_ingest.domain.book import Book, Loaded, Needs, TenantSetup
from invoice_ingest.domain.charge import Charge
from invoice_ingest.domain.charging import ChargeRef
from invoice_ingest.domain.debtor import Debtor, DebtorKey, DebtorRef
from invoice_ingest.domain.original import Listed, Original, SealedOriginal, Sheet
from invoice_ingest.domain.payment_order import PaymentOrder
from invoice_ingest.domain.permit import InvoiceRef, PermitAnswer, Standing
from invoice_ingest.domain.touched import Touched

SOURCE = "invoice-ingest"
"""The name under which the ledger publishes."""


class UnknownTenantError(LookupError):
    """The token names a tenant that was never registered here."""


class BookStore(Protocol):
    """Loads and saves worksheets."""

    async def load(self, connection: AsyncConnection, tenant: str, needs: Needs) -> Loaded:
        """Lock and read what the batch needs; accounts first, then invoices, each by id."""
        ...

    async def load_charged(
        self, connection: AsyncConnection, charges: Sequence[Charge]
    ) -> tuple[dict[str, Loaded], frozenset[ChargeRef]]:
        """Lock and read, by tenant, what booking these charges needs; which are booked already."""
        ...

    async def save(self, connection: AsyncConnection, *books: Book) -> None:
        """Write what has changed on the sheets, each of another tenant."""
        ...


class TenantStore(Protocol):
    """Keeps tenants."""

    async def setup(
        self, connection: AsyncConnection, tenants: Collection[str]
    ) -> dict[str, TenantSetup]:
        """How tenants are set up; those that do not exist are missing."""
        ...

    async def choose_order(
        self, connection: AsyncConnection, tenant: str, order: PaymentOrder
    ) -> None:
        """Keep the order in which money covers what is owed."""
        ...

    async def profile(
        self, connection: AsyncConnection, tenant: str, *, lock: bool = False
    ) -> TenantRegisteredV1 | None:
        """What was registered last."""
        ...

    async def put(self, connection: AsyncConnection, profile: TenantRegisteredV1) -> None:
        """Register, or replace what was registered."""
        ...


class DebtorStore(Protocol):
    """Keeps debtors and the keys of their contacts."""

    async def load(
        self, connection: AsyncConnection, tenant: str, debtor_ids: Collection[str]
    ) -> dict[str, Debtor]:
        """Lock and read debtors, by id."""
        ...

    async def save(
        self, connection: AsyncConnection, tenant: str, debtors: Sequence[Debtor]
    ) -> None:
        """Insert or replace debtors."""
        ...

    async def add_keys(
        self, connection: AsyncConnection, tenant: str, keys: Mapping[str, DebtorKey]
    ) -> None:
        """Keep new debtors' keys, wrapped."""
        ...

    async def keys(
        self, connection: AsyncConnection, debtors: Collection[DebtorRef]
    ) -> dict[DebtorRef, DebtorKey]:
        """Keys of debtors; erased and unknown ones are missing."""
        ...

    async def destroy_key(self, connection: AsyncConnection, tenant: str, debtor_id: str) -> None:
        """Forget a key for good."""
        ...


class PermitStore(Protocol):
    """Keeps send permits; times are the database's."""

    async def standings(
        self, connection: AsyncConnection, refs: Collection[InvoiceRef]
    ) -> dict[InvoiceRef, Standing]:
        """Lock the invoices against changes and say how they stand."""
        ...

    async def grant(
        self, connection: AsyncConnection, answers: Sequence[PermitAnswer], *, lease_s: float
    ) -> None:
        """Store the granted permits; they live for `lease_s` seconds."""
        ...

    async def give_back(self, connection: AsyncConnection, permit_ids: Collection[str]) -> None:
        """Remove permits and wake whoever waits for them."""
        ...

    async def live(
        self, connection: AsyncConnection, tenant: str, touched: Touched
    ) -> Collection[str]:
        """Ids of the live permits on these invoices, and on any invoice of these accounts."""
        ...

    async def rest_s(self, connection: AsyncConnection, permit_ids: Collection[str]) -> float:
        """Seconds until the last of these permits expires; 0 when none is live any more."""
        ...


class OriginalStore(Protocol):
    """Keeps the original documents of invoices, sealed."""

    async def sheet(
        self, connection: AsyncConnection, tenant: str, invoice_id: str
    ) -> Sheet | None:
        """The document that an invoice, an instalment or a document's own id stands for."""
        ...

    async def kept(
        self, connection: AsyncConnection, tenant: str, sheet: Sheet
    ) -> tuple[str, str] | None:
        """Hash and file name of what is kept there, locked."""
        ...

    async def put(
        self,
        connection: AsyncConnection,
        tenant: str,
        sheet: Sheet,
        document: Original,
        sealed: bytes,
    ) -> None:
        """Keep a document, instead of the one before."""
        ...

    async def drop(self, connection: AsyncConnection, tenant: str, sheet: Sheet) -> None:
        """Forget a document."""
        ...

    async def listed(
        self, connection: AsyncConnection, invoices: Collection[InvoiceRef]
    ) -> list[Listed]:
        """Which of these invoices have a document, in the order asked for; reads no document."""
        ...

    async def read(
        self, connection: AsyncConnection, invoices: Collection[InvoiceRef]
    ) -> list[SealedOriginal]:
        """Documents of invoices, as far as there are any, in the order asked for."""
        ...


class Bell(Protocol):
    """Rings when permits were given back."""

    def next_ring(self) -> asyncio.Event:
        """What the next ring will set; take it before looking, so that no ring is missed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that a use case works with."""

    db: Database
    books: BookStore
    tenants: TenantStore
    debtors: DebtorStore
    permits: PermitStore
    originals: OriginalStore
    bell: Bell
    clock: Clock

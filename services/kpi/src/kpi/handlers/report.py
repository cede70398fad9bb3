"""What a person or a program asks: figures at a day, series, currencies. Reads, then computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from kpi.domain.facts import Tenant
from kpi.domain.snapshot import Month, Point, Snapshot

DEFAULT_PERIOD_DAYS: Final = 90
MAX_PERIOD_DAYS: Final = 3_660
MONTHS_SHOWN: Final = 12
EARLIEST: Final = date(1900, 1, 1)
LATEST: Final = date(2199, 12, 31)


class Figures(Protocol):
    """The sums that reports are made of."""

    async def tenant(self, tenant: str) -> Tenant:
        """What is known about a tenant."""
        ...

    async def currencies(self, tenant: str, on: date) -> list[tuple[str, int, int, date]]:
        """Currency, open minor units, invoices ever, first day."""
        ...

    async def snapshot(self, tenant: str, currency: str, on: date, period_days: int) -> Snapshot:
        """Everything at one day."""
        ...

    async def series(self, tenant: str, currency: str, first: date, last: date) -> list[Point]:
        """Day by day."""
        ...

    async def months(self, tenant: str, currency: str, first: date, last: date) -> list[Month]:
        """Month by month."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyUse:
    """A currency in which the tenant has invoices."""

    currency: str
    open_minor: int
    invoices: int
    first_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a report is about, with every default filled in."""

    tenant: Tenant
    today: date
    on: date
    currency: str
    currencies: tuple[CurrencyUse, ...]
    period_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that the dashboard shows."""

    scope: Scope
    snapshot: Snapshot
    points: Sequence[Point]
    months: Sequence[Month]


async def settle_scope(
    figures: Figures,
    *,
    tenant: str,
    now: datetime,
    on: date | None = None,
    currency: str | None = None,
    period_days: int = DEFAULT_PERIOD_DAYS,
) -> Scope:
    """Fill in what was not asked for: the tenant's today, and its main currency.

    The main currency is the tenant's base currency if it has invoices in it or none at all, else
    the one with most invoices.
    """
    known = await figures.tenant(tenant)
    today = known.today(now)
    day = on or today
    used = tuple(
        CurrencyUse(currency=code, open_minor=open_minor, invoices=invoices, first_on=first_on)
        for code, open_minor, invoices, first_on in await figures.currencies(tenant, day)
    )
    return Scope(
        tenant=known,
        today=today,
        on=day,
        currency=currency or _main_currency(known, used),
        currencies=used,
        period_days=period_days,
    )


def _main_currency(tenant: Tenant, used: Sequence[CurrencyUse]) -> str:
    codes = [use.currency for use in used]
    if tenant.base_currency in codes or not codes:
        return tenant.base_currency or "EUR"
    return max(used, key=lambda use: (use.invoices, use.currency)).currency


async def overview(figures: Figures, scope: Scope) -> Overview:
    """The dashboard's content: a snapshot, the balances of its period, twelve months of cash."""
    place = (scope.tenant.tenant, scope.currency)
    snapshot = await figures.snapshot(*place, scope.on, scope.period_days)
    first = scope.on - timedelta(days=scope.period_days)
    return Overview(
        scope=scope,
        snapshot=snapshot,
        points=await figures.series(*place, first, scope.on),
        months=await figures.months(*place, _months_before(scope.on, MONTHS_SHOWN - 1), scope.on),
    )


def _months_before(day: date, months: int) -> date:
    """The first day of the month that many months earlier."""
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)

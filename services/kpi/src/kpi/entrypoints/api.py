"""The figures as JSON under `/v1/kpi`, and the rebuild for operators."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Final, assert_never

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.money import MoneyError, exponent, to_decimal_string
from dunning_common.problems import FieldError, ProblemError
from kpi.adapters.sql_figures import SqlFigures
from kpi.domain.indicators import INDICATORS, AgeingRow, Indicator, Row, Unit
from kpi.domain.snapshot import LevelCount, NoticeCounts, Snapshot
from kpi.handlers.fold import Fold
from kpi.handlers.report import (
    DEFAULT_PERIOD_DAYS,
    EARLIEST,
    LATEST,
    MAX_PERIOD_DAYS,
    Scope,
    settle_scope,
)

_CENT: Final = Decimal("0.01")
Reader = Annotated[Principal, Depends(require("kpi:read"))]
TenantHeader = Annotated[
    str | None, Header(alias="X-Tenant", description="Needed with a token for all tenants.")
]
TenantQuery = Annotated[
    str | None, Query(alias="tenant", description="The same as X-Tenant, for links.")
]
On = Annotated[
    date | None,
    Query(ge=EARLIEST, le=LATEST, description="End of this day; by default the tenant's today."),
]
Currency = Annotated[
    str | None, Query(description="ISO 4217; by default the tenant's main currency.")
]
PeriodDays = Annotated[
    int, Query(ge=1, le=MAX_PERIOD_DAYS, description="Length of the period that ends with the day.")
]


class RebuildRequest(BaseModel):
    """Whose aggregates to recompute."""

    model_config = ConfigDict(extra="forbid")

    tenant: str


def api_router(db: Database, clock: Clock, fold: Fold) -> APIRouter:
    """The JSON routes."""
    router = APIRouter()
    _add_figures(router, db, clock)
    _add_series(router, db, clock)

    @router.get("/v1/kpi/definitions", tags=["kpi"])
    async def definitions(_: Reader) -> dict[str, Any]:
        """What each figure means."""
        return {"items": [{"slug": each.slug} | _meaning(each) for each in INDICATORS]}

    @router.post("/internal/rebuild", tags=["internal"])
    async def rebuild(
        request: RebuildRequest, _: Annotated[Principal, Depends(require("internal"))]
    ) -> dict[str, Any]:
        """Recompute a tenant's aggregates from its facts; says whether they were right."""
        async with db.worker() as connection:
            identical = await fold.rebuild(connection, request.tenant)
        return {"tenant": request.tenant, "identical": identical}

    return router


def _add_figures(router: APIRouter, db: Database, clock: Clock) -> None:
    @router.get("/v1/kpi", tags=["kpi"])
    async def figures(
        principal: Reader,
        x_tenant: TenantHeader = None,
        tenant_asked: TenantQuery = None,
        on: On = None,
        currency: Currency = None,
        days: PeriodDays = DEFAULT_PERIOD_DAYS,
    ) -> dict[str, Any]:
        """All figures of a tenant in one currency at the end of a day."""
        tenant = tenant_of(principal, x_tenant or tenant_asked)
        async with db.tenant(tenant) as connection:
            reader = SqlFigures(connection)
            scope = await settle_scope(
                reader,
                tenant=tenant,
                now=clock.now(),
                on=on,
                currency=checked_currency(currency),
                period_days=days,
            )
            snapshot = await reader.snapshot(tenant, scope.currency, scope.on, days)
        return as_json(scope, snapshot)

    @router.get("/v1/kpi/currencies", tags=["kpi"])
    async def currencies(
        principal: Reader,
        x_tenant: TenantHeader = None,
        tenant_asked: TenantQuery = None,
        on: On = None,
    ) -> dict[str, Any]:
        """In which currencies the tenant has invoices, and what is open in each."""
        tenant = tenant_of(principal, x_tenant or tenant_asked)
        async with db.tenant(tenant) as connection:
            scope = await settle_scope(
                SqlFigures(connection), tenant=tenant, now=clock.now(), on=on
            )
        return {
            "tenant": tenant,
            "today": scope.today,
            "on": scope.on,
            "main": scope.currency,
            "currencies": [
                {
                    "currency": use.currency,
                    "open": to_decimal_string(use.open_minor, use.currency),
                    "invoices": use.invoices,
                    "first_on": use.first_on,
                }
                for use in scope.currencies
            ],
        }


def _add_series(router: APIRouter, db: Database, clock: Clock) -> None:
    @router.get("/v1/kpi/series", tags=["kpi"])
    async def series(
        principal: Reader,
        x_tenant: TenantHeader = None,
        tenant_asked: TenantQuery = None,
        first: Annotated[date | None, Query(alias="from", ge=EARLIEST, le=LATEST)] = None,
        last: Annotated[date | None, Query(alias="to", ge=EARLIEST, le=LATEST)] = None,
        currency: Currency = None,
    ) -> dict[str, Any]:
        """Balances and flows day by day and month by month; by default the last 90 days."""
        tenant = tenant_of(principal, x_tenant or tenant_asked)
        async with db.tenant(tenant) as connection:
            reader = SqlFigures(connection)
            scope = await settle_scope(
                reader,
                tenant=tenant,
                now=clock.now(),
                on=last,
                currency=checked_currency(currency),
            )
            begin = first or scope.on - timedelta(days=DEFAULT_PERIOD_DAYS - 1)
            _check_range(begin, scope.on)
            points = await reader.series(tenant, scope.currency, begin, scope.on)
            months = await reader.months(tenant, scope.currency, begin, scope.on)
        code = scope.currency
        return {
            "tenant": tenant,
            "currency": code,
            "from": begin,
            "to": scope.on,
            "days": [
                {
                    "on": point.on,
                    "open": to_decimal_string(point.open_minor, code),
                    "overdue": to_decimal_string(point.overdue_minor, code),
                    "invoiced": to_decimal_string(point.invoiced_minor, code),
                    "collected": to_decimal_string(point.collected_minor, code),
                }
                for point in points
            ],
            "months": [
                {
                    "month": f"{month.first_day:%Y-%m}",
                    "invoiced": to_decimal_string(month.invoiced_minor, code),
                    "collected": to_decimal_string(month.collected_minor, code),
                }
                for month in months
            ],
        }


def checked_currency(code: str | None) -> str | None:
    """The currency as asked for.

    Raises:
        ProblemError: 422, not an ISO 4217 code.
    """
    if code is None:
        return None
    try:
        exponent(code)
    except MoneyError as error:
        raise ProblemError(
            422,
            "invalid-request",
            "Some fields are missing or wrong.",
            errors=[FieldError(pointer="/currency", detail=str(error))],
        ) from error
    return code


def _check_range(first: date, last: date) -> None:
    if first <= last and (last - first).days < MAX_PERIOD_DAYS:
        return
    raise ProblemError(
        422,
        "invalid-request",
        "Some fields are missing or wrong.",
        errors=[
            FieldError(
                pointer="/from",
                detail=f"from must not lie after to, and at most {MAX_PERIOD_DAYS} days before",
            )
        ],
    )


def as_json(scope: Scope, snapshot: Snapshot) -> dict[str, Any]:
    """The answer of `/v1/kpi`: figures by slug, amounts as decimal strings."""
    return {
        "tenant": scope.tenant.tenant,
        "currency": scope.currency,
        "on": scope.on,
        "today": scope.today,
        "period": {"days": scope.period_days, "from": snapshot.first_day, "to": snapshot.on},
        "kpis": {each.slug: _figure(each, snapshot) for each in INDICATORS},
    }


def _figure(indicator: Indicator, snapshot: Snapshot) -> dict[str, Any]:
    answer, code = indicator.build(snapshot), snapshot.currency
    figure: dict[str, Any] = {"value": _value(indicator.unit, answer.value, code)}
    if answer.value is None:
        figure["why_not_defined"] = answer.why_none
    figure |= {name: _value(unit, value, code) for name, unit, value in answer.beside}
    if answer.rows or indicator.slug in _WITH_ROWS:
        figure["rows"] = [_row(row, code) for row in answer.rows]
    return figure | _meaning(indicator)


_WITH_ROWS: Final = frozenset({"ageing", "notices", "levels_served"})


def _meaning(indicator: Indicator) -> dict[str, str]:
    return {
        "title": indicator.title,
        "unit": indicator.unit.value,
        "definition": indicator.definition,
        "formula": indicator.formula,
    }


def _value(unit: Unit, value: int | Decimal | None, currency: str) -> str | int | None:
    if value is None:
        return None
    match unit:
        case Unit.MONEY:
            return to_decimal_string(int(value), currency)
        case Unit.DAYS | Unit.PERCENT:
            return str(Decimal(value).quantize(_CENT, rounding=ROUND_HALF_UP))
        case Unit.COUNT:
            return int(value)
        case _:
            assert_never(unit)


def _row(row: Row, currency: str) -> dict[str, Any]:
    match row:
        case AgeingRow():
            return {
                "bucket": row.bucket,
                "amount": to_decimal_string(row.amount_minor, currency),
                "share_percent": _value(Unit.PERCENT, row.share_percent, currency),
                "invoices": row.invoices,
            }
        case NoticeCounts():
            return {
                "level_no": row.level_no,
                "level": row.level,
                "channel": row.channel,
                "messages": row.messages,
                "sent": row.sent,
                "delivered": row.delivered,
                "bounced": row.bounced,
                "failed": row.failed,
                "unknown": row.unknown,
                "suppressed": row.suppressed,
                "returned": row.returned,
            }
        case LevelCount():
            return {"level_no": row.level_no, "level": row.level, "invoices": row.invoices}
        case _:
            assert_never(row)

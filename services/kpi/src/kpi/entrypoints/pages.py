"""The dashboard page at `/`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.money import MoneyError, exponent
from dunning_common.web import Pages, Viewer
from kpi.adapters.sql_figures import SqlFigures
from kpi.dashboard import view
from kpi.handlers.report import (
    DEFAULT_PERIOD_DAYS,
    EARLIEST,
    LATEST,
    MAX_PERIOD_DAYS,
    overview,
    settle_scope,
)


@dataclass(slots=True)
class Asked:
    """What the form asks for; whatever cannot be read is left out and named in `problems`."""

    on: date | None = None
    currency: str | None = None
    days: int = DEFAULT_PERIOD_DAYS
    problems: list[str] = field(default_factory=list)


def pages_router(pages: Pages, db: Database, clock: Clock) -> APIRouter:
    """The pages."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def dashboard(
        request: Request, viewer: Viewer = Depends(pages.viewer("kpi:read"))
    ) -> HTMLResponse:
        tenants = await _tenants(db, viewer)
        if not viewer.tenant:
            return pages.render(request, "choose.html", viewer=viewer, tenants=tenants)
        asked = read_form(request)
        async with db.tenant(viewer.tenant) as connection:
            figures = SqlFigures(connection)
            scope = await settle_scope(
                figures,
                tenant=viewer.tenant,
                now=clock.now(),
                on=asked.on,
                currency=asked.currency,
                period_days=asked.days,
            )
            if not scope.currencies:
                return pages.render(
                    request,
                    "empty.html",
                    viewer=viewer,
                    tenants=tenants,
                    tenant_name=scope.tenant.name or viewer.tenant,
                )
            content = view.page(await overview(figures, scope))
        query = {"on": scope.on, "currency": scope.currency, "days": scope.period_days}
        if viewer.may_switch:
            query["tenant"] = viewer.tenant
        return pages.render(
            request,
            "dashboard.html",
            viewer=viewer,
            tenants=tenants,
            problem=" ".join(asked.problems),
            query=urlencode(query),
            **content,
        )

    return router


def read_form(request: Request) -> Asked:
    """The query parameters of the page, forgiving: a wrong one is named, the rest still counts."""
    asked, query = Asked(), request.query_params
    if text := query.get("on"):
        try:
            on = date.fromisoformat(text)
        except ValueError:
            on = None
        if on and EARLIEST <= on <= LATEST:
            asked.on = on
        else:
            asked.problems.append("That is not a day such as 2026-03-31; this is today.")
    if code := query.get("currency"):
        try:
            exponent(code)
            asked.currency = code
        except MoneyError as error:
            asked.problems.append(f"{error}; this is the main currency.")
    if days := query.get("days"):
        if days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= MAX_PERIOD_DAYS:
            asked.days = int(days[:9])
        else:
            asked.problems.append(f"A period has 1 to {MAX_PERIOD_DAYS} days.")
    return asked


async def _tenants(db: Database, viewer: Viewer) -> list[str]:
    """All tenants, for those who may choose; row-level security would show them none."""
    if not viewer.may_switch:
        return []
    async with db.worker() as connection:
        return await SqlFigures(connection).tenants()

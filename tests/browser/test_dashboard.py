"""The dashboard in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from kpi.testing import Story
from tests.browser.conftest import TODAY, Site, Watched, picture, watch

pytestmark = pytest.mark.browser


async def _sign_in(site: Site, watched: Watched, *, tenant: str = "acme") -> None:
    await watched.page.goto(f"{site.url}/login#token={site.token(tenant)}")
    await watched.page.wait_for_url(f"{site.url}/")


async def test_the_dashboard_shows_tiles_and_charts_without_complaint(
    site: Site, portfolio: Story, watched: Watched
) -> None:
    await _sign_in(site, watched)
    page = watched.page

    await expect(page.get_by_role("heading", name="Receivables", level=1)).to_be_visible()
    await expect(page.locator("[data-kpi]")).to_have_count(6)
    await expect(page.locator("figure svg[role=img]")).to_have_count(4)
    open_minor = sum(portfolio.open_minor(name) for name in portfolio._invoices)
    shown = await page.locator("[data-kpi=open_balance] .figure").inner_text()
    assert shown == f"€{round(open_minor / 100):,}"
    await expect(page.locator("input[name=on]")).to_have_value(TODAY.isoformat())
    await picture(page, "dashboard-1280-light")

    assert watched.complaints == []
    assert watched.foreign(site.url) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_nothing_is_wider_than_the_screen(
    site: Site, portfolio: Story, browser: Browser, width: int, scheme: str
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme
    )
    watched = await watch(context)
    await _sign_in(site, watched)

    overflow = await watched.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    await picture(watched.page, f"dashboard-{width}-{scheme}")
    await context.close()

    assert overflow <= 0


async def test_the_form_asks_for_another_day_currency_and_period(
    site: Site, portfolio: Story, watched: Watched
) -> None:
    await _sign_in(site, watched)
    page = watched.page
    before = await page.locator("[data-kpi=open_balance] .figure").inner_text()

    await page.fill("input[name=on]", "2026-01-15")
    await page.select_option("select[name=days]", "30")
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url("**/?currency=EUR&on=2026-01-15&days=30")

    assert await page.locator("[data-kpi=open_balance] .figure").inner_text() != before
    await expect(page.get_by_text("end of 15 Jan 2026")).to_be_visible()


async def test_a_nonsense_query_is_named_and_the_page_still_shows(
    site: Site, portfolio: Story, watched: Watched
) -> None:
    await _sign_in(site, watched)

    answer = await watched.page.goto(f"{site.url}/?on=31.3.2026&currency=XQX&days=-1")

    assert answer is not None
    assert answer.status == 200
    await expect(watched.page.get_by_role("alert")).to_contain_text("31")
    await expect(watched.page.locator("[data-kpi]")).to_have_count(6)


async def test_the_numbers_behind_a_chart_open_by_keyboard(
    site: Site, portfolio: Story, watched: Watched
) -> None:
    await _sign_in(site, watched)
    page = watched.page

    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    summary = page.locator("[data-panel=ageing] summary")
    await summary.focus()
    await page.keyboard.press("Enter")

    await expect(page.locator("[data-panel=ageing] table")).to_be_visible()
    await expect(page.locator("[data-panel=ageing] tbody tr")).to_have_count(5)


async def test_without_invoices_the_page_says_how_to_begin(site: Site, watched: Watched) -> None:
    await _sign_in(site, watched, tenant="newcomer")

    await expect(watched.page.get_by_role("heading", name="No invoices yet")).to_be_visible()
    await picture(watched.page, "empty-1280-light")
    assert watched.complaints == []


async def test_a_token_for_all_tenants_chooses_and_switches(
    site: Site, portfolio: Story, watched: Watched
) -> None:
    await _sign_in(site, watched, tenant="*")
    page = watched.page
    await expect(page.get_by_role("heading", name="Choose a tenant")).to_be_visible()
    await picture(page, "choose-1280-light")

    await page.get_by_role("link", name="acme").click()

    await expect(page.locator("[data-kpi]")).to_have_count(6)
    await picture(page, "dashboard-staff-1280-light")
    await page.goto(site.url)
    await expect(page.locator("[data-kpi]")).to_have_count(6)


async def test_the_api_docs_render_without_network(site: Site, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{site.url}/docs")

    await expect(page.locator(".opblock-summary").first).to_be_visible()
    await expect(page.get_by_role("button", name="Authorize")).to_be_visible()
    await picture(page, "docs-1280-light")
    assert watched.complaints == []
    assert watched.foreign(site.url) == []

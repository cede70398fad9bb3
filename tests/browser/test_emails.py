"""E-mails in a real browser: on a phone and on a desk, by day and by night, for everybody."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from playwright.async_api import Browser, expect

from notifier.content.render import Renderer
from notifier.content.samples import sample_request
from tests.browser.axe import barriers
from tests.browser.conftest import picture, watch

pytestmark = pytest.mark.browser

SHOWN = {
    "fr": "formal_notice",
    "de": "final_demand",
    "pl": "second_reminder",
    "nl": "first_reminder",
    "en": "letter_before_action",
    "es": "courtesy",
}
PHONE, DESK = 375, 900


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


def page_of(renderer: Renderer, family: str, language: str) -> str:
    """An e-mail with everything on it that an e-mail can show."""
    request = sample_request(
        family, "email", language, invoices=4, extras=True, number="RE-2026-00817-"
    )
    request = replace(
        request,
        portal_url="https://portal.example.org/d/4f9c?lang=x&n=1",
        pay_url="https://pay.example.org/4f9c",
    )
    html = renderer.render(request).html
    assert html is not None
    return html


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize(
    ("language", "scheme"), [*((code, "light") for code in SHOWN), ("fr", "dark"), ("nl", "dark")]
)
async def test_an_email_fits_the_screen_and_bars_nobody(
    browser: Browser, renderer: Renderer, language: str, width: int, scheme: str
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    seen = await watch(context)
    page = seen.page

    await page.set_content(page_of(renderer, SHOWN[language], language))

    await picture(page, f"email-{language}-{SHOWN[language]}-{width}-{scheme}")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.locator("html").get_attribute("lang") == language
    await expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert await barriers(page) == []
    assert seen.complaints == []
    assert seen.requests == []
    await context.close()


async def test_the_rows_of_an_email_are_read_with_their_heads(
    browser: Browser, renderer: Renderer
) -> None:
    context = await browser.new_context()
    page = await context.new_page()

    await page.set_content(page_of(renderer, "formal_notice", "fr"))

    table = page.get_by_role("table").filter(has_text="RE-2026-00817-0001").first
    await expect(table.get_by_role("columnheader")).to_have_text(
        ["Facture", "Échéance", "Principal"]
    )
    await expect(table.get_by_role("rowheader").first).to_contain_text("RE-2026-00817-0001")
    await context.close()


async def test_the_buttons_lead_to_the_portal_and_to_the_payment(
    browser: Browser, renderer: Renderer
) -> None:
    context = await browser.new_context()
    page = await context.new_page()

    await page.set_content(page_of(renderer, "second_reminder", "en"))

    portal = page.get_by_role("link", name="See your account")
    await expect(portal).to_have_attribute("href", "https://portal.example.org/d/4f9c?lang=x&n=1")
    pay = page.get_by_role("link", name="Pay online")
    await expect(pay).to_have_attribute("href", "https://pay.example.org/4f9c")
    await context.close()


def test_without_addresses_there_are_no_buttons(renderer: Renderer) -> None:
    html = renderer.render(sample_request("courtesy", "email", "en")).html

    assert not re.search(r"<a\b", str(html))

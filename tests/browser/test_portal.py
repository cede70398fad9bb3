"""The debtor's page in a real browser: on a telephone and on a desk, in several languages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from dunning_common.events.responses import DebtorPromisedV1, PaymentClaimedV1
from notifier.portal.settings import ACTIONS
from tests.browser.axe import barriers
from tests.browser.conftest import picture, watch
from tests.browser.portal_site import TODAY, PortalSite, portal_site
from tests.conftest import Databases

pytestmark = pytest.mark.browser

LANGUAGES = ["fr", "en", "de", "pl"]
SIZES = [(390, 844), (1280, 900)]


@pytest.fixture(scope="module")
async def portal(
    _databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PortalSite]:
    async with portal_site(_databases, tmp_path_factory.mktemp("portal")) as site:
        yield site


async def _phone(browser: Browser, *, script: bool = True) -> BrowserContext:
    return await browser.new_context(
        viewport={"width": 390, "height": 844}, java_script_enabled=script
    )


async def _is_too_wide(page: Page) -> bool:
    wide: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wide > 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_every_page_fits_has_no_grave_barrier_and_loads_nothing_from_elsewhere(
    portal: PortalSite, browser: Browser, language: str, width: int, height: int
) -> None:
    context = await browser.new_context(viewport={"width": width, "height": height})
    watched = await watch(context)
    page = watched.page
    found: list[str] = []

    for part in ("", *ACTIONS):
        await page.goto(portal.page(f"debtor-{language}", part))
        assert await page.locator("html").get_attribute("lang") == language
        found += [f"{part}: {barrier}" for barrier in await barriers(page)]
        if await _is_too_wide(page):
            found.append(f"{part}: wider than the screen")
        await picture(page, f"portal-{language}-{width}-{part or 'overview'}")
    cookies = await context.cookies()
    await context.close()

    assert found == []
    assert watched.complaints == []
    assert watched.foreign(portal.url) == []
    assert cookies == []


async def test_the_dark_page_has_no_grave_barrier_either(
    portal: PortalSite, browser: Browser
) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = await context.new_page()
    await page.goto(portal.page("debtor-en"))
    found = await barriers(page)
    await picture(page, "portal-en-390-dark")
    await page.goto(portal.page("debtor-en", "dispute"))
    found += await barriers(page)
    await context.close()

    assert found == []


async def test_the_overview_says_who_asks_for_how_much_and_the_code_can_be_scanned(
    portal: PortalSite, browser: Browser
) -> None:
    context = await _phone(browser)
    page = await context.new_page()
    await page.goto(portal.page("debtor-en"))

    await expect(page.locator(".company")).to_have_text("Atelier Dubois & Fils")
    await expect(page.locator(".sum")).to_have_text("€1,477.62")
    await expect(page.get_by_text("This is a second reminder.").first).to_be_visible()
    pay = page.get_by_role("link", name="Pay €1,477.62 online")
    assert await pay.get_attribute("href") == (
        "https://pay.example.com/atelier?ref=F-2026-0117%2C%20F-2026-0142&amount=1477.62EUR"
    )
    box = await page.locator(".paper svg").bounding_box()
    drawn = await page.locator(".paper svg path").first.bounding_box()
    await context.close()

    assert box is not None
    assert drawn is not None
    assert box["width"] > 150
    assert drawn["width"] == pytest.approx(
        box["width"], rel=0.12
    )  # its strokes reach a little beyond


async def test_a_payment_is_reported_without_script_and_once_though_sent_twice(
    portal: PortalSite, browser: Browser
) -> None:
    context = await _phone(browser, script=False)
    page = await context.new_page()
    await page.goto(portal.page("debtor-fr"))
    await page.get_by_role("link", name="J’ai déjà payé").click()
    await page.get_by_label("Montant payé").fill("500,00")
    await page.get_by_label("Date du paiement").fill("2026-03-14")
    await page.get_by_label("Référence du virement").fill("VIR 77")
    form = {
        name: await page.locator(f"[name={name}]").input_value()
        for name in ("form_id", "amount", "paid_on", "reference")
    }

    await page.get_by_role("button", name="Signaler le paiement").click()
    await expect(page.get_by_role("heading", name="Merci")).to_be_visible()
    await expect(page.get_by_text("Vous avez signalé un paiement de 500,00")).to_be_visible()
    async with httpx.AsyncClient() as client:  # the second click of a double one
        again = await client.post(portal.page("debtor-fr", "paid"), data=form)
    await picture(page, "portal-fr-390-done")
    await context.close()

    assert again.status_code == 303
    told = [e for e in await portal.told() if isinstance(e, PaymentClaimedV1)]
    assert [(e.debtor_id, e.amount_minor, e.paid_on.isoformat()) for e in told] == [
        ("debtor-fr", 50_000, "2026-03-14")
    ]


async def test_a_promise_can_be_made_with_the_keyboard_alone(
    portal: PortalSite, browser: Browser
) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await page.goto(portal.page("debtor-de"))

    await page.keyboard.press("Tab")
    assert await _focused(page) == "Zum Inhalt springen"
    assert await page.locator(".skip").evaluate("e => e.getBoundingClientRect().top >= 0")
    await _tab_to(page, "Ich zahle an einem bestimmten Tag")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/promise")
    await _tab_to(page, "whole")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await page.keyboard.type("250,00")
    await page.keyboard.press("Tab")
    await page.keyboard.type(TODAY.strftime("%m%d%Y"))
    await _tab_to(page, "Zusage senden")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="Vielen Dank")).to_be_visible()
    await context.close()
    (told,) = [e for e in await portal.told() if isinstance(e, DebtorPromisedV1)]
    assert (told.amount_minor, told.on) == (25_000, TODAY)


async def _focused(page: Page) -> str:
    text: str = await page.evaluate(
        "(e => e.value || e.innerText.split('\\n')[0].trim())(document.activeElement)"
    )
    return text


async def _tab_to(page: Page, wanted: str) -> None:
    for _ in range(40):
        if await _focused(page) == wanted:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{wanted!r} cannot be reached; the focus is on {await _focused(page)!r}")


async def test_what_is_wrong_is_said_beside_the_field_and_leads_to_it(
    portal: PortalSite, browser: Browser
) -> None:
    context = await _phone(browser)
    page = await context.new_page()
    await page.goto(portal.page("debtor-es", "plan"))
    await page.locator("[name=first]").fill("mucho")
    await page.locator("[name=text]").fill("Cobro el día 5")

    await page.get_by_role("button").click()
    await expect(page.get_by_role("alert")).to_contain_text("Revise estos datos")
    found = await barriers(page)
    await picture(page, "portal-es-390-wrong")
    await page.get_by_role("alert").get_by_role("link", name="Primer pago", exact=True).click()
    focused = await page.evaluate("document.activeElement.id")
    told = await page.locator("#first").get_attribute("aria-describedby")
    kept = await page.locator("[name=text]").input_value()
    await context.close()

    assert found == []
    assert focused == "first"
    assert told == "first-error"
    assert kept == "Cobro el día 5"


async def test_another_language_is_one_click_away_and_stays(
    portal: PortalSite, browser: Browser
) -> None:
    context = await _phone(browser)
    page = await context.new_page()
    await page.goto(portal.page("debtor-pl"))

    await page.get_by_role("link", name="English").click()
    await page.get_by_role("link", name="Write to us").click()
    await expect(page.get_by_label("Your message")).to_be_visible()
    await page.get_by_label("Your message").fill("Hello")
    await page.get_by_role("button", name="Send the message").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await page.get_by_role("link", name="Back to the overview").click()
    await expect(page.get_by_text("You wrote to us.")).to_be_visible()
    await context.close()


async def test_opening_every_page_twice_changes_nothing(portal: PortalSite) -> None:
    before = await portal.everything()

    async with httpx.AsyncClient() as client:
        for part in ("", *ACTIONS, "document?invoice=it-1") * 2:
            answer = await client.get(portal.page("debtor-es", part))
            assert answer.status_code in (200, 303)

    assert await portal.everything() == before


async def test_a_thousand_invoices_are_shown_a_page_at_a_time_and_payment_stays_in_reach(
    portal: PortalSite, browser: Browser
) -> None:
    address = await portal.link_to_many(1_000)
    context = await _phone(browser, script=False)
    page = await context.new_page()
    first = await page.goto(address)
    assert first is not None
    first_bytes = len(await first.body())

    await page.get_by_role("link", name="Next →").click()
    await expect(page.get_by_text("Invoices 21 to 40 of 1000")).to_be_visible()
    await expect(page.locator(".invoices li")).to_have_count(20)
    await picture(page, "portal-en-390-many")
    await page.get_by_role("link", name="← Previous").click()
    await expect(page.get_by_text("Invoices 1 to 20 of 1000")).to_be_visible()
    await page.get_by_role("link", name="How to pay ↓").click()
    await expect(page.get_by_role("heading", name="How to pay")).to_be_in_viewport()

    await page.goto(f"{address}/dispute")
    await page.get_by_label("Which invoice?").fill("n-0999")
    await page.get_by_label("What is the matter?").select_option("price")
    await page.get_by_label("What happened?").fill("Twice the agreed price.")
    await page.get_by_role("button", name="Send the objection").click()
    await expect(page.get_by_text("You objected to invoice N-0999.")).to_be_visible()
    await context.close()

    assert first_bytes < 32_000

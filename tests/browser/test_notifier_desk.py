"""The operators' pages of the notifier in a real browser: on a telephone and on a desk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, FrameLocator, Page, expect

from tests.browser.axe import barriers
from tests.browser.conftest import Watched, picture, watch
from tests.browser.desk_site import DeskSite, desk_site
from tests.conftest import Databases

pytestmark = pytest.mark.browser

SIZES = [(390, 844), (1280, 900)]
EDITOR = "/desk/texts/first_reminder/en"


@pytest.fixture(scope="module")
async def desk(
    _databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DeskSite]:
    async with desk_site(_databases, tmp_path_factory.mktemp("desk")) as site:
        yield site


def _paths(desk: DeskSite) -> dict[str, str]:
    """Every kind of page, by the name of its picture."""
    return {
        "home": "/desk",
        "messages": "/desk/messages?state=",
        "unknown": f"/desk/messages/{desk.messages['unknown']}",
        "failed": f"/desk/messages/{desk.messages['failed']}",
        "letter": f"/desk/messages/{desk.messages['registered']}",
        "answers": "/desk/answers?state=",
        "answer": f"/desk/answers/{desk.proposal}",
        "texts": "/desk/texts",
        "editor": EDITOR,
        "diff": f"{EDITOR}/diff?before=0&after=0",
        "calls": "/desk/calls",
        "call": f"/desk/calls/{desk.messages['call']}",
        "suppressions": "/desk/suppressions",
        "suppression": "/desk/suppressions/email/0123456789abcdef",
        "post": "/desk/post",
        "issues": "/desk/issues",
        "missing": "/desk/messages/nothing",
    }


async def _sign_in(page: Page, desk: DeskSite, path: str = "/desk", *scopes: str) -> None:
    await page.goto(desk.sign_in(path, *scopes))
    await page.wait_for_url(f"{desk.url}{path}")


async def _preview(page: Page) -> FrameLocator:
    return page.frame_locator("#frame iframe:not(.coming)")


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_fits_has_no_grave_barrier_and_loads_nothing_from_elsewhere(
    desk: DeskSite, browser: Browser, width: int, height: int, scheme: str
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    watched = await watch(context)
    page = watched.page
    found: list[str] = []
    await _sign_in(page, desk)

    for name, path in _paths(desk).items():
        await page.goto(desk.url + path, wait_until="load")
        found += [f"{name}: {barrier}" for barrier in await barriers(page)]
        wide: int = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if wide > 0:
            found.append(f"{name}: wider than the screen by {wide}")
        await picture(page, f"desk-{name}-{width}-{scheme}")
    await context.close()

    assert found == []
    # A page of the status 404 is told of in the console, as it should be.
    assert [words for words in watched.complaints if "404" not in words] == []
    assert watched.foreign(desk.url) == []


async def test_a_person_for_all_tenants_chooses_one_and_the_bar_stays_one_line(
    desk: DeskSite, watched: Watched
) -> None:
    page = watched.page
    await page.goto(desk.sign_in("/desk", tenant="*"))
    await expect(page.get_by_role("heading", name="Choose a tenant")).to_be_visible()

    await page.get_by_label("Tenant").fill("atelier")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Messages desk")).to_be_visible()
    await picture(page, "desk-all-tenants-1280")
    bar = await page.locator(".top-inner").bounding_box()
    await page.get_by_role("link", name="Texts", exact=True).click()
    await expect(page.get_by_role("heading", name="Texts", exact=True)).to_be_visible()

    assert bar is not None
    assert bar["height"] < 70
    assert watched.complaints == []


async def test_an_unknown_message_is_resolved_with_the_keyboard_alone(
    desk: DeskSite, watched: Watched
) -> None:
    page = watched.page
    await _sign_in(page, desk)

    await page.get_by_role("link", name="Unknown messages").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="email, first reminder").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="What became of it?")).to_be_visible()
    await page.get_by_label("sent: the provider or the addressee has it").focus()
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.type("seen in the mailbox of the addressee")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("status").first).to_contain_text("Written down.")
    await expect(page.get_by_text("person:marie")).to_be_visible()
    assert watched.complaints == []


async def test_the_preview_follows_what_is_typed_and_stays_in_its_frame(
    desk: DeskSite, watched: Watched
) -> None:
    page = watched.page
    await _sign_in(page, desk, EDITOR)
    frame = await _preview(page)
    await expect(frame.locator("header")).to_contain_text("Reminder: 2 invoices")
    source = page.get_by_role("textbox", name="Text", exact=True)
    text = await source.input_value()
    length = await page.evaluate("history.length")

    await source.fill(text.replace("We expect this is a simple oversight.", "<script>1</script>!"))
    await expect(frame.frame_locator("iframe").locator("body")).to_contain_text(
        "<script>1</script>!"
    )
    await page.locator("#frame").scroll_into_view_if_needed()
    if folder := os.environ.get("DUNNING_SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/desk-editor-typed-1280.png")
    await page.get_by_label("Channel").select_option("sms")
    await expect(frame.locator(".sms")).to_contain_text("Harrow Paper")
    await page.get_by_label("Channel").select_option("letter")
    await expect(frame.get_by_alt_text("Page 1 of the letter")).to_be_visible()
    await picture(page, "desk-editor-letter-1280")
    await source.fill("subject: {{ nothing }}")
    await expect(frame.locator(".wrong")).to_be_visible()

    assert await page.locator("#frame iframe").last.get_attribute("sandbox") == ""
    assert await page.evaluate("history.length") == length
    assert watched.complaints == []
    assert watched.foreign(desk.url) == []


async def test_a_text_is_stored_compared_and_taken_back(desk: DeskSite, watched: Watched) -> None:
    page = watched.page
    await _sign_in(page, desk, EDITOR)
    source = page.get_by_role("textbox", name="Text", exact=True)
    text = await source.input_value()

    await source.fill(text.replace("simple oversight", "tiny oversight"))
    await page.get_by_label("What changed, and why").fill("softer")
    await page.get_by_role("button", name="Store as a new version").click()
    await expect(page.get_by_role("status").first).to_contain_text("in use from the next message")
    await page.get_by_role("link", name="with what is in use built-in text").click()
    await expect(page.locator("tr.removed").first).to_contain_text("tiny oversight")
    await picture(page, "desk-diff-real-1280")
    await page.go_back()
    await page.get_by_role("button", name="Put to use built-in text").click()
    await expect(page.get_by_role("status").first).to_contain_text("It is in use")
    await source.fill(text.replace("sender.name", "sender.nome"))
    await page.get_by_role("button", name="Store as a new version").click()
    await expect(page.locator("#source-wrong")).to_contain_text("sender.nome does not exist")
    frame = await _preview(page)
    await expect(frame.locator(".wrong, header")).to_be_visible()
    await picture(page, "desk-editor-refused-1280")

    assert [words for words in watched.complaints if "422" not in words] == []


async def test_without_script_the_button_shows_the_preview(
    desk: DeskSite, browser: Browser
) -> None:
    context = await browser.new_context(java_script_enabled=False)
    signed = await browser.new_context()
    page = await signed.new_page()
    await _sign_in(page, desk)
    await context.add_cookies(await signed.cookies())  # type: ignore[arg-type]
    plain = await context.new_page()
    await plain.goto(desk.url + EDITOR)

    await plain.get_by_label("Channel").select_option("sms")
    await plain.get_by_role("button", name="Show the preview").click()

    await expect(plain.frame_locator("#frame iframe").locator(".sms")).to_contain_text("Harrow")
    await signed.close()
    await context.close()


async def test_a_proposal_is_accepted_and_a_promise_taken_on_a_telephone(
    desk: DeskSite, browser: Browser
) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await _sign_in(page, desk, f"/desk/answers/{desk.proposal}")

    await expect(page.get_by_text("buchhaltung@example.com")).to_be_visible()
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("status")).to_contain_text("The ledger is told")
    await page.goto(f"{desk.url}/desk/calls/{desk.messages['call']}")
    await expect(page.get_by_role("link", name="+33639981234")).to_be_visible()
    await page.get_by_label("Promised: the debtor will pay").check()
    await page.get_by_role("button", name="Write it down").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await picture(page, "desk-call-refused-390")
    await page.get_by_label("Amount").fill("100.00")
    await page.get_by_label("At the latest on").fill("2026-04-01")
    await page.get_by_role("button", name="Write it down").click()

    await expect(page.get_by_role("status")).to_contain_text("Written down.")
    await page.goto(desk.url + EDITOR)
    await page.locator("#frame").scroll_into_view_if_needed()
    frame = await _preview(page)
    await expect(frame.frame_locator("iframe").get_by_text("Payment reminder")).to_be_visible()
    await picture(page, "desk-editor-scrolled-390")
    await context.close()

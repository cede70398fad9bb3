"""Signing in and out in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from dunning_common.auth import COOKIE
from tests.browser.conftest import Site, Watched, picture

pytestmark = pytest.mark.browser


async def test_a_pasted_token_signs_in_and_comes_back_to_the_page_asked_for(
    site: Site, watched: Watched
) -> None:
    page = watched.page
    await page.goto(f"{site.url}/?days=30")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await picture(page, "login-1280-light")

    await page.keyboard.type(site.token())
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site.url}/?days=30")

    [cookie] = [c for c in await page.context.cookies() if c["name"] == COOKIE]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert watched.complaints == []


async def test_a_link_with_the_token_in_its_fragment_signs_in_and_leaves_no_trace(
    site: Site, watched: Watched
) -> None:
    page, token = watched.page, site.token()

    await page.goto(f"{site.url}/login#token={token}")
    await page.wait_for_url(f"{site.url}/")

    assert not any(token in url for url in watched.requests)
    assert token not in page.url
    assert await page.evaluate("document.cookie") == ""


async def test_a_wrong_token_is_refused_with_words(site: Site, watched: Watched) -> None:
    page = watched.page

    await page.goto(f"{site.url}/login#token=nonsense")

    await expect(page.get_by_role("alert")).to_contain_text("not valid here")
    await picture(page, "login-refused-1280-light")


async def test_signing_out_ends_it(site: Site, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{site.url}/login#token={site.token()}")
    await page.wait_for_url(f"{site.url}/")

    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{site.url}/login")
    await page.goto(site.url)

    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert COOKIE not in [cookie["name"] for cookie in await page.context.cookies()]

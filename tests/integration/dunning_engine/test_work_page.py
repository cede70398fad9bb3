"""The page of the work list: it shows what the API shows, and its buttons do what the API does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from dunning_common.auth import COOKIE, SCOPES
from dunning_common.values import replace
from dunning_common.web import Links, Pages
from dunning_engine.entrypoints.desk_pages import desk_routes
from dunning_engine.testing import Bench, Ledger, Running, always_open
from tests.integration.dunning_engine.conftest import Headers, app_of

START, DUE, LATER = date(2026, 3, 1), date(2026, 4, 1), date(2026, 4, 5)
BASE = {name: f"http://{name}.test" for name in ("invoice-ingest", "dunning-engine", "notifier",
                                                 "kpi")}  # fmt: skip


@pytest.fixture
async def browser(
    bench: Bench, token_keys: Path, headers: Headers
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is signed in as somebody who may do everything for `acme`."""
    app = app_of(bench, token_keys)
    pages = Pages("dunning_engine.desk", service="dunning-engine", links=Links(base=BASE))
    pages.install(app)
    app.include_router(desk_routes(pages, bench.rooms, bench.law))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://engine.test"
    ) as client:
        sign_in(client, headers())
        yield client


def sign_in(client: httpx.AsyncClient, header: dict[str, str]) -> None:
    client.cookies.set(COOKIE, header["authorization"].removeprefix("Bearer "))


async def waiting(bench: Bench) -> None:
    """Two invoices whose first level waits, with interest on top; one debtor has an odd name."""
    ledger, policy = Ledger(), replace(always_open("ours"), country="FR")
    careful = replace(
        policy,
        levels=tuple(
            replace(level, needs_approval=True, charges=frozenset({"compensation"}))
            for level in policy.levels
        ),
    )
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", careful, source="", stored_by="me")
        await stores.policies.set_default("acme", "ours")
    await bench.feed(
        ledger.registered(sandbox_from=START), ledger.debtor(), ledger.debtor("<script>")
    )
    await bench.feed(
        ledger.invoice("i1", issued_on=START, due_on=DUE, amount_minor=900_00),
        ledger.invoice("i/2", debtor_id="<script>", issued_on=START, due_on=DUE),
    )
    async with Running(bench):
        await bench.advance("acme", LATER)


async def first_item(browser: httpx.AsyncClient) -> str:
    found: str = (await browser.get("/v1/work")).json()["items"][0]["item_id"]
    return found


async def test_the_page_shows_what_waits_and_what_a_yes_would_send(
    bench: Bench, browser: httpx.AsyncClient
) -> None:
    await waiting(bench)

    page = await browser.get("/work")

    assert page.status_code == 200
    assert "A yes sends by email: 900.00 EUR with compensation 40.00." in page.text
    assert page.text.index("i1") < page.text.index("i/2")
    assert "2026-04-01" in page.text
    assert "<script>" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_a_button_approves_and_leads_back_to_the_same_list(
    bench: Bench, browser: httpx.AsyncClient
) -> None:
    await waiting(bench)
    item_id = await first_item(browser)

    done = await browser.post(
        f"/work/{item_id}/approve", data={"back": "kind=approval&evil=1"},
        headers={"sec-fetch-site": "same-origin"},
    )  # fmt: skip

    assert done.status_code == 303
    assert done.headers["location"] == "/work?kind=approval&said=approve"
    page = await browser.get(done.headers["location"])
    assert "goes out as soon as it may" in page.text
    assert "900.00" not in page.text
    rows = await bench.rows("SELECT approval_by FROM dunning_case WHERE approved")
    assert [row["approval_by"] for row in rows] == ["tester"]
    audit = (await browser.get("/v1/audit?action=dunning_case.update")).json()["items"]
    assert [entry["subject"] for entry in audit] == ["tester"]


async def test_an_old_page_approves_nothing_and_says_so(
    bench: Bench, browser: httpx.AsyncClient
) -> None:
    await waiting(bench)
    item_id = await first_item(browser)
    await browser.post(f"/work/{item_id}/reject")
    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 15))

    done = await browser.post(f"/work/{item_id}/approve")

    assert done.headers["location"] == "/work?said=stale"
    assert "nothing was done" in (await browser.get(done.headers["location"])).text


async def test_items_are_assigned_and_taken_off_by_form(
    bench: Bench, browser: httpx.AsyncClient
) -> None:
    await waiting(bench)
    item_id = await first_item(browser)

    given = await browser.post(f"/work/{item_id}/assign", data={"assignee": " anna\n"})
    mine = await browser.get("/work?assignee=anna")
    done = await browser.post(f"/work/{item_id}/done")
    again = await browser.post(f"/work/{item_id}/done")
    empty = await browser.get("/work?assignee=anna")

    assert given.headers["location"] == "/work?said=assign"
    assert mine.text.count("<tbody>") == 1
    assert 'value="anna"' in mine.text
    assert done.headers["location"] == "/work?said=done"
    assert again.headers["location"] == "/work?said=gone"
    assert "Nothing has to be done of what you asked for." in empty.text


@pytest.mark.parametrize(
    "headers_", [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil.test"}]
)
@pytest.mark.parametrize("verb", ["approve", "reject", "assign", "done"])
async def test_a_form_from_another_site_does_nothing(
    bench: Bench, browser: httpx.AsyncClient, headers_: dict[str, str], verb: str
) -> None:
    await waiting(bench)
    item_id = await first_item(browser)

    refused = await browser.post(f"/work/{item_id}/{verb}", headers=headers_)

    assert refused.status_code == 403
    assert len((await browser.get("/v1/work")).json()["items"]) == 2


async def test_nobody_sees_a_button_that_is_not_for_them(
    bench: Bench, browser: httpx.AsyncClient, headers: Headers
) -> None:
    await waiting(bench)
    item_id = await first_item(browser)
    sign_in(browser, headers(scopes=SCOPES - {"dunning:approve", "dunning:write"}))

    page = await browser.get("/work")
    refused = await browser.post(f"/work/{item_id}/approve")

    assert "900.00" in page.text
    assert ">Approve<" not in page.text
    assert ">Assign<" not in page.text
    assert refused.status_code == 403


async def test_whoever_is_not_signed_in_is_sent_to_sign_in(browser: httpx.AsyncClient) -> None:
    browser.cookies.clear()

    page = await browser.get("/work?kind=approval")

    assert page.status_code == 303
    assert page.headers["location"] == "/login?next=%2Fwork%3Fkind%3Dapproval"


async def test_a_token_for_all_tenants_is_asked_for_one(
    browser: httpx.AsyncClient, headers: Headers
) -> None:
    sign_in(browser, headers(tenant="*"))

    page = await browser.get("/work")

    assert "choose one above" in page.text


@pytest.mark.parametrize("query", ["kind=nothing", "cursor=x", "said=x", "assignee=%00", "x=1"])
async def test_a_query_that_makes_no_sense_still_shows_the_page(
    browser: httpx.AsyncClient, query: str
) -> None:
    assert (await browser.get(f"/work?{query}")).status_code == 200


async def test_what_is_undeliverable_is_tried_again_with_a_button(
    bench: Bench, browser: httpx.AsyncClient
) -> None:
    ledger = Ledger()
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", always_open("ours"), source="", stored_by="me")
        await stores.policies.set_default("acme", "ours")
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(ledger.invoice("i1", issued_on=START, due_on=DUE))
    bench.postman.choose = lambda *_: "suppressed"
    async with Running(bench):
        await bench.advance("acme", LATER)
    item_id = await first_item(browser)

    page = await browser.get("/work")
    said = await browser.post(
        f"/work/{item_id}/retry", headers={"origin": "http://engine.test"}, follow_redirects=True
    )

    assert "Try again" in page.text
    assert "It is tried again as soon as it may" in said.text
    assert "Nothing has to be done" in said.text

"""The JSON API and the pages' HTTP behaviour, without a browser."""

from __future__ import annotations

from datetime import date

import pytest

from kpi.domain.facts import Outcome
from kpi.domain.indicators import INDICATORS
from kpi.testing import Story, set_k
from tests.integration.kpi.conftest import Running

PROBLEM = "application/problem+json"


@pytest.fixture
async def told(running: Running) -> Running:
    """Set K, a reminder, and some pounds."""
    story = set_k(Story().register())
    story.remind(
        ["mar-open"], at=date(2026, 3, 25), channels=["email", "sms"],
        outcomes=[Outcome.SENT, Outcome.DELIVERED],
    )  # fmt: skip
    story.issue("gbp", 700, on=date(2026, 3, 1), due_on=date(2026, 3, 30), currency="GBP")
    await running.books.apply(story.events)
    return running


async def test_figures_come_with_value_unit_definition_and_formula(told: Running) -> None:
    answer = await told.client.get("/v1/kpi?on=2026-03-31&currency=EUR", headers=told.bearer())

    body = answer.json()
    assert answer.status_code == 200
    assert body["period"] == {"days": 90, "from": "2026-01-01", "to": "2026-03-31"}
    assert set(body["kpis"]) == {each.slug for each in INDICATORS}
    assert all(figure["definition"] and figure["formula"] for figure in body["kpis"].values())
    assert body["kpis"]["dso"]["value"] == "54.00"
    assert body["kpis"]["open_balance"]["value"] == "180000.00"
    assert [row["share_percent"] for row in body["kpis"]["ageing"]["rows"]] == [
        "72.22", "13.89", "8.33", "3.89", "1.67",
    ]  # fmt: skip
    assert [(row["channel"], row["delivered"]) for row in body["kpis"]["notices"]["rows"]] == [
        ("email", 1), ("sms", 1),
    ]  # fmt: skip


async def test_a_sandbox_tenants_today_is_the_latest_day_that_any_fact_named(told: Running) -> None:
    body = (await told.client.get("/v1/kpi", headers=told.bearer())).json()

    assert (body["on"], body["today"], body["currency"]) == ("2026-03-25", "2026-03-25", "EUR")


async def test_everybody_elses_today_is_the_clocks_in_the_tenants_zone(running: Running) -> None:
    await running.books.apply(Story().register(sandbox=False, zone="Europe/Paris").events)

    body = (await running.client.get("/v1/kpi", headers=running.bearer())).json()

    assert body["today"] == "2026-04-01"


async def test_dso_without_sales_says_that_it_is_not_defined(told: Running) -> None:
    answer = await told.client.get("/v1/kpi?on=2020-01-01&currency=EUR", headers=told.bearer())

    dso = answer.json()["kpis"]["dso"]
    assert dso["value"] is None
    assert "no credit sales" in dso["why_not_defined"]


async def test_series_has_days_and_months(told: Running) -> None:
    answer = await told.client.get(
        "/v1/kpi/series?from=2026-01-01&to=2026-03-31&currency=EUR", headers=told.bearer()
    )

    body = answer.json()
    assert len(body["days"]) == 90
    assert body["days"][-1]["open"] == "180000.00"
    assert body["days"][-1]["overdue"] == "50000.00"
    assert [month["collected"] for month in body["months"]] == [
        "147000.00", "93000.00", "30000.00",
    ]  # fmt: skip


async def test_currencies_are_listed_with_what_is_open(told: Running) -> None:
    body = (await told.client.get("/v1/kpi/currencies", headers=told.bearer())).json()

    assert body["main"] == "EUR"
    assert [(each["currency"], each["open"]) for each in body["currencies"]] == [
        ("EUR", "180000.00"), ("GBP", "7.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "kpi?on=31.03.2026",
        "kpi?on=2026-02-30",
        "kpi?on=9999-12-31",
        "kpi?on=0001-01-01",
        "kpi?currency=XQX",
        "kpi?currency=",
        "kpi?currency=%00",
        "kpi?days=0",
        "kpi?days=-3",
        "kpi?days=99999999999999999999",
        "kpi?days=x",
        "kpi/series?from=2026-03-02&to=2026-03-01",
        "kpi/series?from=1901-01-01&to=2026-03-01",
        "kpi/series?to=NaN",
    ],
)
async def test_bad_input_is_a_problem_that_points_at_the_field(told: Running, query: str) -> None:
    answer = await told.client.get(f"/v1/{query}", headers=told.bearer())

    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["errors"][0]["pointer"].startswith("/")


async def test_no_token_a_wrong_scope_and_another_tenant_are_refused(told: Running) -> None:
    get = told.client.get

    assert (await get("/v1/kpi")).status_code == 401
    assert (await get("/v1/kpi", headers={"Authorization": "Bearer é".encode()})).status_code == 401
    assert (await get("/v1/kpi", headers=told.bearer("acme", "ledger:read"))).status_code == 403
    foreign = told.bearer("acme") | {"X-Tenant": "other"}
    assert (await get("/v1/kpi", headers=foreign)).status_code == 403
    assert (await get("/v1/kpi?tenant=other", headers=told.bearer("acme"))).status_code == 403
    assert (await get("/v1/kpi", headers=told.bearer("*"))).status_code == 400
    assert (await get("/v1/kpi?tenant=acme", headers=told.bearer("*"))).status_code == 200


async def test_an_unknown_tenant_has_no_figures_and_no_error(told: Running) -> None:
    body = (await told.client.get("/v1/kpi", headers=told.bearer("nobody"))).json()

    assert body["kpis"]["open_balance"]["value"] == "0.00"


async def test_an_operator_can_rebuild_and_hears_whether_the_sums_were_right(told: Running) -> None:
    post, internal = told.client.post, told.bearer("*", "internal")

    good = await post("/internal/rebuild", json={"tenant": "acme"}, headers=internal)
    refused = await post("/internal/rebuild", json={"tenant": "acme"}, headers=told.bearer())

    assert good.json() == {"tenant": "acme", "identical": True}
    assert refused.status_code == 403


async def test_pages_carry_their_security_headers_and_nothing_inline(told: Running) -> None:
    answer = await told.client.get("/", headers=told.bearer())

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert "<script>" not in answer.text


async def test_a_person_without_a_token_is_sent_to_sign_in_and_back(told: Running) -> None:
    answer = await told.client.get("/?days=30")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2F%3Fdays%3D30"


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "x", "/\nx"]
)
async def test_signing_in_never_leads_to_another_site(told: Running, target: str) -> None:
    token = told.bearer()["Authorization"].removeprefix("Bearer ")

    answer = await told.client.post("/login", data={"token": token, "next": target})

    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


async def test_a_form_posted_from_another_site_is_refused(told: Running) -> None:
    token = told.bearer()["Authorization"].removeprefix("Bearer ")

    by_origin = await told.client.post(
        "/login", data={"token": token}, headers={"Origin": "https://evil.example"}
    )
    by_site = await told.client.post("/logout", headers={"Sec-Fetch-Site": "cross-site"})

    assert (by_origin.status_code, by_site.status_code) == (403, 403)
    assert "set-cookie" not in by_origin.headers


async def test_names_from_outside_are_escaped(running: Running) -> None:
    story = Story().register(name="<script>alert(1)</script>")
    story.issue("I", 100, on=date(2026, 3, 1), due_on=date(2026, 3, 2))
    story.remind(["I"], at=date(2026, 3, 9), level='"><img src=x onerror=alert(1)>')
    await running.books.apply(story.events)

    page = (await running.client.get("/", headers=running.bearer())).text

    assert "<script>alert" not in page
    assert "<img" not in page


async def test_links_to_peers_use_their_public_addresses(told: Running) -> None:
    page = (await told.client.get("/", headers=told.bearer())).text

    assert 'href="https://messages.example.com/docs"' in page
    assert 'href="http://ingest.test/docs"' in page


async def test_the_docs_page_names_no_other_host(told: Running) -> None:
    page = await told.client.get("/docs")
    styles = await told.client.get("/docs-assets/swagger-ui.css")

    assert page.status_code == 200
    assert "http" not in page.text
    assert styles.status_code == 200

"""The kpi service on a real port with a told portfolio, and Debian's chromium in front of it.

`DUNNING_SCREENSHOTS` names a folder that gets pictures of what the tests saw.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from pydantic import SecretStr

from dunning_common.auth import make_key_pair, mint
from dunning_common.db import Database
from dunning_common.service import serve
from dunning_common.testing.bus import MemoryBus
from kpi.adapters.sql_facts import SqlFactStore
from kpi.bootstrap import build
from kpi.domain.facts import Outcome
from kpi.handlers.fold import Fold
from kpi.schema import SCHEMA
from kpi.settings import Settings
from kpi.testing import Story
from tests.conftest import Databases

CHROMIUM = "/usr/bin/chromium"
TODAY = date(2026, 6, 30)
_QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-default-apps", "--disable-extensions",
    "--no-first-run", "--disable-domain-reliability", "--no-pings", "--disable-breakpad",
]  # fmt: skip


@dataclass
class Site:
    """A running service: its address, and tokens for it."""

    url: str
    keys: Path
    settings: Settings

    def token(self, tenant: str = "acme", *scopes: str) -> str:
        return mint(
            self.keys,
            subject="tester",
            tenant=tenant,
            scopes=frozenset(scopes or ("kpi:read",)),
            now=datetime.now(UTC),
            lifetime=timedelta(hours=1),
        )


@dataclass
class Watched:
    """A page, with all that a person would not see: console, errors, and requests to elsewhere."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def foreign(self, site: str) -> list[str]:
        return [url for url in self.requests if not url.startswith((site, "data:", "blob:"))]


@pytest.fixture(scope="session")
async def site(
    _databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """One service for all tests: they only read."""
    database, folder = await _databases.clone(SCHEMA), tmp_path_factory.mktemp("site")
    keys, jwks = folder / "key.pem", folder / "jwks.json"
    make_key_pair(keys, jwks)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        api_database_url=SecretStr(_databases.role_url(SCHEMA.api_role, database)),
        worker_database_url=SecretStr(_databases.role_url(SCHEMA.worker_role, database)),
        http_port=port,
        public_url=url,
        token_keys_file=jwks,
        service_token=SecretStr("none"),
        ingest_url="http://127.0.0.1:1",
        engine_url="http://127.0.0.1:1",
        notifier_url="http://127.0.0.1:1",
        kpi_url=url,
    )
    service = replace(await build(settings, bus=MemoryBus()), loops={})
    stop = asyncio.Event()
    running = asyncio.create_task(serve([service], stop=stop))
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(200):
            try:
                await client.get("/health/live")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
    yield Site(url, keys, settings)
    stop.set()
    await running


@pytest.fixture(scope="session")
async def portfolio(site: Site) -> Story:
    """A year of trade of the tenant `acme`, folded."""
    story = told_portfolio()
    db = Database(
        api_url=site.settings.api_database_url.get_secret_value(),
        worker_url=site.settings.worker_database_url.get_secret_value(),
        schema=SCHEMA.schema,
    )
    async with db.worker() as connection:
        await Fold(SqlFactStore).apply(connection, story.events)
    await db.close()
    return story


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"{CHROMIUM} is missing")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield chromium
        await chromium.close()


@pytest.fixture
async def watched(browser: Browser) -> AsyncIterator[Watched]:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    yield await watch(context)
    await context.close()


async def watch(context: BrowserContext) -> Watched:
    """Open a page and note everything that goes wrong on it."""
    page = await context.new_page()
    seen = Watched(page)
    page.on(
        "console",
        lambda message: (
            seen.complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url))
    return seen


async def picture(page: Page, name: str) -> None:
    """Keep a picture for people, if they asked for it."""
    if folder := os.environ.get("DUNNING_SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def told_portfolio() -> Story:
    """360 invoices of 40 debtors, some of whom pay late, some in part, some never."""
    dice = random.Random(20260630)
    story = Story("acme").register(name="Maison Lefèvre & Fils", starts_on=date(2025, 6, 1))
    plan: list[tuple[date, int, str]] = []
    for number in range(360):
        name, debtor = f"F-{number:04}", f"C-{number % 40:02}"
        issued = date(2025, 6, 20) + timedelta(days=number + dice.randrange(12))
        due = issued + timedelta(days=30)
        amount = dice.randrange(20_000, 1_900_000)
        late = _habit(number % 40, dice)
        plan.append((issued, 0, f"issue {name} {debtor} {amount} {due}"))
        steps = ((7, "first_reminder", 2), (21, "second_reminder", 3), (36, "formal_notice", 4))
        for after, level, level_no in (*((-5, "courtesy", 1),), *steps):
            if late is None or after < late:
                plan.append((due + timedelta(days=after), 2, f"remind {name} {level} {level_no}"))
        if late is not None:
            plan.append((due + timedelta(days=late), 1, f"pay {name} {number}"))
    for on, _, what in sorted(plan):
        if on <= TODAY:
            _tell(story, on, what.split(), dice)
    return story


def _habit(debtor: int, dice: random.Random) -> int | None:
    """Days late: most pay near the due date, some much later, a few never."""
    if debtor % 13 == 0:
        return None
    if debtor % 5 == 0:
        return dice.randrange(15, 60)
    return dice.randrange(-10, 12)


def _tell(story: Story, on: date, what: list[str], dice: random.Random) -> None:
    if what[0] == "issue":
        story.issue(
            what[1], int(what[3]), on=on, due_on=date.fromisoformat(what[4]), debtor_id=what[2]
        )
    elif what[0] == "pay":
        half = story.open_minor(what[1]) // 2
        story.pay(what[1], half if int(what[2]) % 17 == 0 else None, on=on)
    else:
        channels = {"1": ("email",), "2": ("email",), "3": ("email", "sms")}.get(
            what[3], ("registered_letter", "email")
        )
        ends = (
            [Outcome.SENT, Outcome.DELIVERED]
            if dice.random() < 0.9
            else [Outcome.SENT, Outcome.BOUNCED]
        )
        if dice.random() < 0.04:
            ends = [dice.choice([Outcome.UNKNOWN, Outcome.SUPPRESSED, Outcome.FAILED])]
        story.remind(
            [what[1]], level=what[2], level_no=int(what[3]), at=on, channels=channels, outcomes=ends
        )

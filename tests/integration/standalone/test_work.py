"""`dunning work` and `dunning approve` against a real engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn

from dunning_common.auth import SCOPES, make_key_pair, mint
from dunning_common.values import replace
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench, Ledger, Running, always_open
from standalone.cli.main import app
from standalone.state import Connection
from tests.conftest import Databases
from tests.integration.dunning_engine.conftest import app_of

Command = Callable[..., Awaitable[tuple[int, str, str]]]
START, DUE, LATER = date(2026, 3, 1), date(2026, 4, 1), date(2026, 4, 5)


@pytest.fixture
async def bench(databases: Databases) -> Bench:
    """Two invoices of a debtor whose first level waits for a person."""
    bench, ledger = Bench(await databases.open(SCHEMA)), Ledger()
    policy = always_open("ours")
    careful = replace(policy, levels=tuple(replace(x, needs_approval=True) for x in policy.levels))
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", careful, source="", stored_by="me")
        await stores.policies.set_default("acme", "ours")
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor("d[1]"))
    await bench.feed(
        *(
            ledger.invoice(name, debtor_id="d[1]", issued_on=START, due_on=DUE)
            for name in ("i1", "i2")
        )
    )
    async with Running(bench):
        await bench.advance("acme", LATER)
    return bench


@pytest.fixture
async def dunning(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Command]:
    """The command, talking to the engine over a real socket: exit status, output, errors."""
    make_key_pair(tmp_path / "private.pem", tmp_path / "jwks.json")
    token = mint(
        tmp_path / "private.pem", subject="tester", tenant="acme", scopes=SCOPES,
        now=datetime.now(UTC), lifetime=timedelta(hours=1),
    )  # fmt: skip
    server = uvicorn.Server(
        uvicorn.Config(
            app_of(bench, tmp_path), port=0, lifespan="off", log_config=None, access_log=False
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn has nothing to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    Connection(
        urls={"engine": f"http://127.0.0.1:{port}"}, smtp="", kafka="", postgres="",
        postgres_password_file="", signing_key_file="", spool_folder="", data="", pid=0,
    ).write(tmp_path / "connection.json")  # fmt: skip
    monkeypatch.setenv("DUNNING_CONNECTION", str(tmp_path / "connection.json"))
    monkeypatch.setenv("DUNNING_TOKEN", token)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> int:
        try:
            app([*arguments, "--tenant", "acme"])
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise AssertionError("the command always ends with an exit status")

    async def command(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, *arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    yield command
    server.should_exit = True
    await serving


async def test_what_has_to_be_done_is_listed_with_its_cause(dunning: Command) -> None:
    code, said, _ = await dunning("work", "--each")
    _, as_json, _ = await dunning("work", "--kind", "approval", "--limit", "1", "--json")

    assert code == 0
    assert "i1 level 1" in said
    assert "d[1]" in said
    assert "100.00 EUR" in said
    found = json.loads(as_json)
    assert "wants a person to approve" in found["items"][0]["words"]
    assert len(found["items"]) == 1
    assert found["next_cursor"]


async def test_what_is_of_one_kind_and_debtor_is_one_row_with_its_sum(dunning: Command) -> None:
    _, said, _ = await dunning("work")

    (row,) = [line for line in said.splitlines() if "approval" in line]
    assert "approval (2)" in row
    assert "i1 and 1 more" in row
    assert "200.00 EUR" in row


async def test_a_level_is_approved_and_another_one_refused(bench: Bench, dunning: Command) -> None:
    code, said, _ = await dunning("approve", "i1", "1", "--note", "fine")
    again = await dunning("approve", "i1", "1")
    skipped = await dunning("approve", "i2", "1", "--reject")
    stale, _, wrong = await dunning("approve", "i1", "2")

    assert (code, said) == (0, "Level 1 of i1 goes out as soon as it may.\n")
    assert again[1].endswith("(that was said before).\n")
    assert skipped[1] == "Level 1 of i2 is skipped.\n"
    assert stale == 1
    assert "look at it again" in wrong
    async with Running(bench):
        await bench.advance("acme", LATER)
    assert [level[::3] for level in await bench.levels()] == [("i1", "served"), ("i2", "lapsed")]
    assert (await dunning("work"))[1] == "Nothing has to be done.\n"


async def test_what_failed_is_tried_again_by_item_by_reason_or_all(
    bench: Bench, dunning: Command
) -> None:
    await dunning("approve", "i1", "1")
    bench.postman.choose = lambda *_: "suppressed"
    async with Running(bench):
        await bench.advance("acme", LATER + timedelta(days=20))
    items = json.loads((await dunning("work", "--kind", "undeliverable", "--json"))[1])["items"]
    (item,) = items

    vague, _, wrong = await dunning("work", "retry")
    code, said, _ = await dunning("work", "retry", item["item_id"])
    again = await dunning("work", "retry", "--reason", "no_address")
    everything = await dunning("work", "retry", "--all", "--json")

    assert (vague, "say what" in wrong) == (1, True)
    assert (code, said) == (0, "1 invoices of 1 debtors are tried again as soon as they may.\n")
    assert again[1] == "Nothing of that failed, or it is on its way already.\n"
    assert json.loads(everything[1])["invoices"] == 0

"""`dunning apply` against a real engine: what is in git is compared, shown, and stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn

from standalone.cli.main import app
from standalone.state import Connection
from tests.conftest import Databases
from tests.integration.dunning_engine.policies import Office, ladder, open_office

RULES = "rules:\n  - {code: gold, rank: 1, when: {segments: [gold]}, policy_id: ours}\n"
Command = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def office(databases: Databases, tmp_path: Path) -> AsyncIterator[Office]:
    (tmp_path / "keys").mkdir()
    async with open_office(databases, tmp_path / "keys") as opened:
        yield opened


@pytest.fixture
async def dunning(
    office: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Command]:
    """The command, talking to the engine over a real socket: exit status, output, errors."""
    server = uvicorn.Server(
        uvicorn.Config(office.app, port=0, lifespan="off", log_config=None, access_log=False)
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
    monkeypatch.setenv("DUNNING_TOKEN", office.token)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> int:
        try:
            app(["apply", *arguments, "--tenant", "acme"])
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise AssertionError("the command always ends with an exit status")

    async def command(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, *map(str, arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    yield command
    server.should_exit = True
    await serving


@pytest.fixture
def git(tmp_path: Path) -> Path:
    """A folder with a policy, the rules and the default."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "ours.yaml").write_text(ladder(("first", 3), ("second", 13)))
    (folder / "policy-rules.yaml").write_text(RULES)
    (folder / "default-policy.yaml").write_text("policy_id: ours\n")
    return folder


async def test_a_folder_is_applied_and_then_there_is_nothing_to_do(
    office: Office, dunning: Command, git: Path
) -> None:
    first = await dunning("--yes", git)
    again = await dunning("--yes", git)

    assert first[0] == 0, first
    assert "+ level first" in first[1]
    assert "ours: created, version 1" in first[1]
    assert "policy-rules: created, version 1" in first[1]
    assert again == (0, "Nothing to do for ours, policy-rules, default-policy.\n", "")
    listed = await office.get("/v1/policies")
    assert listed["default_policy_id"] == "ours"
    assert (await office.get("/v1/policy-rules"))["version"] == 1


async def test_a_dry_run_shows_the_difference_stores_nothing_and_ends_with_2(
    office: Office, dunning: Command, git: Path
) -> None:
    await dunning("--yes", git)
    file = git / "ours.yaml"
    file.write_text(ladder(("first", 5), ("last", 20)).replace("name: Ours", "name: Harder"))

    code, said, _ = await dunning("--dry-run", git)
    as_json = await dunning("--dry-run", "--json", git)

    assert code == as_json[0] == 2
    for line in (
        "~ name: Ours → Harder",
        "~ level first",
        "~ threshold_days: 3 → 5",
        "- level second",
        "+ level last",
        "+ channels: [email]",
        "Nothing to do for policy-rules, default-policy.",
    ):
        assert line in said, said
    items = json.loads(as_json[1])["items"]
    assert [(item["name"], item["differs"]) for item in items] == [
        ("ours", True),
        ("policy-rules", False),
        ("default-policy", False),
    ]
    assert (await office.get("/v1/policies/ours"))["version"] == 1


async def test_one_wrong_file_keeps_all_of_them_out_and_every_mistake_is_told(
    office: Office, dunning: Command, git: Path
) -> None:
    (git / "worse.yaml").write_text("name: Worse\nlevels: []\nlevels: 7\n")
    (git / "policy-rules.yaml").write_text(RULES.replace("[gold]", "[]"))

    code, said, wrong = await dunning("--yes", git)

    assert code == 1
    assert said == ""
    assert f"{git / 'worse.yaml'}:3:1: levels: 'levels' stands here twice" in wrong
    assert f"{git / 'policy-rules.yaml'}:2:" in wrong
    assert [i["policy_id"] for i in (await office.get("/v1/policies"))["items"]].count("ours") == 0


async def test_nobody_to_ask_and_no_yes_stores_nothing(
    office: Office, dunning: Command, git: Path
) -> None:
    code, _, wrong = await dunning(git / "ours.yaml")

    assert code == 1
    assert "--yes" in wrong
    await office.refused("GET", "/v1/policies/ours", 404)


async def test_a_version_may_be_stored_without_being_activated_and_activated_later(
    office: Office, dunning: Command, git: Path
) -> None:
    await dunning("--yes", git)
    (git / "ours.yaml").write_text(ladder(("first", 9)))

    stored = await dunning("--yes", "--no-activate", git / "ours.yaml")
    before = (await office.get("/v1/policies/ours/activations"))["active_version"]
    nothing = await dunning("--dry-run", "--no-activate", git / "ours.yaml")
    later = await dunning("--yes", git / "ours.yaml")
    after = (await office.get("/v1/policies/ours/activations"))["active_version"]

    assert "ours: updated, version 2" in stored[1]
    assert nothing[0] == 0
    assert "version 2 is stored, and becomes active instead of 1" in later[1]
    assert (before, after) == (1, 2)


async def test_make_default_makes_the_policy_the_default(
    office: Office, dunning: Command, git: Path
) -> None:
    code, said, _ = await dunning("--yes", "--make-default", git / "ours.yaml")

    assert code == 0
    assert "+ policy_id: ours" in said
    assert (await office.get("/v1/policies"))["default_policy_id"] == "ours"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("Ours!.yaml", "name: x", "cannot be the id of a policy"),
        ("ours.json", "{}", "say the same; remove one"),
        ("default-policy.yaml", "ours", "must say 'policy_id: '"),
        ("default-policy.yaml", "policy_id: nothing", "there is no active policy 'nothing'"),
        ("france-b2b.yaml", "name: x", "store yours under another id"),
    ],
)
async def test_files_that_cannot_be_applied_are_named(
    dunning: Command, git: Path, name: str, content: str, words: str
) -> None:
    if name == "france-b2b.yaml":
        content = ladder(("first", 3))
    (git / name).write_text(content)

    code, _, wrong = await dunning("--yes", git)

    assert code == 1
    assert words in wrong
    assert name in wrong


async def test_a_folder_without_policies_is_named(dunning: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    code, _, wrong = await dunning("--yes", empty)

    assert code == 1
    assert f"there is no file ending in .yaml, .yml, .json in {empty}" in wrong

"""The command line: what people read when something is wrong is one clear line, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunning_common.auth import Verifier
from standalone.cli.main import app
from standalone.docker_secrets import make


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and error output of a command."""
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    said = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), said.out, said.err


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keys and addresses of a platform that does not run; every port leads nowhere."""
    make(tmp_path, tmp_path / ".env")
    connection = json.loads((tmp_path / "connection.json").read_text())
    connection["urls"] = dict.fromkeys(connection["urls"], "http://127.0.0.1:9")
    (tmp_path / "connection.json").write_text(json.dumps(connection))
    monkeypatch.setenv("DUNNING_DATA", str(tmp_path))
    monkeypatch.delenv("DUNNING_CONNECTION", raising=False)
    monkeypatch.delenv("DUNNING_TENANT", raising=False)
    return tmp_path


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("up", "import", "rehearse", "simulate", "clock", "explain", "apply", "token", "doctor")

    code, said, _ = run(capsys, "--help")

    assert code == 0
    assert all(name in said for name in names)
    assert all(run(capsys, name, "--help")[0] == 0 for name in names)


def test_a_platform_that_never_ran_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, wrong = run(capsys, "explain", "INV-1", "--data", str(tmp_path / "none"))

    assert code == 1
    assert wrong.startswith("dunning: there is no ")
    assert "make run" in wrong
    assert len(wrong.strip().splitlines()) == 1


def test_a_token_is_printed_alone_and_allows_what_was_asked(
    capsys: pytest.CaptureFixture[str], installed: Path
) -> None:
    code, said, _ = run(capsys, "token", "--tenant", "acme", "--scope", "kpi:read", "--days", "2")

    principal = Verifier.from_file(installed / "token-keys.json").principal(said.strip())
    assert code == 0
    assert (principal.tenant, principal.scopes) == ("acme", {"kpi:read"})


def test_an_unknown_scope_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str], installed: Path
) -> None:
    code, _, wrong = run(capsys, "token", "--scope", "everything")

    assert code == 1
    assert "unknown scope everything" in wrong
    assert "ledger:write" in wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("clock", "--to", "tomorrow"), "--to tomorrow is no date"),
        (("clock", "--to", "2026-01-01", "--days", "3"), "--to or --days, not both"),
        (("apply", "a.yaml", "b.yaml", "--make-default"), "needs exactly one policy"),
        (("apply", "no-such.yaml"), "cannot read no-such.yaml: No such file or directory"),
        (("import", "no-such.csv", "--mapping", "m.yaml"), "cannot read no-such.csv"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], installed: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, said, wrong = run(capsys, *arguments)

    assert code == 1
    assert words in wrong
    assert said == ""
    assert len(wrong.strip().splitlines()) == 1


def test_the_doctor_of_a_platform_that_does_not_run_looks_at_the_installation(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, said, _ = run(capsys, "doctor", "--json", "--data", str(tmp_path / "none"))

    findings = {one["check"]: one["verdict"] for one in json.loads(said)}
    assert code == 0
    assert findings["python"] == findings["wheels"] == "ok"
    assert findings["platform"] == "skipped"

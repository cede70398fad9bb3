"""The data folder: one launcher at a time, secrets for the owner only, nothing half written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunning_common.auth import Verifier
from dunning_common.clock import SystemClock
from standalone import tokens
from standalone.state import AlreadyRunningError, Connection, State, StateError

CONNECTION = Connection(
    urls={"ingest": "http://127.0.0.1:8010"},
    smtp="127.0.0.1:1025",
    kafka="127.0.0.1:19092",
    postgres="127.0.0.1:15432",
    postgres_password_file="p",
    signing_key_file="k",
    spool_folder="s",
    data="d",
    pid=1,
)


def test_a_folder_belongs_to_one_launcher_at_a_time(tmp_path: Path) -> None:
    first = State.open(tmp_path / "data")

    with pytest.raises(AlreadyRunningError):
        State.open(tmp_path / "data")

    first.close()
    State.open(tmp_path / "data").close()


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    state.ensure_secrets()
    password = state.secret("database-password")
    before = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}

    state.ensure_secrets()

    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == before
    assert {"signing-key.pem", "token-keys.json", "master-key"} <= set(before)
    assert state.secret("database-password") == password
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert state.signing_key_file.stat().st_mode & 0o077 == 0
    assert state.master_key_file.stat().st_mode & 0o077 == 0
    state.close()


def test_a_token_that_is_minted_here_is_accepted_by_the_services(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    state.ensure_secrets()

    token = tokens.for_person(state.signing_key_file, SystemClock(), tenant="acme")

    principal = Verifier.from_file(state.token_keys_file).principal(token)
    assert principal.tenant == "acme"
    assert "internal" not in principal.scopes
    assert "ledger:write" in principal.scopes
    state.close()


def test_addresses_are_read_as_they_were_written(tmp_path: Path) -> None:
    CONNECTION.write(tmp_path / "connection.json")

    assert Connection.read(tmp_path / "connection.json") == CONNECTION


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"urls": {}, "more": 1})])
def test_addresses_that_cannot_be_read_are_an_error_of_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "connection.json").write_text(content)

    with pytest.raises(StateError, match=r"connection\.json cannot be read"):
        Connection.read(tmp_path / "connection.json")


def test_a_platform_that_was_never_started_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="start the platform with `make run`"):
        Connection.read(tmp_path / "connection.json")


def test_a_small_file_that_is_broken_counts_as_absent(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    (tmp_path / "ports.json").write_text('{"kpi": 80')

    assert state.load("ports.json") == {}

    state.save("ports.json", {"kpi": 8040})
    assert state.load("ports.json") == {"kpi": 8040}
    state.close()

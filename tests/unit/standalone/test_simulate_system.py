"""`dunning simulate` asks the running engine in words that it understands, and shows what it says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dunning_common.values import replace
from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.adapters.process_pool import play_here
from dunning_engine.domain.account import Account
from dunning_engine.domain.simulation_job import Job, result
from dunning_engine.domain.simulation_scenario import Scenario
from dunning_engine.domain.story import PastInvoice, story_of
from dunning_engine.entrypoints.api_simulations import SimulationRequest
from standalone.cli.main import app
from standalone.docker_secrets import make

FRANCE = builtin_policies()["france-b2b"]
GENTLER = replace(FRANCE, version=2, levels=FRANCE.levels[1:])


def a_report(kind: str) -> dict[str, Any]:
    """What the engine could have answered."""
    one = Scenario(
        name="a", policies={FRANCE.key: FRANCE, GENTLER.key: GENTLER}, override=FRANCE.key
    )
    two = replace(one, override=GENTLER.key) if kind in ("compare", "blast_radius") else None
    job = Job(
        purpose=kind,  # type: ignore[arg-type]
        kind="backtest" if kind == "backtest" else "forward",
        a=one,
        b=two,
        starts_on=date(2026, 4, 1),
        ends_on=date(2026, 9, 1),
    )
    invoice = PastInvoice(
        invoice_id="i1", number="i1", issued_on=date(2026, 4, 1), due_on=date(2026, 4, 30),
        currency="EUR", amount_minor=100_00, policy=FRANCE.key,
    )  # fmt: skip
    debtor = Account(tenant="t", debtor_id="d1", country="FR", zone="Europe/Paris")
    return result(job, play_here(job, [story_of(debtor, [invoice])]))


class Engine(HTTPServer):
    """Answers simulations as the engine does, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, SimulationRequest]] = []


class Answer(BaseHTTPRequestHandler):
    server: Engine

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        wish = SimulationRequest.model_validate(body)
        self.server.asked.append((self.headers["x-tenant"], wish))
        content = json.dumps(a_report(wish.kind)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    server = Engine()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    make(tmp_path, tmp_path / ".env")
    connection = json.loads((tmp_path / "connection.json").read_text())
    url = f"http://127.0.0.1:{server.server_port}"
    connection["urls"] = dict.fromkeys(connection["urls"], url)
    (tmp_path / "connection.json").write_text(json.dumps(connection))
    monkeypatch.setenv("DUNNING_DATA", str(tmp_path))
    monkeypatch.delenv("DUNNING_CONNECTION", raising=False)
    monkeypatch.setenv("DUNNING_TENANT", "acme")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        app(("simulate", *arguments))
    said = capsys.readouterr()
    assert ended.value.code in (0, None), said.err
    return " ".join(said.out.split())


def test_forward_asks_for_days_and_prices(capsys: pytest.CaptureFixture[str], engine: Engine):
    said = run(capsys, "forward", "--days", "45", "--price", "email=0.01", "--failing", "3")

    ((tenant, wish),) = engine.asked
    assert (tenant, wish.kind, wish.days, wish.failing_percent) == ("acme", "forward", 45, 3)
    assert (wish.prices.currency, wish.prices.email) == ("EUR", "0.01")
    assert "nobody pays, except what was promised or planned" in said
    assert "formal_notice" in said


def test_a_backtest_without_a_file_is_of_the_tenants_own_history(
    capsys: pytest.CaptureFixture[str], engine: Engine
):
    said = run(capsys, "backtest", "-p", "ours@3", "--since", "2025-01-01", "--known-after", "2")

    ((_, wish),) = engine.asked
    assert wish.kind == "backtest"
    assert wish.policy is not None
    assert (wish.policy.policy_id, wish.policy.version) == ("ours", 3)
    assert (wish.since, wish.known_after_days) == (date(2025, 1, 1), 2)
    assert "1 invoices of 1 debtors" in said


def test_two_policies_are_sent_by_name_or_with_their_text(
    capsys: pytest.CaptureFixture[str], engine: Engine, tmp_path: Path
):
    (tmp_path / "gentler.yaml").write_text("name: Gentler")

    said = run(capsys, "compare", "ours", str(tmp_path / "gentler.yaml"), "--days", "60")

    ((_, wish),) = engine.asked
    assert wish.policy is not None
    assert wish.other is not None
    assert (wish.policy.policy_id, wish.policy.yaml) == ("ours", None)
    assert (wish.other.policy_id, wish.other.yaml, wish.days) == ("gentler", "name: Gentler", 60)
    assert "1 invoices differ" in said
    assert "courtesy on" in said


def test_the_impact_of_a_candidate_is_shown(capsys: pytest.CaptureFixture[str], engine: Engine):
    said = run(capsys, "impact", "ours@4", "--replaces", "all", "--days", "10")

    ((_, wish),) = engine.asked
    assert (wish.kind, wish.replaces, wish.days) == ("blast_radius", "all", 10)
    assert "0 debtors hear from us under B only, 0 under A only" in said
    assert "levels count by their codes" in said


def test_json_is_the_engines_own_report(capsys: pytest.CaptureFixture[str], engine: Engine):
    assert json.loads(run(capsys, "forward", "--json")) == a_report("forward")

"""The launcher as its user sees it: real processes that start, fail, come back and leave nothing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from standalone.embedded import child

pytestmark = [
    pytest.mark.skipif("DUNNING_TEST_KAFKA" in os.environ, reason="it brings its own broker"),
    pytest.mark.timeout(400),
]
START_S = 150  # bounds a test that cannot succeed; nothing here is timed
TENANT = {
    "name": "Lumière", "country": "FR", "zone": "Europe/Paris", "language": "fr",
    "base_currency": "EUR", "email_from": "a@lumiere.example",
    "legal": {"legal_name": "Lumière SAS", "address": {"lines": ["1 rue A"], "country": "FR"}},
    "bank": {"holder": "Lumière SAS", "iban": "FR7630006000011234567890189"},
}  # fmt: skip


def wait_for(what: Callable[[], object], *, within_s: float = START_S) -> object:
    """What `what` returns once it is true."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s} s: {what}")


@dataclass
class Platform:
    """A launcher process on a data folder."""

    data: Path
    arguments: tuple[str, ...] = ()
    output: Path = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self, *, until: str = "Dunning is running") -> Platform:
        self.output = self.data.with_name(f"{self.data.name}-{time.monotonic_ns()}.txt")
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                self.command("up", "--no-demo", *self.arguments),
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
            )
        wait_for(lambda: until in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        return self

    def command(self, name: str, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "standalone.cli.main",
            name,
            "--data",
            str(self.data),
            *arguments,
        ]

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(name, *arguments), capture_output=True, text=True, check=False, timeout=120
        )

    def said(self) -> str:
        return self.output.read_text()

    @property
    def connection(self) -> dict:
        return json.loads((self.data / "connection.json").read_text())

    def pids(self) -> dict[str, int]:
        children = json.loads((self.data / "children.json").read_text())
        return {name: pid for name, (pid, _) in children.items()}

    def is_ready(self) -> bool:
        try:
            return all(
                httpx.get(f"{self.connection['urls'][key]}/health/ready", timeout=10).json()[
                    "status"
                ]
                == "ok"
                for key in ("ingest", "engine", "notifier", "kpi")
            )
        except (httpx.TransportError, ValueError):
            return False

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        token = self.run("token", "--tenant", "acme").stdout.strip()
        return httpx.request(
            method,
            self.connection["urls"]["ingest"] + path,
            headers={"authorization": f"Bearer {token}"},
            timeout=30,
            **options,
        )

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


def alive(pids: dict[str, int]) -> list[str]:
    """Which of the processes, or of the processes they started, live."""
    return [name for name, pid in pids.items() if child.started_at(pid)]


def processes_of(data: Path) -> list[str]:
    """Command lines of all processes that name the folder, launcher and tests excepted."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(data) in line and "standalone.cli.main" not in line:
            found.append(line)
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that also an unprivileged PostgreSQL can enter."""
    with tempfile.TemporaryDirectory(
        prefix="dunning-launcher-", ignore_cleanup_errors=True
    ) as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="module")
def offset() -> str:
    """Ports of our own, so that other platforms on this machine do not matter."""
    return str(random.randrange(2_000, 30_000, 100))


@pytest.fixture(scope="module")
def running(folder: Path, offset: str) -> Iterator[Platform]:
    """A platform that several tests share; each leaves it healthy."""
    platform = Platform(folder / "shared", ("--port-offset", offset)).start()
    yield platform
    if platform.process.poll() is None:
        platform.end()


def test_the_banner_leads_to_pages_that_answer(running: Platform) -> None:
    said = running.said()

    link = re.search(r"(http://127\.0\.0\.1:\d+/login\?next=[^#\s]+)#token=(\S+)", said)
    assert link is not None
    signed_in = httpx.post(link[1], data={"token": link[2], "next": "/"})
    assert (signed_in.status_code, "dunning_token" in signed_in.cookies) == (303, True)
    documents = re.findall(r"http://\S+/docs", said)
    assert len(documents) == 4
    assert all(httpx.get(url).status_code == 200 for url in documents)
    assert httpx.get(running.connection["urls"]["catcher"]).status_code == 200
    assert str(running.data) in said


def test_a_second_start_on_the_same_data_says_that_it_runs_already(running: Platform) -> None:
    second = running.run("up", "--no-demo")

    assert second.returncode == 0
    assert f"It already runs (process {running.process.pid})" in second.stdout
    assert running.connection["urls"]["kpi"] in second.stdout


def test_the_doctor_finds_nothing_wrong_and_says_so(running: Platform) -> None:
    examined = running.run("doctor", "--json")

    findings = json.loads(examined.stdout)
    assert [one for one in findings if one["verdict"] == "failed"] == []
    assert examined.returncode == 0
    looked_at = {one["check"] for one in findings if one["verdict"] != "skipped"}
    assert {"database", "broker", "migrations", "outbox", "parked events", "creditors"} <= looked_at


def test_secrets_are_for_their_owner_only(running: Platform) -> None:
    modes = {path.name: path.stat().st_mode & 0o077 for path in running.data.iterdir()}

    assert modes["secrets"] == modes["mail"] == modes["spool"] == modes["logs"] == 0
    assert (running.data / "secrets" / "signing-key.pem").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["services", "catcher", "broker", "postgres"])
def test_what_is_killed_comes_back(running: Platform, name: str) -> None:
    before = running.pids()

    how = signal.SIGQUIT if name == "postgres" else signal.SIGKILL
    os.kill(before[name], how)

    wait_for(lambda: running.pids()[name] != before[name])
    wait_for(running.is_ready)
    assert running.ask("PUT", "/v1/tenants/acme", json=TENANT).status_code == 200


async def test_a_broker_that_holds_too_much_memory_is_started_afresh(
    folder: Path, offset: str
) -> None:
    arguments = ("--port-offset", str(int(offset) + 50), "--broker-memory", "100")
    platform = Platform(folder / "memory", arguments).start()
    before = platform.pids()["broker"]
    producer = AIOKafkaProducer(bootstrap_servers=platform.connection["kafka"])
    await producer.start()

    with contextlib.suppress(KafkaError):  # the broker goes away while we write
        for _ in range(200):
            await producer.send("ballast", os.urandom(900_000))
            if platform.pids()["broker"] != before:
                break
    with contextlib.suppress(Exception):
        await producer.stop()
    wait_for(lambda: platform.pids()["broker"] != before)
    assert "MiB of memory; starting it afresh" in platform.said()
    wait_for(platform.is_ready)
    platform.end()


def test_after_kill_9_nothing_is_left_and_the_next_start_has_everything(
    folder: Path, offset: str
) -> None:
    platform = Platform(folder / "killed", ("--port-offset", offset)).start()
    created = platform.ask("PUT", "/v1/tenants/acme", json=TENANT)
    children, urls = platform.pids(), platform.connection["urls"]

    platform.end(signal.SIGKILL)

    wait_for(lambda: not alive(children) and not processes_of(platform.data))
    again = platform.start()
    assert created.status_code == 200
    assert again.ask("GET", "/v1/tenants/acme").json()["name"] == "Lumière"
    assert again.connection["urls"] == urls
    again.end()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_told_to_end_it_ends_with_everything_it_started(
    folder: Path, offset: str, how: signal.Signals
) -> None:
    platform = Platform(folder / "ended", ("--port-offset", offset)).start()
    children = platform.pids()
    assert set(alive(children)) == {"postgres", "broker", "catcher", "services"}

    status = platform.end(how)

    assert status == 0
    assert alive(children) == []
    assert processes_of(platform.data) == []
    assert "ended; the data stay" in platform.said()


def test_told_to_end_while_it_is_starting_it_ends_as_well(folder: Path, offset: str) -> None:
    platform = Platform(folder / "ended", ("--port-offset", offset))
    platform.start(until="broker")

    status = platform.end(signal.SIGHUP)

    assert status == 0
    assert processes_of(platform.data) == []


def a_port_of_the_dashboard(offset: int) -> socket.socket:
    """Listens on a port that the dashboard would take, at that offset or a little further."""
    for number in range(offset, offset + 500, 7):
        taken = socket.socket()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8040 + number))
        except OSError:  # somebody else has it, perhaps another test
            taken.close()
        else:
            taken.listen()
            return taken
    raise AssertionError("no port to take")


def test_taken_ports_are_passed_over_shown_and_remembered(folder: Path, offset: str) -> None:
    with a_port_of_the_dashboard(int(offset) + 100) as other:
        wanted = other.getsockname()[1]
        arguments = ("--port-offset", str(wanted - 8040))

        first = Platform(folder / "ports", arguments).start()
        chosen = first.connection["urls"]["kpi"]
        first.end()
    second = Platform(folder / "ports", arguments).start()

    assert chosen != f"http://127.0.0.1:{wanted}"
    assert chosen in first.said()
    assert second.connection["urls"]["kpi"] == chosen
    second.end()


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")

    refused = Platform(in_the_way / "data").run("up")

    assert refused.returncode == 1
    assert "choose another place with --data" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1

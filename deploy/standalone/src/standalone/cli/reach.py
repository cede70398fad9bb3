"""How a command finds the running platform and talks to it: data folder, addresses, token, output.

Also the options that several commands share. Holds no command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from dunning_common.clock import SystemClock
from standalone import tokens
from standalone.client import Client, Target
from standalone.state import Connection, default_folder

T = TypeVar("T")
TOKEN_VARIABLE = "DUNNING_TOKEN"  # noqa: S105 -- the variable's name
_CONNECTION_VARIABLE = "DUNNING_CONNECTION"
_RETRY_FOR_S = 10.0

console = Console()
errors = Console(stderr=True)


class CommandError(Exception):
    """A command cannot do what was asked; the message is what the person reads."""


Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="DUNNING_DATA",
        default_factory=default_folder,
        show_default=".dunning",
        help="Folder of the platform's data, as given to `dunning up`.",
    ),
]
Tenant = Annotated[
    str, typer.Option("--tenant", envvar="DUNNING_TENANT", help="Whose data to work on.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
DEFAULT_TENANT = "demo"


def connection_of(data: Path) -> Connection:
    """The addresses of the platform on a data folder, or of the file DUNNING_CONNECTION names.

    Raises:
        StateError: the platform was never started there.
    """
    named = os.environ.get(_CONNECTION_VARIABLE)
    return Connection.read(Path(named) if named else data / "connection.json")


def is_elsewhere() -> bool:
    """Whether the platform is one that was not started by `dunning up`, such as containers."""
    return _CONNECTION_VARIABLE in os.environ


def target_of(connection: Connection, tenant: str) -> Target:
    """Whom to ask: with the token in DUNNING_TOKEN, or one made for the occasion."""

    def token() -> str:
        given = os.environ.get(TOKEN_VARIABLE)
        return given or tokens.for_person(
            Path(connection.signing_key_file), SystemClock(), tenant=tenant
        )

    return Target(urls=connection.urls, token=token, tenant=tenant)


def ask(data: Path, tenant: str, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Run `question` with a client of the platform on a data folder."""
    import asyncio

    target = target_of(connection_of(data), tenant)

    async def run() -> T:
        async with Client(target, retry_for_s=_RETRY_FOR_S) as client:
            return await question(client)

    return asyncio.run(run())


def print_json(value: Any) -> None:
    """Plain JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def read_file(path: Path) -> bytes:
    """The bytes of a file that the person named.

    Raises:
        CommandError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error

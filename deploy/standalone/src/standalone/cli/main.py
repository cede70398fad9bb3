"""The command `dunning`: registers the commands and turns errors into one clear line.

One module per command; none of them prints a traceback at a person.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import typer

from standalone.cli import (
    apply,
    clock,
    doctor,
    evidence,
    explain,
    import_,
    rates,
    recompute,
    rehearse,
    simulate,
    token,
    up,
    work,
)
from standalone.cli.reach import CommandError, errors
from standalone.client import ClientError
from standalone.embedded.broker import BrokerError
from standalone.embedded.postgres import PostgresError
from standalone.launcher import LaunchError
from standalone.ports import PortError
from standalone.state import StateError
from standalone.timeline import TimelineError

_SAID_PLAINLY = (
    CommandError, ClientError, StateError, TimelineError,
    LaunchError, PortError, PostgresError, BrokerError,
)  # fmt: skip

commands = typer.Typer(
    name="dunning",
    help="Reminds debtors of their invoices: the platform on this machine, and its commands.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands.command("up")(up.up)
commands.command("import")(import_.import_)
commands.command("rehearse")(rehearse.rehearse)
commands.add_typer(simulate.commands, name="simulate")
commands.command("clock")(clock.clock)
commands.command("explain")(explain.explain)
commands.command("evidence")(evidence.evidence)
commands.command("recompute")(recompute.recompute)
commands.add_typer(work.commands, name="work")
commands.command("approve")(work.approve)
commands.command("apply")(apply.apply)
commands.add_typer(rates.commands, name="rates")
commands.command("token")(token.token)
commands.command("doctor")(doctor.doctor)


def app(arguments: Sequence[str] | None = None) -> None:
    """Entry point; always ends with `SystemExit`.

    Args:
        arguments: instead of the process's own.
    """
    try:
        commands(args=arguments)
    except _SAID_PLAINLY as error:
        errors.print(f"[red]dunning:[/] {_escaped(error)}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # as in `dunning explain … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:  # noqa: BLE001 -- a mistake of ours, kept for who mends it
        errors.print(
            f"[red]dunning:[/] unexpected {type(error).__name__}: {_first_line(error)}\n"
            f"The details are in {_keep(error)}",
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(1)


def _escaped(error: Exception) -> str:
    return str(error).replace("[", r"\[")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].replace("[", r"\[")


def _keep(error: Exception) -> str:
    """Write the traceback to a file of its own; the file's path."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="dunning-error-", suffix=".txt", delete=False
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    return file.name


if __name__ == "__main__":
    app()

"""`dunning up`: run the whole platform on this machine until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from standalone import launcher
from standalone.cli.reach import Data, console
from standalone.view import View


def up(
    data: Data,
    demo: Annotated[
        bool,
        typer.Option(help="Make a demo tenant on the first start and play three months of it."),
    ] = True,
    broker_memory: Annotated[
        int,
        typer.Option(
            envvar="DUNNING_BROKER_MEMORY_MIB",
            min=16,
            help="Start the broker afresh when it holds more than this, in MiB.",
        ),
    ] = 1_500,
    kafka: Annotated[
        str,
        typer.Option(
            envvar="DUNNING_KAFKA", help="A Kafka broker to use (host:port) instead of our own."
        ),
    ] = "",
    port_offset: Annotated[
        int,
        typer.Option(
            min=0,
            max=40_000,
            help="Added to the usual ports: for several platforms on one machine.",
        ),
    ] = 0,
    log_level: Annotated[
        str, typer.Option(envvar="DUNNING_LOG_LEVEL", help="debug, info, warning or error.")
    ] = "info",
) -> None:
    """Start everything on this machine: database, broker, services, mail catcher."""
    options = launcher.Options(
        folder=data,
        demo=demo,
        broker_memory_mib_max=broker_memory,
        port_offset=port_offset,
        kafka=kafka,
        log_level=log_level,
    )
    raise typer.Exit(launcher.up(options, View(console)))

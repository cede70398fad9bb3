"""`dunning token`: make a token for a person or an ERP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dunning_common.auth import ANY_TENANT, SCOPES
from dunning_common.clock import SystemClock
from standalone import tokens
from standalone.cli.reach import CommandError, Data, connection_of


def token(
    data: Data,
    tenant: Annotated[
        str,
        typer.Option("--tenant", envvar="DUNNING_TENANT", help="For which tenant; * acts for all."),
    ] = ANY_TENANT,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it allows; repeat it. Without: all but `internal`."),
    ] = None,
    days: Annotated[float, typer.Option(min=0.001, max=3650, help="How long it is good for.")] = 30,
    subject: Annotated[str, typer.Option(help="Whom it names in logs.")] = "command-line",
) -> None:
    """Print a token; send it as `Authorization: Bearer <token>`."""
    scopes = frozenset(scope) if scope else tokens.PEOPLE
    unknown = scopes - SCOPES
    if unknown:
        raise CommandError(
            f"unknown scope {', '.join(sorted(unknown))}; there are {', '.join(sorted(SCOPES))}"
        )
    key_file = Path(connection_of(data).signing_key_file)
    try:
        print(
            tokens.for_person(
                key_file, SystemClock(), tenant=tenant, scopes=scopes, days=days, subject=subject
            )
        )
    except OSError as error:
        raise CommandError(f"cannot read the signing key {key_file}: {error.strerror}") from error

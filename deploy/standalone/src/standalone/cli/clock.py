"""`dunning clock`: show or advance the clock of a sandbox tenant."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer

from standalone.cli.reach import (
    DEFAULT_TENANT,
    AsJson,
    CommandError,
    Data,
    Tenant,
    ask,
    console,
    print_json,
)
from standalone.client import Client

_WAIT_S = 10


def clock(
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    to: Annotated[
        str, typer.Option(help="Advance to the beginning of this day (YYYY-MM-DD) there.")
    ] = "",
    days: Annotated[int, typer.Option(min=0, help="Advance by so many days.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show or advance a sandbox tenant's clock; what falls due on the way is sent in order."""
    target = _target(to, days)

    async def move(client: Client) -> Any:
        shown = await client.get("engine", "/v1/clock")
        if target is None:
            return shown
        if isinstance(target, timedelta):
            wanted = (datetime.fromisoformat(shown["now"]) + target).isoformat()
        else:
            wanted = target.isoformat()
        with console.status("advancing …") as status:
            while True:
                shown = await client.post(
                    "engine", "/v1/clock", {"advance_to": wanted}, wait_s=_WAIT_S
                )
                if shown["settled"]:
                    return shown
                waiting = ", ".join(str(reason) for reason in shown.get("waiting_for", ()))
                status.update(f"at {shown['now']} {waiting}")

    shown = ask(data, tenant, move)
    if as_json:
        print_json(shown)
    else:
        console.print(f"The clock of {tenant} stands at {shown['now']}", highlight=False)


def _target(to: str, days: int) -> date | timedelta | None:
    if to and days:
        raise CommandError("say --to or --days, not both")
    if to:
        try:
            return date.fromisoformat(to)
        except ValueError:
            raise CommandError(f"--to {to} is no date; write YYYY-MM-DD") from None
    return timedelta(days=days) if days else None

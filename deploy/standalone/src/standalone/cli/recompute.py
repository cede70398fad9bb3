"""`dunning recompute`: decide everything that was ever decided again, and compare byte by byte."""

from __future__ import annotations

from typing import Any

import typer

from standalone.cli.reach import DEFAULT_TENANT, AsJson, Data, Tenant, ask, console, print_json
from standalone.client import Client


def recompute(data: Data, tenant: Tenant = DEFAULT_TENANT, as_json: AsJson = False) -> None:
    """Recompute all stored decisions of a tenant; exit status 1 when one comes out differently."""

    async def read(client: Client) -> dict[str, Any]:
        found: dict[str, Any] = {"checked": 0, "different": []}
        cursor: str | None = None
        while True:
            place = {"cursor": cursor} if cursor else {}
            page = await client.post("engine", "/v1/decisions/recompute", {}, **place)
            found["checked"] += page["checked"]
            found["different"] += page["different"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    found = ask(data, tenant, read)
    if as_json:
        print_json(found)
    else:
        console.print(f"{found['checked']} decisions recomputed, ", end="", highlight=False)
        console.print(f"{len(found['different'])} came out differently", highlight=False)
        for item in found["different"]:
            console.print(f"  {item['decision_id']}: {item['detail']}", highlight=False)
    if found["different"]:
        raise typer.Exit(1)

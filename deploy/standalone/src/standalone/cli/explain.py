"""`dunning explain`: why was this invoice reminded, why not, and what comes next."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from standalone.cli.reach import DEFAULT_TENANT, AsJson, Data, Tenant, ask, console, print_json
from standalone.client import Client


def explain(
    invoice: Annotated[str, typer.Argument(help="The invoice's id, as the ERP knows it.")],
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    as_json: AsJson = False,
) -> None:
    """Explain in words what was done about an invoice and what will be done next."""

    async def read(client: Client) -> Any:
        return await client.get("engine", f"/v1/explain/{quote(invoice, safe='')}")

    found = ask(data, tenant, read)
    if as_json:
        print_json(found)
        return
    console.print(f"[bold]{found['invoice_id']}[/]  {found['state']}", highlight=False)
    for sentence in found["words"]:
        console.print(f"  {sentence}", highlight=False)
    if found.get("history"):
        console.print(_history(found["history"]))
    following = found.get("next")
    if following:
        console.print(
            f"Next: [bold]{following['level']}[/] on {following['at']}: {following['why']}",
            highlight=False,
        )
    for obstacle in found.get("obstacles") or ():
        console.print(f"In the way: {obstacle['words']}", highlight=False)


def _history(entries: list[dict[str, Any]]) -> Table:
    table = Table("When", "Level", "Outcome", "Why", box=None, header_style="bold")
    for entry in entries:
        table.add_row(*(str(entry.get(key) or "") for key in ("at", "level", "outcome", "why")))
    return table

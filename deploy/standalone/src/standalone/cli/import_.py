"""`dunning import`: upload a CSV file of an ERP by a mapping file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from standalone.cli.reach import (
    DEFAULT_TENANT,
    AsJson,
    Data,
    Tenant,
    ask,
    console,
    print_json,
    read_file,
)
from standalone.client import Client

_SHOWN = 20


def import_(
    file: Annotated[Path, typer.Argument(help="The CSV file.")],
    mapping: Annotated[
        Path,
        typer.Option("--mapping", "-m", help="The YAML file that says what is in which column."),
    ],
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be taken and what is wrong.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import invoices from a CSV file: good rows are taken, bad ones reported with line and reason.

    Ends with status 1 when a row was bad.
    """
    files = {
        "file": (file.name, read_file(file), "text/csv"),
        "mapping": (mapping.name, read_file(mapping), "application/yaml"),
    }

    async def upload(client: Client) -> Any:
        form = {"commit": "false" if dry_run else "true"}
        return (await client.ask("POST", "ingest", "/v1/imports", files=files, data=form)).json()

    result = ask(data, tenant, upload)
    if as_json:
        print_json(result)
    else:
        _show(result, dry_run=dry_run)
    if result["bad"]:
        raise typer.Exit(1)


def _show(result: dict[str, Any], *, dry_run: bool) -> None:
    verb = "would be taken" if dry_run else "taken"
    bad = result["bad"]
    if bad:
        table = Table("Line", "Column", "Reason", box=None, header_style="bold")
        for row in bad[:_SHOWN]:
            table.add_row(str(row["line"]), str(row.get("column") or ""), str(row["reason"]))
        console.print(table)
        if len(bad) > _SHOWN:
            console.print(f"… and {len(bad) - _SHOWN} more; --json lists them all", style="dim")
    lines = len({row["line"] for row in bad})
    console.print(f"{result['rows']} rows: {result['taken']} {verb}, {lines} bad")

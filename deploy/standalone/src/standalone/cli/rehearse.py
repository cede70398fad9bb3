"""`dunning rehearse`: play past invoices through a sandbox tenant and see what happens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dunning_common.ids import new_id, short_hash
from invoice_ingest.domain.csv_file import FileError, read_rows
from invoice_ingest.domain.mapping import MappingError, parse_mapping
from standalone import timeline
from standalone.cli.reach import (
    AsJson,
    CommandError,
    Data,
    connection_of,
    console,
    errors,
    print_json,
    read_file,
    target_of,
)
from standalone.client import Client
from standalone.rehearsal.plan import EmptyFileError, Plan, plan_of
from standalone.rehearsal.rehearse import Rules
from standalone.rehearsal.rehearse import rehearse as play

_SHOWN = 10


def rehearse(
    file: Annotated[Path, typer.Argument(help="The CSV file of past invoices.")],
    mapping: Annotated[
        Path,
        typer.Option("--mapping", "-m", help="The YAML file that says what is in which column."),
    ],
    data: Data,
    policy: Annotated[
        str, typer.Option("--policy", "-p", help="A policy's id, or a YAML file with a policy.")
    ] = "france-b2b",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Play in a new tenant although this was played before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Play past invoices day by day: they arrive, are paid, and reminders go to the mail catcher.

    Nobody real is written to: every address is replaced. The same file, mapping and policy give the
    same tenant, so an interrupted rehearsal goes on where it stopped. Ends with status 1 when a
    reminder would have gone out twice or after settlement.
    """
    content, mapping_text = read_file(file), read_file(mapping)
    plan = _plan(content, mapping_text)
    rules = _rules(policy)
    name = short_hash(content.hex(), mapping_text.hex(), rules.policy_id, rules.document or "")
    tenant = f"rehearsal-{name[:10]}" + (f"-{new_id().hex[-6:]}" if fresh else "")
    target = target_of(connection_of(data), tenant)

    async def run(tell: timeline.Tell) -> dict[str, Any]:
        async with Client(target) as client:
            return await play(client, plan, rules, tell=tell)

    report = asyncio.run(_shown(run, plan))
    if as_json:
        print_json(report)
    else:
        _show(report)
    if report["checks"]["twice"] or report["checks"]["after_settlement"]:
        raise typer.Exit(1)


def _plan(content: bytes, mapping_text: bytes) -> Plan:
    try:
        return plan_of(read_rows(content, parse_mapping(yaml.safe_load(mapping_text))))
    except MappingError as error:
        raise CommandError(f"the mapping cannot be used: {error}") from error
    except (FileError, EmptyFileError) as error:
        raise CommandError(f"the file cannot be played: {error}") from error
    except yaml.YAMLError as error:
        raise CommandError(f"the mapping is not YAML: {error}") from error


def _rules(policy: str) -> Rules:
    path = Path(policy)
    if path.suffix not in {".yaml", ".yml"}:
        return Rules(policy_id=policy)
    text = read_file(path).decode()
    document = yaml.safe_load(text)
    named = document.get("policy_id") if isinstance(document, dict) else None
    return Rules(policy_id=str(named or path.stem), document=text)


async def _shown(run: Any, plan: Plan) -> dict[str, Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(f"{plan.invoices} invoices", total=len(plan.days))

        def tell(state: timeline.Progress) -> None:
            progress.update(task, completed=state.days_done, description=f"{state.day}")

        report: dict[str, Any] = await run(tell)
        return report


def _show(report: dict[str, Any]) -> None:
    period = report["period"]
    totals = ", ".join(f"{amount} {currency}" for currency, amount in report["total"].items())
    console.print(
        f"{report['invoices']} invoices of {report['debtors']} debtors, {totals} in total; "
        f"{report['settled_late']} settled late. Played {period['from']} to {period['to']} "
        f"as tenant {report['tenant']}."
    )
    table = Table("Level", "Notices", box=None, header_style="bold")
    for level, count in report["notices_per_level"].items():
        table.add_row(level, str(count))
    console.print(table)
    table = Table("Channel", "Messages", box=None, header_style="bold")
    for channel, count in report["messages_per_channel"].items():
        table.add_row(channel, str(count))
    console.print(table)
    _show_lists(report)


def _show_lists(report: dict[str, Any]) -> None:
    if report["bad_rows"]:
        table = Table("Line", "Column", "Reason", box=None, header_style="bold")
        for row in report["bad_rows"][:_SHOWN]:
            table.add_row(str(row["line"]), str(row["column"] or ""), row["reason"])
        console.print(f"{len(report['bad_rows'])} bad rows were left out:")
        console.print(table)
    if report["unknown"]:
        console.print(
            f"{len(report['unknown'])} messages are unknown: interrupted while being sent, and "
            f"never blindly sent again: {', '.join(report['unknown'][:_SHOWN])}"
        )
    checks = report["checks"]
    console.print(
        f"Sent twice: {len(checks['twice'])}. Sent after settlement: "
        f"{len(checks['after_settlement'])}."
    )

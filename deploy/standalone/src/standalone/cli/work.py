"""`dunning work` and `dunning approve`: what people have to act on, and their yes or no."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

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

commands = typer.Typer(no_args_is_help=False)


@commands.callback(invoke_without_command=True)
def work(
    context: typer.Context,
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    kind: Annotated[str, typer.Option(help="Only this kind, such as approval.")] = "",
    assignee: Annotated[str, typer.Option(help="Only what this person does.")] = "",
    debtor: Annotated[str, typer.Option(help="Only this debtor's.")] = "",
    each: Annotated[
        bool, typer.Option("--each", help="Every item by itself, not one row a debtor and kind.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most rows.")] = 30,
    as_json: AsJson = False,
) -> None:
    """List what somebody has to act on, what is worth most first, with its cause.

    What is of one kind, debtor and currency is one row; --each and --json list every item.
    """
    if context.invoked_subcommand:
        return
    wanted = {"kind": kind, "assignee": assignee, "debtor_id": debtor}
    query: dict[str, str | int] = {name: value for name, value in wanted.items() if value}

    async def read(client: Client) -> Any:
        path = "/v1/work" if each or as_json else "/v1/work-groups"
        return await client.get("engine", path, limit=limit, **query)

    found = ask(data, tenant, read)
    if as_json:
        print_json(found)
        return
    if not found["items"]:
        console.print("Nothing has to be done.")
        return
    console.print(_table(found["items"] if each else [_row(group) for group in found["items"]]))
    if found["next_cursor"]:
        console.print(f"These are the first {limit}; --limit shows more.", highlight=False)


@commands.command("retry")
def retry(
    data: Data,
    item: Annotated[
        str, typer.Argument(help="The item's id, as `dunning work --json` names it.")
    ] = "",
    tenant: Tenant = DEFAULT_TENANT,
    reason: Annotated[
        str, typer.Option(help="All that failed for it: a part of the reason, as not_connected.")
    ] = "",
    debtor: Annotated[str, typer.Option(help="All that failed of this debtor.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All that failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try again at once what failed: one item of the list, for a reason, of a debtor, or all."""
    narrowed = {"reason": reason, "debtor_id": debtor}
    body: dict[str, Any] = {name: value for name, value in narrowed.items() if value}
    if [bool(item), bool(body), everything].count(True) != 1:
        raise CommandError("say what: an item's id, --reason and --debtor, or --all")
    if everything:
        body = {"everything": True}
    path = f"/v1/work/{quote(item, safe='')}/retry" if item else "/v1/work-retries"

    async def say(client: Client) -> Any:
        return await client.post("engine", path, body)

    said = ask(data, tenant, say)
    if as_json:
        print_json(said)
        return
    if not said["invoices"]:
        console.print("Nothing of that failed, or it is on its way already.")
        return
    console.print(
        f"{said['invoices']} invoices of {said['debtors']} debtors are tried again as soon as they "
        "may.",
        highlight=False,
    )


def approve(
    invoice: Annotated[str, typer.Argument(help="The invoice's id, as the ERP knows it.")],
    level: Annotated[int, typer.Argument(min=1, help="The number of the level that waits.")],
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    reject: Annotated[bool, typer.Option("--reject", help="Skip the level instead.")] = False,
    note: Annotated[str, typer.Option(help="Why; kept with the debtor's notes.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a level that waits for approval go out; refused when another one waits."""
    body = {"level_no": level} | ({"note": note} if note else {})
    verb = "reject" if reject else "approve"

    async def say(client: Client) -> Any:
        return await client.post("engine", f"/v1/cases/{quote(invoice, safe='')}/{verb}", body)

    said = ask(data, tenant, say)
    if as_json:
        print_json(said)
        return
    what = "is skipped" if reject else "goes out as soon as it may"
    before = " (that was said before)" if said["status"] == "unchanged" else ""
    console.print(f"Level {level} of {escape(invoice)} {what}{before}.", highlight=False)


def _table(items: list[dict[str, Any]]) -> Table:
    table = Table(
        "Kind", "Debtor", "Invoices", "Amount", "Since", "Who", "Why", box=None,
        header_style="bold",
    )  # fmt: skip
    for item in items:
        table.add_row(
            *(
                escape(str(text))
                for text in (
                    item["kind"],
                    item["debtor_id"] or "",
                    _invoices(item),
                    f"{item['amount']} {item['currency']}",
                    str(item["since"] or "")[:10],
                    item["assignee"] or "",
                    item["words"],
                )
            )
        )
    return table


def _row(group: dict[str, Any]) -> dict[str, Any]:
    """A group as a row of the table: one item as it is, several with their sums."""
    first: dict[str, Any] = group["first"]
    if group["items"] == 1:
        return first
    sums = {name: group[name] for name in ("invoices", "amount", "since")}
    return first | sums | {"assignee": None, "kind": f"{group['kind']} ({group['items']})"}


def _invoices(item: dict[str, Any]) -> str:
    first = item["invoice_ids"][0] if item["invoice_ids"] else ""
    level = f" level {item['level_no']}" if item["kind"] == "approval" else ""
    return first + level if item["invoices"] == 1 else f"{first} and {item['invoices'] - 1} more"

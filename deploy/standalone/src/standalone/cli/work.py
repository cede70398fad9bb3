"""`dunning work` and `dunning approve`: what people have to act on, and their yes or no."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from standalone.cli.reach import DEFAULT_TENANT, AsJson, Data, Tenant, ask, console, print_json
from standalone.client import Client


def work(
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    kind: Annotated[str, typer.Option(help="Only this kind, such as approval.")] = "",
    assignee: Annotated[str, typer.Option(help="Only what this person does.")] = "",
    debtor: Annotated[str, typer.Option(help="Only this debtor's.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most items.")] = 30,
    as_json: AsJson = False,
) -> None:
    """List what somebody has to act on, what is worth most first, each with its cause."""
    wanted = {"kind": kind, "assignee": assignee, "debtor_id": debtor}
    query: dict[str, str | int] = {name: value for name, value in wanted.items() if value}

    async def read(client: Client) -> Any:
        return await client.get("engine", "/v1/work", limit=limit, **query)

    found = ask(data, tenant, read)
    if as_json:
        print_json(found)
        return
    if not found["items"]:
        console.print("Nothing has to be done.")
        return
    console.print(_table(found["items"]))
    if found["next_cursor"]:
        console.print(f"These are the first {limit}; --limit shows more.", highlight=False)


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


def _invoices(item: dict[str, Any]) -> str:
    first = item["invoice_ids"][0] if item["invoice_ids"] else ""
    level = f" level {item['level_no']}" if item["kind"] == "approval" else ""
    return first + level if item["invoices"] == 1 else f"{first} and {item['invoices'] - 1} more"

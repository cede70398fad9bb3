"""`dunning evidence`: everything about a claim in one signed archive, for a lawyer or an agency."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from standalone.cli.reach import DEFAULT_TENANT, Data, Tenant, ask, console
from standalone.client import Client


def evidence(
    target: Annotated[Path, typer.Argument(help="The ZIP file to write.")],
    data: Data,
    invoice: Annotated[str | None, typer.Option(help="About this invoice.")] = None,
    debtor: Annotated[str | None, typer.Option(help="Or about this debtor.")] = None,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Write messages, decisions, payments and answers, with a signed manifest, into an archive."""
    if (invoice is None) == (debtor is None):
        raise typer.BadParameter("say --invoice or --debtor")
    wanted = {"invoice_id": invoice} if invoice else {"debtor_id": debtor or ""}

    async def read(client: Client) -> bytes:
        answer = await client.ask("GET", "notifier", "/v1/evidence", params=wanted)
        return answer.content

    archive = ask(data, tenant, read)
    target.write_bytes(archive)
    console.print(f"{target}: {len(archive):,} bytes", highlight=False)

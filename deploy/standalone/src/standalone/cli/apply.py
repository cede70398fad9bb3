"""`dunning apply`: bring policies from YAML files into the engine."""

from __future__ import annotations

from pathlib import Path
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
    read_file,
)
from standalone.client import ApiError, Client


def apply(
    files: Annotated[
        list[Path], typer.Argument(help="YAML files; each file's name is its policy's id.")
    ],
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    make_default: Annotated[
        bool, typer.Option("--make-default", help="Make the (one) policy the tenant's default.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Apply policies: each becomes a new version if it says something new."""
    if make_default and len(files) != 1:
        raise CommandError("--make-default needs exactly one policy")
    contents = {file: read_file(file) for file in files}

    async def put_all(client: Client) -> list[Any]:
        results = []
        for file, content in contents.items():
            results.append(await _put(client, file, content))
        if make_default:
            await client.put("engine", "/v1/default-policy", {"policy_id": files[0].stem})
        return results

    results = ask(data, tenant, put_all)
    if as_json:
        print_json(results)
        return
    for result in results:
        console.print(
            f"{result['policy_id']}: {result['status']}, version {result['version']}",
            highlight=False,
        )


async def _put(client: Client, file: Path, content: bytes) -> Any:
    try:
        answer = await client.ask(
            "PUT",
            "engine",
            f"/v1/policies/{file.stem}",
            content=content,
            headers={"content-type": "application/yaml"},
        )
    except ApiError as error:
        raise CommandError(f"{file}: {error}") from error
    return answer.json()

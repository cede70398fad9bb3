"""`dunning simulate`: what would happen, or would have happened, under a policy. Sends nothing."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dunning_common.money import MoneyError, parse_minor
from dunning_engine.adapters.policy_yaml import PolicyTextError
from dunning_engine.domain.policy import CHANNELS, Policy
from dunning_engine.domain.simulation import Assumptions
from dunning_engine.domain.simulation_report import Prices
from invoice_ingest.domain.csv_file import FileError
from invoice_ingest.domain.mapping import MappingError
from standalone.cli import simulation_view
from standalone.cli.reach import (
    DEFAULT_TENANT,
    AsJson,
    CommandError,
    Data,
    Tenant,
    ask,
    errors,
    print_json,
    read_file,
)
from standalone.client import Client
from standalone.simulation.local import File, Options, UnknownPolicyError, backtest, policy_named
from standalone.simulation.past import EmptyFileError

_PATIENCE_S = 900.0
"""A simulation may have to wait for others, and then takes its time."""

commands = typer.Typer(no_args_is_help=True, help=(__doc__ or "").partition(": ")[2])

Mapping = Annotated[
    Path | None,
    typer.Option("--mapping", "-m", help="The YAML file that says what is in which column."),
]
Days = Annotated[int, typer.Option("--days", min=1, max=730, help="How many days ahead.")]
Price = Annotated[
    list[str],
    typer.Option("--price", help="What a message costs, such as email=0.01; else nothing."),
]
Currency = Annotated[str, typer.Option("--price-currency", help="Currency of the prices.")]
Failing = Annotated[
    int, typer.Option("--failing", min=0, max=100, help="Of a hundred notices, so many fail.")
]
KnownAfter = Annotated[
    int,
    typer.Option("--known-after", min=0, max=60, help="Payments become known so many days late."),
]
Since = Annotated[
    datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="Decide from that day on.")
]
Until = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Stop before that day.")
]
Listed = Annotated[
    int, typer.Option("--list", min=0, max=10_000, help="How many invoices a list shows.")
]


@commands.command("forward")
def forward(
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    days: Days = 30,
    policy: Annotated[
        str | None,
        typer.Option("--policy", "-p", help="Another policy for all: id, id@version, or a file."),
    ] = None,
    price: Price = [],  # noqa: B006 -- typer's way to take an option more than once
    currency: Currency = "EUR",
    failing: Failing = 0,
    as_json: AsJson = False,
) -> None:
    """Play the open invoices so many days ahead. Nobody pays but who promised to."""
    body = _common(price, currency, failing) | {"kind": "forward", "days": days}
    _from_system(data, tenant, body | ({"policy": _reference(policy)} if policy else {}), as_json)


@commands.command("backtest")
def backtest_(
    data: Data,
    file: Annotated[
        Path | None, typer.Argument(help="A CSV file of past invoices; else the tenant's history.")
    ] = None,
    mapping: Mapping = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", "-p", help="The policy: id, id@version, or a YAML file."),
    ] = None,
    tenant: Tenant = DEFAULT_TENANT,
    since: Since = None,
    until: Until = None,
    known_after: KnownAfter = 0,
    price: Price = [],  # noqa: B006
    currency: Currency = "EUR",
    failing: Failing = 0,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Processes; one for each core.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play past invoices under a policy. With a FILE no platform has to run.

    Bad rows are reported with line and reason, the others used; the report says what share of the
    money was left out. Ends with status 1 when a row was bad.
    """
    if file is None:
        body = _common(price, currency, failing) | _past(since, until, known_after)
        body |= {"kind": "backtest"} | ({"policy": _reference(policy)} if policy else {})
        _from_system(data, tenant, body, as_json)
        return
    policies = [_policy(policy)] if policy else []
    options = _options(since, until, known_after, price, currency, failing, workers=workers)
    _from_file(file, mapping, policies, options, as_json)


@commands.command("compare")
def compare(
    a: Annotated[str, typer.Argument(help="A policy: id, id@version, or a YAML file.")],
    b: Annotated[str, typer.Argument(help="Another one, or another version.")],
    data: Data,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A CSV file of past invoices.")
    ] = None,
    mapping: Mapping = None,
    tenant: Tenant = DEFAULT_TENANT,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=730, help="The open invoices so many days ahead."),
    ] = None,
    since: Since = None,
    until: Until = None,
    known_after: KnownAfter = 0,
    price: Price = [],  # noqa: B006
    currency: Currency = "EUR",
    failing: Failing = 0,
    listed: Listed = 200,
    as_json: AsJson = False,
) -> None:
    """Two policies over the same facts: a file's, the tenant's history, or --days ahead."""
    if file is None:
        body = _common(price, currency, failing) | {"kind": "compare", "list": listed}
        body |= {"policy": _reference(a), "other": _reference(b)}
        body |= {"days": days} if days else _past(since, until, known_after)
        _from_system(data, tenant, body, as_json)
        return
    options = _options(since, until, known_after, price, currency, failing, listed=listed)
    _from_file(file, mapping, [_policy(a), _policy(b, version=2)], options, as_json)


@commands.command("impact")
def impact(
    policy: Annotated[str, typer.Argument(help="The candidate: id, id@version, or a YAML file.")],
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    days: Days = 30,
    replaces: Annotated[
        str | None,
        typer.Option(help="Whose open cases would follow it: a policy's id, or 'all'."),
    ] = None,
    price: Price = [],  # noqa: B006
    currency: Currency = "EUR",
    failing: Failing = 0,
    listed: Listed = 200,
    as_json: AsJson = False,
) -> None:
    """The blast radius of a policy before it is activated: who changes level, who hears from us."""
    body = _common(price, currency, failing) | {"kind": "blast_radius", "list": listed}
    body |= {"policy": _reference(policy), "days": days}
    _from_system(data, tenant, body | ({"replaces": replaces} if replaces else {}), as_json)


def _from_system(data: Path, tenant: str, body: dict[str, Any], as_json: bool) -> None:
    async def post(client: Client) -> Any:
        with errors.status("simulating …"):
            answer = await client.ask(
                "POST", "engine", "/v1/simulations", json=body, timeout=_PATIENCE_S
            )
            return answer.json()

    _show(ask(data, tenant, post), as_json)


def _from_file(
    file: Path, mapping: Path | None, policies: list[Policy], options: Options, as_json: bool
) -> None:
    if mapping is None:
        raise CommandError("a file needs --mapping, which says what is in which column")
    past = File(content=read_file(file), mapping=read_file(mapping))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    try:
        with Progress(*columns, TimeElapsedColumn(), console=errors, transient=True) as progress:
            task = progress.add_task("reading …", total=None)

            def tell(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total, description="debtors")

            report = asyncio.run(backtest(past, policies, options, tell=tell))
    except MappingError as error:
        raise CommandError(f"the mapping cannot be used: {error}") from error
    except (FileError, EmptyFileError) as error:
        raise CommandError(f"the file cannot be played: {error}") from error
    except yaml.YAMLError as error:
        raise CommandError(f"the mapping is not YAML: {error}") from error
    _show(report, as_json)
    if report["file"]["bad"]:
        raise typer.Exit(1)


def _show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        simulation_view.show(report)


def _policy(name: str, *, version: int = 1) -> Policy:
    try:
        return policy_named(name, version=version)
    except UnknownPolicyError as error:
        raise CommandError(str(error)) from error
    except PolicyTextError as error:
        raise CommandError(f"{name} is no policy:\n{error}") from error
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from error


def _reference(name: str) -> dict[str, Any]:
    """A policy as the engine is told of it: stored ones by id, files with their text."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return {"policy_id": path.stem, "yaml": read_file(path).decode("utf-8", "replace")}
    policy_id, at, version = name.partition("@")
    if at and not version.isdecimal():
        raise CommandError(f"{name!r}: a version is a number, such as {policy_id}@3")
    return {"policy_id": policy_id} | ({"version": int(version)} if at else {})


def _common(price: list[str], currency: str, failing: int) -> dict[str, Any]:
    minor = _prices(price, currency)
    return {
        "prices": {"currency": currency} | dict(item.split("=", 1) for item in price if minor),
        "failing_percent": failing,
    }


def _past(since: datetime | None, until: datetime | None, known_after: int) -> dict[str, Any]:
    days = {"since": since, "until": until}
    return {name: day.date().isoformat() for name, day in days.items() if day} | {
        "known_after_days": known_after
    }


def _options(
    since: datetime | None,
    until: datetime | None,
    known_after: int,
    price: list[str],
    currency: str,
    failing: int,
    **more: Any,
) -> Options:
    return Options(
        since=since.date() if since else None,
        until=until.date() if until else None,
        known_after_days=known_after,
        assumptions=Assumptions(failing_percent=failing),
        prices=Prices(currency=currency, per_message_minor=_prices(price, currency)),
        **more,
    )


def _prices(items: list[str], currency: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        channel, _, amount = item.partition("=")
        if channel not in CHANNELS:
            raise CommandError(f"--price {item}: the channels are {', '.join(CHANNELS)}")
        try:
            found[channel] = parse_minor(amount, currency)
        except MoneyError as error:
            raise CommandError(f"--price {item}: {error}") from error
    return found

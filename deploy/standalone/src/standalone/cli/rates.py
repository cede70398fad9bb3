"""`dunning rates check`: which reference rates are known, and which line of which file is missing.

Reads the rate files of this installation; asks nobody and needs no running platform.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from dunning_common.clock import SystemClock
from dunning_engine.adapters.rate_files import RateFileError, load_series
from dunning_engine.domain.law_of_interest import COUNTRY_NAMES
from dunning_engine.domain.rate_series import (
    Contradiction,
    Gap,
    RateSeries,
    contradictions,
    gaps,
    holes,
)
from standalone.cli.reach import AsJson, CommandError, console, print_json

commands = typer.Typer(
    help="The reference rates behind interest for late payment.", no_args_is_help=True
)


@commands.callback()
def rates() -> None:
    """The reference rates behind interest for late payment."""


@commands.command("check")
def check(
    on: Annotated[
        datetime | None,
        typer.Option(
            "--on", formats=["%Y-%m-%d"], help="The day to check for.", show_default="today"
        ),
    ] = None,
    country: Annotated[
        list[str] | None,
        typer.Option("--country", help="Only what this country's law looks at; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List every series and what is missing; status 1 when it is missing for this half-year."""
    day = on.date() if on else SystemClock().now().date()
    everything = _all()
    series = _chosen(everything, country)
    missing = tuple(gaps(series, day))
    doubtful = tuple(wrong for wrong in contradictions(everything) if wrong.series in series)
    if as_json:
        print_json(_plain(series, missing, doubtful))
    else:
        _show(series, missing, doubtful, day)
    raise typer.Exit(1 if any(gap.is_present for gap in missing) else 0)


def _all() -> tuple[RateSeries, ...]:
    try:
        return load_series()
    except RateFileError as error:
        raise CommandError(str(error)) from error


def _chosen(
    series: Sequence[RateSeries], countries: Sequence[str] | None
) -> tuple[RateSeries, ...]:
    wanted = {country.upper() for country in countries or ()}
    if unknown := sorted(wanted - COUNTRY_NAMES.keys()):
        raise CommandError(
            f"no law is known for {unknown[0]}; known are {', '.join(COUNTRY_NAMES)}"
        )
    return tuple(one for one in series if not wanted or wanted & set(one.countries))


def _show(
    series: Sequence[RateSeries],
    missing: Sequence[Gap],
    doubtful: Sequence[Contradiction],
    on: date,
) -> None:
    for one in series:
        used = ", ".join(one.countries) or "no claim"
        _print(f"{one.name}: up to {one.last_period or 'nothing yet'}, for {used}")
        _print(f"    [dim]{one.source}, checked on {one.checked_on}{_doubts(one)}[/]")
    for mark, words, remedy in _remarks(series, missing, doubtful):
        _print(f"{mark} {words}")
        _print(f"    → {remedy}")
    present = sum(gap.is_present for gap in missing)
    words = f"{present} missing on {on}" if present else f"Nothing is missing on {on}."
    console.print(words, style="bold")


def _print(line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


def _doubts(one: RateSeries) -> str:
    kinds = list(one.doubts.values())
    said = {doubt: kinds.count(doubt) for doubt in ("computed", "unverified") if doubt in kinds}
    return "".join(f"; {number} of {len(one.figures)} {doubt}" for doubt, number in said.items())


def _remarks(
    series: Sequence[RateSeries], missing: Sequence[Gap], doubtful: Sequence[Contradiction]
) -> Iterator[tuple[str, str, str]]:
    """What there is to say: a mark, the words, the remedy."""
    for one in series:
        for half_year in holes(one):
            yield "[yellow]![/]", f"{one.name}: {half_year} is missing in between", _add(one, "")
    for wrong in doubtful:
        words = f"{wrong.series.name}: {wrong.period} is {wrong.figure}, by its rule"
        yield "[yellow]![/]", f"{words} {wrong.expected}", f"look it up: {wrong.series.source}"
    for gap in missing:
        mark = "[red]✗[/]" if gap.is_present else "[yellow]![/]"
        yield (
            mark,
            f"{gap.series.name}: {gap.period} is missing; {_effect(gap)}",
            _add(gap.series, f": {gap.line}"),
        )


def _effect(gap: Gap) -> str:
    countries = ", ".join(gap.series.countries)
    if not countries:
        return "no claim needs it"
    if gap.series.is_monthly:
        return f"without it {countries} asks for no fixed compensation"
    if gap.is_present:
        return f"claims of {countries} that need it are blocked"
    return f"claims of {countries} will be blocked from then on"


def _add(one: RateSeries, what: str) -> str:
    return f"{_shown(one.file)}, after line {one.last_line}{what}"


def _shown(file: str) -> str:
    """The path as short as it can be said from here."""
    relative = os.path.relpath(file, Path.cwd())
    return file if relative.startswith("..") else relative


def _plain(
    series: Sequence[RateSeries], missing: Sequence[Gap], doubtful: Sequence[Contradiction]
) -> dict[str, Any]:
    return {
        "series": [
            {
                "series": one.name,
                "what": one.what,
                "last": one.last_period,
                "source": one.source,
                "checked_on": one.checked_on,
                "countries": one.countries,
                "file": one.file,
                "doubts": one.doubts,
                "holes": holes(one),
            }
            for one in series
        ],
        "missing": [
            {
                "series": gap.series.name,
                "period": gap.period,
                "present": gap.is_present,
                "file": gap.series.file,
                "after_line": gap.series.last_line,
                "line": gap.line,
            }
            for gap in missing
        ],
        "contradictions": [
            {
                "series": wrong.series.name,
                "period": wrong.period,
                "figure": str(wrong.figure),
                "expected": str(wrong.expected),
            }
            for wrong in doubtful
        ],
    }

"""`dunning doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from standalone.checkup import finding, installation, running
from standalone.checkup.finding import Finding, Verdict
from standalone.cli.reach import AsJson, Data, connection_of, console, is_elsewhere, print_json
from standalone.state import StateError

_MARKS = {
    Verdict.OK: "[green]✓[/]",
    Verdict.WARNING: "[yellow]![/]",
    Verdict.FAILED: "[red]✗[/]",
    Verdict.SKIPPED: "[dim]-[/]",
}


def doctor(data: Data, as_json: AsJson = False) -> None:
    """Check this installation and, when it runs, the platform; status 1 when something is wrong."""
    found: list[Finding] = []
    for one in _examine(data):
        found.append(one)
        if not as_json:
            _show(one)
    if as_json:
        print_json([one.as_dict() for one in found])
    wrong = [one for one in found if one.verdict is Verdict.FAILED]
    if not as_json:
        console.print(f"{len(wrong)} to mend" if wrong else "All is well.", style="bold")
    raise typer.Exit(1 if wrong else 0)


def _examine(data: Path) -> Iterator[Finding]:
    yield from finding.run(installation.checks(data))
    if not is_elsewhere() and not installation.is_running(data):
        yield finding.skipped("platform", "not running here; `make run` starts it")
        return
    try:
        patient = running.Patient(connection_of(data))
    except StateError as error:
        yield finding.failed("platform", str(error), "wait until it has started, or start it again")
        return
    yield from finding.run(patient.checks())
    patient.close()


def _show(one: Finding) -> None:
    mark = _MARKS[one.verdict]
    console.print(f"{mark} {one.check}: {one.detail}", highlight=False, soft_wrap=True)
    if one.remedy:
        console.print(f"    → {one.remedy}", highlight=False, soft_wrap=True)

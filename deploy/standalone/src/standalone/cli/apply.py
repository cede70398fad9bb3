"""`dunning apply`: bring policies from files in git into the engine, after showing what changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

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
)
from standalone.client import Client
from standalone.policy_files import (
    DEFAULT,
    Difference,
    PolicyFile,
    PolicyFileError,
    apply_files,
    compare,
    default_file,
    find_files,
)

T = TypeVar("T")
DIFFERENCES = 2
"""Exit status of a dry run that found some."""
_MARKS = {
    "added": ("green", "+"),
    "removed": ("red", "-"),
    "changed": ("yellow", "~"),
}


def apply(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|DIR...",
            help="YAML or JSON files, or folders of them. A file's name is its policy's id; "
            "policy-rules.yaml and default-policy.yaml say what their names say.",
        ),
    ],
    data: Data,
    tenant: Tenant = DEFAULT_TENANT,
    make_default: Annotated[
        bool, typer.Option("--make-default", help="Make the (one) policy the tenant's default.")
    ] = False,
    activate: Annotated[
        bool,
        typer.Option(
            "--activate/--no-activate", help="Give policies to all new cases, or only store them."
        ),
    ] = True,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show what would change; exit status 2 if anything."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before applying.")] = False,
    as_json: AsJson = False,
) -> None:
    """Apply policies: check all files, show what changes, and store it as new versions."""
    files = _files(paths, make_default=make_default)

    async def look(client: Client) -> list[Difference]:
        return await compare(client, files, activate=activate)

    differences = _plainly(lambda: ask(data, tenant, look))
    changing = [difference for difference in differences if not difference.is_none]
    if not as_json:
        _show(differences)
    if dry_run or not changing:
        if as_json:
            print_json({"differs": bool(changing), "items": [d.as_dict() for d in differences]})
        raise typer.Exit(DIFFERENCES if changing else 0)
    _make_sure(len(changing), yes=yes)

    async def store(client: Client) -> list[dict[str, Any]]:
        return await apply_files(client, differences, activate=activate)

    results = _plainly(lambda: ask(data, tenant, store))
    _report(differences, results, as_json=as_json)


def _files(paths: Sequence[Path], *, make_default: bool) -> list[PolicyFile]:
    if make_default and len(paths) != 1:
        raise CommandError("--make-default needs exactly one policy")
    files = _plainly(lambda: find_files(paths))
    if not make_default:
        return files
    policies = [file for file in files if file.kind == "policy"]
    if len(policies) != 1 or any(file.kind == "default" for file in files):
        raise CommandError("--make-default needs exactly one policy")
    return [*files, default_file(policies[0].name, Path(f"{DEFAULT} (--make-default)"))]


def _report(
    differences: Sequence[Difference], results: Sequence[Mapping[str, Any]], *, as_json: bool
) -> None:
    if as_json:
        items = [difference.as_dict() for difference in differences]
        print_json({"differs": True, "items": items, "done": results})
        return
    for result in results:
        version = f", version {result['version']}" if "version" in result else ""
        console.print(f"{result['name']}: {result['status']}{version}", highlight=False)


def _plainly(work: Callable[[], T]) -> T:
    """What is wrong with files is said as every other mistake is."""
    try:
        return work()
    except PolicyFileError as error:
        raise CommandError(str(error)) from error


def _make_sure(count: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("there is nobody here to ask; give --yes to apply, or --dry-run to look")
    files = "this file" if count == 1 else f"these {count} files"
    typer.confirm(f"Apply {files}?", abort=True, err=True)


def _show(differences: Sequence[Difference]) -> None:
    """What changes, file by file; what does not in one line."""
    same = [difference for difference in differences if difference.is_none]
    for difference in differences:
        if not difference.is_none:
            for line in _lines(difference):
                console.print(line, highlight=False, soft_wrap=True)
    if same:
        names = ", ".join(difference.file.name for difference in same)
        console.print(f"[dim]Nothing to do for {_plain(names)}.[/]", highlight=False)


def _lines(difference: Difference) -> Iterator[str]:
    file, diff = difference.file, difference.diff
    before = f"version {difference.from_version}" if difference.from_version else "new"
    what = {"policy": f"policy {file.name}, {before}", "rules": f"selection rules, {before}",
            "default": "default policy"}[file.kind]  # fmt: skip
    yield f"[bold]{_plain(what)}[/]  [dim]{_plain(str(file.path))}[/]"
    for note in difference.notes:
        yield f"  [yellow]![/] {_plain(note)}"
    for change in diff["fields"]:
        yield "  " + _field(change)
    noun = "rule" if file.kind == "rules" else "level"
    for part in diff["parts"]:
        colour, mark = _MARKS[part["change"]]
        yield f"  [{colour}]{mark} {noun} {_plain(part['code'])}[/]"
        if part["change"] != "removed":
            for change in part["fields"]:
                yield "      " + _field(change)


def _field(change: Mapping[str, Any]) -> str:
    name, old, new = change["field"], change["old"], change["new"]
    if old is None:
        return f"[green]+ {name}: {_value(new)}[/]"
    if new is None:
        return f"[red]- {name}: {_value(old)}[/]"
    return f"[yellow]~[/] {name}: [red]{_value(old)}[/] → [green]{_value(new)}[/]"


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return "\\[" + ", ".join(_value(item) for item in value) + "]"
        case dict():
            inside = ", ".join(f"{key}: {_value(item)}" for key, item in value.items())
            return "{" + inside + "}"
        case _:
            return _plain(str(value))


def _plain(text: str) -> str:
    """Text that rich must not take for markup."""
    return text.replace("[", "\\[")

"""What the person at the terminal sees while the platform starts and runs.

On a terminal: steps with their durations, a progress bar, a banner. Elsewhere: plain lines.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dunning_common.clock import SystemClock, monotonic
from standalone.state import Connection, default_folder

_NAMES = {"ingest": "Invoices", "engine": "Reminders", "notifier": "Messages", "kpi": "Figures"}


class View:
    """Writes to the terminal. Nothing here runs in a thread of its own: processes are forked."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._told_quarters = 0

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Say what is being done, and how long it took."""
        started = monotonic()
        if self._console.is_terminal:
            self._console.print(f"  [dim]… {text}[/]", end="\r")
        yield
        self.done(text, monotonic() - started)

    def done(self, text: str, took_s: float) -> None:
        """Tick a step off."""
        self._console.print(f"  [green]✓[/] {text} [dim]{took_s:.1f} s[/]", highlight=False)

    def say(self, text: str) -> None:
        """One line, with the time of day: what happened while running."""
        at = SystemClock().now().astimezone().strftime("%H:%M:%S")
        self._console.print(f"  [dim]{at}[/] {text}", highlight=False, soft_wrap=True)

    def begin_progress(self, text: str) -> None:
        """Open a progress bar; call `show_progress` often."""
        if not self._console.is_terminal:
            self._console.print(f"  … {text}", highlight=False)
            return
        self._progress = Progress(
            TextColumn("  {task.description}"), BarColumn(), TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"), TimeElapsedColumn(),
            console=self._console, auto_refresh=False, transient=True,
        )  # fmt: skip
        self._progress.add_task(text, total=1.0, detail="")
        self._progress.start()

    def show_progress(self, share: float, detail: str) -> None:
        """Draw the bar, or say each quarter where there is no terminal; `share` is 0 to 1."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=share, detail=detail)
            self._progress.refresh()
        elif int(share * 4) > self._told_quarters:
            self._told_quarters = int(share * 4)
            self._console.print(f"  … {share:.0%}, {detail}", highlight=False)

    def end_progress(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def banner(
        self, connection: Connection, *, login_link: str, tenant: str, note: str = ""
    ) -> None:
        """Where everything is. Links are printed plainly, so that no wrapping breaks them."""
        table = Table.grid(padding=(0, 2))
        docs = "\n".join(f"{connection.urls[key]}/docs  [dim]{_NAMES[key]}[/]" for key in _NAMES)
        where = "" if _is_default(connection.data) else f" --data {connection.data}"
        engine, notifier = connection.urls["engine"], connection.urls["notifier"]
        table.add_row(
            "[bold]For people[/]",
            f"{engine}/work  [dim]Work list[/]\n{notifier}/desk  [dim]Messages desk[/]",
        )
        table.add_row(
            "[bold]Caught mail[/]", f"{connection.urls['catcher']}  [dim]e-mail, SMS, letters[/]"
        )
        table.add_row("[bold]API docs[/]", docs)
        table.add_row("[bold]API token[/]", _own_command(f"dunning token --tenant {tenant}{where}"))
        table.add_row("[bold]Data[/]", "\n".join(_places(connection)))
        table.add_row("[bold]Something wrong?[/]", _own_command(f"dunning doctor{where}"))
        self._console.print()
        self._console.rule("[bold]Dunning is running[/]  [dim]Ctrl-C ends it[/]")
        self._console.print("[bold]Dashboard[/] (this link signs you in)", highlight=False)
        self._console.out(login_link, highlight=False)
        self._console.print(table, highlight=False, soft_wrap=True)
        if note:
            self._console.print(note, highlight=False)
        self._console.rule()

    def already_running(self, connection: Connection, *, login_link: str, tenant: str) -> None:
        """As the banner, for whoever starts it a second time."""
        self._console.print(f"It already runs (process {connection.pid}).", highlight=False)
        self.banner(connection, login_link=login_link, tenant=tenant)


def _places(connection: Connection) -> list[str]:
    """The data folder, and the database's where the server could not reach it in there."""
    database = Path(connection.postgres_password_file).parent
    inside = database.is_relative_to(connection.data)
    return [connection.data] if inside else [connection.data, f"{database}  [dim]database[/]"]


def _is_default(data: str) -> bool:
    return default_folder().resolve() == Path(data)


def _own_command(command: str) -> str:
    """The command as it can be typed: with the path of the environment, which may not be active."""
    program = Path(sys.executable).parent / "dunning"
    here = Path.cwd()
    shown = program.relative_to(here) if program.is_relative_to(here) else program
    return command.replace("dunning", str(shown), 1) if program.exists() else command

"""Pages that a country wants with a letter of claim: a statement of account and forms to fill in.

Texts come from `annexes/*.yaml`; what they look like on paper is up to the letter's layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notifier.content.clean import breakable
from notifier.content.formats import Formats
from notifier.content.model import TemplateError
from notifier.content.prose import Block, Paragraph, Spacing
from notifier.content.shape import Shape
from notifier.content.text_table import TextTable
from notifier.content.variables import Data
from notifier.content.wording import Wording

DEBT_CLAIM = "gb_debt_claim"
"""The forms of the Pre-Action Protocol for Debt Claims, England and Wales."""

_BOX, _LINE = "[ ] ", "____"
_BREAK_AFTER = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Annex:
    """One annex: a page or more with a title; `statement` adds the table of invoices."""

    title: str
    text: Block
    statement: bool


def read_annexes(folder: Path, shape: Shape) -> dict[str, tuple[Annex, ...]]:
    """The sets of annexes in a folder, by file name.

    Raises:
        TemplateError: a text is refused, or the set that letters need is missing.
    """
    found: dict[str, tuple[Annex, ...]] = {}
    for path in sorted(folder.glob("*.yaml")):
        table = TextTable.read(path)
        found[path.stem] = tuple(_annex(table.table(name), shape) for name in table.names())
    if DEBT_CLAIM not in found:
        raise TemplateError(f"annexes/{DEBT_CLAIM}.yaml", "the file", "is missing")
    return found


def _annex(entry: TextTable, shape: Shape) -> Annex:
    entry.only({"title", "text", "statement"})
    text = Block(
        entry.text("text"), name=entry.file, place=entry.place, data=shape, spacing=Spacing()
    )
    return Annex(title=entry.text("title"), text=text, statement=entry.flag("statement"))


def annex_data(
    annexes: tuple[Annex, ...],
    data: Data,
    tables: list[Data],
    wording: Wording,
    formats: Formats,
) -> list[Data]:
    """The annexes as plain data for the letter's layout.

    Each has `title` and `parts`; a part is of a `kind`: `text` (`runs`, `entry`), `box` (`text`, to
    tick), `line` (`label`, to write on) or `table` (`heads`, `rows`, `totals`, all finished text).

    Args:
        annexes: in their order.
        data: the variables, with `locale` of the annexes' language.
        tables: the letter's tables in that language.
        wording: that language.
        formats: its habits.
    """
    data = {**data, "locale": str(formats.locale)}
    found: list[Data] = []
    for annex in annexes:
        parts = [_part(paragraph) for paragraph in annex.text.paragraphs(data)]
        if annex.statement:
            parts += [_statement(table, wording.words) for table in tables]
        found.append({"title": annex.title, "parts": parts})
    return found


def _part(paragraph: Paragraph) -> Data:
    text = paragraph.text
    if text.startswith(_BOX):
        return {"kind": "box", "text": text.removeprefix(_BOX)}
    if text.endswith(_LINE):
        return {"kind": "line", "label": text.removesuffix(_LINE).strip()}
    runs = [{"text": breakable(r.text, _BREAK_AFTER), "bold": r.bold} for r in paragraph.runs]
    return {"kind": "text", "entry": paragraph.entry, "runs": runs}


def _statement(table: Data, words: Mapping[str, str]) -> Data:
    """Invoice by invoice: invoiced, paid or credited, outstanding, charges of each kind, total."""
    charges, rows, totals = table["charges"], table["rows"], table["totals"]
    if not isinstance(charges, list) or not isinstance(rows, list) or not isinstance(totals, list):
        raise TypeError("a table holds lists")
    less = [name for name in ("paid", "disputed") if any(total[name] for total in totals)]
    amounts = ["amount", *less, "open", *charges, "total"]
    called = {"open": "principal", "disputed": "disputed_part"}
    return {
        "kind": "table",
        "heads": [
            *(words[name] for name in ("invoice", "issued_on", "due_on")),
            *(words[called.get(name, name)] for name in amounts),
        ],
        "rows": [
            [row["number"], row["issued_on"], row["due_on"], *(row[name] for name in amounts)]
            for row in rows
        ],
        "totals": [
            [words["total"], "", "", *(total[name] for name in amounts)] for total in totals
        ],
    }

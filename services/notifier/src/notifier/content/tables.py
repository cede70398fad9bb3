"""A message's invoices and totals as rows of finished text, for e-mail and letter alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter

from dunning_common.events.dunning import NoticeItemV2
from notifier.content.clean import breakable, clean
from notifier.content.filters import iban
from notifier.content.formats import Formats
from notifier.content.summary import (
    Section,
    Summary,
    Total,
    asked_minor,
    charged_minor,
    paid_minor,
)
from notifier.content.variables import Data
from notifier.content.wording import Wording

CHARGES = ("interest", "compensation", "fee", "earlier")
"""Kinds of charges in the order in which they are shown; a table shows those that occur in it."""


def tables_of(
    summary: Summary,
    wording: Wording,
    formats: Formats,
    *,
    max_rows: int | None,
    longest_number: int | None = None,
    details: bool = False,
) -> list[Data]:
    """One table for what is overdue, one for what is coming due; an empty one is left out.

    Args:
        summary: the message's invoices.
        wording: the language.
        formats: how it writes money and dates.
        max_rows: show no more rows than this in each and say how many are left out.
        longest_number: let invoice numbers of this length or more break anywhere.
        details: give each row the lines that lead to what is asked for, for media without columns.
    """
    sections = ((summary.overdue, "overdue"), (summary.coming_due, "coming_due"))
    tables = []
    for section, name in sections:
        if section.items:
            shown = section.items if max_rows is None else section.items[:max_rows]
            rows = [_row(item, wording, formats, longest_number) for item in shown]
            if details:
                for row in rows:
                    row["details"] = _details(row, wording)
            tables.append(_table(section, rows, wording, formats, title=wording.words[name]))
    return tables


def accounts_of(payment: Data, wording: Wording) -> list[Data]:
    """The lines of the payment block: label and value."""
    lines = (
        ("account_holder", payment["holder"]),
        ("sort_code", payment["sort_code"]),
        ("account_number", payment["account_number"]),
        ("iban", iban(payment["iban"])),
        ("bic", payment["bic"]),
        ("reference", payment["reference"]),
    )
    return [{"label": wording.words[name], "value": value} for name, value in lines if value]


def amounts(section: Section, formats: Formats) -> str:
    """What a section comes to, all currencies in one sentence."""
    return formats.sentence(
        [formats.minor(total.due_minor, total.currency) for total in section.totals]
    )


def _table(
    section: Section, rows: list[Data], wording: Wording, formats: Formats, *, title: str
) -> Data:
    left_out = len(section.items) - len(rows)
    return {
        "title": title,
        "rows": rows,
        "more": wording.counted_words("more_invoices", left_out, formats) if left_out else "",
        "totals": [_total(total, formats) for total in section.totals],
        "has_charges": any(total.charges_minor for total in section.totals),
        "charges": [name for name in CHARGES if any(map(_CHARGE[name], section.totals))],
    }


def _row(
    item: NoticeItemV2, wording: Wording, formats: Formats, longest_number: int | None
) -> Data:
    def money(minor: int) -> str:
        return formats.minor(minor, item.currency)

    def if_any(minor: int) -> str:
        return money(minor) if minor else ""

    number = clean(item.number)
    asked, charged = asked_minor(item), charged_minor(item)
    return {
        "number": breakable(number, longest_number) if longest_number else number,
        "level": wording.level_name(item.level, item.level_no),
        "issued_on": formats.day(item.issued_on, "short"),
        "due_on": formats.day(item.due_on, "short"),
        "days": formats.count(item.days_late) if item.days_late > 0 else "",
        "lateness": wording.lateness(item.days_late, formats),
        "amount": money(item.amount_minor),
        "open": money(asked),
        "paid": if_any(paid_minor(item)),
        "disputed": if_any(item.disputed_minor),
        "rate": formats.percent(item.interest_percent)
        if item.interest_minor and item.interest_percent is not None
        else "",
        "interest": if_any(item.interest_minor),
        "compensation": if_any(item.compensation_minor),
        "fee": if_any(item.fee_minor),
        "earlier": if_any(item.charges_open_minor),
        "total": money(asked + charged),
        "is_part": asked != item.amount_minor,
        "has_charges": charged > 0,
    }


def _details(row: Data, wording: Wording) -> list[Data]:
    """From the invoiced amount to the open one, and the charges that come on top."""
    words = wording.words
    lines = []
    if row["is_part"]:
        lines.append(_detail(words["amount"], row["amount"]))
        lines += [
            _detail(words[word], f"\u2212{row[name]}")
            for name, word in (("paid", "paid"), ("disputed", "disputed_part"))
            if row[name]
        ]
    for name in CHARGES:
        if row[name]:
            rate = f" ({row['rate']})" if name == "interest" and row["rate"] else ""
            lines.append(_detail(f"{words[name]}{rate}", row[name]))
    return lines


def _detail(label: str, value: object) -> Data:
    return {"label": label, "value": value}


def _total(total: Total, formats: Formats) -> Data:
    def money(minor: int) -> str:
        return formats.minor(minor, total.currency)

    charges = {name: minor_of(total) for name, minor_of in _CHARGE.items()}
    return {
        "currency": total.currency,
        "amount": money(total.amount_minor),
        "paid": money(total.paid_minor) if total.paid_minor else "",
        "disputed": money(total.disputed_minor) if total.disputed_minor else "",
        "open": money(total.open_minor),
        **{name: money(minor) for name, minor in charges.items()},
        "total": money(total.due_minor),
        "has_charges": total.charges_minor > 0,
        **{f"has_{name}": minor > 0 for name, minor in charges.items()},
    }


_CHARGE: Mapping[str, Callable[[Total], int]] = {
    name: attrgetter(f"{name}_minor") for name in CHARGES
}

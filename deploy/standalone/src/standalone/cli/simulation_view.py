"""A simulation's report as tables on the terminal. Works on the JSON report alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from standalone.cli.reach import console

_SHOWN = 10
Report = Mapping[str, Any]


def show(report: Report) -> None:
    """Print a report of any kind."""
    if "differences" in report:
        _show_two(report)
    else:
        _show_one(report)
    _troubles(report)
    _file(report)
    for words in report["assumed"]:
        console.print(f"• {words}", style="dim", highlight=False)


def _show_one(report: Report) -> None:
    totals, period = report["totals"], report["period"]
    console.print(
        f"{totals['invoices']} invoices of {totals['debtors']} debtors under "
        f"{', '.join(report['policies'])}, {period['from']} to {period['to']}: "
        f"{totals['messages']} messages in {totals['notices']} notices to "
        f"{totals['contacted_debtors']} debtors; {totals['contacts_after_payment']} after payment.",
        highlight=False,
    )
    _table(
        ("Level", "Currency", "Invoices", "Interest", "Compensation", "Fees", "After payment"),
        [
            (
                row["level"], row["currency"], row["invoices"], row["interest"],
                row["compensation"], row["fees"], row["after_payment"],
            )
            for row in report["by_level"]
        ],
    )  # fmt: skip
    _table(
        ("Channel", "Messages", "Failed", f"Cost ({report['cost']['currency']})"),
        [
            (
                row["channel"], row["messages"], row["failed"],
                report["cost"]["by_channel"][row["channel"]],
            )
            for row in report["by_channel"]
        ],
    )  # fmt: skip
    _table(
        ("Month", "Contacts", "Notices", "Messages", "Handed over"),
        [
            (row["month"], row["contacts"], row["notices"], row["messages"], row["hand_overs"])
            for row in report["months"]
        ],
    )
    if really := report.get("really"):
        _table(
            ("What was really done", "Month", "Currency", "Invoices", "After payment"),
            [
                (
                    row["level"], row["month"], row["currency"], row["invoices"],
                    row["after_payment"],
                )
                for row in really["levels"]
            ],
        )  # fmt: skip
    _table(
        ("In the way", "Reason", "Invoices"),
        [(row["state"], row["reason"] or "", row["count"]) for row in report["obstacles"]],
    )
    _table(
        ("Hold", "Outcome", "Month", "Holds"),
        [(r["kind"], r["outcome"], r["month"], r["count"]) for r in report["holds_over"]],
    )
    _table(
        ("At the end", "Next level", "Currency", "Invoices", "Open"),
        [
            (
                f"{row['state']} {row['reason'] or ''}".strip(), row["next_level"] or "",
                row["currency"], row["invoices"], row["open"],
            )
            for row in report["standing"]
        ],
    )  # fmt: skip


def _show_two(report: Report) -> None:
    a, b = report["a"], report["b"]
    console.print(
        f"A: {', '.join(a['policies'])}. B: {', '.join(b['policies'])}. "
        f"{a['totals']['invoices']} invoices of {a['totals']['debtors']} debtors, "
        f"{report['period']['from']} to {report['period']['to']}.",
        highlight=False,
    )
    _table(
        ("", "A", "B"),
        [(name.replace("_", " "), a["totals"][name], b["totals"][name]) for name in a["totals"]],
    )
    _table(
        ("Currency", "Charged", "A", "B"),
        [
            (one["currency"], name, one[name], other.get(name, "0"))
            for one, other in _by_currency(a["money"], b["money"])
            for name in ("interest", "compensation", "fees", "handed_over")
        ],
    )
    if contacts := report.get("contacts"):
        console.print(
            f"{contacts['newly_contacted']} debtors hear from us under B only, "
            f"{contacts['no_longer_contacted']} under A only; "
            f"{report['levels']['total']} invoices change level.",
            highlight=False,
        )
        _table(
            ("Invoice", "Debtor", "Next under A", "under B", "Reached under A", "under B"),
            [
                (
                    row["invoice_id"], row["debtor_id"], row["next_a"] or "", row["next_b"] or "",
                    row["reached_a"] or "", row["reached_b"] or "",
                )
                for row in report["levels"]["items"][:_SHOWN]
            ],
        )  # fmt: skip
    console.print(f"{report['invoices']['total']} invoices differ.", highlight=False)
    _table(
        ("Invoice", "Under A", "Under B", "Why"),
        [
            (row["invoice_id"], row["a"] or "nothing", row["b"] or "nothing", row["why"])
            for row in report["invoices"]["items"][:_SHOWN]
        ],
    )
    if report["invoices"]["total"] > _SHOWN:
        console.print("--json lists more.", style="dim")


def _by_currency(
    a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    ones, others = ({row["currency"]: row for row in rows} for rows in (a, b))
    nothing = dict.fromkeys(("interest", "compensation", "fees", "handed_over"), "0")
    return [
        (ones.get(name, {"currency": name, **nothing}), others.get(name, nothing))
        for name in sorted({*ones, *others})
    ]


def _troubles(report: Report) -> None:
    troubles = report["troubles"]
    if troubles["total"]:
        console.print(f"{troubles['total']} debtors could not be played; they are left out:")
        _table(
            ("Debtor", "Invoices", "Reason"),
            [(r["debtor_id"], r["invoices"], r["reason"]) for r in troubles["items"][:_SHOWN]],
        )


def _file(report: Report) -> None:
    file = report.get("file")
    if not file or not (file["bad"] or file["payments_for_unknown_invoices"]):
        return
    lines = len({row["line"] for row in file["bad"]})
    console.print(f"{lines} bad rows of the file were left out:", highlight=False)
    _table(
        ("Line", "Column", "Reason"),
        [(row["line"], row["column"] or "", row["reason"]) for row in file["bad"][:_SHOWN]],
    )
    for money in file["money"]:
        console.print(
            f"Left out: {money['left_out']} of {money['currency']}, "
            f"{money['left_out_percent']} % of the money; {file['repeated_rows']} rows repeat "
            f"others, of {file['unreadable_amounts']} the amount cannot be read.",
            highlight=False,
        )
    if file["payments_for_unknown_invoices"]:
        count = file["payments_for_unknown_invoices"]
        console.print(f"{count} payments name invoices that the file does not hold.")


def _table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    table = Table(*headers, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right" if str(column.header) in _NUMBERS else "left"
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)


_NUMBERS = frozenset(
    {
        "Invoices", "Interest", "Compensation", "Fees", "After payment", "Messages", "Failed",
        "Contacts", "Notices", "Handed over", "Holds", "Open", "A", "B",
    }
)  # fmt: skip

"""The report of a simulation: rows by month, level, channel and currency, with what it costs.

Pure. Amounts leave as decimal strings of their currency, never converted, never summed over
currencies. What was taken for granted is said in words beside the figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from dunning_common.money import to_decimal_string
from dunning_engine.domain.policy import CHANNELS, Policy
from dunning_engine.domain.simulation import Assumptions
from dunning_engine.domain.simulation_tally import Cell, Measure, Tally

Kind = Literal["forward", "backtest"]
MONEY: tuple[tuple[str, Measure], ...] = (
    ("interest", "interest_minor"),
    ("compensation", "compensation_minor"),
    ("fees", "fee_minor"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a message costs by channel (minor units of `currency`); nothing where none is named."""

    currency: str = "EUR"
    per_message_minor: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a simulation of many debtors came to. `policies` are in words, such as `ours v3`."""

    kind: Kind
    starts_on: date
    ends_on: date
    policies: tuple[str, ...]
    ladder: tuple[str, ...]
    tally: Tally
    prices: Prices
    assumed: tuple[str, ...]

    def total(self, measure: Measure) -> int:
        """The sum of a measure over all cells; of amounts only where there is one currency."""
        return sum(count for cell, count in self.tally.items() if cell.measure == measure)


def ladder_of(policies: Iterable[Policy]) -> tuple[str, ...]:
    """The codes of all levels, in the order in which debtors meet them."""
    places: dict[str, tuple[int, int]] = {}
    for policy in sorted(policies, key=lambda policy: policy.key):
        for level in policy.levels:
            places.setdefault(level.code, (level.threshold_days, level.level_no))
    return tuple(sorted(places, key=lambda code: (*places[code], code)))


def assumed_words(
    kind: Kind,
    assumptions: Assumptions,
    prices: Prices,
    *,
    known_after_days: int = 0,
    promises_kept: bool = True,
) -> tuple[str, ...]:
    """What was taken for granted, for people."""
    words = []
    if kind == "forward":
        words.append(
            "What debtors would do is not guessed: nobody pays"
            + (
                ", except what was promised or planned, paid to the day."
                if promises_kept
                else ", not even what was promised or planned."
            )
        )
        words.append("A notice that is on its way now counts as sent today and is not counted.")
    else:
        words.append(
            "What debtors would have done differently is not guessed: they pay on the days on "
            "which they really paid."
        )
        words.append(
            "A payment is known when its value date begins"
            + (f", and {known_after_days} days later" if known_after_days else "")
            + "; an invoice when the day of its issue begins."
        )
    failing = assumptions.failing_percent
    words.append(
        f"{failing} in a hundred notices fail on every channel."
        if failing
        else "Every message arrives."
    )
    words.append(
        "Levels that need approval get it at once."
        if assumptions.approvals_granted
        else "Levels that need approval do not get it."
    )
    words.append("The payments are always up to date where a policy asks for it.")
    if not any(prices.per_message_minor.values()):
        words.append("Messages cost nothing: no prices were given.")
    words.append("Amounts of different currencies are never added.")
    return tuple(words)


# -- as a document


def document(report: Report) -> dict[str, Any]:
    """The report as a JSON object."""
    return {
        "kind": report.kind,
        "period": {"from": report.starts_on.isoformat(), "to": report.ends_on.isoformat()},
        "policies": list(report.policies),
        "totals": _totals(report),
        "money": _money(report),
        "levels": _levels(report, by_month=True),
        "by_level": _levels(report, by_month=False),
        "messages": _messages(report, lambda cell: (cell.month, *_place(report, cell))),
        "by_channel": _by_channel(report),
        "months": _months(report),
        "lapses": _details(report, "lapsed", "reason"),
        "hand_overs": _hand_overs(report),
        "obstacles": _states(report, "obstacles"),
        "holds_over": _holds(report),
        "standing": _standing(report),
        "cost": _cost(report),
        "assumed": list(report.assumed),
    }


def summed(
    tally: Tally, measures: Iterable[Measure], key: Callable[[Cell], Any]
) -> dict[Any, dict[Measure, int]]:
    """Cells of some measures, added up by a key."""
    wanted = set(measures)
    rows: dict[Any, dict[Measure, int]] = {}
    for cell, count in tally.items():
        if cell.measure in wanted:
            row = rows.setdefault(key(cell), {})
            row[cell.measure] = row.get(cell.measure, 0) + count
    return rows


def rung_of(ladder: Sequence[str], level: str) -> tuple[int, str]:
    """Where a level stands in lists; one of no policy comes last."""
    return (ladder.index(level) if level in ladder else len(ladder), level)


def _place(report: Report, cell: Cell) -> tuple[Any, ...]:
    channel = CHANNELS.index(cell.detail) if cell.detail in CHANNELS else len(CHANNELS)
    return (cell.currency, rung_of(report.ladder, cell.level), channel, cell.detail)


def _totals(report: Report) -> dict[str, Any]:
    named: tuple[tuple[str, Measure], ...] = (
        ("debtors", "debtors"),
        ("invoices", "invoices"),
        ("contacted_debtors", "contacted_debtors"),
        ("contacted_invoices", "contacted_invoices"),
        ("contacts", "contacts"),
        ("notices", "notices"),
        ("messages", "messages"),
        ("failed_messages", "failed_messages"),
        ("contacts_after_payment", "after_payment"),
        ("lapses", "lapsed"),
        ("hand_overs", "handed_over"),
        ("obstacles", "obstacles"),
        ("holds_over", "holds_over"),
    )
    return {name: report.total(measure) for name, measure in named}


def _money(report: Report) -> list[dict[str, Any]]:
    measures: tuple[Measure, ...] = (*(measure for _, measure in MONEY), "handed_over_minor")
    rows = summed(report.tally, measures, lambda cell: cell.currency)
    return [
        {"currency": currency}
        | {name: to_decimal_string(row.get(measure, 0), currency) for name, measure in MONEY}
        | {"handed_over": to_decimal_string(row.get("handed_over_minor", 0), currency)}
        for currency, row in sorted(rows.items())
    ]


_OF_LEVELS: tuple[Measure, ...] = (
    "reminded", "asked_minor", "interest_minor", "compensation_minor", "fee_minor", "after_payment",
)  # fmt: skip


def _levels(report: Report, *, by_month: bool) -> list[dict[str, Any]]:
    def key(cell: Cell) -> tuple[Any, ...]:
        month = (cell.month,) if by_month else ()
        return (*month, cell.currency, rung_of(report.ladder, cell.level))

    rows = summed(report.tally, _OF_LEVELS, key)
    found = []
    for place, row in sorted(rows.items()):
        currency, (_, level) = place[-2:]

        def money(measure: Measure, row: dict[Measure, int] = row, of: str = currency) -> str:
            return to_decimal_string(row.get(measure, 0), of)

        found.append(
            ({"month": place[0]} if by_month else {})
            | {
                "currency": currency,
                "level": level,
                "invoices": row.get("reminded", 0),
                "asked": money("asked_minor"),
                "interest": money("interest_minor"),
                "compensation": money("compensation_minor"),
                "fees": money("fee_minor"),
                "after_payment": row.get("after_payment", 0),
            }
        )
    return found


def _messages(report: Report, key: Callable[[Cell], Any]) -> list[dict[str, Any]]:
    rows = summed(report.tally, ("messages", "failed_messages"), key)
    return [
        {
            "month": month,
            "currency": currency,
            "level": level,
            "channel": channel,
            "messages": row.get("messages", 0),
            "failed": row.get("failed_messages", 0),
        }
        for (month, currency, (_, level), _, channel), row in sorted(rows.items())
    ]


def _by_channel(report: Report) -> list[dict[str, Any]]:
    rows = summed(
        report.tally, ("messages", "failed_messages"), lambda cell: _place(report, cell)[2:]
    )
    return [
        {
            "channel": channel,
            "messages": row.get("messages", 0),
            "failed": row.get("failed_messages", 0),
        }
        for (_, channel), row in sorted(rows.items())
    ]


def _months(report: Report) -> list[dict[str, Any]]:
    measures: tuple[Measure, ...] = (
        "contacts", "notices", "messages", "after_payment", "handed_over", "lapsed",
    )  # fmt: skip
    rows = summed(report.tally, measures, lambda cell: cell.month)
    return [
        {
            "month": month,
            "contacts": row.get("contacts", 0),
            "notices": row.get("notices", 0),
            "messages": row.get("messages", 0),
            "contacts_after_payment": row.get("after_payment", 0),
            "hand_overs": row.get("handed_over", 0),
            "lapses": row.get("lapsed", 0),
        }
        for month, row in sorted(rows.items())
    ]


def _details(report: Report, measure: Measure, name: str) -> list[dict[str, Any]]:
    rows = summed(
        report.tally, (measure,), lambda cell: (rung_of(report.ladder, cell.level), cell.detail)
    )
    return [
        {"level": level, name: detail, "count": row[measure]}
        for ((_, level), detail), row in sorted(rows.items())
    ]


def _hand_overs(report: Report) -> list[dict[str, Any]]:
    rows = summed(
        report.tally,
        ("handed_over", "handed_over_minor"),
        lambda cell: (cell.month, cell.currency, cell.detail),
    )
    return [
        {
            "month": month,
            "currency": currency,
            "to": action,
            "invoices": row.get("handed_over", 0),
            "open": to_decimal_string(row.get("handed_over_minor", 0), currency),
        }
        for (month, currency, action), row in sorted(rows.items())
    ]


def _states(report: Report, measure: Measure) -> list[dict[str, Any]]:
    rows = summed(report.tally, (measure,), lambda cell: cell.detail)
    return [
        {"state": detail.partition(":")[0], "reason": detail.partition(":")[2] or None}
        | {"count": row[measure]}
        for detail, row in sorted(rows.items())
    ]


def _holds(report: Report) -> list[dict[str, Any]]:
    rows = summed(report.tally, ("holds_over",), lambda cell: (cell.month, cell.detail))
    return [
        {
            "month": month,
            "kind": detail.partition(":")[0],
            "outcome": detail.partition(":")[2],
            "count": row["holds_over"],
        }
        for (month, detail), row in sorted(rows.items())
    ]


def _standing(report: Report) -> list[dict[str, Any]]:
    rows = summed(
        report.tally,
        ("standing", "standing_minor"),
        lambda cell: (cell.detail, cell.currency, rung_of(report.ladder, cell.level)),
    )
    return [
        {
            "state": detail.partition(":")[0],
            "reason": detail.partition(":")[2] or None,
            "next_level": level or None,
            "currency": currency,
            "invoices": row.get("standing", 0),
            "open": to_decimal_string(row.get("standing_minor", 0), currency),
        }
        for (detail, currency, (_, level)), row in sorted(rows.items())
    ]


def cost_minor(report: Report) -> dict[str, int]:
    """What the messages cost by channel, failed ones included (minor units)."""
    prices = report.prices.per_message_minor
    sent: Counter[str] = Counter()
    for cell, count in report.tally.items():
        if cell.measure in ("messages", "failed_messages"):
            sent[cell.detail] += count
    return {channel: count * prices.get(channel, 0) for channel, count in sorted(sent.items())}


def _cost(report: Report) -> dict[str, Any]:
    currency = report.prices.currency
    by_channel = cost_minor(report)
    return {
        "currency": currency,
        "prices": {
            channel: to_decimal_string(report.prices.per_message_minor.get(channel, 0), currency)
            for channel in CHANNELS
        },
        "by_channel": {
            channel: to_decimal_string(minor, currency) for channel, minor in by_channel.items()
        },
        "total": to_decimal_string(sum(by_channel.values()), currency),
    }

"""From an overview to what the page's template shows: tiles, charts, tables, all in words.

Pure: no request, no database. Figures come from `kpi.domain.indicators`, never from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from markupsafe import Markup

from kpi.dashboard import charts, words
from kpi.dashboard.charts import Bar, Column, Line, Segment, Tick
from kpi.domain.indicators import BY_SLUG, INDICATORS, Answer, Indicator, Unit, ageing_rows
from kpi.domain.snapshot import Month, NoticeCounts, Point, Snapshot
from kpi.handlers.report import Overview, Scope

PERIODS: Final = (30, 90, 180, 365)
_CHANNEL_STYLE: Final = {
    "email": "series-1",
    "sms": "series-2",
    "letter": "series-3",
    "registered_letter": "series-4",
}
_OTHER_STYLE: Final = "series-5"
_TOOLTIPS_MAX: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure in large type. `tone` is a class: `bad`, `fine` or none."""

    slug: str
    label: str
    figure: str
    unit: str = ""
    note: str = ""
    hint: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a legend."""

    style: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The numbers of a chart; `numeric` says from which column on cells are numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    foot: tuple[str, ...] = ()
    numeric: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A card with a chart, its legend and its table; without a chart, why there is none."""

    slug: str
    title: str
    subtitle: str
    table: Table
    chart: Markup | None
    legend: tuple[Entry, ...] = ()
    why_none: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureLine:
    """A line of the list of all figures."""

    title: str
    value: str
    definition: str
    formula: str


def page(overview: Overview) -> dict[str, Any]:
    """The template's context."""
    at = overview.snapshot
    return {
        "scope": overview.scope,
        "on_words": words.day(at.on),
        "period_words": f"{words.day(at.first_day)} – {words.day(at.on)}",
        "periods": sorted({*PERIODS, at.period_days}),
        "currencies": _choices(overview.scope),
        "tiles": tiles(at),
        "panels": (
            _balance_panel(overview.points, at),
            _ageing_panel(at),
            _notices_panel(at),
            _collections_panel(overview.months, at.currency),
        ),
        "figures": tuple(_figure_line(indicator, at) for indicator in INDICATORS),
        "yesterday": at.on - timedelta(days=1),
        "tomorrow": at.on + timedelta(days=1),
    }


def tiles(at: Snapshot) -> tuple[Tile, ...]:
    """The six figures that are read first."""
    answers = {slug: BY_SLUG[slug].build(at) for slug in _TILES}
    overdue_share = BY_SLUG["delinquency_rate"].build(at).value
    harm, contacts = at.contacts.after_payment, at.contacts.contacts
    paid = at.settled
    return (
        _tile("open_balance", answers, at, note=_change(at.open_minor, at.opening_minor, at)),
        _tile(
            "overdue_balance",
            answers,
            at,
            note=f"{words.percent(_decimal(overdue_share))} of the open balance"
            if overdue_share is not None
            else "",
        ),
        _tile("dso", answers, at, note=f"balance method, {at.period_days} days"),
        _tile(
            "recovery_rate",
            answers,
            at,
            note=f"of {words.money_round(at.placement.placed_minor, at.currency)} fallen overdue",
        ),
        _tile(
            "average_days_late",
            answers,
            at,
            note=f"{words.count(paid.invoices)} invoices paid, "
            f"{words.count(paid.late_invoices)} of them late",
        ),
        _tile(
            "contacts_after_payment",
            answers,
            at,
            note=f"of {words.count(contacts)} contacts",
            tone="bad" if harm else "fine" if contacts else "",
        ),
    )


_TILES: Final = (
    "open_balance",
    "overdue_balance",
    "dso",
    "recovery_rate",
    "average_days_late",
    "contacts_after_payment",
)


def _tile(
    slug: str, answers: dict[str, Answer], at: Snapshot, *, note: str = "", tone: str = ""
) -> Tile:
    indicator, answer = BY_SLUG[slug], answers[slug]
    if answer.value is None:
        return Tile(
            slug=slug,
            label=indicator.title,
            figure="not defined",
            note=answer.why_none,
            hint=indicator.definition,
            tone="none",
        )
    figure, unit = _large(indicator.unit, answer.value, at.currency)
    return Tile(
        slug=slug,
        label=indicator.title,
        figure=figure,
        unit=unit,
        note=note,
        hint=f"{indicator.definition} {_exact(indicator.unit, answer, at.currency)}",
        tone=tone,
    )


def _large(unit: Unit, value: int | Decimal, currency: str) -> tuple[str, str]:
    match unit:
        case Unit.MONEY:
            return words.money_round(int(value), currency), ""
        case Unit.DAYS:
            return words.tenths(Decimal(value)), "days"
        case Unit.PERCENT:
            return words.tenths(Decimal(value)), "%"
        case Unit.COUNT:
            return words.count(int(value)), ""


def _exact(unit: Unit, answer: Answer, currency: str) -> str:
    """A value in full, or why there is none."""
    if answer.value is None:
        return f"not defined: {answer.why_none}"
    match unit:
        case Unit.MONEY:
            return words.money(int(answer.value), currency)
        case Unit.DAYS:
            return f"{words.tenths(Decimal(answer.value))}{words.NBSP}days"
        case Unit.PERCENT:
            return words.percent(Decimal(answer.value))
        case Unit.COUNT:
            return words.count(int(answer.value))


def _decimal(value: int | Decimal) -> Decimal:
    return Decimal(value)


def _change(now_minor: int, before_minor: int, at: Snapshot) -> str:
    if before_minor <= 0:
        return f"{words.count(sum(aged.invoices for aged in at.ageing))} invoices"
    change = Decimal(now_minor - before_minor) * 100 / Decimal(before_minor)
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    return f"{sign}{words.tenths(abs(change))}{words.NBSP}% in {at.period_days} days"


def _choices(scope: Scope) -> tuple[str, ...]:
    return tuple(sorted({use.currency for use in scope.currencies} | {scope.currency}))


def _money_ticks(largest_minor: int, currency: str) -> tuple[int, tuple[Tick, ...]]:
    top, marks = charts.scale(largest_minor)
    return top, tuple(
        Tick(at=mark / top, words=words.money_short(mark, currency)) for mark in marks
    )


def _balance_panel(points: Sequence[Point], at: Snapshot) -> Panel:
    currency = at.currency
    top, ticks = _money_ticks(max((p.open_minor for p in points), default=0), currency)
    flat = not any(p.open_minor or p.overdue_minor for p in points)
    chart = charts.lines(
        (
            Line(style="open", values=tuple(p.open_minor for p in points)),
            Line(style="overdue", values=tuple(p.overdue_minor for p in points)),
        ),
        across=_day_ticks([p.on for p in points]),
        ticks=ticks,
        top=top,
        title=f"Open balance {words.money(at.open_minor, currency)}, of which "
        f"{words.money(at.overdue_minor, currency)} overdue, on {words.day(at.on)}",
        words=[
            f"{words.day(p.on)}: open {words.money_round(p.open_minor, currency)}, "
            f"overdue {words.money_round(p.overdue_minor, currency)}"
            for p in points
        ]
        if len(points) <= _TOOLTIPS_MAX
        else (),
    )
    return Panel(
        slug="balances",
        title="Open and overdue balance",
        subtitle=f"the {at.period_days} days to {words.day(at.on)}",
        chart=None if flat else chart,
        why_none="Nothing was open in this period.",
        legend=(
            Entry(style="open-fill", words=f"Open {words.money_round(at.open_minor, currency)}"),
            Entry(
                style="overdue-fill",
                words=f"Overdue {words.money_round(at.overdue_minor, currency)}",
            ),
        ),
        table=Table(
            caption="Balances at the end of the day",
            head=("Day", "Open", "Overdue", "Invoiced", "Collected"),
            rows=tuple(
                (
                    words.day(p.on),
                    words.money(p.open_minor, currency),
                    words.money(p.overdue_minor, currency),
                    words.money(p.invoiced_minor, currency),
                    words.money(p.collected_minor, currency),
                )
                for p in reversed(points)
            ),
        ),
    )


def _day_ticks(days: Sequence[date]) -> tuple[Tick, ...]:
    """First days of months where there are some to choose from, else the ends and the middle."""
    last = max(1, len(days) - 1)
    firsts = [index for index, day in enumerate(days) if day.day == 1]
    if len(firsts) >= 2:
        every = -(-len(firsts) // 6)
        return tuple(
            Tick(at=index / last, words=words.day_short(days[index])) for index in firsts[::every]
        )
    chosen = sorted({0, last // 2, last}) if days else []
    return tuple(
        Tick(at=index / last, words=words.day_short(days[index]))
        for index in chosen
        if index < len(days)
    )


def _ageing_panel(at: Snapshot) -> Panel:
    rows = ageing_rows(at)
    chart = charts.bars(
        [
            Bar(
                label=row.label,
                words=f"{words.money(row.amount_minor, at.currency)} · "
                f"{words.percent(row.share_percent)}",
                segments=(
                    Segment(
                        value=row.amount_minor,
                        style=f"age-{index}",
                        words=f"{row.label}: {words.money(row.amount_minor, at.currency)}, "
                        f"{words.count(row.invoices)} invoices",
                    ),
                ),
            )
            for index, row in enumerate(rows)
        ],
        title="Open balance by days past due",
    )
    return Panel(
        slug="ageing",
        title="Ageing",
        subtitle="open balance by days past due",
        chart=chart if at.open_minor > 0 else None,
        why_none="Nothing is open.",
        table=Table(
            caption="Open balance by days past due",
            head=("Past due", "Amount", "Share", "Invoices"),
            rows=tuple(
                (
                    row.label,
                    words.money(row.amount_minor, at.currency),
                    words.percent(row.share_percent),
                    words.count(row.invoices),
                )
                for row in rows
            ),
            foot=(
                "Total",
                words.money(at.open_minor, at.currency),
                "",
                words.count(sum(row.invoices for row in rows)),
            ),
        ),
    )


def _notices_panel(at: Snapshot) -> Panel:
    by_level: dict[tuple[int, str], list[NoticeCounts]] = {}
    for row in at.notices:
        by_level.setdefault((row.level_no, row.level), []).append(row)
    used = sorted({row.channel for row in at.notices}, key=_channel_order)
    chart = charts.bars(
        [
            Bar(
                label=f"{level_no}. {words.level(level)}",
                words=f"{words.count(sum(row.sent for row in rows))} sent",
                note=_to_look_at(rows),
                segments=tuple(
                    Segment(
                        value=row.sent,
                        style=_CHANNEL_STYLE.get(row.channel, _OTHER_STYLE),
                        words=f"{words.channel(row.channel)}: {words.count(row.sent)} sent",
                    )
                    for row in sorted(rows, key=lambda row: _channel_order(row.channel))
                ),
            )
            for (level_no, level), rows in by_level.items()
        ],
        title="Notices sent per level, by channel",
    )
    return Panel(
        slug="notices",
        title="Notices per level",
        subtitle=f"sent in the {at.period_days} days to {words.day(at.on)}",
        chart=chart if at.notices else None,
        why_none="No notice was decided in this period.",
        legend=tuple(
            Entry(style=_CHANNEL_STYLE.get(code, _OTHER_STYLE), words=words.channel(code))
            for code in used
        ),
        table=_notices_table(at.notices),
    )


def _to_look_at(rows: Sequence[NoticeCounts]) -> str:
    """What did not go as it should have."""
    counted = (
        ("bounced", sum(row.bounced for row in rows)),
        ("unknown", sum(row.unknown for row in rows)),
        ("not sent", sum(row.failed + row.suppressed for row in rows)),
    )
    return " · ".join(f"{words.count(number)} {name}" for name, number in counted if number)


def _notices_table(rows: Sequence[NoticeCounts]) -> Table:
    return Table(
        caption="Messages by level and channel",
        head=(
            "Level", "Channel", "Sent", "Delivered", "Bounced", "Unknown", "Suppressed", "Failed",
            "Returned",
        ),
        rows=tuple(
            (
                f"{row.level_no}. {words.level(row.level)}",
                words.channel(row.channel),
                *(
                    words.count(number)
                    for number in (
                        row.sent, row.delivered, row.bounced, row.unknown, row.suppressed,
                        row.failed, row.returned,
                    )
                ),
            )
            for row in rows
        ),
        numeric=2,
    )  # fmt: skip


def _channel_order(code: str) -> tuple[int, str]:
    known = list(_CHANNEL_STYLE)
    return (known.index(code) if code in known else len(known), code)


def _collections_panel(months: Sequence[Month], currency: str) -> Panel:
    top, ticks = _money_ticks(max((m.collected_minor for m in months), default=0), currency)
    chart = charts.columns(
        [
            Column(
                label=words.month_short(month.first_day),
                value=month.collected_minor,
                words=f"{words.month(month.first_day)}: "
                f"{words.money(month.collected_minor, currency)}",
            )
            for month in months
        ],
        ticks=ticks,
        top=top,
        title="Cash collected per month",
    )
    return Panel(
        slug="collections",
        title="Collections per month",
        subtitle="cash booked against invoices, less reversals",
        chart=chart if any(month.collected_minor for month in months) else None,
        why_none="Nothing was collected in these twelve months.",
        table=Table(
            caption="Collected and invoiced per month",
            head=("Month", "Collected", "Invoiced"),
            rows=tuple(
                (
                    words.month(month.first_day),
                    words.money(month.collected_minor, currency),
                    words.money(month.invoiced_minor, currency),
                )
                for month in reversed(months)
            ),
        ),
    )


def _figure_line(indicator: Indicator, at: Snapshot) -> FigureLine:
    return FigureLine(
        title=indicator.title,
        value=_exact(indicator.unit, indicator.build(at), at.currency),
        definition=indicator.definition,
        formula=indicator.formula,
    )

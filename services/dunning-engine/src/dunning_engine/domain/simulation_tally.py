"""Counts what simulated runs did: per month, currency, level and channel, in cells that add up.

Counting is all: cells of two debtors, of two batches or of two months are added, never averaged,
so that any order of the work gives the same result. Amounts are minor units, never converted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from dunning_engine.domain.case import Case
from dunning_engine.domain.notice import NoticePlan
from dunning_engine.domain.simulation import Happening, Run, Settlement
from dunning_engine.domain.verdict import Verdict

Measure = Literal[
    "debtors",
    "invoices",
    "contacted_debtors",
    "contacted_invoices",
    "contacts",  # days on which a debtor heard from us, of any debtor
    "notices",
    "messages",  # detail: channel
    "failed_messages",  # detail: channel
    "reminded",  # invoices in notices, once per level that was served
    "asked_minor",
    "interest_minor",
    "compensation_minor",
    "fee_minor",
    "after_payment",  # invoices in notices on or after the day on which they were paid
    "lapsed",  # detail: reason
    "handed_over",  # detail: to whom
    "handed_over_minor",
    "obstacles",  # detail: state:reason, once per invoice and level
    "holds_over",  # detail: kind:outcome
    "standing",  # detail: state:reason, at the end
    "standing_minor",
]


class Cell(NamedTuple):
    """What is counted, and of what. `month` is `2026-04`; empty where it has no meaning."""

    measure: Measure
    month: str = ""
    currency: str = ""
    level: str = ""
    detail: str = ""


Tally = Counter[Cell]


def tally_of(run: Run) -> Tally:
    """What one debtor's run comes to."""
    tally: Tally = Counter()
    tally[Cell("debtors")] += 1
    tally[Cell("invoices")] += len(run.cases)
    _count_notices(run, tally)
    for happening in run.happenings:
        _count(happening, run.settlements.get(happening.invoice_id, ()), tally)
    for on, kind, outcome in run.holds_over:
        tally[Cell("holds_over", month_of(on), detail=f"{kind}:{outcome}")] += 1
    _count_standing(run, tally)
    return tally


def month_of(day: object) -> str:
    """The month of a date, such as `2026-04`."""
    return str(day)[:7]


def _count_notices(run: Run, tally: Tally) -> None:
    served = [notice for notice, is_served in run.notices if is_served]
    for notice in served:
        tally[Cell("notices", month_of(notice.decided_on))] += 1
    for day in {notice.decided_on for notice in served}:
        tally[Cell("contacts", month_of(day))] += 1
    invoices = {item.invoice_id for notice in served for item in notice.items}
    tally[Cell("contacted_debtors")] += bool(served)
    tally[Cell("contacted_invoices")] += len(invoices)
    for notice, is_served in run.notices:
        measure: Measure = "messages" if is_served else "failed_messages"
        for currency, level, channel in _messages(notice):
            tally[Cell(measure, month_of(notice.decided_on), currency, level, channel)] += 1


def _messages(notice: NoticePlan) -> Iterable[tuple[str, str, str]]:
    """(currency, level, channel) of each message: those of the item that sets its tone."""
    currencies = {item.invoice_id: (item.level_no, item.currency) for item in notice.items}
    for message in notice.messages:
        levels = [currencies[invoice_id] for invoice_id in message.invoice_ids]
        currency = min(name for level_no, name in levels if level_no == message.level_no)
        yield currency, message.level, message.channel


def _count(happening: Happening, settled: tuple[Settlement, ...], tally: Tally) -> None:
    month, currency, level = month_of(happening.on), happening.currency, happening.level

    def add(measure: Measure, count: int, detail: str = "") -> None:
        if count:
            tally[Cell(measure, month, currency, level, detail)] += count

    match happening.kind:
        case "sent":
            add("reminded", 1)
            add("asked_minor", happening.open_minor)
            add("interest_minor", happening.interest_minor)
            add("compensation_minor", happening.compensation_minor)
            add("fee_minor", happening.fee_minor)
            add("after_payment", any(stay.covers(happening.on) for stay in settled))
        case "failed":
            pass  # its messages are counted as failed
        case "lapsed":
            add("lapsed", 1, happening.reason)
        case "handed_over":
            add("handed_over", 1, happening.reason)
            add("handed_over_minor", happening.open_minor, happening.reason)
        case "obstacle":
            add("obstacles", 1, happening.reason)


def _count_standing(run: Run, tally: Tally) -> None:
    for case in run.cases:
        detail, level = _standing(case, run.last.get(case.invoice_id))
        tally[Cell("standing", "", case.currency, level, detail)] += 1
        if case.open_minor:
            tally[Cell("standing_minor", "", case.currency, level, detail)] += case.open_minor


def _standing(case: Case, verdict: Verdict | None) -> tuple[str, str]:
    """`state:reason` of a case, and its next level."""
    if over := case.closed or case.settled:
        return f"closed:{over}", ""
    if verdict is None:
        return "unknown:", ""
    return f"{verdict.state}:{verdict.reason or ''}", verdict.level or ""

"""A brute-force oracle of the French policy, written from the policy's text and the CSV file alone.

It imports nothing of the product. Where the product schedules, claims and folds, this walks every
invoice day by day and asks the plain question: would a careful clerk write today?

The policy in words: a courtesy e-mail 5 days before the due date; an e-mail 7 days after it; an e-mail
and an SMS 14 days after that; a formal notice (registered letter and e-mail) 15 days after that;
hand-over 10 days later. Mondays to Fridays, not on French public holidays: what falls on a closed day
goes out on the next open one, and what follows counts from the day on which it really went out. A
courtesy that could only go out after the due date is dropped. Nothing from the day of settlement on.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

DAY = timedelta(days=1)

CHANNELS = {
    "courtesy": {"email"},
    "first_reminder": {"email"},
    "second_reminder": {"email", "sms"},
    "formal_notice": {"registered_letter", "email"},
    "hand_over": set(),
}


@dataclass(frozen=True)
class Bill:
    number: str
    customer: str
    issued: date
    due: date
    amount: Decimal
    settled: date


@dataclass(frozen=True, order=True)
class Step:
    invoice: str
    level: str
    day: date


def read_bills(path: Path) -> list[Bill]:
    def day(text: str) -> date:
        month, day_, year = map(int, text.split("/"))
        return date(year, month, day_)

    with path.open(newline="") as file:
        return [
            Bill(
                row["invoiceNumber"],
                row["customerID"],
                day(row["InvoiceDate"]),
                day(row["DueDate"]),
                Decimal(row["InvoiceAmount"]),
                day(row["SettledDate"]),
            )
            for row in csv.DictReader(file)
        ]


def easter_sunday(year: int) -> date:
    """Gauss's rule, Gregorian calendar, as in the anonymous algorithm of 1876."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def french_holidays(year: int) -> set[date]:
    easter = easter_sunday(year)
    fixed = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)]
    moving = [easter + 1 * DAY, easter + 39 * DAY, easter + 50 * DAY]
    return {date(year, month, day) for month, day in fixed} | set(moving)


def is_open(day: date) -> bool:
    return day.weekday() < 5 and day not in french_holidays(day.year)


def steps_of(bill: Bill) -> Iterator[Step]:
    """Walk the calendar one day at a time until the bill is settled."""
    waiting = ["courtesy", "first_reminder", "second_reminder", "formal_notice", "hand_over"]
    went_out: dict[str, date] = {}
    day = bill.issued
    while day < bill.settled and waiting:
        if waiting[0] == "courtesy" and day > bill.due:
            waiting.pop(0)
        level = waiting[0]
        earliest = {
            "courtesy": lambda: bill.due - 5 * DAY,
            "first_reminder": lambda: bill.due + 7 * DAY,
            "second_reminder": lambda: went_out["first_reminder"] + 14 * DAY,
            "formal_notice": lambda: went_out["second_reminder"] + 15 * DAY,
            "hand_over": lambda: went_out["formal_notice"] + 10 * DAY,
        }[level]()
        if day >= earliest and is_open(day):
            yield Step(bill.number, level, day)
            went_out[level] = day
            waiting.pop(0)
        day += DAY


def all_steps(bills: list[Bill]) -> set[Step]:
    return {step for bill in bills for step in steps_of(bill)}


def all_messages(bills: list[Bill]) -> set[tuple[str, date, str, frozenset[str]]]:
    """(customer, day, channel, invoices): one message per customer, day and channel."""
    customer = {bill.number: bill.customer for bill in bills}
    grouped: dict[tuple[str, date, str], set[str]] = defaultdict(set)
    for step in all_steps(bills):
        for channel in CHANNELS[step.level]:
            grouped[customer[step.invoice], step.day, channel].add(step.invoice)
    return {(*place, frozenset(invoices)) for place, invoices in grouped.items()}

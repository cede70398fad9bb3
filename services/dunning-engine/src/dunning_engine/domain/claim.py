"""How long reminders rest when a debtor says that it paid: as long as banks may take. Pure."""

from __future__ import annotations

from datetime import date, time

from dunning_engine.domain.schedule import Agenda, Calendar, add_days

BANK_DAYS = frozenset(range(5))
"""Monday to Friday: transfers are not booked on the others."""


def reminders_rest_until(paid_on: date, claim_days: int, calendar: Calendar) -> date:
    """The first day on which reminders may go on again: the one after `claim_days` bank days.

    They count from the day after `paid_on`; weekends and the debtor's public holidays are left out.
    """
    bank = Agenda("UTC", BANK_DAYS, time(0), time(23, 59), calendar.holidays)
    return add_days(bank.move(paid_on, claim_days, "business_days"), 1)

"""The contact budget: how often a debtor may be written to, over all invoices and channels. Pure.

What goes beyond it waits for the first day that has room; nothing is lost and nothing is joined by
force. The most careful budget among the policies of a notice counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dunning_common.values import replace
from dunning_engine.domain.judgement import Situation
from dunning_engine.domain.notice import NoticeItem, group_items
from dunning_engine.domain.outcome import Ruling
from dunning_engine.domain.policy import ContactBudget, Level, Policy
from dunning_engine.domain.schedule import add_days
from dunning_engine.domain.verdict import step

_SEARCH_DAYS = 400


def keep_to_budget(rulings: Sequence[Ruling], situation: Situation) -> list[Ruling]:
    """The rulings, with the items that go beyond the contact budget put off."""
    items = [ruling.item for ruling in rulings if ruling.item]
    if not items or not any(policy.budget for policy in situation.policies.values()):
        return list(rulings)
    contacts = list(situation.account.contacted_on)
    put_off: dict[str, date] = {}
    for group in group_items(items, situation.policies):
        budgets = [found for item in group if (found := _policy(item, situation).budget)]
        free_on = _free_on(contacts, budgets, situation.today)
        if free_on > situation.today:
            waiting = [item for item in group if not _goes_anyway(item, situation)]
            put_off |= {item.invoice_id: free_on for item in waiting}
            if len(waiting) == len(group):
                continue
        contacts.append(situation.today)
    return [_put_off(ruling, put_off, situation) for ruling in rulings]


def _policy(item: NoticeItem, situation: Situation) -> Policy:
    return situation.policies[item.policy_id, item.policy_version]


def _level(item: NoticeItem, situation: Situation) -> Level | None:
    return _policy(item, situation).level(item.level_no)


def _goes_anyway(item: NoticeItem, situation: Situation) -> bool:
    level = _level(item, situation)
    return bool(level and level.beyond_budget)


def _free_on(contacts: Sequence[date], budgets: Sequence[ContactBudget], today: date) -> date:
    """The first day from today on with room for one more notice under every budget."""
    for offset in range(_SEARCH_DAYS):
        day = add_days(today, offset)
        if all(_has_room(contacts, budget, day) for budget in budgets):
            return day
    return add_days(today, _SEARCH_DAYS)


def _has_room(contacts: Sequence[date], budget: ContactBudget, day: date) -> bool:
    lately = [on for on in contacts if (day - on).days < budget.days]
    quiet = all((day - on).days > budget.quiet_days for on in contacts) or not budget.quiet_days
    return len(lately) < budget.max_contacts and quiet


def _put_off(ruling: Ruling, put_off: dict[str, date], situation: Situation) -> Ruling:
    free_on = put_off.get(ruling.verdict.invoice_id)
    if free_on is None or ruling.item is None:
        return ruling
    agenda = situation.agendas[ruling.item.policy_id, ruling.item.policy_version]
    level = _level(ruling.item, situation)
    if level and level.is_pre_due:  # the next level takes over when this one lapses
        free_on = min(free_on, add_days(ruling.item.due_on, 1))
    at = agenda.first_moment(free_on, situation.now)
    facts = step("contact_budget", contacts=len(situation.account.contacted_on), day=free_on)
    verdict = replace(
        ruling.verdict,
        state="scheduled",
        at=at,
        reason="contact_budget",
        trace=(*ruling.verdict.trace, facts),
    )
    return replace(ruling, verdict=verdict, item=None)

"""The core alone against the brute-force oracle, on the real file: who gets what on which day."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from dunning_common.values import replace
from tests.e2e.oracle import Bill, all_messages, all_steps, read_bills
from tests.unit.dunning_engine.builders import account, applied, case, judged

PARIS = ZoneInfo("Europe/Paris")
FILE = "data/ibm_late_payment/WA_Fn-UseC_-Accounts-Receivable.csv"


def midnight(day) -> datetime:
    return datetime.combine(day, datetime.min.time(), PARIS).astimezone(UTC)


def walk(bills: list[Bill]):
    """One debtor: facts arrive at midnight, the clock goes from action to action in between."""
    debtor = account(debtor_id=bills[0].customer)
    cases, steps, messages = {}, set(), set()
    facts = sorted(
        {bill.issued for bill in bills} | {bill.settled for bill in bills},
    )
    for day, following in zip(facts, [*facts[1:], None], strict=True):
        for bill in bills:
            if bill.issued == day:
                cases[bill.number] = case(
                    invoice_id=bill.number,
                    issued_on=bill.issued,
                    due_on=bill.due,
                    amount_minor=int(bill.amount * 100),
                )
            if bill.settled == day and bill.number in cases:
                cases[bill.number] = replace(cases[bill.number], status="paid", open_minor=0)
        now, until = midnight(day), midnight(following or day + timedelta(days=400))
        while now is not None and now < until:
            decision = judged(*cases.values(), now=now, debtor=debtor)
            cases = {key: applied(found, decision) for key, found in cases.items()}
            today = decision.decided_on
            steps |= {(done.invoice_id, done.level, today) for done in decision.hand_overs}
            now = decision.next_action_at
            for item in decision.items:
                steps.add((item.invoice_id, item.level, today))
                found = cases[item.invoice_id].completed(item.level_no, item.level, today)
                cases[item.invoice_id] = found
                now = decision.decided_at
            for message in (m for notice in decision.notices for m in notice.messages):
                messages.add(
                    (debtor.debtor_id, today, message.channel, frozenset(message.invoice_ids))
                )
    return steps, messages


def test_the_core_agrees_with_the_oracle_to_the_day(shared: Path):
    bills = read_bills(shared / FILE)
    by_customer = defaultdict(list)
    for bill in bills:
        by_customer[bill.customer].append(bill)

    steps, messages = set(), set()
    for customer_bills in by_customer.values():
        found_steps, found_messages = walk(customer_bills)
        steps |= found_steps
        messages |= found_messages

    assert len(bills) == 2466
    assert steps == {(step.invoice, step.level, step.day) for step in all_steps(bills)}
    assert messages == all_messages(bills)

"""Errors that the slow model found in the core, each as the smallest story that shows it."""

from __future__ import annotations

from datetime import date

from dunning_common.values import replace
from dunning_engine.domain.conditions import Conditions, standing_of
from tests.unit.dunning_engine.builders import FRANCE, account, applied, case, judged, paris

TWO_OVERDUE = replace(
    FRANCE,
    policy_id="two",
    unmatched_receipts="hold",
    levels=(
        replace(FRANCE.levels[1], level_no=1, when=Conditions(invoices_at_least=2)),
        replace(FRANCE.levels[2], level_no=2, needs_approval=True),
    ),
)


def test_what_is_handed_over_now_counts_no_more_for_the_others_of_the_same_decision():
    going = case(invoice_id="i1").completed(4, "formal_notice", date(2026, 6, 5))
    staying = case(invoice_id="i2", policy_id="two", due_on=date(2026, 5, 20))
    now = paris("2026-06-15T09:00")

    decision = judged(going, staying, now=now, policy=TWO_OVERDUE)
    after = [applied(each, decision) for each in (going, staying)]

    assert [done.invoice_id for done in decision.hand_overs] == ["i1"]
    assert [(lapse.invoice_id, lapse.reason) for lapse in decision.lapses] == [
        ("i2", "not_applicable")
    ]
    assert not judged(*after, now=now, policy=TWO_OVERDUE).has_effects


def test_an_invoice_that_others_collect_is_not_counted_whoever_asks():
    gone = case(invoice_id="i1", closed="handed_over")

    standing = standing_of([gone, case(invoice_id="i2")], date(2026, 6, 15))

    assert (standing.overdue_invoices, standing.overdue_minor) == (1, {"EUR": 100000})


def test_a_courtesy_that_unmatched_money_holds_back_gives_way_after_the_due_date():
    policy = replace(FRANCE, policy_id="careful", unmatched_receipts="hold")
    debtor = account(unallocated_minor=(("EUR", 100000),))
    invoice = case(policy_id="careful")

    held = judged(invoice, now=paris("2026-04-27T08:00"), debtor=debtor, policy=policy)
    later = judged(invoice, now=held.next_action_at, debtor=debtor, policy=policy)

    assert (held.verdicts[0].state, held.verdicts[0].reason) == ("held", "unmatched_receipt")
    assert [lapse.level for lapse in later.lapses] == ["courtesy"]
    assert later.items == ()

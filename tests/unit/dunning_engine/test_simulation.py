"""Simulated debtors: the oracle agrees, and what must not matter does not."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.domain.account import Hold, Instalment
from dunning_engine.domain.case import Case
from dunning_engine.domain.policy import ContactBudget, Level, Policy
from dunning_engine.domain.schedule import local_midnight
from dunning_engine.domain.simulation import Assumptions, Run, simulate
from dunning_engine.domain.simulation_diff import tally_differences
from dunning_engine.domain.simulation_job import Job, play, result
from dunning_engine.domain.simulation_scenario import Scenario
from dunning_engine.domain.simulation_tally import tally_of
from dunning_engine.domain.story import (
    Held,
    Issued,
    PastInvoice,
    Receipt,
    Released,
    Story,
    in_order,
    promised_payments,
    story_of,
)
from tests.e2e.oracle import all_messages, all_steps, read_bills
from tests.unit.dunning_engine.builders import (
    CALENDARS,
    FRANCE,
    GERMANY,
    POLICIES,
    RATES,
    account,
    case,
    hold,
    paris,
)

FILE = "data/ibm_late_payment/WA_Fn-UseC_-Accounts-Receivable.csv"
ISSUED, DUE = date(2026, 4, 1), date(2026, 4, 30)
CAREFUL = replace(
    FRANCE, policy_id="careful", budget=ContactBudget(max_contacts=1, days=20), version=1
)
MATERIAL = POLICIES | {CAREFUL.key: CAREFUL}


def invoice(number: int = 1, **changes: Any) -> PastInvoice:
    usual = {
        "invoice_id": f"i{number}",
        "number": f"i{number}",
        "issued_on": ISSUED,
        "due_on": DUE,
        "currency": "EUR",
        "amount_minor": 1_000_00,
        "policy": FRANCE.key,
    }
    return PastInvoice(**(usual | changes))


def played(
    story: Story,
    *,
    start: str = "2026-01-01",
    end: str = "2027-06-01",
    policies: dict[Any, Policy] = MATERIAL,
    **assumed: Any,
) -> Run:
    return simulate(
        story,
        policies,
        start=paris(start),
        end=paris(end),
        calendar=CALENDARS["FR"],
        rates=RATES,
        assumptions=Assumptions(**assumed),
    )


def diary(run: Run) -> list[tuple[str, str, str]]:
    return [
        (happening.on.isoformat(), happening.level, happening.kind)
        for happening in run.happenings
        if happening.kind != "obstacle"
    ]


def job(*policies: Policy, **changes: Any) -> Job:
    scenarios = [Scenario(name=p.name, policies=MATERIAL, override=p.key) for p in policies]
    usual: dict[str, Any] = {
        "purpose": "compare" if len(policies) > 1 else "backtest",
        "kind": "backtest",
        "a": scenarios[0],
        "b": scenarios[1] if len(scenarios) > 1 else None,
        "starts_on": date(2026, 1, 1),
        "ends_on": date(2027, 6, 1),
    }
    return Job(**(usual | changes))


def report(a_job: Job, stories: list[Story]) -> dict[str, Any]:
    part = play(a_job, stories, calendar_of=lambda _: CALENDARS["FR"], rates=RATES)
    return result(a_job, part)


def timeless(steps: list[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    """Steps without the days of lapses: a lapse is noted when somebody looks, at the latest."""
    return Counter(("" if kind == "lapsed" else on, level, kind) for on, level, kind in steps)


def standing(reached: Case) -> Case:
    """A case without the days of its lapses."""
    served = tuple(
        replace(done, on=date.min) if done.outcome == "lapsed" else done for done in reached.served
    )
    return replace(reached, served=served)


# -- the oracle


def test_the_past_played_again_is_what_the_oracle_says_to_the_day(shared):
    bills = read_bills(shared / FILE)
    of_customer = defaultdict(list)
    for bill in bills:
        of_customer[bill.customer].append(
            PastInvoice(
                invoice_id=bill.number,
                number=bill.number,
                issued_on=bill.issued,
                due_on=bill.due,
                currency="EUR",
                amount_minor=int(bill.amount * 100),
                payments=((bill.settled, int(bill.amount * 100)),),
                policy=FRANCE.key,
            )
        )

    steps, messages = set(), Counter()
    for customer, invoices in of_customer.items():
        story = story_of(account(debtor_id=customer), invoices)
        run = played(story, start="2012-01-01", end="2014-06-01")
        steps |= {(h.invoice_id, h.level, h.on) for h in run.happenings if h.kind != "lapsed"}
        messages.update(
            (customer, sent.notice.decided_on, message.channel, frozenset(message.invoice_ids))
            for sent in run.notices
            for message in sent.notice.messages
        )
        assert all(c.closed == "paid" for c in run.cases)

    assert steps == {(step.invoice, step.level, step.day) for step in all_steps(bills)}
    assert messages == Counter(all_messages(bills))


# -- one debtor


def test_an_unpaid_invoice_climbs_the_whole_ladder():
    run = played(story_of(account(), [invoice()]))

    assert diary(run) == [
        ("2026-04-27", "courtesy", "sent"),
        ("2026-05-07", "first_reminder", "sent"),
        ("2026-05-21", "second_reminder", "sent"),
        ("2026-06-05", "formal_notice", "sent"),
        ("2026-06-15", "hand_over", "handed_over"),
    ]
    assert [c.closed for c in run.cases] == ["handed_over"]
    assert run.account.handed_over_invoices == 1


def test_a_payment_ends_the_ladder_on_its_value_date():
    run = played(story_of(account(), [invoice(payments=((date(2026, 5, 21), 1_000_00),))]))

    assert [level for _, level, _ in diary(run)] == ["courtesy", "first_reminder"]


def test_a_payment_that_becomes_known_late_makes_contacts_after_payment():
    story = story_of(
        account(), [invoice(payments=((date(2026, 5, 20), 1_000_00),))], known_after_days=3
    )

    tally = tally_of(played(story))

    assert sum(n for cell, n in tally.items() if cell.measure == "after_payment") == 1


def test_money_without_an_invoice_covers_the_oldest_one_first():
    older, newer = invoice(1), invoice(2, due_on=date(2026, 5, 30))
    receipt = Receipt(on=date(2026, 5, 2), currency="EUR", amount_minor=1_200_00)

    run = played(story_of(account(), [older, newer], receipts=[receipt]), end="2026-05-10")

    assert [c.open_minor for c in run.cases] == [0, 800_00]
    assert [c.closed for c in run.cases] == ["paid", None]


def test_money_that_covers_nothing_stays_unallocated():
    receipt = Receipt(on=date(2026, 5, 2), currency="EUR", amount_minor=1_500_00)

    run = played(story_of(account(), [invoice()], receipts=[receipt]))

    assert run.account.unallocated_minor == (("EUR", 500_00),)


def test_a_payment_that_bounces_lets_the_ladder_go_on():
    story = story_of(
        account(),
        [invoice(payments=((date(2026, 5, 10), 1_000_00), (date(2026, 5, 18), -1_000_00)))],
    )

    run = played(story, end="2026-06-01")

    assert ("2026-05-21", "second_reminder", "sent") in diary(run)
    (stay,) = run.settlements["i1"]
    assert (stay.since, stay.until) == (date(2026, 5, 10), date(2026, 5, 18))


def test_a_cancelled_invoice_is_not_dunned_and_was_not_paid():
    run = played(story_of(account(), [invoice(ended=(date(2026, 5, 4), "cancelled"))]))

    assert [level for _, level, _ in diary(run)] == ["courtesy"]
    assert run.settlements == {}
    assert [c.closed for c in run.cases] == ["cancelled"]


def test_a_hold_keeps_quiet_until_it_is_released():
    stopped = hold(kind="dispute", reason="wrong price", placed_at=paris("2026-05-01"))
    story = story_of(
        account(),
        [invoice()],
        holds=[
            Held(at=paris("2026-05-01"), hold=stopped),
            Released(at=paris("2026-07-01"), hold_id="h1"),
        ],
    )

    run = played(story)

    assert diary(run)[1] == ("2026-07-01", "first_reminder", "sent")
    assert [(over.kind, over.outcome) for over in run.holds_over] == [("dispute", "released")]
    assert ("obstacle", "held:dispute") in {(h.kind, h.reason) for h in run.happenings}


def test_what_was_promised_is_paid_ahead_and_nothing_else():
    promise = Hold(
        hold_id="p",
        invoice_ids=("i1",),
        kind="promise",
        placed_at=paris("2026-05-08"),
        currency="EUR",
        instalments=(Instalment(on=date(2026, 5, 15), amount_minor=1_000_00),),
        baseline_minor=1_000_00,
    )
    debtor, cases = account(holds=(promise,)), (case(), case(invoice_id="i2"))
    now = paris("2026-05-10")
    story = Story(
        account=debtor, cases=cases, facts=in_order(promised_payments(debtor, cases, now))
    )

    run = played(story, start="2026-05-10", end="2026-07-01")

    assert [c.open_minor for c in run.cases] == [0, 1_000_00]
    assert [(over.kind, over.outcome) for over in run.holds_over] == [("promise", "kept")]
    assert {h.invoice_id for h in run.happenings if h.kind == "sent"} == {"i2"}


def test_a_promise_that_is_not_kept_ends_broken():
    promise = Hold(
        hold_id="p",
        kind="promise",
        placed_at=paris("2026-05-08"),
        currency="EUR",
        instalments=(Instalment(on=date(2026, 5, 15), amount_minor=1_000_00),),
        baseline_minor=1_000_00,
    )

    run = played(Story(account=account(holds=(promise,)), cases=(case(),)), start="2026-05-10")

    assert [(over.on, over.outcome) for over in run.holds_over] == [(date(2026, 5, 16), "broken")]
    assert diary(run)[:2] == [
        ("2026-05-16", "courtesy", "lapsed"),
        ("2026-05-18", "first_reminder", "sent"),
    ]


def test_notices_that_fail_are_tried_again_and_block_in_the_end():
    run = played(story_of(account(), [invoice()]), failing_percent=100)

    kinds = Counter(kind for _, _, kind in diary(run))
    assert kinds == {"failed": 6, "lapsed": 1}  # the courtesy gives way, the next one does not
    assert run.last["i1"].state == "blocked"


def test_a_share_of_failures_delays_levels_and_loses_none():
    runs = [
        played(story_of(account(debtor_id=f"d{n}"), [invoice(n)]), failing_percent=20, seed=1)
        for n in range(10)
    ]

    kinds = Counter(kind for run in runs for _, _, kind in diary(run))
    assert kinds["failed"] > 0
    assert kinds["sent"] == 40
    assert kinds["handed_over"] == 10


def test_approvals_are_granted_or_awaited_as_assumed():
    levels = tuple(replace(level, needs_approval=level.level_no == 2) for level in FRANCE.levels)
    policy = replace(FRANCE, policy_id="asks", levels=levels)
    story = story_of(account(), [invoice(policy=policy.key)])

    granted = played(story, policies={policy.key: policy})
    awaited = played(story, policies={policy.key: policy}, approvals_granted=False)

    assert len(diary(granted)) == 5
    assert [level for _, level, _ in diary(awaited)] == ["courtesy"]
    assert awaited.last["i1"].state == "awaiting_approval"


def test_charges_of_a_notice_are_booked_and_not_charged_again():
    run = played(story_of(account(), [invoice()]))

    (letter,) = [h for h in run.happenings if h.level == "formal_notice"]
    (reached,) = run.cases
    assert letter.compensation_minor == 40_00
    assert letter.interest_minor > 0
    assert reached.charges_open_minor == letter.compensation_minor + letter.interest_minor
    assert reached.interest_through == letter.on
    assert reached.compensation_charged


# -- reports


def test_a_debtor_that_cannot_be_played_is_named_and_stops_nobody():
    good, bad = account(debtor_id="good"), account(debtor_id="bad", zone="Nowhere/Else")
    stories = [
        story_of(good, [invoice()]),
        Story(account=bad, facts=(Issued(at=paris("2026-04-01"), case=case()),)),
    ]

    found = report(job(FRANCE), stories)

    assert found["totals"]["debtors"] == 1
    assert [trouble["debtor_id"] for trouble in found["troubles"]["items"]] == ["bad"]


def test_a_debtor_with_more_invoices_than_allowed_is_listed_and_left_out():
    stories = [story_of(account(), [invoice(1), invoice(2)])]

    found = report(job(FRANCE, debtor_invoices_max=1), stories)

    assert found["totals"]["debtors"] == 0
    assert "more than 1 invoices" in found["troubles"]["items"][0]["reason"]


def test_the_report_counts_levels_channels_money_and_cost():
    from dunning_engine.domain.simulation_report import Prices

    prices = Prices(currency="EUR", per_message_minor={"email": 1, "registered_letter": 650})

    found = report(job(FRANCE, prices=prices), [story_of(account(), [invoice()])])

    assert [row["level"] for row in found["by_level"]] == [
        "courtesy", "first_reminder", "second_reminder", "formal_notice",
    ]  # fmt: skip
    assert {row["channel"]: row["messages"] for row in found["by_channel"]} == {
        "email": 4, "sms": 1, "registered_letter": 1,
    }  # fmt: skip
    assert found["cost"]["total"] == "6.54"
    assert found["money"][0]["compensation"] == "40.00"
    assert found["money"][0]["handed_over"] == "1000.00"
    assert found["totals"]["hand_overs"] == 1


def test_currencies_are_never_added():
    stories = [
        story_of(
            account(),
            [invoice(1), invoice(2, currency="GBP"), invoice(3, currency="JPY", amount_minor=5)],
        )
    ]

    found = report(job(FRANCE), stories)

    asked = {(r["currency"], r["level"]): r["asked"] for r in found["by_level"]}
    assert asked["EUR", "courtesy"] == asked["GBP", "courtesy"] == "1000.00"
    assert asked["JPY", "courtesy"] == "5"
    assert "Messages cost nothing: no prices were given." in found["assumed"]


def test_an_optimist_reads_that_nothing_is_guessed():
    ahead = report(job(FRANCE, kind="forward"), [])
    back = report(job(FRANCE), [])

    assert any("not guessed: nobody pays, except" in words for words in ahead["assumed"])
    assert any("not guessed: they pay on the days" in words for words in back["assumed"])


# -- properties

days = st.integers(0, 120).map(lambda n: date(2026, 1, 5) + timedelta(days=n))


@st.composite
def past_invoices(draw: st.DrawFn) -> PastInvoice:
    issued_on = draw(days)
    due_on = issued_on + timedelta(days=draw(st.sampled_from([0, 14, 30, 45])))
    amount_minor = draw(st.integers(1, 5_000_00))
    payments = []
    left = amount_minor
    for _ in range(draw(st.integers(0, 2))):
        part = draw(st.integers(1, max(1, left)))
        payments.append((issued_on + timedelta(days=draw(st.integers(0, 150))), part))
        left -= part
    return invoice(
        issued_on=issued_on,
        due_on=due_on,
        amount_minor=amount_minor,
        currency=draw(st.sampled_from(["EUR", "GBP"])),
        payments=tuple(sorted(payments)),
        ended=draw(
            st.none() | st.tuples(days.map(lambda d: d + timedelta(days=60)), st.just("cancelled"))
        ),
        policy=draw(st.sampled_from([FRANCE.key, GERMANY.key, CAREFUL.key])),
    )


@st.composite
def debtors(draw: st.DrawFn, name: str = "d1") -> Story:
    invoices = [
        replace(found, invoice_id=f"{name}-{n}")
        for n, found in enumerate(draw(st.lists(past_invoices(), min_size=1, max_size=4)))
    ]
    placed = draw(st.none() | days)
    holds: list[Held | Released] = []
    if placed:
        at = local_midnight(placed, "Europe/Paris")
        until = at + timedelta(days=draw(st.integers(1, 40)))
        holds.append(Held(at=at, hold=hold(hold_id=f"{name}-h", placed_at=at, until=until)))
    return story_of(account(debtor_id=name), invoices, holds=holds)


portfolios = st.integers(1, 4).flatmap(
    lambda n: st.tuples(*(debtors(f"d{number}") for number in range(n))).map(list)
)


@settings(max_examples=40)
@given(portfolios, st.integers(0, 60), st.integers(0, 2**16))
def test_the_order_of_debtors_and_of_parts_changes_nothing(
    stories: list[Story], failing: int, seed: int
):
    a_job = job(FRANCE, CAREFUL, assumptions=Assumptions(failing_percent=failing))
    shuffled = random.Random(seed).sample(stories, len(stories))

    def parts(some: list[Story]):
        return [play(a_job, [s], calendar_of=lambda _: CALENDARS["FR"], rates=RATES) for s in some]

    whole = play(a_job, stories, calendar_of=lambda _: CALENDARS["FR"], rates=RATES)
    first, *rest = parts(shuffled)
    for part in rest:
        first.add(part)

    again = play(a_job, stories, calendar_of=lambda _: CALENDARS["FR"], rates=RATES)
    assert result(a_job, first) == result(a_job, whole) == result(a_job, again)


@given(debtors(), st.randoms(use_true_random=False))
def test_the_order_of_invoices_and_facts_changes_nothing(story: Story, chance: random.Random):
    facts = list(story.facts)
    chance.shuffle(facts)

    assert played(replace(story, facts=in_order(facts))) == played(story)


@settings(max_examples=40)
@given(portfolios)
def test_the_months_add_up_to_the_total(stories: list[Story]):
    found = report(job(CAREFUL), stories)

    assert sum(row["messages"] for row in found["months"]) == found["totals"]["messages"]
    assert sum(row["messages"] for row in found["messages"]) == found["totals"]["messages"]
    assert sum(row["messages"] for row in found["by_channel"]) == found["totals"]["messages"]
    assert sum(row["contacts"] for row in found["months"]) == found["totals"]["contacts"]
    for name in ("interest", "compensation", "fees"):
        by_month, total = Counter(), Counter()
        for row in found["levels"]:
            by_month[row["currency"]] += round(float(row[name]) * 100)
        for row in found["money"]:
            total[row["currency"]] += round(float(row[name]) * 100)
        assert +by_month == +total


@settings(max_examples=40)
@given(portfolios, st.sampled_from([FRANCE, GERMANY, CAREFUL]), st.integers(0, 50))
def test_a_policy_compared_with_itself_differs_nowhere(
    stories: list[Story], policy: Policy, failing: int
):
    found = report(job(policy, policy, assumptions=Assumptions(failing_percent=failing)), stories)

    assert found["differences"] == []
    assert found["invoices"] == {"total": 0, "items": []}
    assert found["a"] == found["b"]


@settings(max_examples=40)
@given(portfolios)
def test_what_b_has_more_is_the_difference_of_the_totals(stories: list[Story]):
    a_job = job(FRANCE, CAREFUL)
    part = play(a_job, stories, calendar_of=lambda _: CALENDARS["FR"], rates=RATES)

    differences = tally_differences(part.a, part.b)

    for measure in ("messages", "contacts", "interest_minor", "lapsed"):
        a, b, more = (
            sum(n for cell, n in tally.items() if cell.measure == measure)
            for tally in (part.a, part.b, differences)
        )
        assert b - a == more


@given(debtors(), st.integers(1, 300), st.integers(0, 50))
def test_going_on_from_a_state_equals_never_having_stopped(story: Story, day: int, failing: int):
    middle = (date(2026, 1, 1) + timedelta(days=day)).isoformat()
    at = paris(middle)

    whole = played(story, failing_percent=failing)
    first = played(story, end=middle, failing_percent=failing)
    later = Story(
        account=first.account,
        cases=first.cases,
        facts=tuple(fact for fact in story.facts if fact.at >= at),
    )
    second = played(later, start=middle, failing_percent=failing)

    assert (*first.notices, *second.notices) == whole.notices
    assert timeless(diary(first) + diary(second)) == timeless(diary(whole))
    assert [standing(c) for c in second.cases] == [standing(c) for c in whole.cases]
    assert second.account == whole.account


@given(debtors())
def test_nothing_is_sent_about_what_is_settled_when_payments_are_known_at_once(story: Story):
    assert not any(
        cell.measure == "after_payment" for cell in tally_of(played(story)) if cell.measure
    )


@given(debtors(), st.sampled_from([FRANCE, CAREFUL]))
def test_the_levels_of_an_invoice_go_up_and_never_repeat(story: Story, policy: Policy):
    run = played(Scenario(name="x", policies=MATERIAL, override=policy.key).under(story))

    for found in run.cases:
        numbers = [done.level_no for done in found.served]
        assert numbers == sorted(set(numbers))
        assert len(found.served) == sum(
            h.invoice_id == found.invoice_id and h.kind in ("sent", "lapsed", "handed_over")
            for h in run.happenings
        )


# -- two policies


def compared(a: Policy, b: Policy, *stories: Story, **changes: Any) -> dict[str, Any]:
    return report(job(a, b, **changes), list(stories))


def gentler(**changes: Any) -> Policy:
    return replace(FRANCE, version=2, **changes)


def test_a_later_level_is_named_with_its_days():
    levels = tuple(
        replace(level, threshold_days=10) if level.code == "first_reminder" else level
        for level in FRANCE.levels
    )
    later = gentler(levels=levels)
    MATERIAL[later.key] = later

    found = compared(FRANCE, later, story_of(account(), [invoice()]))

    (difference,) = found["invoices"]["items"]
    assert difference["code"] == "later"
    assert difference["a"] == "first_reminder on 2026-05-07 by email"
    assert difference["b"] == "first_reminder on 2026-05-11 by email"


def test_a_level_that_the_contact_budget_puts_off_says_so():
    found = compared(FRANCE, CAREFUL, story_of(account(), [invoice()]))

    (difference,) = found["invoices"]["items"]
    assert difference["code"] == "later"
    assert "contact_budget" in difference["why"]


def test_a_level_that_is_gone_is_named():
    levels = tuple(level for level in FRANCE.levels if level.code != "courtesy")
    short = replace(FRANCE, policy_id="short", levels=levels)
    policies = {FRANCE.key: FRANCE, short.key: short}
    scenario = Scenario(name="a", policies=policies, override=FRANCE.key)
    a_job = job(FRANCE, FRANCE, a=scenario, b=replace(scenario, override=short.key))

    paid_early = invoice(payments=((date(2026, 5, 2), 1_000_00),))
    found = report(a_job, [story_of(account(), [paid_early])])

    (difference,) = found["invoices"]["items"]
    assert difference["code"] == "only_under_a"
    assert difference["b"] is None
    assert difference["why"] == "under B: the ladder has no such level"


def test_a_level_that_comes_too_late_for_a_payment_says_so():
    levels = tuple(
        replace(level, threshold_days=20) if level.code == "first_reminder" else level
        for level in FRANCE.levels
    )
    slow = replace(FRANCE, policy_id="slow", levels=levels)
    MATERIAL[slow.key] = slow
    paid = invoice(payments=((date(2026, 5, 12), 1_000_00),))

    found = compared(FRANCE, slow, story_of(account(), [paid]))

    (difference,) = found["invoices"]["items"]
    assert difference["code"] == "only_under_a"
    assert difference["why"] == "under B: closed before it was due (paid)"


def test_another_channel_and_another_charge_are_told_apart():
    def changed(code: str, **what: Any) -> Policy:
        levels = tuple(
            replace(level, **what) if level.code == code else level for level in FRANCE.levels
        )
        policy = replace(FRANCE, policy_id=f"changed-{code.replace('_', '-')}", levels=levels)
        MATERIAL[policy.key] = policy
        return policy

    story = story_of(account(), [invoice()])
    by_letter = compared(FRANCE, changed("courtesy", channels=("letter",)), story)
    for_free = compared(FRANCE, changed("formal_notice", charges=frozenset()), story)

    assert by_letter["invoices"]["items"][0]["code"] == "other_channels"
    assert for_free["invoices"]["items"][0]["code"] == "other_charges"
    assert "charging" in for_free["invoices"]["items"][0]["a"]


def test_the_blast_radius_names_levels_contacts_and_charges():
    steep = replace(
        FRANCE,
        version=2,
        levels=(
            Level(
                code="formal_notice",
                level_no=1,
                threshold_days=1,
                channels=("email",),
                template="formal_notice",
                charges=frozenset({"interest", "compensation"}),
            ),
        ),
    )
    policies = {FRANCE.key: FRANCE, steep.key: steep}
    now = Scenario(name="now", policies=policies)
    a_job = job(
        FRANCE,
        purpose="blast_radius",
        kind="forward",
        a=now,
        b=replace(now, override=steep.key, only="france-b2b"),
        starts_on=date(2026, 5, 4),
        ends_on=date(2026, 5, 7),
        now=paris("2026-05-04 06:00"),
    )
    touched = Story(account=account(debtor_id="d1"), cases=(case(),))
    other = Story(
        account=account(debtor_id="d2"),
        cases=(case(invoice_id="i2", policy_id="germany-b2b"),),
    )

    found = report(a_job, [touched, other])

    assert found["contacts"]["newly_contacted"] == 1
    assert found["contacts"]["no_longer_contacted"] == 0
    (change,) = found["levels"]["items"]
    assert (change["invoice_id"], change["next_a"], change["next_b"]) == (
        "i1", "first_reminder", "formal_notice",
    )  # fmt: skip
    more = {row["measure"]: row["more_under_b"] for row in found["differences"]}
    assert more["compensation"] == "40.00"


def test_levels_that_are_done_count_by_their_codes():
    levels = tuple(
        replace(level, level_no=number) for number, level in enumerate(FRANCE.levels[1:], start=1)
    )
    shorter = replace(FRANCE, version=3, levels=levels)
    policies = {FRANCE.key: FRANCE, shorter.key: shorter}
    done = case().completed(1, "courtesy", date(2026, 4, 27))
    done = done.completed(2, "first_reminder", date(2026, 5, 7))

    moved: Case = Scenario(name="b", policies=policies, override=shorter.key).pinned(done)

    assert [(d.code, d.level_no) for d in moved.served] == [("courtesy", 0), ("first_reminder", 1)]


@pytest.mark.parametrize("listed", [0, 1, 2])
def test_lists_are_cut_and_their_totals_are_not(listed: int):
    stories = [story_of(account(debtor_id=f"d{n}"), [invoice(n)]) for n in range(3)]

    found = compared(FRANCE, CAREFUL, *stories, listed=listed)

    assert found["invoices"]["total"] == 3
    assert [row["debtor_id"] for row in found["invoices"]["items"]] == [
        f"d{n}" for n in range(listed)
    ]

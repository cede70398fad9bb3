"""What must hold for any facts in any order: the fold equals the rebuild, balances equal the facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.consumer import Consumed
from kpi.domain.facts import InvoiceFact
from kpi.domain.invoice_history import walk
from kpi.domain.snapshot import BUCKETS, bucket_of
from kpi.domain.tally import BALANCE, CASH, SETTLED, Tally
from kpi.handlers.fold import Fold
from kpi.handlers.intake import take_in
from kpi.testing import MemoryFactStore, Story
from tests.unit.kpi.strategies import days, stories

CONNECTION: Any = None


async def folded(batches: Sequence[Sequence[Consumed]]) -> tuple[Tally, bool]:
    """The sums after these batches, and whether a rebuild agrees."""
    store = MemoryFactStore()
    fold = Fold(lambda _: store)
    for batch in batches:
        if batch:
            await fold.apply(CONNECTION, batch)
    before = await store.clear("acme")
    await store.add(before)
    return before, await fold.rebuild(CONNECTION, "acme")


@given(story=stories(), data=st.data())
async def test_any_order_any_batches_and_repeats_give_the_same_sums_as_a_rebuild(
    story: Story, data: st.DataObject
) -> None:
    events = story.events
    shuffled = data.draw(st.permutations(events))
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=5))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=6)))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]

    whole, whole_agrees = await folded([events])
    pieces, pieces_agree = await folded([*batches, repeats])

    assert whole_agrees
    assert pieces_agree
    assert pieces == whole


@given(story=stories(in_order=True), day=days)
async def test_the_open_balance_at_a_day_is_what_the_invoices_were_then(
    story: Story, day: date
) -> None:
    sums, _ = await folded([story.events])

    facts = take_in(story.events).facts.invoices
    latest = {fact.invoice_id: fact for fact in facts if fact.effective_on <= day}

    assert balance(sums, day) == sum(fact.open_minor for fact in latest.values())
    assert charges(sums, day) == sum(fact.charges_open_minor for fact in latest.values())
    assert counted(sums, day) == sum(fact.open_minor > 0 for fact in latest.values())


@given(story=stories(), day=days)
async def test_the_open_balance_is_the_sum_of_the_differences_up_to_the_day(
    story: Story, day: date
) -> None:
    sums, _ = await folded([story.events])

    expected = 0
    for versions in by_invoice(story).values():
        first, open_minor = versions[0].effective_on, 0
        for fact in versions:
            if max(first, fact.effective_on) <= day:
                expected += fact.open_minor - open_minor
            open_minor = fact.open_minor

    assert balance(sums, day) == expected


@given(story=stories(in_order=True), day=days)
async def test_ageing_puts_each_invoice_where_its_due_date_of_that_day_says(
    story: Story, day: date
) -> None:
    sums, _ = await folded([story.events])

    expected = [0] * len(BUCKETS)
    for versions in by_invoice(story).values():
        known = [fact for fact in versions if fact.effective_on <= day]
        if known:
            expected[bucket_of((day - known[-1].due_on).days)] += known[-1].open_minor

    assert aged(sums, day) == expected


@given(story=stories(), day=days)
async def test_ageing_adds_up_to_the_open_balance(story: Story, day: date) -> None:
    sums, _ = await folded([story.events])

    assert sum(aged(sums, day)) == balance(sums, day)


@given(story=stories())
async def test_in_the_end_the_balance_is_what_the_ledger_holds(story: Story) -> None:
    sums, _ = await folded([story.events])

    assert balance(sums, date.max) == sum(story.open_minor(name) for name in story._invoices)
    assert sum(total for _, (total,) in sums.rows(CASH)) == last_cash(story)


@given(story=stories())
def test_settlements_do_not_overlap_and_none_ends_before_it_begins(story: Story) -> None:
    for versions in by_invoice(story).values():
        _, settlements = walk(versions)
        for before, after in pairwise(settlements):
            assert before.undone_on <= after.settled_on
        assert all(each.settled_on < each.undone_on for each in settlements)


@given(story=stories(in_order=True))
async def test_an_invoice_that_is_paid_in_the_end_is_settled_once(story: Story) -> None:
    sums, _ = await folded([story.events])

    standing = sum(row[0] for key, row in sums.rows(SETTLED) if key[3] == date.max)

    assert standing == sum(
        walk(versions)[1][-1].undone_on == date.max
        for versions in by_invoice(story).values()
        if walk(versions)[1]
    )


def by_invoice(story: Story) -> dict[str, list[InvoiceFact]]:
    found: dict[str, list[InvoiceFact]] = {}
    for fact in take_in(story.events).facts.invoices:
        found.setdefault(fact.invoice_id, []).append(fact)
    return found


def balance(sums: Tally, day: date) -> int:
    return sum(row[0] for key, row in sums.rows(BALANCE) if key[2] <= day)


def charges(sums: Tally, day: date) -> int:
    return sum(row[1] for key, row in sums.rows(BALANCE) if key[2] <= day)


def counted(sums: Tally, day: date) -> int:
    return sum(row[2] for key, row in sums.rows(BALANCE) if key[2] <= day)


def aged(sums: Tally, day: date) -> list[int]:
    found = [0] * len(BUCKETS)
    for key, row in sums.rows(BALANCE):
        if key[2] <= day:
            found[bucket_of((day - key[3]).days)] += row[0]
    return found


def last_cash(story: Story) -> int:
    facts = take_in(story.events).facts.cash
    return facts[-1].unallocated_minor if facts else 0

"""The fold against PostgreSQL: facts once, sums exact, any past day."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from kpi.adapters.sql_figures import SqlFigures
from kpi.domain.facts import Outcome
from kpi.domain.indicators import BY_SLUG
from kpi.domain.snapshot import Snapshot
from kpi.testing import Story, set_k
from tests.integration.kpi.conftest import Books

END = date(2026, 3, 31)


def _value(snapshot: Snapshot, slug: str) -> int | Decimal | None:
    return BY_SLUG[slug].build(snapshot).value


async def test_set_k_gives_the_published_figures(books: Books) -> None:
    story = set_k(Story().register())

    await books.apply(story.events)
    at = await books.at(END)

    assert at.open_minor == 18_000_000
    assert [aged.open_minor for aged in at.ageing] == [
        13_000_000, 2_500_000, 1_500_000, 700_000, 300_000,
    ]  # fmt: skip
    assert at.opening_minor == 15_000_000
    assert at.credit_sales_minor == 30_000_000
    assert at.collected_minor == 27_000_000
    assert _value(at, "dso") == 54
    assert _value(at, "best_possible_dso") == 39
    assert _value(at, "average_days_delinquent") == 15
    assert _value(at, "collection_effectiveness") == Decimal("84.375")


async def test_events_that_arrive_again_change_nothing(books: Books) -> None:
    story = set_k(Story().register())
    story.remind(["mar-open"], at=date(2026, 3, 25), outcomes=[Outcome.SENT, Outcome.DELIVERED])
    await books.apply(story.events)
    before = await books.sums()

    await books.apply(story.events)
    await books.apply(story.events[3:9] + story.events[5:7])

    assert await books.sums() == before


async def test_batches_of_any_size_in_any_order_give_the_rebuilt_sums(books: Books) -> None:
    story = set_k(Story().register())
    story.amend("mar-open", on=date(2026, 3, 20), due_on=date(2026, 4, 30), amount_minor=2_000_000)
    story.pay("mar-open", on=date(2026, 3, 18))
    story.reverse("mar-open", 2_000_000, on=date(2026, 3, 27))
    story.remind(["mar-open", "jan-open"], at=date(2026, 3, 26), channels=["email", "sms"])
    story.cash(1_234, on=date(2026, 3, 3)).cash(0, on=date(2026, 3, 5))
    events = list(story.events)
    random.Random(7).shuffle(events)

    for start in range(0, len(events), 5):
        await books.apply(events[start : start + 5])

    assert await books.rebuild()
    assert (await books.at(END)).open_minor == sum(
        story.open_minor(name) for name in story._invoices
    )


async def test_a_wrong_aggregate_is_found_and_mended_by_a_rebuild(books: Books) -> None:
    await books.apply(set_k(Story().register()).events)
    async with books.db.worker() as connection:
        await connection.exec_driver_sql("UPDATE daily_balance SET open_minor = open_minor + 1")

    assert not await books.rebuild()

    assert await books.rebuild()
    assert (await books.at(END)).open_minor == 18_000_000


async def test_a_payment_that_is_booked_late_lowers_the_balance_from_its_value_date(
    books: Books,
) -> None:
    story = Story().register()
    story.issue("I", 100, on=date(2026, 1, 1), due_on=date(2026, 1, 31))
    story.pay("I", 30, on=date(2026, 2, 20)).pay("I", 50, on=date(2026, 2, 10))

    await books.apply(story.events)

    days = (date(2026, 2, 9), date(2026, 2, 10), date(2026, 2, 20))
    assert [(await books.at(day)).open_minor for day in days] == [100, 50, 20]


async def test_an_amended_due_date_moves_the_age_from_that_day_on(books: Books) -> None:
    story = Story().register()
    story.issue("I", 100, on=date(2026, 1, 1), due_on=date(2026, 1, 31))
    story.amend("I", on=date(2026, 2, 10), due_on=date(2026, 2, 28))

    await books.apply(story.events)

    assert (await books.at(date(2026, 2, 9))).overdue_minor == 100
    assert (await books.at(date(2026, 2, 10))).overdue_minor == 0
    assert (await books.at(date(2026, 3, 1))).overdue_minor == 100


async def test_recovery_follows_the_cohort_that_fell_overdue(books: Books) -> None:
    story = Story().register()
    due = date(2026, 3, 1)
    story.issue("late", 3_000_000, on=date(2026, 1, 1), due_on=due)
    story.issue("never", 1_000_000, on=date(2026, 1, 1), due_on=due)
    story.issue("early", 9_000_000, on=date(2026, 1, 1), due_on=due)
    story.pay("early", on=due)
    story.pay("late", on=date(2026, 3, 20))

    await books.apply(story.events)
    at = await books.at(END)

    assert (at.placement.placed_minor, at.placement.recovered_minor) == (4_000_000, 3_000_000)
    assert _value(at, "recovery_rate") == 75


async def test_a_reminder_after_payment_is_counted_whatever_arrives_first(books: Books) -> None:
    story = Story().register()
    story.issue("I", 100, on=date(2026, 1, 1), due_on=date(2026, 1, 31))
    story.pay("I", on=date(2026, 2, 5))
    story.remind(["I"], at=date(2026, 2, 6))

    await books.apply([*story.events[3:], *story.events[:2]])
    assert (await books.at(END)).contacts.after_payment == 0
    await books.apply(story.events[2:3])

    at = await books.at(END)
    assert (at.contacts.contacts, at.contacts.after_payment) == (1, 1)


async def test_a_reminder_on_the_day_of_payment_or_after_its_reversal_does_no_harm(
    books: Books,
) -> None:
    story = Story().register()
    story.issue("I", 100, on=date(2026, 1, 1), due_on=date(2026, 1, 31))
    story.pay("I", on=date(2026, 2, 5))
    story.remind(["I"], at=date(2026, 2, 5), level="a")
    story.reverse("I", 100, on=date(2026, 2, 9))
    story.remind(["I"], at=date(2026, 2, 10), level="b", level_no=3)

    await books.apply(story.events)

    at = await books.at(END)
    assert (at.contacts.contacts, at.contacts.after_payment) == (2, 0)


async def test_an_unknown_message_that_turns_out_sent_is_counted_once(books: Books) -> None:
    story = Story().register()
    story.issue("I", 100, on=date(2026, 1, 1), due_on=date(2026, 1, 31))
    story.remind(["I"], at=date(2026, 2, 6), outcomes=[Outcome.UNKNOWN])
    await books.apply(story.events)
    [row] = (await books.at(END)).notices
    assert (row.unknown, row.sent) == (1, 0)

    told = len(story.events)
    story.remind(["I"], at=date(2026, 2, 6), outcomes=[Outcome.SENT, Outcome.DELIVERED])
    await books.apply(story.events[told:])

    [row] = (await books.at(END)).notices
    assert (row.messages, row.unknown, row.sent, row.delivered) == (1, 0, 1, 1)


async def test_days_are_the_tenants_even_when_its_zone_is_learnt_late(books: Books) -> None:
    story = Story()
    story.issue("I", 100, on=date(2026, 1, 1), due_on=date(2026, 1, 31))
    midnight = __import__("datetime").datetime.fromisoformat("2026-02-06T23:30:00+00:00")
    story.remind(["I"], at=midnight)
    await books.apply(story.events)
    assert (await books.at(date(2026, 2, 6))).notices

    story.register(zone="Europe/Paris")
    await books.apply(story.events[-1:])

    assert not (await books.at(date(2026, 2, 6))).notices
    assert (await books.at(date(2026, 2, 7))).notices
    assert await books.rebuild()


async def test_average_days_late_is_weighted_and_forgets_reversed_payments(books: Books) -> None:
    story, due = Story().register(), date(2026, 2, 1)
    for name, amount, late in (("a", 1_000, 10), ("b", 3_000, -5), ("c", 6_000, 20), ("d", 9, 3)):
        story.issue(name, amount, on=date(2026, 1, 1), due_on=due)
        story.pay(name, on=due + timedelta(days=late))
    story.reverse("d", 9, on=date(2026, 3, 1))

    await books.apply(story.events)

    assert _value(await books.at(END), "average_days_late") == 13
    assert (await books.at(date(2026, 2, 28))).settled.invoices == 4
    assert (await books.at(END)).settled.invoices == 3


async def test_series_agree_with_the_snapshot_of_every_day(books: Books) -> None:
    story = set_k(Story().register())
    story.amend("mar-open", on=date(2026, 3, 20), due_on=date(2026, 4, 30))
    await books.apply(story.events)
    first, last = date(2026, 2, 25), END

    async with books.db.tenant("acme") as connection:
        points = await SqlFigures(connection).series("acme", "EUR", first, last)
        months = await SqlFigures(connection).months("acme", "EUR", date(2026, 1, 1), last)

    assert [point.on for point in points] == [first + timedelta(days=n) for n in range(35)]
    for point in points[::6]:
        at = await books.at(point.on)
        assert (point.open_minor, point.overdue_minor) == (at.open_minor, at.overdue_minor)
    assert [month.collected_minor for month in months] == [14_700_000, 9_300_000, 3_000_000]
    assert [month.invoiced_minor for month in months] == [10_000_000, 8_000_000, 12_000_000]


async def test_tenants_and_currencies_are_kept_apart(books: Books) -> None:
    mine, other = Story("acme").register(), Story("other").register()
    mine.issue("I", 100, on=date(2026, 1, 1), due_on=date(2026, 1, 31))
    mine.issue("G", 7, on=date(2026, 1, 1), due_on=date(2026, 1, 31), currency="GBP")
    other.issue("I", 5_000, on=date(2026, 1, 1), due_on=date(2026, 1, 31))

    await books.apply([*mine.events, *other.events])

    assert (await books.at(END)).open_minor == 100
    assert (await books.at(END, currency="GBP")).open_minor == 7
    async with books.db.tenant("other") as connection:
        assert (await SqlFigures(connection).snapshot("acme", "EUR", END, 90)).is_empty
        assert await SqlFigures(connection).tenants() == ["other"]


async def test_amounts_near_the_limit_of_the_ledger_do_not_overflow(books: Books) -> None:
    story = Story().register()
    for number in range(20):
        name = f"I{number}"
        story.issue(name, 10**15, on=date(2000, 1, 1), due_on=date(2000, 1, 31))
        story.pay(name, on=date(2026, 3, 1))

    await books.apply(story.events)

    assert (await books.at(END)).settled.amount_minor == 20 * 10**15

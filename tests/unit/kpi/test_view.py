"""What the page says about a snapshot."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from kpi.dashboard import view
from kpi.domain.facts import Move, Tenant
from kpi.domain.indicators import BY_SLUG, INDICATORS
from kpi.domain.snapshot import (
    Aged,
    ContactCounts,
    Flow,
    Month,
    NoticeCounts,
    Placement,
    Point,
    Snapshot,
    bucket_of,
)
from kpi.handlers.report import Overview, Scope

DAY = date(2026, 3, 31)
SET_K = Snapshot(
    currency="EUR",
    on=DAY,
    period_days=90,
    ageing=tuple(
        Aged(open_minor=minor, invoices=1)
        for minor in (13_000_000, 2_500_000, 1_500_000, 700_000, 300_000)
    ),
    opening_minor=15_000_000,
    flows={Move.ISSUED: Flow(open_minor=30_000_000), Move.PAID: Flow(open_minor=-27_000_000)},
    placement=Placement(placed_minor=4_000_000, recovered_minor=3_000_000),
    contacts=ContactCounts(contacts=10, after_payment=0),
)
NOTHING = Snapshot(currency="EUR", on=DAY, period_days=90)


def overview(snapshot: Snapshot, points: int = 91) -> Overview:
    scope = Scope(
        tenant=Tenant(tenant="acme"), today=DAY, on=DAY, currency="EUR", currencies=(),
        period_days=90,
    )  # fmt: skip
    return Overview(
        scope=scope,
        snapshot=snapshot,
        points=[
            Point(
                on=DAY - timedelta(days=points - 1 - n), open_minor=snapshot.open_minor,
                overdue_minor=snapshot.overdue_minor, invoiced_minor=0, collected_minor=0,
            )
            for n in range(points)
        ],
        months=[Month(first_day=date(2026, 3, 1), invoiced_minor=0, collected_minor=0)],
    )  # fmt: skip


def test_tiles_tell_set_k() -> None:
    tiles = {tile.slug: (tile.figure, tile.unit, tile.tone) for tile in view.tiles(SET_K)}

    assert tiles["open_balance"] == ("€180,000", "", "")
    assert tiles["dso"] == ("54.0", "days", "")
    assert tiles["recovery_rate"] == ("75.0", "%", "")
    assert tiles["average_days_late"] == ("not defined", "", "none")
    assert tiles["contacts_after_payment"] == ("0", "", "fine")


def test_contacts_after_payment_are_shown_as_bad() -> None:
    harmed = replace(SET_K, contacts=ContactCounts(contacts=10, after_payment=2))

    [tile] = [each for each in view.tiles(harmed) if each.slug == "contacts_after_payment"]

    assert (tile.figure, tile.tone) == ("2", "bad")


def test_a_snapshot_of_nothing_shows_why_instead_of_charts() -> None:
    page = view.page(overview(NOTHING))

    assert all(panel.chart is None and panel.why_none for panel in page["panels"])
    assert all(line.value for line in page["figures"])


def test_every_indicator_explains_itself_and_can_be_built_from_nothing() -> None:
    for indicator in INDICATORS:
        answer = indicator.build(NOTHING)
        assert indicator.definition.endswith(".")
        assert answer.value is not None or answer.why_none.endswith(".")
    assert len(BY_SLUG) == len(INDICATORS)


@pytest.mark.parametrize("points", [1, 2, 31, 91, 366, 3_661])
def test_the_axis_of_days_has_a_handful_of_ticks_in_order(points: int) -> None:
    days = [point.on for point in overview(SET_K, points).points]

    ticks = view._day_ticks(days)

    assert 1 <= len(ticks) <= 6
    assert [tick.at for tick in ticks] == sorted({tick.at for tick in ticks})


def test_channels_keep_their_colours_whatever_else_was_used() -> None:
    rows = tuple(
        NoticeCounts(level_no=1, level="courtesy", channel=channel, messages=1, sent=1)
        for channel in ("sms", "fax")
    )

    panel = view.page(overview(replace(SET_K, notices=rows)))["panels"][2]

    assert [(entry.words, entry.style) for entry in panel.legend] == [
        ("SMS", "series-2"), ("Fax", "series-5"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(-400, 0), (0, 0), (1, 1), (30, 1), (31, 2), (60, 2), (61, 3), (90, 3), (91, 4), (9_999, 4)],
)
def test_buckets_begin_the_day_after_the_due_date(days: int, bucket: int) -> None:
    assert bucket_of(days) == bucket

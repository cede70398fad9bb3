"""A sandbox clock walks: what goes out on which day, and what a killed walk leaves behind."""

from __future__ import annotations

from datetime import date

from dunning_common.events.dunning import CaseOpenedV1, NoticeRequestedV1
from dunning_engine.testing import Bench, Ledger, Running


async def test_the_french_ladder_goes_out_day_by_day(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=date(2026, 3, 1)), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=date(2026, 3, 1), due_on=date(2026, 4, 1)))

    async with Running(bench):
        await bench.advance("acme", date(2026, 6, 30))

    assert await bench.levels() == [
        ("i1", "courtesy", date(2026, 3, 27), "served"),
        ("i1", "first_reminder", date(2026, 4, 8), "served"),
        ("i1", "second_reminder", date(2026, 4, 22), "served"),
        ("i1", "formal_notice", date(2026, 5, 7), "served"),
        ("i1", "hand_over", date(2026, 5, 18), "served"),
    ]
    assert len(await bench.sent(CaseOpenedV1)) == 1
    assert len(await bench.sent(NoticeRequestedV1)) == 4

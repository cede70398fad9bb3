"""Corners where two things happen at once: a wake that is lost, a yes that means another level."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from dunning_common.db import driver
from dunning_common.values import replace
from dunning_engine.adapters.sql_approvals import SqlApprovals
from dunning_engine.handlers.approve_level import StaleLevelError, decide_level
from dunning_engine.handlers.store_policy import store_policy
from dunning_engine.testing import Bench, Ledger, Running, always_open
from dunning_engine.testing.postman import Outcome
from dunning_engine.work_records import LevelAsk
from tests.conftest import Databases

from .policies import Office, open_office

START, DUE = date(2026, 3, 2), date(2026, 3, 10)
HEAD = """
name: Ours
calendar: {weekdays: [mon, tue, wed, thu, fri, sat, sun], opens: "00:00", closes: "23:59",
  holidays: ignore}
levels:
"""
REMINDER = "  - {code: reminder, threshold_days: 0, channels: [email], template: first_reminder}\n"
LETTER = (
    "  - {code: letter, threshold_days: 4, gap_days: 1, channels: [letter],"
    " template: final_demand, approval: true}\n"
)
FORMAL = (
    "  - {code: formal, threshold_days: 5, gap_days: 1, channels: [email],"
    " template: formal_notice, approval: true}\n"
)


@pytest.fixture
async def office(databases: Databases, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(databases, tmp_path) as opened:
        yield opened


class TestApprovals:
    async def test_a_yes_to_a_level_of_the_old_ladder_is_none_to_one_of_the_new(
        self, office: Office
    ):
        bench, ledger = office.bench, Ledger()
        await office.put("ours", HEAD + REMINDER + FORMAL)
        await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
        await bench.feed(ledger.invoice(issued_on=START, due_on=DUE, policy_id="ours"))
        async with Running(bench):
            await bench.advance("acme", DUE + timedelta(days=7))
        await office.put("ours", HEAD + REMINDER + LETTER + FORMAL)
        await office.client.post("/v1/policies/ours/migrations", json={"version": 2})
        await office.watch.look()

        async with bench.db.tenant("acme") as connection:
            approvals = SqlApprovals(connection, await driver(connection))
            with pytest.raises(StaleLevelError):
                await decide_level(
                    approvals,
                    tenant="acme",
                    ask=LevelAsk(invoice_id="i1", level_no=2),
                    approved=True,
                    by="ann",
                )
        async with Running(bench):
            await bench.advance("acme", DUE + timedelta(days=8))

        assert [level for _, level, _, _ in await bench.levels()] == ["reminder"]
        (row,) = await bench.rows("SELECT state, next_level FROM dunning_case")
        assert row == {"state": "awaiting_approval", "next_level": "letter"}

    async def test_a_level_that_somebody_skipped_is_not_said_to_have_been_too_late(
        self, office: Office
    ):
        bench, ledger = office.bench, Ledger()
        await office.put("ours", HEAD + REMINDER + FORMAL)
        await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
        await bench.feed(ledger.invoice(issued_on=START, due_on=DUE, policy_id="ours"))
        async with Running(bench):
            await bench.advance("acme", DUE + timedelta(days=7))
            async with bench.db.tenant("acme") as connection:
                await decide_level(
                    SqlApprovals(connection, await driver(connection)),
                    tenant="acme",
                    ask=LevelAsk(invoice_id="i1", level_no=2),
                    approved=False,
                    by="ann",
                )
            await bench.advance("acme", DUE + timedelta(days=8))

        (_, dropped) = (await office.get("/v1/explain/i1"))["history"]

        assert (dropped["level"], dropped["outcome"]) == ("formal", "lapsed")
        assert dropped["why"] == "The level was dropped: somebody decided to skip it."


class TestLostWakes:
    async def test_an_invoice_that_comes_while_its_policy_is_stored_is_opened_in_the_end(
        self, bench: Bench
    ):
        ledger = Ledger()
        await bench.feed(ledger.registered(), ledger.debtor())
        await bench.sweep()
        async with bench.rooms.tenant("acme") as stores:
            await store_policy(
                stores.policies,
                tenant="acme",
                policy_id="own",
                source="",
                parse=lambda version: always_open("own", version),
                stored_by="me",
                built_in=(),
            )
            # It woke whoever waits; only then the invoice comes, and is decided before the commit.
            await bench.feed(ledger.invoice(issued_on=START, due_on=DUE, policy_id="own"))
            await bench.sweep()

        (row,) = await bench.rows("SELECT next_action_at IS NOT NULL AS wakes FROM account")
        assert row == {"wakes": True}


class TestContacts:
    """What did not go out goes back into the budget, and nothing else does."""

    async def sent_apart(
        self, bench: Bench, dues: list[date], answers: list[Outcome]
    ) -> list[date]:
        """The contacts of a debtor with a notice for each invoice, answered all at once."""
        own = replace(always_open("own"), consolidation="invoice")
        async with bench.rooms.tenant("acme") as stores:
            await stores.policies.add("acme", own, source="", stored_by="me")
            await stores.policies.set_default("acme", "own")
        ledger = Ledger()
        await bench.feed(ledger.registered(), ledger.debtor())
        for number, due_on in enumerate(dues):
            await bench.feed(ledger.invoice(f"i{number}", issued_on=START, due_on=due_on))
        await bench.sweep()
        said = iter(answers)
        bench.postman.choose = lambda _request, _message: next(said)
        await bench.postman.deliver()
        (row,) = await bench.rows("SELECT contacted_on FROM account")
        days: list[date] = row["contacted_on"]
        return days

    async def test_of_three_notices_of_a_day_only_the_one_that_failed_is_forgotten(
        self, bench: Bench
    ):
        days = await self.sent_apart(bench, [DUE, DUE, DUE], ["sent", "failed", "sent"])

        assert len(days) == 2

    async def test_two_of_them_that_failed_at_once_are_both_forgotten(self, bench: Bench):
        days = await self.sent_apart(bench, [DUE, DUE, DUE], ["failed", "sent", "failed"])

        assert len(days) == 1

    async def test_notices_of_two_days_that_fail_at_once_are_both_forgotten(self, bench: Bench):
        own = replace(always_open("own"), consolidation="invoice")
        async with bench.rooms.tenant("acme") as stores:
            await stores.policies.add("acme", own, source="", stored_by="me")
            await stores.policies.set_default("acme", "own")
        ledger = Ledger()
        await bench.feed(ledger.registered(), ledger.debtor())
        await bench.feed(ledger.invoice("i0", issued_on=START, due_on=DUE))
        await bench.sweep()
        async with bench.rooms.worker() as stores:  # as if that had been the day before
            await stores.sql.execute("UPDATE account SET contacted_on = ARRAY[contacted_on[1] - 1]")
            await stores.sql.execute("UPDATE case_level SET decided_on = decided_on - 1")
        await bench.feed(ledger.invoice("i1", issued_on=START, due_on=DUE))
        await bench.sweep()
        bench.postman.choose = lambda _request, _message: "failed"

        await bench.postman.deliver()

        (row,) = await bench.rows("SELECT contacted_on FROM account")
        assert row == {"contacted_on": []}

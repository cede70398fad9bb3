"""Choosing, activating and migrating policies, over HTTP and down to the rows."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from dunning_common.events.dunning import CaseMigratedV1, CaseOpenedV1, NoticeRequestedV2
from dunning_engine.domain.activation import Stage, is_in
from dunning_engine.handlers.migrate_cases import migrate_some
from dunning_engine.handlers.set_clock import set_clock
from dunning_engine.testing import Ledger, Running
from tests.conftest import Databases

from .policies import YAML, Office, ladder, open_office

START, DUE = date(2026, 3, 1), date(2026, 4, 1)
ONE = ladder(("first", 3), ("second", 13), ("third", 23))
TWO = ladder(("first", 5), ("between", 9), ("second", 13), ("third", 23))
RULES = """
rules:
  - {code: gold, rank: 1, when: {segments: [gold]}, policy_id: soft}
  - {code: risky, rank: 2, when: {risks: [high]}, policy_id: hard}
"""


@pytest.fixture
async def office(databases: Databases, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(databases, tmp_path) as opened:
        yield opened


async def _tenant(office: Office, *debtors: dict) -> Ledger:
    ledger = Ledger()
    await office.bench.feed(ledger.registered(sandbox_from=START))
    await office.bench.feed(*(ledger.debtor(**debtor) for debtor in debtors or ({},)))
    return ledger


async def _invoices(
    office: Office, ledger: Ledger, count: int, *, debtors: int = 1, **more
) -> list[str]:
    """New invoices, opened under their policies."""
    names = [f"i{number:03d}" for number in range(count)]
    await office.bench.feed(
        *(
            ledger.invoice(
                name, debtor_id=f"d{n % debtors + 1}", issued_on=START, due_on=DUE, **more
            )
            for n, name in enumerate(names)
        )
    )
    await _open(office)
    return names


async def _open(office: Office) -> None:
    async with Running(office.bench):
        await office.bench.advance("acme", START)


def _won(shown: dict) -> dict:
    (winner,) = [entry for entry in shown["selection"] if entry["won"]]
    return winner


class TestChoosing:
    async def test_rules_choose_and_the_winner_and_the_losers_are_shown(self, office: Office):
        await office.put("soft", ONE)
        await office.put("hard", TWO)
        stored = await office.client.put("/v1/policy-rules", content=RULES, headers=YAML)
        ledger = await _tenant(
            office,
            {"debtor_id": "d1", "segment": "gold", "risk": "high"},
            {"debtor_id": "d2", "risk": "high"},
            {"debtor_id": "d3"},
        )

        await _invoices(office, ledger, 3, debtors=3)

        assert stored.json() == {"version": 1, "status": "created"}
        assert await office.versions() == {
            "i000": ("soft", 1),
            "i001": ("hard", 1),
            "i002": ("france-b2b", 1),
        }
        shown = await office.get("/v1/cases/i000")
        assert [(e["source"], e["rule"], e["policy_id"], e["won"]) for e in shown["selection"]] == [
            ("invoice", None, None, False),
            ("debtor", None, None, False),
            ("rule", "gold", "soft", True),
            ("rule", "risky", "hard", False),
            ("default", None, None, False),
            ("built_in", None, "france-b2b", False),
        ]
        assert _won(shown)["why"] == "the rule 'gold' (rank 1) fits; version 1 is active"
        assert (await office.get("/v1/explain/i000"))["selection"] == shown["selection"]
        assert _won(await office.get("/v1/cases/i002"))["source"] == "built_in"

    async def test_open_cases_keep_their_policy_and_show_why_they_got_it(self, office: Office):
        await office.put("soft", ONE)
        await office.put("hard", TWO)
        await office.client.put("/v1/policy-rules", content=RULES, headers=YAML)
        ledger = await _tenant(office, {"debtor_id": "d1", "segment": "gold"})
        await _invoices(office, ledger, 1)
        before = (await office.get("/v1/cases/i000"))["selection"]

        changed = RULES.replace("policy_id: soft", "policy_id: hard")
        answered = await office.client.put("/v1/policy-rules", content=changed, headers=YAML)
        await office.bench.feed(
            ledger.debtor("d1", segment="silver"),
            ledger.invoice("new", issued_on=START, due_on=DUE),
        )
        await _open(office)

        assert answered.json() == {"version": 2, "status": "updated"}
        assert (await office.versions())["i000"] == ("soft", 1)
        assert (await office.get("/v1/cases/i000"))["selection"] == before
        assert (await office.versions())["new"] == ("france-b2b", 1)

    async def test_an_invoice_that_waits_for_its_policy_is_decided_by_the_newest_rules(
        self, office: Office
    ):
        ledger = await _tenant(office, {"debtor_id": "d1", "segment": "gold"})
        await _invoices(office, ledger, 1, policy_id="soft")
        assert await office.versions() == {"i000": (None, None)}
        shown = await office.get("/v1/cases/i000")
        assert (_won(shown)["source"], _won(shown)["policy_id"]) == ("invoice", "soft")
        assert shown["policy_history"] == []

        await office.put("soft", ONE)
        await _open(office)

        assert await office.versions() == {"i000": ("soft", 1)}

    async def test_rules_are_versions_that_can_be_read_and_compared(self, office: Office):
        await office.put("soft", ONE)
        await office.put("hard", TWO)
        assert (await office.get("/v1/policy-rules"))["version"] == 0
        await office.client.put("/v1/policy-rules", content=RULES, headers=YAML)
        same = await office.client.put("/v1/policy-rules", content=RULES + "# note", headers=YAML)
        turned = RULES.replace("rank: 1", "rank: 3")

        diff = await office.client.post("/v1/policy-rules/diff", content=turned, headers=YAML)

        assert same.json() == {"version": 1, "status": "unchanged"}
        assert diff.json()["parts"][-1]["fields"][-1] == {"field": "rank", "old": 1, "new": 3}
        assert (await office.get("/v1/policy-rules"))["version"] == 1
        await office.client.put("/v1/policy-rules", content=turned, headers=YAML)
        first = await office.get("/v1/policy-rules", version=1)
        assert first["document"]["rules"][0]["code"] == "gold"
        assert first["source"] == RULES
        await office.refused("GET", "/v1/policy-rules?version=9", 404)

    async def test_wrong_rules_are_refused_with_their_place_and_nothing_is_stored(
        self, office: Office
    ):
        await office.put("soft", ONE)

        problem = await office.refused("PUT", "/v1/policy-rules", 422, content=RULES, headers=YAML)

        (error,) = problem["errors"]
        assert (error["line"], error["pointer"]) == (4, "/rules/1/policy_id")
        assert "store and activate it first" in error["detail"]
        assert (await office.get("/v1/policy-rules"))["version"] == 0
        also = await office.client.post(
            "/v1/policy-rules/diff", params={"also": ["hard"]}, content=RULES, headers=YAML
        )
        assert also.json()["same"] is False

    async def test_a_policy_that_was_only_stored_cannot_be_the_default_nor_named_by_a_rule(
        self, office: Office
    ):
        await office.put("soft", ONE, activate=False)
        await office.put("hard", ONE)

        await office.refused("PUT", "/v1/policy-rules", 422, content=RULES, headers=YAML)
        problem = await office.refused("PUT", "/v1/default-policy", 422, json={"policy_id": "soft"})

        assert "activate it first" in problem["errors"][0]["detail"]


class TestActivating:
    async def test_a_plain_put_is_active_for_all_new_cases_at_once(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await _invoices(office, ledger, 2, policy_id="ours")
        await office.put("ours", TWO)
        await office.bench.feed(
            ledger.invoice("new", issued_on=START, due_on=DUE, policy_id="ours")
        )
        await _open(office)

        assert await office.versions() == {
            "i000": ("ours", 1),
            "i001": ("ours", 1),
            "new": ("ours", 2),
        }
        activations = (await office.get("/v1/policies/ours/activations"))["items"]
        assert [(a["version"], a["state"]) for a in activations] == [
            (2, "complete"),
            (1, "complete"),
        ]

    async def test_a_version_that_is_only_stored_changes_nothing_until_it_is_activated(
        self, office: Office
    ):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        stored = await office.put("ours", TWO, activate=False)
        await _invoices(office, ledger, 1, policy_id="ours")

        listed = (await office.get("/v1/policies"))["items"][-1]
        done = await office.activate("ours", version=2)
        await office.bench.feed(
            ledger.invoice("new", issued_on=START, due_on=DUE, policy_id="ours")
        )
        await _open(office)

        assert stored == {"policy_id": "ours", "version": 2, "status": "updated"}
        assert (listed["version"], listed["active_version"]) == (2, 1)
        assert (done["state"], done["status"]) == ("complete", "complete")
        assert await office.versions() == {"i000": ("ours", 1), "new": ("ours", 2)}

    async def test_an_older_version_can_be_made_active_again(self, office: Office):
        await office.put("ours", ONE)
        await office.put("ours", TWO)

        await office.activate("ours", version=1)

        assert (await office.get("/v1/policies/ours/activations"))["active_version"] == 1
        again = await office.put("ours", TWO)
        assert again["status"] == "unchanged"
        assert (await office.get("/v1/policies/ours/activations"))["active_version"] == 2

    async def test_a_stage_gives_the_version_to_a_share_and_widening_takes_it_from_nobody(
        self, office: Office
    ):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await office.put("ours", TWO, activate=False)
        started = await office.activate("ours", version=2, percent=30)
        first = await _invoices(office, ledger, 40, policy_id="ours")
        small = await office.versions()
        widened = await office.activate("ours", version=2, percent=70)
        await office.bench.feed(
            *(
                ledger.invoice(f"n{number}", issued_on=START, due_on=DUE, policy_id="ours")
                for number in range(40)
            )
        )
        await _open(office)

        found = await office.versions()
        assert (started["status"], widened["status"]) == ("started", "widened")
        assert started["number"] == widened["number"] == 2
        for name, (_, version) in found.items():
            percent = 30 if name in first else 70
            stage = Stage(version=2, percent=percent)
            assert version == 1 + is_in(stage, tenant="acme", invoice_id=name, segment=None)
        assert {name: found[name] for name in first} == small
        assert 4 <= Counter(v for _, v in small.values())[2] <= 20
        shown = _won(await office.get(f"/v1/cases/{first[0]}"))
        assert "30 % of all invoices" in shown["why"]

    async def test_a_stage_may_be_for_a_segment(self, office: Office):
        ledger = await _tenant(
            office, {"debtor_id": "d1", "segment": "gold"}, {"debtor_id": "d2", "segment": "tin"}
        )
        await office.put("ours", ONE)
        await office.put("ours", TWO, activate=False)

        await office.activate("ours", version=2, segments=["gold"])
        await _invoices(office, ledger, 2, debtors=2, policy_id="ours")

        assert await office.versions() == {"i000": ("ours", 2), "i001": ("ours", 1)}

    async def test_a_stopped_stage_gives_new_cases_the_version_before(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await office.put("ours", TWO, activate=False)
        rule = {"after_notices": 100, "failed_percent": 5}
        await office.activate("ours", version=2, stop_rule=rule)
        await _invoices(office, ledger, 1, policy_id="ours")

        stopped = await office.client.post(
            "/v1/policies/ours/activations/stop", json={"reason": "complaints"}
        )
        await office.bench.feed(
            ledger.invoice("new", issued_on=START, due_on=DUE, policy_id="ours")
        )
        await _open(office)

        assert (stopped.json()["state"], stopped.json()["ended_why"]) == ("stopped", "complaints")
        assert stopped.json()["ended_by"] == "ann"
        assert await office.versions() == {"i000": ("ours", 2), "new": ("ours", 1)}
        again = await office.refused("POST", "/v1/policies/ours/activations/stop", 409)
        assert "no version of 'ours' is being activated" in again["title"]

    async def test_what_does_not_fit_to_what_is_active_is_refused(self, office: Office):
        path = "/v1/policies/ours/activations"
        await office.put("ours", ONE, activate=False)
        early = await office.refused("POST", path, 409, json={"version": 1, "percent": 10})
        unknown = await office.refused("POST", path, 422, json={"version": 9})
        await office.activate("ours", version=1)
        same = await office.refused("POST", path, 409, json={"version": 1, "percent": 10})
        await office.put("ours", TWO, activate=False)
        await office.put("ours", ONE.replace("Ours", "Three"), activate=False)
        await office.activate("ours", version=2, percent=50)
        other = await office.refused("POST", path, 409, json={"version": 3, "percent": 10})
        narrower = await office.refused("POST", path, 409, json={"version": 2, "percent": 40})

        assert "the other invoices would get none" in early["title"]
        assert unknown["errors"][0]["pointer"] == "/version"
        assert "active for all new cases already" in same["title"]
        assert "complete or stop that first" in other["title"]
        assert "cannot shrink to 40 %" in narrower["title"]
        unchanged = await office.activate("ours", version=2, percent=50)
        assert unchanged["status"] == "unchanged"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"version": 0},
            {"version": "1"},
            {"version": 1, "percent": 0},
            {"version": 1, "percent": 101},
            {"version": 1, "percent": 1.5},
            {"version": 1, "segments": [""]},
            {"version": 1, "segments": ["a\x00"]},
            {"version": 1, "stop_rule": {"after_notices": 5}},
            {"version": 1, "stop_rule": {"after_notices": 0, "failed_percent": 1}},
            {"version": 1, "stop_rule": {"after_notices": 1, "failed_percent": 100}},
            {"version": 1, "migrate": "always"},
            {"version": 2**31},
            {"version": 1, "what": 1},
            [],
        ],
    )
    async def test_a_body_that_says_no_stage_is_a_problem(self, office: Office, body: object):
        await office.refused("POST", "/v1/policies/ours/activations", 422, json=body)

    async def test_failures_stop_the_stage_before_the_next_case_is_opened(self, office: Office):
        ledger = await _tenant(office, *({"debtor_id": f"d{n}"} for n in (1, 2, 3)))
        await office.put("ours", ONE)
        await office.put("ours", TWO, activate=False)
        rule = {"after_notices": 2, "failed_percent": 20}
        await office.activate("ours", version=2, stop_rule=rule)
        office.bench.postman.choose = lambda _request, _message: "failed"
        await _invoices(office, ledger, 3, debtors=3, policy_id="ours")
        async with Running(office.bench):
            await office.bench.advance("acme", date(2026, 4, 9))
            await office.bench.feed(
                ledger.invoice("new", issued_on=START, due_on=DUE, policy_id="ours")
            )
            await office.bench.advance("acme", date(2026, 4, 10))

        assert (await office.versions())["new"] == ("ours", 1)
        (latest, *_) = (await office.get("/v1/policies/ours/activations"))["items"]
        assert (latest["state"], latest["ended_by"]) == ("stopped", "stop rule")
        assert latest["ended_why"].endswith("notices failed, more than 20 %")

    async def test_a_real_tenants_stage_is_stopped_by_the_loop_and_by_whoever_opens_cases(
        self, office: Office
    ):
        ledger, today = Ledger(), datetime.now(UTC).date()
        await office.bench.feed(ledger.registered(), ledger.debtor(zone="UTC"))
        for policy_id in ("ours", "theirs"):
            await office.put(policy_id, ONE)
            await office.put(policy_id, TWO, activate=False)
            rule = {"after_notices": 1, "failed_percent": 0}
            await office.activate(policy_id, version=2, stop_rule=rule)
            await office.bench.feed(
                ledger.invoice(
                    policy_id,
                    issued_on=today,
                    due_on=today - timedelta(days=7),
                    policy_id=policy_id,
                )
            )
            office.bench.postman.choose = lambda _request, _message: "failed"
            await office.bench.sweep()
            await office.bench.postman.deliver()
            if policy_id == "ours":
                await office.watch.look()
        await office.bench.feed(
            *(
                ledger.invoice(f"new-{name}", issued_on=today, due_on=today, policy_id=name)
                for name in ("ours", "theirs")
            )
        )
        await office.bench.sweep()

        versions = await office.versions()
        assert (versions["ours"], versions["new-ours"]) == (("ours", 2), ("ours", 1))
        assert (versions["theirs"], versions["new-theirs"]) == (("theirs", 2), ("theirs", 1))
        (latest, *_) = (await office.get("/v1/policies/theirs/activations"))["items"]
        assert (latest["state"], latest["ended_why"]) == (
            "stopped",
            "1 of 1 notices failed, more than 0 %",
        )

    async def test_the_loop_stops_a_stage_when_too_much_is_disputed(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await office.put("ours", TWO, activate=False)
        rule = {"after_notices": 1, "disputed_percent": 40}
        await office.activate("ours", version=2, stop_rule=rule)
        await _invoices(office, ledger, 2, policy_id="ours")
        async with Running(office.bench):
            await office.bench.advance("acme", date(2026, 4, 7))
        await office.watch.look()
        (running, *_) = (await office.get("/v1/policies/ours/activations"))["items"]

        await office.bench.rows(
            "INSERT INTO hold (tenant, hold_id, debtor_id, invoice_ids, kind, reason, placed_at,"
            " placed_by) SELECT 'acme', gen_random_uuid(), 'd1', '{i000}', 'dispute', 'broken',"
            " now, 'me' FROM tenant_clock RETURNING 1"
        )
        await office.watch.look()

        (stopped, *_) = (await office.get("/v1/policies/ours/activations"))["items"]
        assert running["state"] == "running"
        assert running["counted"]["invoices"] == 2
        assert running["counted"]["failed"] == 0
        assert stopped["state"] == "stopped"
        assert stopped["ended_why"].startswith("1 of 2 reminded invoices were disputed")

    async def test_a_plain_put_ends_the_stage_that_is_running(self, office: Office):
        await office.put("ours", ONE)
        await office.put("ours", TWO, activate=False)
        await office.activate("ours", version=2, percent=10)

        await office.put("ours", ONE.replace("Ours", "Three"))

        shown = await office.get("/v1/policies/ours/activations")
        assert (shown["active_version"], shown["stage"]) == (3, None)
        assert [(a["version"], a["state"]) for a in shown["items"]] == [
            (3, "complete"),
            (2, "superseded"),
            (1, "complete"),
        ]


class TestMigrating:
    async def test_open_cases_go_on_where_their_code_stands_and_history_stays(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await _invoices(office, ledger, 1, policy_id="ours")
        async with Running(office.bench):
            await office.bench.advance("acme", date(2026, 4, 15))
        before = await office.bench.rows("SELECT level_no, level, try_no FROM case_level")

        await office.put("ours", TWO)
        asked = await office.client.post("/v1/policies/ours/migrations", json={"version": 2})
        moved = await office.watch.look()
        async with Running(office.bench):
            await office.bench.advance("acme", date(2026, 5, 30))

        assert asked.status_code == 202
        assert moved == 1
        assert [level[1] for level in await office.bench.levels()] == ["first", "second", "third"]
        rows = await office.bench.rows(
            "SELECT level_no, level, try_no, rung FROM case_level ORDER BY decided_at"
        )
        assert [{k: r[k] for k in ("level_no", "level", "try_no")} for r in rows][:2] == before
        assert [(r["level_no"], r["rung"]) for r in rows] == [(1, 1), (2, 3), (4, None)]
        (event,) = await office.bench.sent(CaseMigratedV1)
        assert event.data | {"effective_at": None} == {
            "debtor_id": "d1", "invoice_id": "i000", "from_policy_id": "ours",
            "from_policy_version": 1, "policy_id": "ours", "policy_version": 2,
            "effective_at": None,
        }  # fmt: skip
        shown = await office.get("/v1/cases/i000")
        assert [(p["version"], p["before"]) for p in shown["policy_history"]] == [
            (1, None),
            (2, {"policy_id": "ours", "version": 1}),
        ]

    async def test_a_level_that_is_new_below_what_was_served_is_never_sent(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ladder(("gone", 10), ("end", 40)))
        await _invoices(office, ledger, 1, policy_id="ours")
        async with Running(office.bench):
            await office.bench.advance("acme", date(2026, 4, 20))
        await office.put("ours", ladder(("a", 3), ("b", 9), ("c", 12), ("end", 40)))
        await office.client.post("/v1/policies/ours/migrations", json={"version": 2})
        await office.watch.look()
        async with Running(office.bench):
            await office.bench.advance("acme", date(2026, 6, 30))

        assert [level[1] for level in await office.bench.levels()] == ["gone", "c", "end"]

    async def test_a_migration_sends_nothing_and_is_asked_for_twice_without_harm(
        self, office: Office
    ):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await _invoices(office, ledger, 5, policy_id="ours")
        await office.put("ours", TWO)
        await office.client.post("/v1/policies/ours/migrations", json={"version": 2})
        await office.client.post("/v1/policies/ours/migrations", json={"version": 2})

        moved = await office.watch.look()
        again = await office.watch.look()

        assert (moved, again) == (5, 0)
        assert await office.bench.sent(NoticeRequestedV2) == []
        assert len(await office.bench.sent(CaseMigratedV1)) == 5
        items = (await office.get("/v1/policies/ours/migrations"))["items"]
        assert sorted(item["migrated"] for item in items) == [0, 5]
        assert {item["state"] for item in items} == {"done"}
        await _open(office)
        assert len(await office.bench.sent(CaseOpenedV1)) == 5

    async def test_a_killed_migration_goes_on_where_it_stopped(self, office: Office):
        debtors = [{"debtor_id": f"d{n}"} for n in range(1, 11)]
        ledger = await _tenant(office, *debtors)
        await office.put("ours", ONE)
        await _invoices(office, ledger, 20, debtors=10, policy_id="ours")
        await office.put("ours", TWO)
        await office.client.post("/v1/policies/ours/migrations", json={"version": 2})

        first = await office.watch.migrate_some()
        with pytest.raises(RuntimeError, match="killed"):
            await _killed_step(office)
        half = Counter(version for _, version in (await office.versions()).values())
        rest = await office.watch.look()

        assert first == 6
        assert half == {1: 14, 2: 6}
        assert rest == 14
        assert set((await office.versions()).values()) == {("ours", 2)}
        moved = Counter(e.subject for e in await office.bench.sent(CaseMigratedV1))
        assert set(moved.values()) == {1}

    async def test_a_case_in_flight_goes_after_its_flight(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await _invoices(office, ledger, 1, policy_id="ours")
        async with office.bench.rooms.tenant("acme") as stores:
            await set_clock(stores.clock, "acme", date(2026, 4, 5))
        await office.bench.walk_for("acme", 1.0)
        await office.put("ours", TWO)
        await office.client.post("/v1/policies/ours/migrations", json={"version": 2})

        in_flight = await office.watch.look()
        waiting = (await office.get("/v1/policies/ours/migrations"))["items"][0]
        still = await office.versions()
        async with Running(office.bench):
            await _until_landed(office)
            landed = await office.watch.look()
            await office.bench.advance("acme", date(2026, 4, 14))

        assert (in_flight, waiting["state"], still) == (0, "waiting", {"i000": ("ours", 1)})
        assert landed == 1
        assert (await office.get("/v1/policies/ours/migrations"))["items"][0]["state"] == "done"
        assert [level[1] for level in await office.bench.levels()] == ["first", "between", "second"]

    async def test_a_stage_takes_only_its_own_share_of_the_open_cases_along(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        names = await _invoices(office, ledger, 30, policy_id="ours")
        await office.put("ours", TWO, activate=False)

        await office.activate("ours", version=2, percent=40, migrate="by_code")
        moved = await office.watch.look()

        stage = Stage(version=2, percent=40)
        among = [
            name for name in names if is_in(stage, tenant="acme", invoice_id=name, segment=None)
        ]
        found = await office.versions()
        assert sorted(name for name in names if found[name] == ("ours", 2)) == sorted(among)
        assert moved == len(among) > 0

    async def test_stopping_a_stage_ends_its_migration(self, office: Office):
        ledger = await _tenant(office, *({"debtor_id": f"d{n}"} for n in range(1, 11)))
        await office.put("ours", ONE)
        await _invoices(office, ledger, 10, debtors=10, policy_id="ours")
        await office.put("ours", TWO, activate=False)
        await office.activate("ours", version=2, percent=99, migrate="by_code")
        await office.watch.migrate_some()

        await office.client.post("/v1/policies/ours/activations/stop")
        after = await office.watch.look()

        assert after == 0
        (item,) = (await office.get("/v1/policies/ours/migrations"))["items"]
        assert item["state"] == "cancelled"
        assert 0 < item["migrated"] < 10

    async def test_a_sandbox_clock_does_not_move_while_cases_are_migrated(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await _invoices(office, ledger, 1, policy_id="ours")
        await office.put("ours", TWO)
        await office.client.post("/v1/policies/ours/migrations", json={"version": 2})
        before = await office.bench.clock("acme")
        async with office.bench.rooms.tenant("acme") as stores:
            await set_clock(stores.clock, "acme", date(2026, 4, 30))
        await office.bench.walk_for("acme", 0.5)

        stood = await office.bench.clock("acme")
        waits = (await office.get("/v1/clock"))["waiting_for"]
        await office.watch.look()
        async with Running(office.bench):
            await office.bench.advance("acme", date(2026, 4, 30))

        assert stood == before
        assert waits == ["migrations of open cases: 1"]
        assert [level[1] for level in await office.bench.levels()][:2] == ["first", "between"]

    async def test_cases_of_one_policy_can_go_to_another(self, office: Office):
        ledger = await _tenant(office)
        await office.put("ours", ONE)
        await office.put("theirs", TWO)
        await _invoices(office, ledger, 2, policy_id="ours")

        asked = await office.client.post(
            "/v1/policies/theirs/migrations",
            json={"version": 1, "from_policy_id": "ours", "from_version": 1},
        )
        await office.watch.look()

        assert asked.status_code == 202
        assert set((await office.versions()).values()) == {("theirs", 1)}
        await office.refused("POST", "/v1/policies/theirs/migrations", 422, json={"version": 7})


async def _killed_step(office: Office) -> None:
    """A step of a migration whose transaction ends before it was committed."""
    async with office.bench.rooms.worker() as stores:
        assert await migrate_some(stores.migrations, stores.policies, limit=3) == 6
        raise RuntimeError("killed")


async def _until_landed(office: Office) -> None:
    async with asyncio.timeout(30):
        while await office.bench.rows("SELECT 1 FROM dunning_case WHERE flight_notice IS NOT NULL"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class TestComparing:
    async def test_a_diff_says_what_would_change_and_stores_nothing(self, office: Office):
        await office.put("ours", ONE)

        answered = await office.client.post("/v1/policies/ours/diff", content=TWO, headers=YAML)

        body = answered.json()
        assert (body["from_version"], body["active_version"], body["same"]) == (1, 1, False)
        assert [(part["code"], part["change"]) for part in body["parts"]] == [
            ("first", "changed"),
            ("between", "added"),
            ("second", "changed"),
        ]
        assert body["parts"][0]["fields"] == [{"field": "threshold_days", "old": 3, "new": 5}]
        assert (await office.get("/v1/policies/ours"))["version"] == 1

    async def test_a_new_policy_is_compared_with_nothing_and_a_wrong_one_refused(
        self, office: Office
    ):
        new = await office.client.post("/v1/policies/ours/diff", content=ONE, headers=YAML)
        wrong = await office.refused(
            "POST", "/v1/policies/ours/diff", 422, content="name: x", headers=YAML
        )
        built_in = await office.refused(
            "POST", "/v1/policies/france-b2b/diff", 409, content=ONE, headers=YAML
        )

        assert (new.json()["from_version"], new.json()["same"]) == (None, False)
        assert wrong["errors"][0]["line"] == 1
        assert "store yours under another id" in built_in["title"]

    async def test_interest_without_a_rate_is_refused_on_the_tenants_own_day(self, office: Office):
        ledger = Ledger()
        await office.bench.feed(ledger.registered(sandbox_from=date(2039, 1, 1)))
        text = ONE.replace(
            "template: first_reminder}", "template: first_reminder, charges: [interest]}", 1
        )

        problem = await office.refused(
            "PUT", "/v1/policies/ours", 422, content=f"country: FR\n{text}", headers=YAML
        )

        assert "39H1" in problem["errors"][0]["detail"]
        assert problem["errors"][0]["line"] == 4
        assert json.dumps(await office.get("/v1/policies")).count("ours") == 0

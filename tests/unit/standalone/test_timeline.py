"""The player: each day's items arrive before that day begins, in order, also after interruptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standalone.client import ApiError, Client, Target, UnreachableError
from standalone.timeline import BULK_ITEMS_MAX, Day, Player, Progress, RefusedItemsError

PARIS = ZoneInfo("Europe/Paris")
START = date(2026, 3, 23)  # the clocks change on the 29th


class FakePlatform:
    """A ledger that keeps items by id, and a sandbox clock; notes everything in order."""

    def __init__(self) -> None:
        self.now = datetime.combine(START, datetime.min.time(), PARIS)
        self.log: list[tuple[str, Any]] = []
        self.items: dict[str, dict[str, Any]] = {}
        self.settles_after = 1
        self.breaks: Callable[[httpx.Request], Any] = lambda _: None
        self._asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        broken = self.breaks(request)
        if isinstance(broken, httpx.Response):
            return broken
        if request.url.path == "/v1/clock":
            return self._clock(request)
        return self._bulk(request)

    def _clock(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            target = datetime.fromisoformat(json.loads(request.content)["advance_to"])
            self._asked += 1
            if self._asked % self.settles_after == 0:
                if target > self.now:
                    self.log.append(("clock", target))
                self.now = max(self.now, target)
                return self._answer(settled=True)
            return self._answer(settled=False)
        return self._answer(settled=True)

    def _answer(self, *, settled: bool) -> httpx.Response:
        body = {"now": self.now.astimezone(UTC).isoformat(), "settled": settled, "waiting_for": []}
        return httpx.Response(200, json=body)

    def _bulk(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["x-tenant"] == "demo"
        items = [json.loads(line) for line in request.content.splitlines()]
        assert 0 < len(items) <= BULK_ITEMS_MAX
        answers, summary = [], {"created": 0, "unchanged": 0, "invalid": 0}
        for index, item in enumerate(items):
            status = "unchanged" if item["id"] in self.items else "created"
            problem = {"title": "bad"} if item.get("bad") else None
            if problem:
                status = "invalid"
            else:
                self.items[item["id"]] = item
            summary[status] += 1
            answers.append({"index": index, "id": item["id"], "status": status, "problem": problem})
            self.log.append((request.url.path.rsplit("/", 1)[-1], item))
        return httpx.Response(200, json={"summary": summary, "items": answers})

    def client(self, *, retry_for_s: float = 5) -> Client:
        urls = {"ingest": "http://ingest.test", "engine": "http://engine.test"}
        target = Target(urls=urls, token=lambda: "t", tenant="demo")
        return Client(target, retry_for_s=retry_for_s, transport=httpx.MockTransport(self))

    async def play(self, days: list[Day], *, until: date, **options: Any) -> Any:
        async with self.client() as client:
            return await Player(client, zone=PARIS, **options).play(days, until=until)


def day(offset: int, **kinds: int) -> Day:
    on = START + timedelta(days=offset)
    return Day(
        on=on,
        items={
            kind.replace("_", "-"): [
                {"id": f"{kind}-{offset}-{number}", "on": on.isoformat()} for number in range(count)
            ]
            for kind, count in kinds.items()
        },
    )


async def test_items_arrive_before_their_day_is_decided_and_not_before_it_begins() -> None:
    platform = FakePlatform()

    await platform.play(
        [day(9, payments=1), day(2, invoices=1), day(0, debtors=1)], until=date(2026, 4, 10)
    )

    assert [
        (what, str(about)[:10] if what == "clock" else about["on"]) for what, about in platform.log
    ] == [
        ("debtors", "2026-03-23"),
        ("clock", "2026-03-25"),
        ("invoices", "2026-03-25"),
        ("clock", "2026-04-01"),
        ("payments", "2026-04-01"),
        ("clock", "2026-04-10"),
    ]


async def test_days_begin_at_midnight_of_the_tenant_also_after_the_clocks_changed() -> None:
    platform = FakePlatform()

    await platform.play([day(2, invoices=1), day(9, invoices=1)], until=START)

    moves = [about for what, about in platform.log if what == "clock"]
    assert [move.astimezone(UTC).hour for move in moves] == [23, 22]


async def test_debtors_come_before_their_invoices_and_those_before_their_payments() -> None:
    platform = FakePlatform()

    await platform.play([day(0, credit_notes=1, payments=1, invoices=1, debtors=1)], until=START)

    assert [what for what, _ in platform.log] == ["debtors", "invoices", "payments", "credit-notes"]


async def test_a_day_costs_one_call_a_kind_and_one_of_the_clock() -> None:
    platform = FakePlatform()

    played = await platform.play([day(3, invoices=40, payments=25)], until=START)

    assert played.calls == 3


async def test_many_items_are_cut_into_requests_that_the_ledger_takes() -> None:
    platform = FakePlatform()

    played = await platform.play([day(0, invoices=2 * BULK_ITEMS_MAX + 1)], until=START)

    assert played.items == 2 * BULK_ITEMS_MAX + 1
    assert played.statuses["created"] == 2 * BULK_ITEMS_MAX + 1


async def test_the_player_waits_until_the_clock_is_settled() -> None:
    platform = FakePlatform()
    platform.settles_after = 3

    played = await platform.play([day(1, invoices=1)], until=START + timedelta(days=2))

    assert played.clock["settled"] is True
    assert platform.now.date() == START + timedelta(days=2)


async def test_playing_again_changes_nothing() -> None:
    platform = FakePlatform()
    days = [day(offset, invoices=2, payments=1) for offset in range(5)]
    until = START + timedelta(days=5)
    await platform.play(days, until=until)
    before = (dict(platform.items), platform.now)
    platform.log.clear()

    played = await platform.play(days, until=until)

    assert (platform.items, platform.now) == before
    assert platform.log == []
    assert played.items == 15


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(1, 3)),
        min_size=1,
        max_size=8,
        unique_by=lambda d: d[0],
    ),
    st.integers(0, 30),
)
async def test_a_play_that_was_killed_at_any_request_goes_on_where_it_stopped(
    plan: list[tuple[int, int]], killed_at: int
) -> None:
    days = [day(offset, invoices=count, payments=1) for offset, count in plan]
    until = START + timedelta(days=13)
    whole = FakePlatform()
    await whole.play(days, until=until)
    platform = FakePlatform()
    requests = 0

    def kill(_: httpx.Request) -> None:
        nonlocal requests
        requests += 1
        if requests == killed_at:
            raise RuntimeError("killed")

    platform.breaks = kill
    try:
        await platform.play(days, until=until)
    except RuntimeError:
        await platform.play(days, until=until)

    assert platform.items == whole.items
    assert platform.now == whole.now
    moves = [about for what, about in platform.log if what == "clock"]
    assert moves == sorted(set(moves))
    for index, (what, about) in enumerate(platform.log):
        if what != "clock":
            midnight = datetime.combine(date.fromisoformat(about["on"]), datetime.min.time(), PARIS)
            earlier = [move for kind, move in platform.log[:index] if kind == "clock"]
            assert not earlier or earlier[-1] <= midnight


async def test_services_that_are_being_restarted_are_waited_for() -> None:
    platform = FakePlatform()
    failures = iter([httpx.ConnectError("down"), httpx.Response(503), httpx.ReadError("cut off")])

    def fail(_: httpx.Request) -> httpx.Response | None:
        failure = next(failures, None)
        if isinstance(failure, Exception):
            raise failure
        return failure

    platform.breaks = fail

    await platform.play([day(0, invoices=3)], until=START)

    assert len(platform.items) == 3


async def test_services_that_stay_away_end_the_play_with_an_error() -> None:
    platform = FakePlatform()

    def down(_: httpx.Request) -> None:
        raise httpx.ConnectError("connection refused")

    platform.breaks = down

    with pytest.raises(UnreachableError, match=r"engine does not answer at http://engine.test"):
        async with platform.client(retry_for_s=0.2) as client:
            await Player(client, zone=PARIS).play([], until=START)


async def test_a_refusal_is_not_repeated_and_says_what_is_wrong() -> None:
    platform = FakePlatform()
    problem = {
        "title": "Not a sandbox.",
        "detail": "Make one.",
        "errors": [{"pointer": "/a", "detail": "b"}],
    }
    platform.breaks = lambda _: httpx.Response(409, json=problem)

    with pytest.raises(ApiError, match=r"Not a sandbox. · Make one. · /a: b") as caught:
        await platform.play([], until=START)

    assert caught.value.status == 409


async def test_a_strict_player_stops_at_refused_items() -> None:
    platform = FakePlatform()
    bad = Day(on=START, items={"invoices": [{"id": "x", "bad": True, "on": ""}]})

    with pytest.raises(RefusedItemsError, match="the ledger refused 1 invoices: x"):
        await platform.play([bad], until=START)


async def test_a_lenient_player_collects_refused_items_and_goes_on() -> None:
    platform = FakePlatform()
    bad = Day(on=START, items={"invoices": [{"id": "x", "bad": True, "on": ""}, {"id": "y"}]})

    played = await platform.play([bad], until=START, strict=False)

    assert [(item["kind"], item["id"]) for item in played.refused] == [("invoices", "x")]
    assert set(platform.items) == {"y"}


async def test_progress_is_told_day_by_day_up_to_the_end() -> None:
    told: list[Progress] = []
    platform = FakePlatform()

    await platform.play(
        [day(0, invoices=2), day(4, invoices=3)],
        until=START + timedelta(days=6),
        tell=told.append,
    )

    assert [(step.days_done, step.items_done) for step in told] == [(0, 0), (1, 2), (2, 5)]
    assert told[-1].day == START + timedelta(days=6)
    assert {step.items_total for step in told} == {5}

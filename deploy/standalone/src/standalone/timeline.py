"""Plays dated items through a sandbox tenant: each day's items arrive, then the clock moves on.

On every day that has items the clock is first brought to 00:00 of that day, so that everything due
before has been sent; then the items are uploaded; at the end the clock is brought to `until`. The
engine asks the ledger for what is new before it moves a clock, so an item of a day is known before
anything of that day is decided. Uploads carry natural keys and the clock never goes back, so a play
that was interrupted is simply played again: days that lie behind the clock are skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from standalone.client import Client

BULK_ITEMS_MAX = 1_000
CLOCK_WAIT_S = 30
Kind = Literal["debtors", "invoices", "payments", "credit-notes"]
KINDS: tuple[Kind, ...] = ("debtors", "invoices", "payments", "credit-notes")
"""In the order in which they are uploaded: an invoice needs its debtor, a payment its invoice."""


class TimelineError(RuntimeError):
    """The play cannot go on."""


class RefusedItemsError(TimelineError):
    """The ledger refused items; the message shows the first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What arrives on one day: bodies of the bulk interface, ids included, by kind."""

    on: date
    items: Mapping[Kind, Sequence[Mapping[str, Any]]]

    def count(self) -> int:
        """How many items."""
        return sum(len(items) for items in self.items.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a play has come: `day` is where the clock stands or is going."""

    day: date
    days_done: int
    days_total: int
    items_done: int
    items_total: int


@dataclass(slots=True, kw_only=True)
class Played:
    """What a play did. `refused` holds the items that the ledger refused, with their problems."""

    items: int = 0
    calls: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    clock: dict[str, Any] = field(default_factory=dict)


Tell = Callable[[Progress], None]


class Player:
    """Plays days through one sandbox tenant, which must exist."""

    def __init__(
        self,
        client: Client,
        *,
        zone: ZoneInfo,
        tell: Tell = lambda _: None,
        strict: bool = True,
        clock_wait_s: int = CLOCK_WAIT_S,
    ) -> None:
        """Make a player.

        Args:
            client: of the tenant.
            zone: the tenant's; days begin at its midnight.
            tell: hears of progress after every step.
            strict: raise on a refused item instead of collecting it.
            clock_wait_s: how long one request waits for the clock to settle.
        """
        self._client = client
        self._zone = zone
        self._tell = tell
        self._strict = strict
        self._clock_wait_s = clock_wait_s

    async def play(self, days: Sequence[Day], *, until: date) -> Played:
        """Play all days in order, then bring the clock to 00:00 of `until`.

        Raises:
            RefusedItemsError: the ledger refused an item, and the player is strict.
            standalone.client.ClientError: a service said no, or stayed away for too long.
        """
        ordered = sorted(days, key=lambda day: day.on)
        total = sum(day.count() for day in ordered)
        played = Played()
        now = await self._local_date()
        for number, day in enumerate(ordered):
            self._tell(_progress(day.on, number, len(ordered), played.items, total))
            if day.on < now:
                played.items += day.count()
                continue
            if day.on > now:
                await self._move_clock(day.on, played)
                now = day.on
            await self._upload(day, played)
        self._tell(_progress(until, len(ordered), len(ordered), played.items, total))
        if until >= now:
            await self._move_clock(until, played)
        return played

    async def upload(self, day: Day) -> Played:
        """Upload items without moving the clock: what was known before the play begins."""
        played = Played()
        await self._upload(day, played)
        return played

    async def _local_date(self) -> date:
        clock = await self._client.get("engine", "/v1/clock")
        return datetime.fromisoformat(clock["now"]).astimezone(self._zone).date()

    async def _upload(self, day: Day, played: Played) -> None:
        for kind in KINDS:
            items = day.items.get(kind, ())
            for start in range(0, len(items), BULK_ITEMS_MAX):
                part = items[start : start + BULK_ITEMS_MAX]
                answer = await self._client.post_lines("ingest", f"/v1/bulk/{kind}", part)
                played.calls += 1
                played.items += len(part)
                for status, count in answer["summary"].items():
                    played.statuses[status] = played.statuses.get(status, 0) + count
                self._note_refused(kind, answer, played)

    def _note_refused(self, kind: Kind, answer: Mapping[str, Any], played: Played) -> None:
        refused = [{"kind": kind, **item} for item in answer["items"] if item.get("problem")]
        played.refused += refused
        if refused and self._strict:
            shown = "; ".join(f"{item['id']}: {item['problem']}" for item in refused[:3])
            raise RefusedItemsError(f"the ledger refused {len(refused)} {kind}: {shown}")

    async def _move_clock(self, day: date, played: Played) -> None:
        """Until everything due before that day's midnight is settled."""
        target = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        while True:
            clock = await self._client.post(
                "engine",
                "/v1/clock",
                {"advance_to": target.isoformat()},
                wait_s=self._clock_wait_s,
            )
            played.calls += 1
            played.clock = clock
            if clock["settled"] and datetime.fromisoformat(clock["now"]) >= target:
                return
            await asyncio.sleep(0.05)


def _progress(day: date, done: int, days: int, items: int, total: int) -> Progress:
    return Progress(day=day, days_done=done, days_total=days, items_done=items, items_total=total)

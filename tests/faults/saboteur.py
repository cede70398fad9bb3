"""Kills and pauses the processes: at every named point of the protocol, and at random moments.

It deals faults from a shuffled deck, so that a long run meets all of them and no run only the easy
ones. A process that ended is started again with the next card.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from dunning_common.waiting import wait_for_event
from tests.faults.nursery import Child
from tests.faults.variants import POINTS

_LOOK_S = 0.02
_LONGEST_BIRTH_S = 30.0
_LONGEST_LIFE_IN_LEASES = 4.0

Start = Callable[[str], Awaitable[Child]]
"""Starts a process with a crash plan; an empty one means none."""


def deck(dice: random.Random, first: Sequence[str]) -> list[str]:
    """Cards such as `kill:after_bytes`, `stop:random`: `first`, then all, shuffled."""
    cards = [f"{action}:{point}" for point in POINTS for action in ("kill", "stop")]
    cards += ["kill:random"] * 4 + ["stop:random"] * 2
    dice.shuffle(cards)
    return [*first, *cards]


class Saboteur:
    """Counts what it did; `enough` is true once it did all that was wanted."""

    def __init__(
        self, dice: random.Random, *, lease_s: float, kills: int, pauses: int, first: Sequence[str]
    ) -> None:
        self._dice = dice
        self._lease_s = lease_s
        self._wanted = {"kill": kills, "stop": pauses}
        self._first = list(first)
        self._cards: list[str] = []
        self.done: Counter[str] = Counter()
        self.over = asyncio.Event()

    @property
    def kills(self) -> int:
        """How often a process of the postman was killed."""
        return sum(n for card, n in self.done.items() if card.startswith("kill:"))

    @property
    def pauses(self) -> int:
        """How often a process of the postman was paused."""
        return sum(n for card, n in self.done.items() if card.startswith("stop:"))

    def _next_card(self) -> str:
        if not self._cards:
            self._cards = deck(self._dice, self._first)
            self._first = []
        return self._cards.pop(0)

    async def torment(self, start: Start) -> Child:
        """One worker's lives, one after the other, until there were enough faults; the last one."""
        while not self.over.is_set():
            card = self._next_card()
            action, point = card.split(":")
            aimed = point != "random"
            plan = f"{card}:{self._dice.randint(1, 3)}" if aimed else ""
            child = await start(plan)
            await self._one_life(child, action, aimed=aimed, card=card)
            child.signal(signal.SIGKILL)
            await child.gone.wait()
        return await start("")

    async def torment_ledger(self, start: Start, child: Child) -> Child:
        """The ledger, `child`, is killed or paused now and then; its last life."""
        while not self.over.is_set():
            await self._rest(self._lease_s * self._dice.uniform(2.0, 5.0))
            if self.over.is_set():
                break
            if self._dice.random() < 0.5:
                await self._pause(child, "ledger stopped", self._dice.uniform(0.1, self._lease_s))
            else:
                child.signal(signal.SIGKILL)
                await child.gone.wait()
                self._count("ledger killed")
                child = await start("")
        return child

    async def _one_life(self, child: Child, action: str, *, aimed: bool, card: str) -> None:
        await self._until(lambda: not child.is_alive or child.is_at_work, _LONGEST_BIRTH_S)
        if aimed:
            longest_s = _LONGEST_LIFE_IN_LEASES * self._lease_s
            await self._until(lambda: not child.is_alive or child.is_stopped, longest_s)
        else:
            await self._rest(self._dice.uniform(0.0, 1.5))
        if not child.is_alive:
            self._count(card)
            return
        if action == "stop":
            if not aimed:
                child.signal(signal.SIGSTOP)
            if child.is_stopped or not aimed:
                shortest, longest = self._dice.choice(((0.05, 1.0), (1.2, 2.0)))
                await self._pause(
                    child, card, self._lease_s * self._dice.uniform(shortest, longest)
                )
                await self._rest(self._dice.uniform(0.5, 1.5))
        if child.is_alive and not self.over.is_set():
            self._count("kill:random")

    async def _pause(self, child: Child, card: str, seconds: float) -> None:
        child.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        child.signal(signal.SIGCONT)
        self._count(card)

    async def _until(self, reached: Callable[[], bool], longest_s: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + longest_s
        # What is waited for is in the kernel's hands, which wakes nobody.
        while not reached() and not self.over.is_set() and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    async def _rest(self, seconds: float) -> None:
        """Sleep, unless it is over before."""
        await wait_for_event(self.over, seconds)

    def _count(self, card: str) -> None:
        self.done[card] += 1
        if self.kills >= self._wanted["kill"] and self.pauses >= self._wanted["stop"]:
            self.over.set()

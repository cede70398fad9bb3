"""One run: notices flow, payments race them, processes die; at the end everything is judged.

async with machine(…) as here:
    result = await run(here, Plan(variant="A", seed=1, kills=8, pauses=4))
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dunning_common.clock import monotonic
from tests.faults.checker import Evidence, Violation, check
from tests.faults.payer import Payer
from tests.faults.providers import open_providers
from tests.faults.saboteur import Saboteur
from tests.faults.variants import VARIANTS, Symptom
from tests.faults.world import LEASE_S, WORKERS, Machine, World

_BACKLOG = 24
_LOOK_S = 0.1
_SETTLE_S = 120.0
_SHARES: dict[Symptom | None, float] = {
    None: 0.45,
    "after a payment": 0.85,
    "twice": 0.1,
    "lost": 0.1,
}
"""How many messages are raced by a payment; a planted bug shows itself sooner by its own faults."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is made of: `kills` and `pauses` end it, or `longest_s`, or the last debtor."""

    variant: str = ""
    seed: int = 20261122
    kills: int = 12
    pauses: int = 6
    debtors: int = 600
    email_via: str = "sendgrid"
    longest_s: float = 600.0


@dataclass(kw_only=True)
class Result:
    """What came of a run."""

    plan: Plan
    asked: int = 0
    taken: int = 0
    payments: int = 0
    repeats: int = 0
    reports: int = 0
    kills: int = 0
    pauses: int = 0
    states: Counter[str] = field(default_factory=Counter)
    proved: int = 0
    resolved: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rules(self) -> Counter[str]:
        """How often each promise was broken."""
        return Counter(violation.rule for violation in self.violations)


async def run(machine: Machine, plan: Plan) -> Result:
    """Play one run to its end; a run with a planted bug ends when the bug has shown itself."""
    began = monotonic()
    dice = random.Random(f"{plan.seed}/{plan.variant}/{plan.email_via}")
    variant = VARIANTS[plan.variant]
    folder = Path(tempfile.mkdtemp(prefix=f"run-{plan.variant or 'product'}-", dir=machine.folder))
    async with AsyncExitStack() as stack:
        providers = await stack.enter_async_context(
            open_providers(
                folder, dice, late_s=variant.late_in_leases * LEASE_S, more=variant.modes
            )
        )
        world = await World.make(
            machine,
            variant=plan.variant,
            providers=providers,
            folder=folder,
            email_via=plan.email_via,
        )
        stack.push_async_callback(world.close)
        experiment = _Experiment(plan, world, dice)
        stack.push_async_callback(experiment.close)
        result = await experiment.play()
    result.seconds = monotonic() - began
    return result


class _Experiment:
    def __init__(self, plan: Plan, world: World, dice: random.Random) -> None:
        self.plan = plan
        self.world = world
        self.dice = dice
        self.variant = VARIANTS[plan.variant]
        self.payer = Payer(
            ledger_url=world.url("ledger"),
            token=world.token,
            dice=dice,
            amounts=world.amounts,
            share=_SHARES[self.variant.symptom],
        )
        self.saboteur = Saboteur(
            dice,
            lease_s=LEASE_S,
            kills=plan.kills,
            pauses=plan.pauses,
            first=self.variant.faults,
        )
        self.tasks: list[asyncio.Task[object]] = []
        self.result = Result(plan=plan)

    async def play(self) -> Result:
        world, saboteur = self.world, self.saboteur
        await world.start("engine")
        ledger = await world.start("ledger")
        await world.await_ready("ledger")
        await world.populate(self.plan.debtors)
        self._begin(self.payer.watch(world.eyes))
        self._begin(world.providers.talk(self.dice, world.postmen, world.tenant_of.__getitem__))
        tormented = [f"postman-{n}" for n in range(WORKERS)]
        tormenting = []
        if not self.plan.variant:  # a planted bug shows itself sooner where the ledger is let alone
            tormenting += [
                self._begin(saboteur.torment_ledger(partial(world.start, "ledger"), ledger))
            ]
        tormenting += [
            self._begin(saboteur.torment(partial(world.start, role))) for role in tormented
        ]
        await self._feed()
        saboteur.over.set()
        await asyncio.gather(*tormenting)
        evidence = await self._evidence(is_over=False)
        if not self._is_exposed(evidence):
            await self._settle()
            evidence = await self._evidence(is_over=True)
        self.result.violations = check(evidence)
        self.result.kills, self.result.pauses = saboteur.kills, saboteur.pauses
        self.result.faults = saboteur.done
        return self.result

    async def _feed(self) -> None:
        """Ask for notices, a few ahead of what is settled, until there were enough faults."""
        world = self.world
        numbers = iter(range(self.plan.debtors))
        end = monotonic() + self.plan.longest_s
        while not self.saboteur.over.is_set() and monotonic() < end:
            room = _BACKLOG - (len(world.asked) - await world.settled())
            some = [number for number, _ in zip(numbers, range(room), strict=False)]
            if some:
                await world.ask(some)
            for task in self.tasks:
                if task.done():
                    task.result()
            if self.variant.symptom and self._is_exposed(await self._evidence(is_over=False)):
                return
            await asyncio.sleep(_LOOK_S)

    def _is_exposed(self, evidence: Evidence) -> bool:
        """Whether the planted bug has shown itself already."""
        return self.variant.symptom in {violation.rule for violation in check(evidence)}

    async def _settle(self) -> None:
        """Let all processes live, until every message has ended and every report was read."""
        world = self.world
        for n in range(WORKERS):
            await world.await_ready(f"postman-{n}")
        await self.payer.finish()
        await self._until(self._all_have_ended)
        await world.providers.silence()
        await self._until(self._all_is_read)
        await self.payer.finish()

    async def _all_have_ended(self) -> bool:
        return await self.world.settled() >= len(self.world.asked)

    async def _all_is_read(self) -> bool:
        return await self.world.unread_reports() == 0

    async def _until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        """Look again and again, but not for ever: what never ends is for the checker to say."""
        end = monotonic() + _SETTLE_S
        while not await reached() and monotonic() < end:  # noqa: ASYNC110 -- others' rows
            await asyncio.sleep(_LOOK_S)

    async def _evidence(self, *, is_over: bool) -> Evidence:
        world = self.world
        taken = world.providers.taken()
        if is_over:
            await self._ask_a_person({one.message_id for one in taken})
        book = await world.book() if is_over else {}
        self.result.asked, self.result.taken = len(world.asked), len(taken)
        self.result.payments, self.result.repeats = self.payer.payments, self.payer.repeats
        self.result.reports = world.providers.reports
        if is_over:
            self.result.states = Counter(stands.state for stands in book.values())
            self.result.proved = sum(
                any(actor == "provider" for _, actor in stands.history) for stands in book.values()
            )
        return Evidence(
            asked=tuple(world.asked),
            taken=tuple(taken),
            acknowledged=dict(self.payer.acknowledged),
            book=book,
            listed=await world.listed("unknown") if is_over else frozenset(),
            told=await world.told() if is_over else {},
            is_over=is_over,
        )

    async def _ask_a_person(self, taken: set[object]) -> None:
        """A person looks half of the unknown ones up at the provider, and says what they found."""
        for message_id in sorted(await self.world.listed("unknown")):
            if self.dice.random() < 0.5:
                await self.world.resolve(message_id, was_sent=message_id in taken)
                self.result.resolved += 1

    def _begin(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def close(self) -> None:
        """End what is still going on; the processes are killed."""
        self.saboteur.over.set()
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task
        await self.payer.close()
        for child in self.world.children:
            child.kill()
        await asyncio.gather(*(child.gone.wait() for child in self.world.children))

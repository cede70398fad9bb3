"""The route of simulations: what would happen, or would have happened. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dunning_common.money import MoneyError, parse_minor
from dunning_common.problems import ProblemError
from dunning_engine.adapters.policy_yaml import TEXT_MAX, PolicyTextError, parse_policy
from dunning_engine.adapters.process_pool import Crunchers, InThread
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.domain.policy import CHANNELS
from dunning_engine.domain.simulation import Assumptions
from dunning_engine.domain.simulation_job import Job
from dunning_engine.domain.simulation_report import Prices
from dunning_engine.entrypoints.api_policies import ID_PATTERN, PlacedError
from dunning_engine.entrypoints.web import Caller, caller, invalid
from dunning_engine.handlers.run_simulation import Cruncher
from dunning_engine.handlers.simulate_portfolio import (
    Candidate,
    Named,
    TooManyInvoicesError,
    UnknownCandidateError,
    Wish,
    simulate_portfolio,
)
from dunning_engine.settings import Settings

SMALL = 300
"""So few invoices are computed in a thread: starting processes would take longer."""
DAYS = 30
READ = Depends(caller("dunning:read"))
Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2200, 1, 1))]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Body(BaseModel):
    """Fields that nobody knows are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PolicyReference(Body):
    """A stored policy, in its newest or a named version; or one that is given as text here."""

    policy_id: str = Field(pattern=ID_PATTERN)
    version: int | None = Field(default=None, ge=1, le=2**31 - 1)
    yaml: str | None = Field(default=None, max_length=TEXT_MAX)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.version is not None and self.yaml is not None:
            raise ValueError("give a version or yaml, not both")
        return self


class MessagePrices(Body):
    """What a message costs by channel, as decimal strings; nothing where none is given."""

    currency: str = "EUR"
    email: str | None = None
    sms: str | None = None
    letter: str | None = None
    registered_letter: str | None = None
    call: str | None = None
    in_app: str | None = None


class SimulationRequest(Body):
    """What to simulate.

    `forward`: the open invoices so many `days` ahead (30). `backtest`: the past again, from `since`
    to `until` (exclusive). `compare`: `policy` and `other` side by side, over the past or, with
    `days`, ahead. `blast_radius`: what changes for the open invoices when `policy` replaces the one
    they follow: those under its own id, under the id `replaces`, or `all`.

    Elsewhere `policy` holds for all invoices; without it each follows its own.
    Payments of the past become known `known_after_days` after their value date.
    Of a hundred notices `failing_percent` fail.
    """

    kind: Literal["forward", "backtest", "compare", "blast_radius"]
    policy: PolicyReference | None = None
    other: PolicyReference | None = None
    replaces: str | None = Field(default=None, pattern=ID_PATTERN)
    days: int | None = Field(default=None, ge=1, le=730)
    since: Day | None = None
    until: Day | None = None
    known_after_days: int = Field(default=0, ge=0, le=60)
    promises_kept: bool = True
    approvals_granted: bool = True
    failing_percent: int = Field(default=0, ge=0, le=100)
    seed: int = Field(default=0, ge=0, le=2**53)
    debtor_ids: list[Text] | None = Field(default=None, min_length=1, max_length=1_000)
    prices: MessagePrices = MessagePrices()
    listed: int = Field(default=200, ge=0, le=10_000, alias="list")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        ahead = self.kind in ("forward", "blast_radius") or self.days is not None
        wrong = {
            "a backtest goes back: it has no days": self.kind == "backtest" and self.days,
            "days go ahead, since and until go back": ahead and (self.since or self.until),
            "only the past has payments that become known late": ahead and self.known_after_days,
            "a comparison needs policy and other": self.kind == "compare"
            and not (self.policy and self.other),
            "only a comparison has other": self.kind != "compare" and self.other,
            "a blast radius needs policy": self.kind == "blast_radius" and not self.policy,
            "only a blast radius has replaces": self.kind != "blast_radius" and self.replaces,
            "until must be later than since": self.since
            and self.until
            and self.until <= self.since,
        }
        said = [words for words, is_wrong in wrong.items() if is_wrong]
        if said:
            raise ValueError("; ".join(said))
        return self


def simulation_routes(rooms: StoreRoom, settings: Settings) -> APIRouter:
    """Simulate."""
    router = APIRouter(prefix="/v1", tags=["simulations"])
    queue = Queue(settings.simulations_waiting)

    @asynccontextmanager
    async def cruncher(job: Job, invoices: int) -> AsyncIterator[Cruncher]:
        if invoices <= SMALL:
            yield InThread(job)
            return
        async with Crunchers(job, workers=settings.simulation_workers) as crunchers:
            yield crunchers

    @router.post("/simulations")
    async def post_simulation(body: SimulationRequest, who: Caller = READ) -> dict[str, Any]:
        wish = _wish(body)
        async with queue.turn():
            try:
                return await simulate_portfolio(
                    lambda: rooms.tenant(who.tenant),
                    cruncher,
                    tenant=who.tenant,
                    wish=wish,
                    invoices_max=settings.simulation_invoices_max,
                )
            except TooManyInvoicesError as error:
                raise ProblemError(
                    422,
                    "too-many-invoices",
                    "The portfolio is too large for one simulation.",
                    detail=str(error),
                ) from error
            except UnknownCandidateError as error:
                raise invalid(f"/{error.field_name}", str(error), slug="unknown-policy") from error

    return router


class Queue:
    """One simulation at a time; a few may wait, the others are asked to come again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn.

        Raises:
            ProblemError: 429, too many wait already.
        """
        if self._lock.locked() and self._waiting >= self._most:
            raise ProblemError(
                429,
                "simulations-busy",
                "Other simulations are running; try again in a while.",
                headers={"Retry-After": "30"},
            )
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._lock.release()


def _wish(body: SimulationRequest) -> Wish:
    days = body.days or (DAYS if body.kind in ("forward", "blast_radius") else None)
    return Wish(
        purpose=body.kind,
        policy=_candidate("policy", body.policy),
        other=_candidate("other", body.other),
        replaces=body.replaces,
        days=days,
        since=body.since,
        until=body.until,
        known_after_days=body.known_after_days,
        promises_kept=body.promises_kept,
        debtors=tuple(sorted(set(body.debtor_ids))) if body.debtor_ids else None,
        assumptions=Assumptions(
            failing_percent=body.failing_percent,
            seed=body.seed,
            approvals_granted=body.approvals_granted,
        ),
        prices=_prices(body.prices),
        listed=body.listed,
    )


def _candidate(name: str, given: PolicyReference | None) -> Candidate | None:
    if given is None:
        return None
    if given.yaml is None:
        return Named(policy_id=given.policy_id, version=given.version)
    try:
        return parse_policy(given.yaml, policy_id=given.policy_id, version=1)
    except PolicyTextError as error:
        raise ProblemError(
            422,
            "invalid-policy",
            "This is not a valid policy; nothing was simulated.",
            errors=[
                PlacedError(
                    pointer=f"/{name}/yaml",
                    detail=problem.message,
                    line=problem.line,
                    column=problem.column,
                )
                for problem in error.problems
            ],
        ) from error


def _prices(given: MessagePrices) -> Prices:
    minor: dict[str, int] = {}
    for channel in CHANNELS:
        amount = getattr(given, channel)
        try:
            price = parse_minor(amount or "0", given.currency)
        except MoneyError as error:
            raise invalid(f"/prices/{channel}", str(error)) from error
        if price < 0:
            raise invalid(f"/prices/{channel}", "a price is not negative")
        minor[channel] = price
    return Prices(currency=given.currency, per_message_minor=minor)

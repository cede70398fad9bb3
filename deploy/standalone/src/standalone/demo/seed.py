"""Plays the demo portfolio through the running services, once; an interrupted play goes on.

Knows the services only by their REST interfaces.
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dunning_common.clock import Clock, SystemClock, monotonic
from standalone.client import ApiError, Client, ClientError, Target
from standalone.demo.portfolio import Portfolio, portfolio
from standalone.state import State
from standalone.timeline import Player, Progress, TimelineError

STATE_FILE = "demo.json"
SEED = 20_26
PLAYED_DAYS = 91
PAY_LINK = (
    "https://pay.ateliers-lumiere.example/?ref={reference}&amount={amount}&currency={currency}"
)
"""Nobody is there: what stands in it is to be looked at."""

_KNOWN_TIMEOUT_S = 60.0


class Seeding:
    """The play, run in a thread of its own; `progress` and `error` are read from outside."""

    def __init__(self, state: State, target: Target, clock: Clock | None = None) -> None:
        self.error: Exception | None = None
        self._state = state
        self._target = target
        self._clock = clock or SystemClock()
        self._progress = (0.0, "what was before")

    def progress(self) -> tuple[float, str]:
        """How far it is, 0 to 1, and the day that is being played."""
        return self._progress

    def run(self) -> None:
        """Play to the end; never raises."""
        try:
            asyncio.run(self._play())
        except (ClientError, TimelineError, OSError) as error:
            self.error = error

    async def _play(self) -> None:
        plan = self._plan()
        made = portfolio(
            seed=plan["seed"],
            starts_on=date.fromisoformat(plan["starts_on"]),
            ends_on=date.fromisoformat(plan["ends_on"]),
        )
        async with Client(self._target) as client:
            await play(client, made, until=date.fromisoformat(plan["ends_on"]), tell=self._tell)
        self._state.save(STATE_FILE, {**plan, "done": True})

    def _plan(self) -> dict[str, Any]:
        """The dates, fixed at the first start: the play ends on the day on which it was begun."""
        plan = self._state.load(STATE_FILE)
        if "starts_on" not in plan:
            today = self._clock.now().date()
            plan = {
                "seed": SEED,
                "starts_on": (today - timedelta(days=PLAYED_DAYS)).isoformat(),
                "ends_on": today.isoformat(),
            }
            self._state.save(STATE_FILE, plan)
        return plan

    def _tell(self, progress: Progress) -> None:
        share = progress.days_done / max(progress.days_total, 1)
        self._progress = (share, f"{progress.day:%d %b %Y}")


async def play(client: Client, made: Portfolio, *, until: date, tell: Any) -> None:
    """Make the tenant, upload what was before, play the days.

    Raises:
        TimelineError, ClientError: it cannot go on.
    """
    zone = ZoneInfo(made.tenant["zone"])
    await client.put("ingest", f"/v1/tenants/{client.tenant}", made.tenant)
    await wait_until_known(client)
    await offer_payment(client)
    player = Player(client, zone=zone, tell=tell)
    clock = await client.get("engine", "/v1/clock")
    if datetime.fromisoformat(clock["now"]).astimezone(zone).date() <= made.opening.on:
        await player.upload(made.opening)
    await player.play(made.days, until=until)


async def offer_payment(client: Client) -> None:
    """Let messages and debtors' pages show a button to pay with, unless somebody has set that.

    Raises:
        ClientError: it cannot be set.
    """
    settings = await client.get("notifier", "/v1/portal-settings")
    if settings["stored_by"] is None:
        await client.put("notifier", "/v1/portal-settings", {"pay_link": PAY_LINK})


async def wait_until_known(client: Client) -> None:
    """Return when the engine has heard of the client's tenant.

    Raises:
        ApiError: it has not after a minute.
    """
    give_up_at = monotonic() + _KNOWN_TIMEOUT_S
    while True:
        try:
            await client.get("engine", "/v1/clock")
        except ApiError as error:
            if error.status not in (404, 409) or monotonic() > give_up_at:
                raise
            await asyncio.sleep(0.1)
        else:
            return

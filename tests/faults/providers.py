"""The providers of an experiment: fakes on real sockets that misbehave by dice, and talk later.

What they accepted is on disk before they answer. Reports about it come late, twice and in disorder,
and about some messages never.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson

from dunning_common.clock import monotonic
from notifier.testing import AcceptLog, FakeSendGrid, FakeSmtp, FakeTwilio, Mode
from notifier.testing.behaviour import Behaviour
from tests.faults.checker import Taken

PUBLIC_URL = "http://postman.test"
"""How providers believe to reach the postman; what Twilio signs."""

MODES: Mapping[Mode, int] = {
    Mode.OK: 74,
    Mode.SLOW: 5,
    Mode.LOST: 5,
    Mode.BROKEN: 4,
    Mode.BUSY: 5,
    Mode.CUT: 2,
    Mode.REFUSE: 1,
    Mode.LATE: 4,
}
"""How often each behaviour is met: 5 % lost answers, 4 % errors of a gateway after acceptance."""

_SCRIPT = 20_000
_REPORTED = 0.6
_SPREAD_S = 1.5


@dataclass(kw_only=True)
class Providers:
    """Mail server, SendGrid, Twilio and the letter spool of one run."""

    smtp: FakeSmtp
    sendgrid: FakeSendGrid
    twilio: FakeTwilio
    spool: Path
    client: httpx.AsyncClient
    reports: int = 0
    _gossip: set[asyncio.Task[None]] = field(default_factory=set)

    def taken(self) -> list[Taken]:
        """All that was accepted, letters too, on the monotonic clock."""
        sockets: list[tuple[str, Behaviour]] = [
            ("email", self.smtp), ("email", self.sendgrid), ("sms", self.twilio),
        ]  # fmt: skip
        return [
            Taken(
                at=accepted.at,
                channel=channel,
                message_id=UUID(accepted.message_id),
                to=accepted.to,
                sha256=accepted.sha256,
            )
            for channel, provider in sockets
            for accepted in provider.log.accepted
        ] + self._letters()

    def _letters(self) -> list[Taken]:
        """A letter is out when it gets its name, which the inode's change time tells."""
        found = []
        now_ns = _wall_ns(self.spool)
        for letter in self.spool.rglob("*.pdf"):
            slip = orjson.loads(letter.with_suffix(".json").read_bytes())
            age_s = (now_ns - letter.stat().st_ctime_ns) / 1e9
            found.append(
                Taken(
                    at=monotonic() - age_s,
                    channel="letter",
                    message_id=UUID(slip["message_id"]),
                    to=slip["to"]["name"],
                    sha256=slip["sha256"],
                )
            )
        return found

    async def talk(self, dice: random.Random, ports: Callable[[], list[int]], tenant_of: Callable[[UUID], str]) -> None:  # fmt: skip
        """Report on what was accepted, until cancelled."""
        told = {"sendgrid": 0, "twilio": 0}
        while True:
            for name, log in (("sendgrid", self.sendgrid.log), ("twilio", self.twilio.log)):
                for accepted in log.accepted[told[name] :]:
                    message_id = UUID(accepted.message_id)
                    if dice.random() < _REPORTED:
                        for call in self._calls(dice, name, tenant_of(message_id), message_id):
                            self._spawn(_deliver(self.client, dice, ports, *call))
                told[name] = len(log.accepted)
            await asyncio.sleep(0.05)

    async def silence(self) -> None:
        """Until everything that was to be reported was."""
        while self._gossip:
            await asyncio.wait(self._gossip)

    def _calls(
        self, dice: random.Random, name: str, tenant: str, message_id: UUID
    ) -> list[tuple[str, bytes, dict[str, str]]]:
        """Webhook calls as (path, body, headers): some twice, in any order."""
        if name == "sendgrid":
            path = f"/webhooks/sendgrid/{tenant}"
            events = [
                self.sendgrid.event(kind, tenant=tenant, message_id=message_id)
                for kind in ("processed", "delivered")
            ]
            calls = [(path, *self.sendgrid.signed([event])) for event in events]
        else:
            path = f"/webhooks/twilio/{tenant}/{message_id}"
            calls = [
                (path, *self.twilio.callback(PUBLIC_URL + path, message_id=message_id, status=s))
                for s in ("sent", "delivered")
            ]
        calls += [call for call in calls if dice.random() < 0.3]
        dice.shuffle(calls)
        return calls

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.reports += 1
        task = asyncio.create_task(work)
        self._gossip.add(task)
        task.add_done_callback(self._gossip.discard)


async def _deliver(
    client: httpx.AsyncClient,
    dice: random.Random,
    ports: Callable[[], list[int]],
    path: str,
    body: bytes,
    headers: dict[str, str],
) -> None:
    """One report, after a while; tried a few times, because its receiver may be dead just now."""
    await asyncio.sleep(dice.uniform(0.0, _SPREAD_S))
    for _ in range(20):
        with suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{dice.choice(ports())}{path}"
            answer = await client.post(url, content=body, headers=headers)
            if answer.status_code == 204:
                return
        await asyncio.sleep(0.3)


@asynccontextmanager
async def open_providers(
    folder: Path, dice: random.Random, *, late_s: float, more: Mapping[Mode, int]
) -> AsyncIterator[Providers]:
    """Providers that listen; `more` are weights of behaviours beside the usual ones."""
    weights = {mode: MODES[mode] + more.get(mode, 0) for mode in MODES}
    async with AsyncExitStack() as stack:

        async def begin(provider: Behaviour) -> None:
            provider.late_s = late_s
            provider.delay_s = late_s / 4
            provider.script.extend(dice.choices(list(weights), list(weights.values()), k=_SCRIPT))
            await stack.enter_async_context(provider)

        providers = Providers(
            smtp=FakeSmtp(AcceptLog(folder / "smtp.jsonl")),
            sendgrid=FakeSendGrid(AcceptLog(folder / "sendgrid.jsonl")),
            twilio=FakeTwilio(AcceptLog(folder / "twilio.jsonl")),
            spool=folder / "spool",
            client=await stack.enter_async_context(httpx.AsyncClient(timeout=2.0)),
        )
        providers.smtp.keep_mails = False
        for each in (providers.smtp, providers.sendgrid, providers.twilio):
            await begin(each)
        yield providers
        for task in list(providers._gossip):
            task.cancel()
        await asyncio.gather(*providers._gossip, return_exceptions=True)


def _wall_ns(folder: Path) -> int:
    """The file system's own present, so that two readings of one clock are compared."""
    probe = folder / ".now"
    folder.mkdir(parents=True, exist_ok=True)
    probe.write_bytes(b"")
    now_ns = probe.stat().st_ctime_ns
    probe.unlink()
    return now_ns

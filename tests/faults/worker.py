"""What a forked process is: a real service, built by its own bootstrap, with points to crash at.

A planted bug replaces one part of it (`variants.py`); everything else is the product as it ships.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic_settings import SettingsConfigDict

import invoice_ingest.bootstrap as ledger
import notifier.bootstrap as postman
from dunning_common.auth import Verifier
from dunning_common.bus import Bus
from dunning_common.db import Database
from dunning_common.feed import feed_router
from dunning_common.http import create_app
from dunning_common.kafka import KafkaBus
from dunning_common.process import run_services
from dunning_common.relay import Relay
from dunning_common.service import Service
from dunning_common.settings import ServiceSettings
from dunning_common.testing.bus import PrefixedBus
from dunning_engine.schema import SCHEMA as ENGINE
from invoice_ingest.settings import Settings as LedgerSettings
from notifier.handlers.send import Sender
from notifier.settings import Settings as PostmanSettings
from tests.faults.nursery import Spec
from tests.faults.variants import VARIANTS, Variant
from tests.faults.world import LEASE_S

CLAIM_S = LEASE_S / 2
"""How long a claim lasts that nothing came of; the product's own 15 s are too long for a test."""


class DeskSettings(ServiceSettings):
    """The settings of the stand-in for the engine."""

    model_config = SettingsConfigDict(env_prefix="ENGINE_", frozen=True, extra="ignore")


class Trap:
    """The crash hook: the process does `action` to itself when `point` is passed for the nth time."""

    def __init__(self, plan: str, pulse: str) -> None:
        self._action, self._point, count = (plan or "::0").split(":")
        self._left = int(count)
        self._pulse = pulse

    def __call__(self, point: str) -> None:
        if self._pulse:
            Path(self._pulse).touch()
            self._pulse = ""
        if point != self._point or self._left <= 0:
            return
        self._left -= 1
        if self._left == 0:
            number = signal.SIGKILL if self._action == "kill" else signal.SIGSTOP
            os.kill(os.getpid(), number)


def main(spec: Spec) -> int:
    """Run the role until a signal ends it; the exit status."""
    variant = VARIANTS[spec.variant]
    settings, build = _ROLES[spec.role](spec, variant)
    return run_services(settings, build)


def _bus(settings: ServiceSettings, spec: Spec) -> Bus:
    return PrefixedBus(KafkaBus(settings.kafka_bootstrap), spec.bus)


Role = tuple[ServiceSettings, Callable[[], Any]]


def _ledger(spec: Spec, variant: Variant) -> Role:
    settings = LedgerSettings()

    async def build() -> list[Service]:
        return [
            await ledger.build(settings, bus=_bus(settings, spec), permits=variant.permit_store())
        ]

    return settings, build


def _postman(spec: Spec, variant: Variant) -> Role:
    settings = PostmanSettings()
    trap = Trap(spec.crash, spec.pulse)

    def make_sender(**parts: Any) -> Sender:
        parts["timing"] = replace(parts["timing"], claim_s=CLAIM_S, wait_s=0.3)
        parts["ledger"] = variant.ledger(parts["ledger"], spec.extra)
        parts["queue"] = variant.queue(parts["queue"])
        return variant.sender(**parts, crash=trap)

    async def build() -> list[Service]:
        return [
            await postman.build(
                settings,
                bus=_bus(settings, spec),
                make_sender=make_sender,
                make_sweeper=variant.sweeper,
            )
        ]

    return settings, build


def _engine(spec: Spec, _: Variant) -> Role:
    """The desk that notices come from: the engine's outbox, relay and feed, without its decisions."""
    settings = DeskSettings()

    async def build() -> list[Service]:
        db = Database(
            api_url=settings.api_database_url.get_secret_value(),
            worker_url=settings.worker_database_url.get_secret_value(),
            schema=ENGINE.schema,
            name="engine",
        )
        registry = CollectorRegistry()
        app = create_app(
            title="engine",
            version="0",
            verifier=Verifier.from_file(settings.token_keys_file),
            registry=registry,
            ready={"database": db.ping},
        )
        app.include_router(feed_router(db))
        relay = Relay(db=db, bus=_bus(settings, spec), registry=registry, poll_s=0.1)
        return [
            Service(
                name="engine",
                app=app,
                host=settings.http_host,
                port=settings.http_port,
                loops={"relay": relay.run},
                close=functools.partial(db.close),
            )
        ]

    return settings, build


_ROLES: dict[str, Callable[[Spec, Variant], Role]] = {
    "ledger": _ledger,
    "postman": _postman,
    "engine": _engine,
}

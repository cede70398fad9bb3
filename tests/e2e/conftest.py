"""A platform per test module, started as a person starts it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from standalone.embedded.kafka import wipe
from tests.e2e.stack import Stack


@pytest.fixture(scope="module")
def stack(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    broker = os.environ.get("DUNNING_TEST_KAFKA")
    if broker:  # one broker for all modules: each finds it as new
        asyncio.run(wipe(broker))
    running = Stack(scratch / request.module.__name__.rsplit(".", 1)[-1])
    running.start()
    yield running
    running.stop()

"""A platform per test module, started as a person starts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack


@pytest.fixture(scope="module")
def stack(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    running = Stack(scratch / request.module.__name__.rsplit(".", 1)[-1])
    running.start()
    yield running
    running.stop()

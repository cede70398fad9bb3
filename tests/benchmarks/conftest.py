"""How a benchmark records its figures, and the services it measures."""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from standalone.embedded.postgres import EmbeddedPostgres
from tests.benchmarks.measure import OUT, Line
from tests.benchmarks.stack import Stack
from tests.conftest import Databases

_numbers = itertools.count(1)


class Record(Protocol):
    """Writes a figure down beside its limit."""

    def __call__(self, name: str, value: float, unit: str, limit: float) -> None: ...


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """One JSON line per figure; in a smoke run pytest swallows it."""

    def write(name: str, value: float, unit: str, limit: float) -> None:
        line = Line(name=name, value=value, unit=unit, limit=limit)
        print(line.as_json(), file=request.config.stash.get(OUT, sys.stdout))

    return write


@pytest.fixture
async def stack(
    scratch: Path, databases: Databases, postgres: EmbeddedPostgres
) -> AsyncIterator[Stack]:
    made = await Stack.make(scratch / f"stack-{next(_numbers)}", databases, postgres)
    yield made
    await made.close()

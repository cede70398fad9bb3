"""A bench on a fresh database for every test."""

from __future__ import annotations

import pytest

from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench
from tests.conftest import Databases


@pytest.fixture
async def bench(databases: Databases) -> Bench:
    return Bench(await databases.open(SCHEMA))

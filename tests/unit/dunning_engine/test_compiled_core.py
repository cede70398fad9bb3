"""That `make test-compiled` tests what it says."""

from __future__ import annotations

import importlib
import os
from importlib.machinery import EXTENSION_SUFFIXES

import pytest


@pytest.mark.skipif("DUNNING_COMPILED" not in os.environ, reason="the core is not compiled")
@pytest.mark.parametrize(
    "module",
    [
        "dunning_engine.domain.decision",
        "dunning_engine.domain.judgement",
        "dunning_engine.domain.notice",
        "dunning_engine.domain.record",
        "dunning_engine.handlers.apply_decision",
        "dunning_engine.adapters.case_rows",
        "dunning_common.columns",
    ],
)
def test_the_core_in_use_is_the_compiled_one(module: str) -> None:
    found = importlib.import_module(module).__file__

    assert found is not None
    assert found.endswith(tuple(EXTENSION_SUFFIXES))

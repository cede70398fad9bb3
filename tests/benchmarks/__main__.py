"""`python -m tests.benchmarks`: all benchmarks at full scale; JSON lines on stdout, the rest on stderr.

Arguments are pytest's: `-k sweep` for one of them.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

import pytest

from tests.benchmarks.measure import OUT, VARIABLE


class Printer:
    """The pytest plugin that tells the benchmarks where their lines go."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep it where the fixture `record` looks."""
        config.stash[OUT] = self._out


def main(arguments: list[str]) -> int:
    os.environ.setdefault(VARIABLE, "1")
    os.environ.setdefault("DUNNING_TEST_DURABLE", "1")
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # pytest's own words must not mix with them
    options = ["-q", "-m", "benchmark", "tests/benchmarks"]
    return int(pytest.main([*options, *arguments], plugins=[Printer(lines)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

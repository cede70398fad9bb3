"""Letters a second: everything that makes a letter's bytes, beside the printing alone.

Both run in a thread for each core; the letters differ in debtor, invoices and code, as in life. What
follows is the same for every channel: see `test_notices`. Processor time is measured as well: it
says the same on a machine that others use.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from dunning_common.ids import name_id
from notifier.content.letter import LetterPress
from notifier.content.letter_data import letter_data
from notifier.content.library import Library
from notifier.content.model import RenderRequest
from notifier.content.prepared import prepare
from notifier.content.render import TEMPLATES, Renderer
from notifier.content.samples import sample_request
from notifier.content.variables import Data
from tests.benchmarks.conftest import Record
from tests.benchmarks.measure import median, scaled

LETTERS = 500
ROUNDS = 5
WINDOW = "fr-right-window"
NOW = int(datetime(2026, 3, 10, 7, 30, tzinfo=UTC).timestamp())

Item = TypeVar("Item")


@pytest.mark.benchmark
def test_letters_a_second(record: Record) -> None:
    """A reminder of two invoices with payment code, as PDF/A."""
    count = scaled(LETTERS, least=4)
    numbers = itertools.count()
    renderer, library = Renderer(), Library.load(TEMPLATES)
    press = LetterPress(TEMPLATES / "letter")
    values: list[Speed] = []
    limits: list[Speed] = []

    def print_only(data: Data) -> bytes:
        return press.print(WINDOW, data, timestamp=NOW, name="benchmark")

    for _ in range(ROUNDS):
        requests = [request(next(numbers)) for _ in range(count)]
        values.append(speed(renderer.render, requests))
        written = [letter_data(prepare(library, each), library.countries) for each in requests]
        limits.append(speed(print_only, written))

    record("letters", median(s.rate for s in values), "letters/s", median(s.rate for s in limits))
    record("letters_cpu_ms", min(s.cpu_ms for s in values), "ms", min(s.cpu_ms for s in limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Items a second, and processor time for one of them."""

    rate: float
    cpu_ms: float


def speed(work: Callable[[Item], object], items: Sequence[Item]) -> Speed:
    """How fast the items are done by a thread for each core, once all threads are warm."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(work, items[:4]))
        started, spent = time.perf_counter(), time.process_time()
        list(threads.map(work, items))
        elapsed, spent = time.perf_counter() - started, time.process_time() - spent
        return Speed(rate=len(items) / elapsed, cpu_ms=1000 * spent / len(items))


def request(number: int) -> RenderRequest:
    """A second reminder that no other letter equals."""
    made = sample_request(
        "second_reminder",
        "letter",
        "fr",
        debtor_name=f"Menuiserie Lefèvre {number}",
        number=f"F-{number}-",
    )
    notice = made.notice.model_copy(update={"notice_id": name_id("notice", str(number))})
    return replace(made, notice=notice)

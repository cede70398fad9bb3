"""Tries a tenant's own texts on every edge case of the sample data.

Pure computing; `python -m notifier.content.trial` does it in a process of its own that bounds time
and memory, for texts that nobody has looked at yet (`notifier.adapters.trial_process`).
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import BinaryIO

import orjson

from notifier.content.model import OwnText, RenderRequest, TemplateError
from notifier.content.render import Renderer
from notifier.content.samples import sample_request

TRIAL_CPU_S = 1.5
TRIAL_MEMORY_MIB = 256
_HARD_CPU_S = 3
_MIB = 2**20

HOSTILE_NAME = "O'Brien & <b>Söhne</b>\r\nBcc: all@example.com {{ 7 }} =1+1"
"""A debtor whose name tries everything that a name can try."""


class TooExpensiveError(Exception):
    """The trial took more time than a text may take."""


def try_own(renderer: Renderer, text: OwnText) -> None:
    """Write every message that the text can be part of, with made-up data.

    Raises:
        TemplateError: the text, or one of those messages, is refused.
    """
    for request in edge_cases(renderer, text):
        renderer.fill(request)


def edge_cases(renderer: Renderer, text: OwnText) -> Iterator[RenderRequest]:
    """One invoice and many, charges and none, two currencies, a disputed part, a hostile name."""
    own = {text.key: text}
    for channel in renderer.channels:
        for count, currencies, charges, extras, dated, name in (
            (1, (), None, False, True, None),
            (1, (), False, False, False, HOSTILE_NAME),
            (3, (), True, True, True, None),
            (60, ("EUR", "GBP"), False, False, False, None),
        ):
            yield sample_request(
                text.family,
                channel,
                text.language,
                invoices=count,
                currencies=currencies,
                charges=charges,
                extras=extras,
                with_deadline=dated,
                debtor_name=name,
                own=own,
            )


def main(source: BinaryIO, target: BinaryIO) -> None:
    """Answer each line, a draft as JSON, with a line: `{}`, or what is wrong and where."""
    renderer = Renderer()
    _bound_memory()
    signal.signal(signal.SIGPROF, _too_expensive)
    for line in source:
        text = OwnText(**orjson.loads(line), version=0)
        target.write(orjson.dumps(_answer(renderer, text)) + b"\n")
        target.flush()


def _answer(renderer: Renderer, text: OwnText) -> dict[str, str]:
    try:
        _bound_time()
        try:
            try_own(renderer, text)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except TemplateError as error:
        return {"template": error.template, "place": error.place, "reason": error.reason}
    except (TooExpensiveError, MemoryError, RecursionError) as error:
        return {
            "template": text.name,
            "place": "the whole",
            "reason": f"takes more than {TRIAL_CPU_S} s or {TRIAL_MEMORY_MIB} MiB to fill in "
            f"({type(error).__name__}); make it simpler",
        }
    return {}


def _bound_memory() -> None:
    """What this process holds now and so much more, of address space."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        held = int(file.read().split()[0]) * resource.getpagesize()
    limit = held + TRIAL_MEMORY_MIB * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _bound_time() -> None:
    """Processor time: an exception first, and the end of the process if that is not heard."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + TRIAL_CPU_S) + _HARD_CPU_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))
    signal.setitimer(signal.ITIMER_PROF, TRIAL_CPU_S)


def _too_expensive(_signal: int, _frame: FrameType | None) -> None:
    raise TooExpensiveError


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)

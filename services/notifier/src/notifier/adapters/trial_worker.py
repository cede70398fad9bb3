"""The process in which drafts are tried and looks are written, each in a child with bounds.

Started by `notifier.adapters.trial_process`, whose jobs it reads and trusts; it ends when they do.
A child that a draft took too far ends with its job, and only text goes back.
"""

from __future__ import annotations

import base64
import gc
import math
import os
import pickle
import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import orjson

from notifier.content.model import OwnText, Rendered, RenderRequest, TemplateError
from notifier.content.render import Renderer
from notifier.content.trial import try_own

TRIAL_CPU_S = 1.5
TRIAL_MEMORY_MIB = 256
"""For all texts of a job, and for a draft its letter."""

PRINT_CPU_S = 6.0
PRINT_MEMORY_MIB = 512
"""For a letter that somebody looks at: a thousand invoices fill seventy pages."""

_JOB_S = 30
_BEHIND = 5
_MIB = 2**20

Job = OwnText | RenderRequest
Answer = dict[str, Any]


class TooExpensiveError(Exception):
    """A job took more time than it may take."""


def main(settings: str) -> None:
    """Answer each job of the standard input with a line of JSON, until there are no more."""
    known = orjson.loads(settings)
    renderer = Renderer(fonts=tuple(map(Path, known["fonts"])), windows=known["windows"])
    os.nice(_BEHIND)  # what sends goes first
    gc.collect()
    gc.freeze()
    while True:
        try:
            job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301  only the service writes here
        except EOFError:
            return
        line = _in_a_child(renderer, job, known["sms_parts_max"])
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def _in_a_child(renderer: Renderer, job: Job, sms_parts_max: int) -> bytes:
    """The child's answer, or how it ended without one."""
    source, target = os.pipe()
    child = os.fork()
    if not child:
        os.close(source)
        _answer_and_end(renderer, job, sms_parts_max, target)
    os.close(target)
    with os.fdopen(source, "rb") as answers:
        line = answers.read()
    _, status = os.waitpid(child, 0)
    if line.endswith(b"\n"):
        return line
    return orjson.dumps({"ended": os.waitstatus_to_exitcode(status)}) + b"\n"


def _answer_and_end(renderer: Renderer, job: Job, sms_parts_max: int, target: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGPROF, _too_expensive)
        signal.alarm(_JOB_S)
        line = orjson.dumps(_answer(renderer, job, sms_parts_max)) + b"\n"
        with os.fdopen(target, "wb") as answers:
            answers.write(line)
        code = 0
    except Exception:  # noqa: BLE001  a child must end here, whatever happened
        traceback.print_exc()
    finally:
        os._exit(code)


def _answer(renderer: Renderer, job: Job, sms_parts_max: int) -> Answer:
    try:
        if isinstance(job, OwnText):
            with _bounds(TRIAL_CPU_S, TRIAL_MEMORY_MIB):
                try_own(renderer, job, sms_parts_max=sms_parts_max)
            return {}
        return {"rendered": _plain(_render(renderer, job))}
    except TemplateError as error:
        return {"refused": [error.template, error.place, error.reason]}
    except (TooExpensiveError, MemoryError, RecursionError) as error:
        return {"spent": type(error).__name__}
    except ValueError as error:
        return {"invalid": str(error)}


def _render(renderer: Renderer, request: RenderRequest) -> Rendered:
    """The message. A letter's texts have the bounds of all texts, and its pages those of paper."""
    is_letter = request.channel in {"letter", "registered_letter"}
    with _bounds(TRIAL_CPU_S, TRIAL_MEMORY_MIB):
        if not is_letter:
            return renderer.render(request)
        renderer.fill(request)
    with _bounds(PRINT_CPU_S, PRINT_MEMORY_MIB):
        return renderer.render(request)


def _plain(rendered: Rendered) -> Answer:
    return {
        "media_type": rendered.media_type,
        "subject": rendered.subject,
        "text": rendered.text,
        "html": rendered.html,
        "pdf": None if rendered.pdf is None else base64.b64encode(rendered.pdf).decode(),
        "template_version": rendered.template_version,
        "remarks": rendered.remarks,
    }


@contextmanager
def _bounds(cpu_s: float, memory_mib: int) -> Iterator[None]:
    """Processor time and address space beyond what is used now.

    Time that is up raises; where nobody hears that, such as in a library, it ends the process.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + cpu_s)
    _, most_s = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (until, most_s))
    _, most_bytes = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + memory_mib * _MIB, most_bytes))
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))


def _too_expensive(_signal: int, _frame: FrameType | None) -> None:
    raise TooExpensiveError


if __name__ == "__main__":
    main(sys.argv[1])

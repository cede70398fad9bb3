"""Tries drafts of texts, and writes what people look at, outside of the process that sends.

The process that does it (`notifier.adapters.trial_worker`) bounds itself; here it is started when
it is needed, gets one job after the other and a last deadline, and ends when nobody needs it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import pickle
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from dunning_common.waiting import within
from notifier.adapters.trial_worker import (
    PRINT_CPU_S,
    PRINT_MEMORY_MIB,
    TRIAL_CPU_S,
    TRIAL_MEMORY_MIB,
    Job,
)
from notifier.content.model import OwnText, Rendered, RenderRequest, TemplateError
from notifier.content.trial import SMS_PARTS_MAX
from notifier.ports.trial import TrialBusyError

_START_S = 30.0
_EACH_S = 40.0
_PATIENCE_S = 30.0
_IDLE_S = 60.0
_LONGEST_ANSWER = 64 * 2**20
_ONE_THREAD = {"RAYON_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""One thread of the typesetter and one heap: what is bounded is then what is used."""


class TrialBrokenError(RuntimeError):
    """The process that tries drafts cannot do it: the installation is at fault, not a draft."""


class TrialProcess:
    """See `notifier.ports.trial.Trial`.

    Args:
        fonts: folders with more fonts for letters.
        windows: the window layout of tenants that do not use the one of their country.
        sms_parts_max: parts that a text message may have.
    """

    def __init__(
        self,
        *,
        fonts: tuple[Path, ...] = (),
        windows: Mapping[str, str] | None = None,
        sms_parts_max: int = SMS_PARTS_MAX,
    ) -> None:
        self._settings = orjson.dumps(
            {
                "fonts": [str(folder) for folder in fonts],
                "windows": dict(windows or {}),
                "sms_parts_max": sms_parts_max,
            }
        ).decode()
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        return self._process.pid if self._process is not None else None

    async def check(self, text: OwnText) -> None:
        """Fill in a draft with every edge case of the sample data, and print a letter of it.

        Raises:
            TemplateError: refused; names the place, the case and the remedy.
            TrialBusyError: others' jobs take too long.
        """
        _told(await self._ask(text), text.name)

    async def check_all(self, texts: Sequence[OwnText]) -> list[TemplateError | None]:
        """A verdict on each draft, in order."""
        verdicts: list[TemplateError | None] = []
        for text in texts:
            try:
                await self.check(text)
            except TemplateError as error:
                verdicts.append(error)
            else:
                verdicts.append(None)
        return verdicts

    async def render(self, request: RenderRequest) -> Rendered:
        """Write a message that somebody looks at.

        Raises:
            TemplateError: it cannot be written, or takes too much.
            ValueError: it cannot be written.
            TrialBusyError: others' jobs take too long.
        """
        answer = _told(await self._ask(request), request.template)["rendered"]
        pdf = answer.pop("pdf")
        remarks = tuple(answer.pop("remarks"))
        return Rendered(
            pdf=None if pdf is None else base64.b64decode(pdf), remarks=remarks, **answer
        )

    async def close(self) -> None:
        """End the process."""
        self._keep()
        process, self._process = self._process, None
        if process is not None:
            _hang_up(process)
            try:
                await within(_EACH_S, process.wait())
            except TimeoutError:
                _kill(process)
                await process.wait()

    async def _ask(self, job: Job) -> dict[str, Any]:
        """Wait for a turn, and for the answer."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._turn.acquire()
        except TimeoutError:
            raise TrialBusyError from None
        self._keep()
        try:
            line = await self._answer(job)
        finally:
            self._turn.release()
            self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self._let_go)
        return dict(orjson.loads(line))

    async def _answer(self, job: Job) -> bytes:
        is_new = self._process is None or self._process.returncode is not None
        process = self._process = await self._start() if is_new else self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        try:
            process.stdin.write(pickle.dumps(job))
            line = await within(_EACH_S + _START_S * is_new, process.stdout.readline())
        except (TimeoutError, ConnectionError, ValueError) as error:
            raise TrialBrokenError("the process that tries drafts gave no answer") from error
        finally:
            if not line.endswith(b"\n"):  # what comes now would be taken for the next answer
                self._process = None
                _kill(process)
        if not line.endswith(b"\n"):
            raise TrialBrokenError(f"the process that tries drafts ended ({await process.wait()})")
        return line

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "notifier.adapters.trial_worker",
            self._settings,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            limit=_LONGEST_ANSWER,
            start_new_session=True,
        )

    def _keep(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _let_go(self) -> None:
        """Nobody needed it for a while: it holds some hundred megabytes."""
        if self._process is not None and not self._turn.locked():
            _hang_up(self._process)
            self._process = None


def _told(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """The answer, if it is a good one."""
    if "refused" in answer:
        raise TemplateError(*answer["refused"])
    if "invalid" in answer:
        raise ValueError(answer["invalid"])
    if "spent" in answer or answer.get("ended", 0) < 0:  # a bound that was hit is a signal
        how = f" ({answer['spent']})" if "spent" in answer else ""
        raise TemplateError(
            name,
            "the whole",
            f"takes more than {TRIAL_CPU_S} s or {TRIAL_MEMORY_MIB} MiB to fill in, or more than "
            f"{PRINT_CPU_S:.0f} s or {PRINT_MEMORY_MIB} MiB to print{how}; make it simpler",
        )
    if "ended" in answer:
        raise TrialBrokenError(f"a trial ended with code {answer['ended']}")
    return answer


def _hang_up(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _kill(process: Process) -> None:
    """The process and its child."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

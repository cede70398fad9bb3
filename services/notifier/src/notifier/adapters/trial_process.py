"""Tries drafts of templates in a process of its own, which cannot take more than its share.

The process bounds itself (`notifier.content.trial`); here it gets its work and a last deadline.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import orjson

from dunning_common.waiting import within
from notifier.content.model import OwnText, TemplateError
from notifier.content.trial import TRIAL_CPU_S, TRIAL_MEMORY_MIB

_START_S = 30.0
_EACH_S = 10.0


class TrialBrokenError(RuntimeError):
    """The process that tries drafts cannot do it: the installation is at fault, not a draft."""


class TrialProcess:
    """See `notifier.handlers.edit_templates.Trial`."""

    async def check(self, text: OwnText) -> None:
        """Fill in a draft with every edge case of the sample data.

        Raises:
            TemplateError: refused; names the place and the remedy.
        """
        (verdict,) = await self.check_all([text])
        if verdict is not None:
            raise verdict

    async def check_all(self, texts: Sequence[OwnText]) -> list[TemplateError | None]:
        """A verdict on each draft, in order; one that ends the process is refused for it."""
        verdicts: list[TemplateError | None] = []
        while len(verdicts) < len(texts):
            rest = texts[len(verdicts) :]
            answers = await _run(rest)
            verdicts.extend(_verdict(answer) for answer in answers)
            if len(answers) < len(rest):  # this one took the process with it
                verdicts.append(_too_much(rest[len(answers)]))
        return verdicts


async def _run(texts: Sequence[OwnText]) -> list[dict[str, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "notifier.content.trial",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    lines = b"".join(
        orjson.dumps({"family": t.family, "language": t.language, "source": t.source}) + b"\n"
        for t in texts
    )
    try:
        out, _ = await within(_START_S + _EACH_S * len(texts), process.communicate(lines))
    except TimeoutError:
        out = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode and process.returncode > 0:  # a signal, a bound that was hit, is negative
        raise TrialBrokenError(f"the trial ended with code {process.returncode}")
    return [orjson.loads(line) for line in out.splitlines() if line.endswith(b"}")]


def _verdict(answer: dict[str, str]) -> TemplateError | None:
    return TemplateError(answer["template"], answer["place"], answer["reason"]) if answer else None


def _too_much(text: OwnText) -> TemplateError:
    reason = f"takes more than {TRIAL_CPU_S} s or {TRIAL_MEMORY_MIB} MiB; make it simpler"
    return TemplateError(text.name, "the whole", reason)

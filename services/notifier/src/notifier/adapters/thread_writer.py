"""Writes messages in threads: templates, MIME and typesetting are the costly part of sending."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from notifier.domain.message import Settlement, fail
from notifier.handlers.write import Job, Scribe, Written

log = structlog.get_logger()

_CHUNK = 8


class ThreadWriter:
    """A pool of threads around a `Scribe`."""

    def __init__(self, scribe: Scribe, *, threads: int) -> None:
        self._scribe = scribe
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="notifier-write")

    async def write(self, jobs: Sequence[Job]) -> list[Written | Settlement]:
        """One answer per job, in order."""
        loop = asyncio.get_running_loop()
        chunks = [jobs[first : first + _CHUNK] for first in range(0, len(jobs), _CHUNK)]
        done = await asyncio.gather(
            *(loop.run_in_executor(self._pool, self._write_chunk, chunk) for chunk in chunks)
        )
        return [answer for answers in done for answer in answers]

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _write_chunk(self, jobs: Sequence[Job]) -> list[Written | Settlement]:
        return [self._write_one(job) for job in jobs]

    def _write_one(self, job: Job) -> Written | Settlement:
        try:
            return self._scribe.write(job)
        except Exception as error:
            # One message that nobody can write must not hold up the others.
            log.exception("message_unwritable", message_id=str(job.message.message_id))
            return fail(f"content: {type(error).__name__}")

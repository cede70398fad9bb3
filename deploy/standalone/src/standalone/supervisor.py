"""Keeps processes running: starts again what ended, the more patiently the more often it ends.

Knows nothing of what it keeps. Time and processes come in as arguments, so tests need neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 10.0
HEALTHY_AFTER_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that runs. `start` raises when it cannot; `why_recycle` is empty while all is well.

    `stop` ends it within seconds and does nothing when it has ended.
    """

    name: str
    start: Callable[[], None]
    stop: Callable[[], None]
    is_running: Callable[[], bool]
    why_recycle: Callable[[], str] = str


@dataclass(slots=True)
class _Record:
    part: Part
    failures: int = 0
    started_at_s: float = 0.0
    not_before_s: float = 0.0
    was_running: bool = True


@dataclass(slots=True)
class Supervisor:
    """Watches parts that were started once. Call `tick` a few times a second."""

    tell: Callable[[str], None]
    _records: list[_Record] = field(default_factory=list)

    def watch(self, part: Part, *, now_s: float) -> None:
        """From now on keep `part` running; it runs already."""
        self._records.append(_Record(part, started_at_s=now_s))

    def parts(self) -> Sequence[Part]:
        """What is watched, in the order of starting."""
        return [record.part for record in self._records]

    def tick(self, now_s: float) -> None:
        """Look after every part once.

        Args:
            now_s: monotonic seconds.
        """
        for record in self._records:
            if record.part.is_running():
                self._recycle(record)
            if not record.part.is_running():
                self._restart(record, now_s)

    def _recycle(self, record: _Record) -> None:
        why = record.part.why_recycle()
        if why:
            self.tell(f"{record.part.name}: {why}; starting it afresh")
            record.part.stop()
            record.was_running = False  # on purpose: no failure, no waiting
            record.not_before_s = 0.0

    def _restart(self, record: _Record, now_s: float) -> None:
        if record.was_running:
            record.was_running = False
            if now_s - record.started_at_s > HEALTHY_AFTER_S:
                record.failures = 0
            self._put_off(record, now_s, "ended")
        if now_s < record.not_before_s:
            return
        try:
            record.part.start()
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is tried again
            self._put_off(record, now_s, f"did not start ({error})")
            return
        record.was_running = True
        record.started_at_s = now_s

    def _put_off(self, record: _Record, now_s: float, what: str) -> None:
        wait_s = min(BACKOFF_FIRST_S * 2**record.failures, BACKOFF_MAX_S)
        record.failures += 1
        record.not_before_s = now_s + wait_s
        self.tell(f"{record.part.name} {what}; starting it again in {wait_s:g} s")

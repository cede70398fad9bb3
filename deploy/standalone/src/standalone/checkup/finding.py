"""What a check found, and how to run checks so that none takes the others down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """`FAILED` is to be mended, `WARNING` to be known, `SKIPPED` could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the examination; `remedy` is what to do, empty when nothing."""

    check: str
    verdict: Verdict
    detail: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


Check = Callable[[], Finding]


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check=check, verdict=Verdict.OK, detail=detail)


def failed(check: str, detail: str, remedy: str) -> Finding:
    """Something to mend."""
    return Finding(check=check, verdict=Verdict.FAILED, detail=detail, remedy=remedy)


def warning(check: str, detail: str, remedy: str = "") -> Finding:
    """Something to know."""
    return Finding(check=check, verdict=Verdict.WARNING, detail=detail, remedy=remedy)


def skipped(check: str, detail: str) -> Finding:
    """Could not be looked at."""
    return Finding(check=check, verdict=Verdict.SKIPPED, detail=detail)


def run(checks: Iterable[tuple[str, Check]]) -> Iterable[Finding]:
    """Run checks one by one; one that breaks is itself a finding."""
    for name, check in checks:
        try:
            yield check()
        except Exception as error:  # noqa: BLE001 -- an examination never ends in a traceback
            yield failed(name, f"the check itself failed: {error!r}", "report this")

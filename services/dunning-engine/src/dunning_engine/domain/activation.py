"""Which version of a policy a new case gets while a version is activated in stages.

A stage gives a version to a share of new invoices, to some segments, or both; the others get the
active version. Pure: the share is a hash of the invoice, so widening a stage never takes a version
away from an invoice that had it. Opened cases are no business of this module.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

MigrationRule = Literal["keep", "by_code"]
"""What becomes of open cases: they keep their version, or go on where the same code stands."""
StageState = Literal["running", "complete", "stopped", "superseded"]
BUCKETS = 10_000
_BUCKET_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """When a version is taken back by itself; None: that is not looked at.

    Once `after_notices` notices of it have ended: when more than `failed_percent` of them failed,
    or more than `disputed_percent` of the invoices that it reminded of were disputed.
    """

    after_notices: int
    failed_percent: int | None = None
    disputed_percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A share of the invoices (whole percent), of some segments; no segments: of all.

    `number` counts the activations of a policy.
    """

    version: int
    percent: int = 100
    segments: tuple[str, ...] = ()
    stop_rule: StopRule | None = None
    number: int = 0

    @property
    def is_everything(self) -> bool:
        """Does every new case get the version?"""
        return self.percent == 100 and not self.segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of a version: ended and failed notices, reminded and disputed invoices."""

    notices: int = 0
    failed: int = 0
    invoices: int = 0
    disputed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The versions that new cases can get: the active one, and the one of a running stage."""

    active_version: int | None
    stage: Stage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The version that a new case gets, and why; None: no version is active."""

    version: int | None
    why: str


class NarrowerError(ValueError):
    """A running stage may only be widened; the message says what to do instead."""


def bucket(tenant: str, invoice_id: str) -> int:
    """Where an invoice stands among `BUCKETS` equal shares: the same on every machine, for ever."""
    digest = hashlib.sha256(f"{tenant}\x1f{invoice_id}".encode()).digest()
    return int.from_bytes(digest[:_BUCKET_BYTES]) % BUCKETS


def is_in(stage: Stage, *, tenant: str, invoice_id: str, segment: str | None) -> bool:
    """Does an invoice get the version of the stage?"""
    if stage.segments and segment not in stage.segments:
        return False
    return bucket(tenant, invoice_id) * 100 < stage.percent * BUCKETS


def assign(offer: Offer, *, tenant: str, invoice_id: str, segment: str | None) -> Assignment:
    """The version that a new case gets."""
    stage = offer.stage
    if stage is None:
        if offer.active_version is None:
            return Assignment(version=None, why="no version of it is active")
        return Assignment(
            version=offer.active_version, why=f"version {offer.active_version} is active"
        )
    if is_in(stage, tenant=tenant, invoice_id=invoice_id, segment=segment):
        return Assignment(
            version=stage.version,
            why=f"version {stage.version} is being activated for {in_words(stage)}, "
            "and this invoice is among them",
        )
    return Assignment(
        version=offer.active_version,
        why=f"version {offer.active_version} is active; version {stage.version} is only for "
        f"{in_words(stage)} so far, and this invoice is not among them",
    )


def in_words(stage: Stage) -> str:
    """Whom a stage is for, such as `10 % of the segments gold and silver`."""
    share = f"{stage.percent} %"
    if not stage.segments:
        return f"{share} of all invoices"
    noun = "segments" if len(stage.segments) > 1 else "segment"
    return f"{share} of the {noun} {' and '.join(stage.segments)}"


def check_widens(before: Stage, after: Stage) -> None:
    """Make sure that no invoice loses the version by a change of its stage.

    Raises:
        NarrowerError: one would.
    """
    if after.percent < before.percent:
        raise NarrowerError(
            f"the stage has {before.percent} % already and cannot shrink to {after.percent} %; "
            "stop it and start a new one"
        )
    lost = [name for name in before.segments if name not in after.segments]
    if after.segments and (lost or not before.segments):
        gone = ", ".join(lost) or "other segments"
        raise NarrowerError(
            f"the stage would leave out {gone}, which it has now; stop it and start a new one"
        )


def reason_to_stop(rule: StopRule | None, tally: Tally) -> str | None:
    """Why the rule stops the version, in words; None while it does not."""
    if rule is None or tally.notices < rule.after_notices:
        return None
    if rule.failed_percent is not None and tally.failed * 100 > rule.failed_percent * tally.notices:
        return (
            f"{tally.failed} of {tally.notices} notices failed, more than {rule.failed_percent} %"
        )
    if (
        rule.disputed_percent is not None
        and tally.disputed * 100 > rule.disputed_percent * tally.invoices
    ):
        return (
            f"{tally.disputed} of {tally.invoices} reminded invoices were disputed, "
            f"more than {rule.disputed_percent} %"
        )
    return None

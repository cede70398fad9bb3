"""What an archive of evidence is about, how much goes into one, and where a message stands in it.

Pure: which invoices there are, and what the clocks said, is told from outside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

VOLUME_INVOICES_MAX = 250
"""More invoices of a debtor make several archives, each complete for its own.

About a minute of questions to the other services: longer than that, proxies hang up.
"""


class NoSuchVolumeError(LookupError):
    """The claim has fewer volumes than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One archive's subject: one invoice, or one volume of a debtor's invoices.

    `volumes` are the invoices of all volumes, in order; `volume` is this one's number, from 1.
    `of_debtor` says that all of the debtor is asked for, not just the invoices.
    """

    tenant: str
    debtor_id: str
    volumes: tuple[tuple[str, ...], ...]
    volume: int = 1
    of_debtor: bool = False

    @property
    def invoice_ids(self) -> tuple[str, ...]:
        """The invoices of this volume."""
        return self.volumes[self.volume - 1]

    @property
    def name(self) -> str:
        """How the log calls it, by ids alone."""
        if self.of_debtor:
            return f"debtor:{self.debtor_id}"
        return f"invoice:{','.join(self.invoice_ids)}"

    def holds(self, invoice_ids: Collection[str]) -> bool:
        """Whether something about these invoices belongs into this volume.

        What concerns several volumes is in each of them, and so is what concerns no invoice. What
        the debtor was told about invoices that are not its own any more is in the first.
        """
        mine, all_mine = set(self.invoice_ids), {one for v in self.volumes for one in v}
        if not invoice_ids or not mine.isdisjoint(invoice_ids):
            return True
        return self.of_debtor and self.volume == 1 and all_mine.isdisjoint(invoice_ids)

    def facts(self) -> dict[str, Any]:
        """What the manifest says of it: the volumes, too, so that a missing one is seen."""
        return {
            "tenant": self.tenant,
            "debtor_id": self.debtor_id,
            "invoice_ids": list(self.invoice_ids),
            "volume": self.volume,
            "volumes": [
                {"volume": number, "invoice_ids": list(invoices)}
                for number, invoices in enumerate(self.volumes, start=1)
            ],
        }


def of_debtor(
    tenant: str,
    debtor_id: str,
    invoice_ids: Sequence[str],
    *,
    volume: int,
    invoices_max: int = VOLUME_INVOICES_MAX,
) -> Claim:
    """A volume of all invoices of a debtor, in the order in which they are given.

    Raises:
        NoSuchVolumeError: there are fewer.
    """
    volumes = tuple(
        tuple(invoice_ids[start : start + invoices_max])
        for start in range(0, len(invoice_ids), invoices_max)
    )
    if not 1 <= volume <= len(volumes):
        raise NoSuchVolumeError(f"volume {volume}: this debtor has {len(volumes)}")
    return Claim(tenant=tenant, debtor_id=debtor_id, volumes=volumes, volume=volume, of_debtor=True)


def left_at(
    phases: Iterable[tuple[datetime, str]],
    *,
    sent_at: datetime | None,
    settled_at: datetime | None,
    planned_at: datetime,
) -> datetime:
    """When a message left, in real time; for one that never did, when that was settled.

    `sent_at` alone would not do: a message whose connection broke counts as sent from when somebody
    found that out, days later, and left when its attempt ended in doubt.

    Args:
        phases: of its attempts, oldest first, with their times.
        sent_at: since when it counts as sent.
        settled_at: since when nothing more is to be done for it.
        planned_at: when it was asked for.
    """
    in_doubt: datetime | None = None
    for at, phase in phases:
        if phase == "sending":
            in_doubt = None
        elif phase == "unknown":
            in_doubt = at
    return in_doubt or sent_at or settled_at or planned_at

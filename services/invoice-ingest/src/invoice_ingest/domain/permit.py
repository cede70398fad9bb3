"""Whether a reminder may be sent right now: the pure half of the send permit.

The caller holds the invoices' row locks while it asks, so that the answer stays true until the
permit is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from invoice_ingest.domain.invoice import InvoiceStatus

RefusalReason = Literal["paid", "cancelled", "written_off", "changed", "unknown"]
InvoiceRef = tuple[str, str]
"""(tenant, invoice id)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitRequest:
    """A message wants to go out about these invoices, as it knows them: (invoice id, version)."""

    permit_id: str
    tenant: str
    invoices: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the ledger holds of an invoice. An erased debtor is written to no more."""

    status: InvoiceStatus
    version: int
    is_erased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitAnswer:
    """Granted exactly when nothing is refused."""

    request: PermitRequest
    refused: tuple[tuple[str, RefusalReason], ...]

    @property
    def is_granted(self) -> bool:
        """Whether the message may go out."""
        return not self.refused


def answer(
    requests: Sequence[PermitRequest], standings: Mapping[InvoiceRef, Standing]
) -> list[PermitAnswer]:
    """Judge each request as a whole: one invoice that moved refuses the message."""
    answers = []
    for request in requests:
        judged = (
            (invoice_id, _refusal(standings.get((request.tenant, invoice_id)), version))
            for invoice_id, version in request.invoices
        )
        refused = tuple((invoice_id, reason) for invoice_id, reason in judged if reason)
        answers.append(PermitAnswer(request=request, refused=refused))
    return answers


def _refusal(standing: Standing | None, version: int) -> RefusalReason | None:
    if standing is None:
        return "unknown"
    match standing.status:
        case "paid" | "cancelled" | "written_off" as closed:
            return closed
        case "open":
            is_unmoved = standing.version == version and not standing.is_erased
            return None if is_unmoved else "changed"
        case never:
            assert_never(never)

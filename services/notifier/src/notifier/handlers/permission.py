"""Asking the ledger about one message: its invoices as permit requests, and the answers as one."""

from __future__ import annotations

from collections.abc import Sequence

from dunning_common.ids import new_id
from notifier.domain.message import Settlement, give_back
from notifier.handlers.write import Written
from notifier.ports.ledger import Denied, Granted, PermitRequest

INVOICES_PER_PERMIT = 1000
"""As many as the ledger takes in one permit; a message about more asks for several."""


def permit_requests(written: Written) -> list[PermitRequest]:
    """The requests that together allow a message: its invoices, as it was written from them."""
    message = written.parcel.message
    covered = set(message.invoice_ids)
    invoices = [
        (item.invoice_id, item.version)
        for item in written.job.notice.items
        if item.invoice_id in covered
    ]
    return requests_about(message.tenant, invoices)


def requests_about(tenant: str, invoices: Sequence[tuple[str, int]]) -> list[PermitRequest]:
    """The requests that together allow a message about invoices: (invoice, version)."""
    return [
        PermitRequest(
            permit_id=new_id(),
            tenant=tenant,
            invoices=tuple(invoices[first : first + INVOICES_PER_PERMIT]),
        )
        for first in range(0, len(invoices), INVOICES_PER_PERMIT)
    ]


def combined(answers: Sequence[Granted | Denied | None]) -> Granted | Denied | None:
    """One answer for a message: denied when any part is, granted when all are, else none."""
    denied = [answer for answer in answers if isinstance(answer, Denied)]
    if denied:
        return Denied(refused=tuple(refused for answer in denied for refused in answer.refused))
    granted = [answer for answer in answers if isinstance(answer, Granted)]
    if not granted or len(granted) < len(answers):
        return None
    return Granted(expires_in_s=min(answer.expires_in_s for answer in granted))


def denial(denied: Denied) -> Settlement:
    """The verdict on a message that was not permitted: the engine decides again."""
    reasons = ", ".join(sorted({reason for _, reason in denied.refused}))
    return give_back(
        f"permit_refused: {reasons}", tuple(invoice_id for invoice_id, _ in denied.refused)
    )

"""A debtor that answers, as the notifier would tell it. Sends nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dunning_common.events.envelope import Envelope
from dunning_common.events.responses import Response
from dunning_common.ids import account_key, new_id


def answered(
    kind: type[Response],
    *invoice_ids: str,
    tenant: str = "acme",
    debtor_id: str = "d1",
    sequence: int = 1,
    **more: Any,
) -> Envelope:
    """An answer of a debtor about these invoices, by the portal unless said otherwise."""
    usual: dict[str, Any] = {
        "response_id": new_id(),
        "source": "portal",
        "effective_at": datetime(2026, 3, 12, 9, tzinfo=UTC),
    }
    payload = kind(**usual | more, debtor_id=debtor_id, invoice_ids=invoice_ids)
    return Envelope(
        type=kind.__name__,
        source="notifier",
        subject=str(payload.response_id),
        tenant=tenant,
        key=account_key(tenant, debtor_id),
        sequence=sequence,
        data=payload.model_dump(mode="json"),
    )

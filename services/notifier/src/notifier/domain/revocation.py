"""What a revocation does to a message that was not handed to a provider yet."""

from __future__ import annotations

from collections.abc import Collection

from notifier.domain.message import Settlement, give_back, suppress


def revoke(invoice_ids: Collection[str], revoked: Collection[str]) -> Settlement | None:
    """The verdict on a planned message when some invoices of its notice must not be reminded.

    All of them: nothing is left to say, the message is suppressed. Some: the text is wrong as it
    stands, so the engine decides again from present facts. None: no verdict.
    """
    hit = tuple(invoice for invoice in invoice_ids if invoice in revoked)
    if not hit:
        return None
    if len(hit) == len(invoice_ids):
        return suppress("revoked")
    return give_back("revoked", hit)

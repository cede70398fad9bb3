"""Which of two tellings of an invoice counts: the pure rule that lets a client resend anything."""

from __future__ import annotations

from enum import Enum, auto

from invoice_ingest.domain.invoice import Invoice, InvoiceDraft


class Verdict(Enum):
    """What a draft is to the ledger."""

    NEW = auto()
    NEWER = auto()
    SAME = auto()
    OLDER = auto()
    CONTRADICTION = auto()


def judge(stored: Invoice | None, draft: InvoiceDraft) -> Verdict:
    """Compare a draft with what is stored.

    An equal revision with other content is a contradiction: taking either one silently would lose
    the other. A draft without a revision is newer exactly when it says something else.
    """
    if stored is None:
        return Verdict.NEW
    if draft.revision is None:
        return Verdict.SAME if stored.says(draft) else Verdict.NEWER
    if draft.revision != stored.revision:
        return Verdict.OLDER if draft.revision < stored.revision else Verdict.NEWER
    return Verdict.SAME if stored.says(draft) else Verdict.CONTRADICTION

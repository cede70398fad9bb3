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
    return weigh(stored.revision, draft.revision, is_same=stored.says(draft))


def weigh(stored: int, sent: int | None, *, is_same: bool) -> Verdict:
    """Compare revisions; `is_same` is whether what was sent says what is stored."""
    if sent is None:
        return Verdict.SAME if is_same else Verdict.NEWER
    if sent != stored:
        return Verdict.OLDER if sent < stored else Verdict.NEWER
    return Verdict.SAME if is_same else Verdict.CONTRADICTION

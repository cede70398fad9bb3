"""One invoice with several due dates: how its plan becomes invoices, and they the document again.

Each instalment is an invoice of its own, `{document}~1`, `{document}~2` and so on, so that it is
dunned, paid and counted by itself. The document is nothing but their sum. Reads and writes nothing;
`documents` posts plans to a worksheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, pairwise

from invoice_ingest.domain.invoice import Invoice, InvoiceDraft
from invoice_ingest.domain.outcome import Flaw

SEPARATOR = "~"
"""Between a document's id and the number of an instalment; needs no escaping in a URL."""

INSTALMENTS_MIN = 2
INSTALMENTS_MAX = 60
ID_CHARS_MAX = 95
"""Longest id of a document: with `~` and up to four digits it is still an id."""


def instalment_id(document_id: str, ordinal: int) -> str:
    """The id of an instalment as an invoice of its own."""
    return f"{document_id}{SEPARATOR}{ordinal}"


def ordinal_of(instalment: Invoice) -> int:
    """The number at the end of an instalment's id."""
    return int(instalment.invoice_id.rpartition(SEPARATOR)[2])


def flaws_of_plan(draft: InvoiceDraft) -> tuple[Flaw, ...]:
    """What in a document's plan contradicts the rest of it, each with its pointer."""
    plan = draft.instalments
    flaws: list[Flaw] = []
    if len(draft.invoice_id) > ID_CHARS_MAX:
        flaws.append(
            Flaw(
                pointer="/invoice_id",
                detail=f"with instalments an id has at most {ID_CHARS_MAX} characters",
            )
        )
    if plan[0].due_on < draft.issued_on:
        flaws.append(
            Flaw(
                pointer="/instalments/0/due_on", detail="an invoice is not due before it is issued"
            )
        )
    flaws += [
        Flaw(pointer=f"/instalments/{index}/due_on", detail="this is not after the one before")
        for index, (before, after) in enumerate(pairwise(plan), start=1)
        if after.due_on <= before.due_on
    ]
    flaws += [
        Flaw(pointer=f"/instalments/{index}/amount", detail="an amount is more than zero")
        for index, part in enumerate(plan)
        if part.amount_minor <= 0
    ]
    if sum(part.amount_minor for part in plan) != draft.amount_minor:
        flaws.append(
            Flaw(pointer="/instalments", detail="the instalments do not add up to the amount")
        )
    if draft.due_on != plan[-1].due_on:
        flaws.append(
            Flaw(pointer="/due_on", detail="this is the last instalment's due date, or left out")
        )
    return tuple(flaws)


def current(instalments: Sequence[Invoice]) -> list[Invoice]:
    """The instalments of the document's present plan, in order.

    Every revision is written to all instalments of its plan; those of an earlier one that went out
    of the plan keep theirs.
    """
    latest = max((i.revision for i in instalments), default=0)
    return sorted((i for i in instalments if i.revision == latest), key=ordinal_of)


def parts_of(
    draft: InvoiceDraft, stored: Sequence[Invoice], *, revision: int
) -> list[InvoiceDraft]:
    """The plan as invoices: the present instalments in order, then new ones behind all others.

    The id of an instalment that went out of the plan is never used again: it was cancelled.
    """
    ids = _ids(draft.invoice_id, stored)
    total = len(draft.instalments)
    return [
        replace(
            draft,
            invoice_id=next(ids),
            document_id=draft.invoice_id,
            number=f"{draft.number} ({place}/{total})",
            due_on=part.due_on,
            amount_minor=part.amount_minor,
            instalments=(),
            revision=revision,
        )
        for place, part in enumerate(draft.instalments, start=1)
    ]


def as_document(instalments: Sequence[Invoice]) -> Invoice:
    """The document as one invoice: the sum of its present plan, due on the last date.

    Its `version` is the sum of all versions, so that it grows with each change. It is open while
    anything is.

    Raises:
        ValueError: there are no instalments.
    """
    if not instalments:
        raise ValueError("a document has instalments")
    plan = current(instalments)
    last = plan[-1]
    document = replace(
        last,
        invoice_id=last.document_id or last.invoice_id,
        document_id=None,
        number=last.number.removesuffix(f" ({len(plan)}/{len(plan)})"),
        amount_minor=sum(i.amount_minor for i in plan),
        covered_minor=sum(i.covered_minor for i in plan),
        written_off_minor=sum(i.written_off_minor for i in plan),
        charges_open_minor=sum(i.charges_open_minor for i in plan),
        cancelled=all(i.cancelled for i in plan),
        covered_on=max((i.covered_on for i in plan if i.covered_on), default=None),
        settled_on=None,
        version=sum(i.version for i in instalments),
    )
    if document.status != "paid":
        return document
    return replace(document, settled_on=max(i.settled_on for i in plan if i.settled_on))


def _ids(document_id: str, stored: Sequence[Invoice]) -> Iterator[str]:
    yield from (i.invoice_id for i in current(stored))
    behind = max((ordinal_of(i) for i in stored), default=0) + 1
    yield from (instalment_id(document_id, ordinal) for ordinal in count(behind))

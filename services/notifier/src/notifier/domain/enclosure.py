"""Which original documents go with a message: not more than a mailbox takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

ENCLOSED_MAX = 10
ENCLOSED_BYTES_MAX = 8 * 1024 * 1024
"""With base64 and the text, a mail of 11 MB: many servers take 20, some only 10 to 15."""


class Paper(Protocol):
    """A document."""

    @property
    def file_name(self) -> str:
        """Its name."""
        ...

    @property
    def content(self) -> bytes:
        """Its bytes."""
        ...


Paper_ = TypeVar("Paper_", bound=Paper)


def left_out(
    invoice_ids: Sequence[str], papers: Mapping[str, Paper_], enclosed: Sequence[Paper_]
) -> tuple[str, ...]:
    """What an operator should know of documents that do not go with a message; usually nothing.

    Args:
        invoice_ids: the message's invoices; only of the first `ENCLOSED_MAX` papers are asked for.
        papers: what there is of those.
        enclosed: what goes, by `enclose`.
    """
    if not papers:
        return ()
    remarks = []
    if len(invoice_ids) > ENCLOSED_MAX:
        remarks.append(
            f"it is about {len(invoice_ids)} invoices and carries the original documents of the "
            f"first {ENCLOSED_MAX} at most"
        )
    sent = {paper.content for paper in enclosed}
    missing = {paper.content for paper in papers.values()} - sent
    if missing:
        remarks.append(
            f"original documents that are left out, as all together may have "
            f"{ENCLOSED_BYTES_MAX // 2**20} MB: {len(missing)}"
        )
    return tuple(remarks)


def enclose(invoice_ids: Sequence[str], papers: Mapping[str, Paper_]) -> tuple[Paper_, ...]:
    """The documents of a message's invoices, in their order, each once, as far as there is room.

    Instalments of one document share its paper.
    """
    chosen: list[Paper_] = []
    seen: set[bytes] = set()
    room = ENCLOSED_BYTES_MAX
    for invoice_id in invoice_ids:
        paper = papers.get(invoice_id)
        if paper is None or paper.content in seen or len(paper.content) > room:
            continue
        if len(chosen) == ENCLOSED_MAX:
            break
        seen.add(paper.content)
        room -= len(paper.content)
        chosen.append(paper)
    return tuple(chosen)

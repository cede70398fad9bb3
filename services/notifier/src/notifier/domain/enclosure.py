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

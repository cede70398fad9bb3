"""A long list in pages, so that what to do stays within reach and the page small. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from notifier.portal.account import Owed

INVOICES_A_PAGE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some invoices of many. `first` and `last` are their places, counted from 1."""

    items: tuple[Owed, ...]
    number: int
    pages: int
    first: int
    last: int
    count: int


def page_of(items: Sequence[Owed], wanted: str) -> Page:
    """The page that was asked for; the nearest one where there is none of that number."""
    pages = max(1, -(-len(items) // INVOICES_A_PAGE))
    asked = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else 1
    number = min(max(asked, 1), pages)
    start = (number - 1) * INVOICES_A_PAGE
    shown = tuple(items[start : start + INVOICES_A_PAGE])
    return Page(
        items=shown,
        number=number,
        pages=pages,
        first=start + 1,
        last=start + len(shown),
        count=len(items),
    )

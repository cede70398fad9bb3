"""On what the charges of a message rest, and which charges it only announces.

Pure: items of the notice in, plain data for the texts out. Nothing is computed: sums and citations
are the engine's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dunning_common.events.dunning import NoticeItemV2, NoticeItemV3
from dunning_common.money import to_decimal
from notifier.content.clean import clean

KINDS = ("interest", "compensation", "fee")
"""In the order in which they are shown."""


def grounds_of(items: Iterable[NoticeItemV2]) -> list[dict[str, object]]:
    """Each ground of the charges that these invoices bear, once.

    `law` is the citation; a fee is `agreed`: it rests on the contract, and cites nothing.
    """
    seen = {(basis.kind, basis.basis) for item in items for basis in item.charge_basis}
    if not seen:
        return []
    laws = [
        (kind, law)
        for kind in KINDS[:2]
        for law in sorted(basis for found, basis in seen if found == kind)
    ]
    grounds: list[dict[str, object]] = [
        {"kind": kind, "law": clean(law), "agreed": False} for kind, law in laws
    ]
    if any(kind == "fee" for kind, _ in seen):
        grounds.append({"kind": "fee", "law": "", "agreed": True})
    return grounds


def announced_of(items: Sequence[NoticeItemV2]) -> dict[str, object]:
    """What will be owed beside these invoices when they are not paid in time."""
    sums: dict[str, int] = {}
    laws: set[str] = set()
    for item in items:
        if isinstance(item, NoticeItemV3):
            for charge in item.announced:
                sums[item.currency] = sums.get(item.currency, 0) + charge.amount_minor
                laws.add(clean(charge.basis))
    amounts = [
        {"amount": to_decimal(minor, currency), "currency": currency}
        for currency, minor in sorted(sums.items())
    ]
    return {"any": bool(amounts), "amount": amounts, "law": ", ".join(sorted(laws))}

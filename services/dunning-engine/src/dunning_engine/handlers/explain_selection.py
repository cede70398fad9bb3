"""Show how a case came to its policy: who could name one, who won and why, and what came after.

An opened case is shown as it was chosen then, from the facts and the rules of that moment; one that
is not open yet as it would be chosen now. Decides nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dunning_engine.domain.selection import Candidate, Rules, Selection, select
from dunning_engine.handlers.open_cases import OpeningShelf, open_cases
from dunning_engine.policy_records import PinRow
from dunning_engine.records import Dossier


class PinShelf(OpeningShelf, Protocol):
    """Where it is kept which version a case has followed, and why."""

    async def pins(self, tenant: str, invoice_id: str) -> list[PinRow]:
        """Every version that a case has followed, the first one first."""
        ...

    async def rules_version(self, tenant: str, version: int) -> Rules | None:
        """Exactly that version of a tenant's rules."""
        ...


async def explain_selection(
    shelf: PinShelf, tenant: str, invoice_id: str, dossier: Dossier | None
) -> dict[str, Any]:
    """`selection`: every candidate in the order of precedence; `policy_history`: what it followed.

    Args:
        shelf: bound to one transaction.
        tenant: whose case.
        invoice_id: whose case.
        dossier: everything about its debtor, when enough is known to decide.
    """
    pins = await shelf.pins(tenant, invoice_id)
    is_open = dossier is None or any(
        stored.pinned for stored in dossier.cases if stored.case.invoice_id == invoice_id
    )
    if pins and is_open:
        selection, why = await _as_chosen(shelf, tenant, pins[0]), pins[0].why
    else:
        pins, why = [], ""
        selection = await _as_of_now(shelf, invoice_id, dossier)
    return {
        "selection": [_shown(item, why) for item in selection.candidates] if selection else [],
        "policy_history": _history(pins),
    }


async def _as_chosen(shelf: PinShelf, tenant: str, pin: PinRow) -> Selection | None:
    if pin.facts is None:
        return None
    rules = await shelf.rules_version(tenant, pin.rules_version) if pin.rules_version else None
    return select(pin.facts, rules.rules if rules else ())


async def _as_of_now(shelf: PinShelf, invoice_id: str, dossier: Dossier | None) -> Selection | None:
    if dossier is None:
        return None
    (opened,) = await open_cases(shelf, [dossier])
    return opened.selections.get(invoice_id)


def _shown(candidate: Candidate, version: str) -> dict[str, Any]:
    why = f"{candidate.why}; {version}" if candidate.won and version else candidate.why
    return {
        "source": candidate.source,
        "rule": candidate.rule,
        "policy_id": candidate.policy_id,
        "won": candidate.won,
        "why": why,
    }


def _history(pins: Sequence[PinRow]) -> list[dict[str, Any]]:
    return [
        {
            "policy_id": pin.policy_id,
            "version": pin.policy_version,
            "since": pin.pinned_at,
            "why": pin.why,
            "before": None
            if pin.from_policy_id is None
            else {"policy_id": pin.from_policy_id, "version": pin.from_version},
        }
        for pin in pins
    ]

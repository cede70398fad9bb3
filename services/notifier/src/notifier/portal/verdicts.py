"""What became of a promise or of a plan that a debtor asked for, as the engine says it. Pure.

The engine decides, and a person where its rules say so; the page only tells. What the engine does
not say, or says in a way not known here, stays "received".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

Outcome = Literal["agreed", "waits", "refused", "not_needed"]
Why = Literal["too_long", "first_too_small", "instalment_too_small", "agreed_before", "other"]

ASKING = frozenset({"promise", "plan_request"})
"""The kinds of answers that are agreed to or not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the engine made of an answer; `waits`: a person looks at it. `why` is of a refusal."""

    outcome: Outcome
    why: Why | None = None


_KINDS = frozenset({"promise", "plan"})
"""The same kinds as the engine calls them."""

_WHY: Mapping[str, Why] = {
    "max_months": "too_long",
    "min_first_percent": "first_too_small",
    "min_instalment": "instalment_too_small",
    "max_open_plans": "agreed_before",
}
"""By rule of the engine; the others are nothing that a debtor is told."""


def verdicts_of(document: Mapping[str, Any]) -> dict[UUID, Verdict]:
    """The verdicts in the engine's list of a debtor's answers.

    Raises:
        KeyError, AttributeError, TypeError, ValueError: it is none.
    """
    found = {UUID(item["response_id"]): _verdict(item) for item in document["items"]}
    return {response_id: verdict for response_id, verdict in found.items() if verdict}


def _verdict(item: Mapping[str, Any]) -> Verdict | None:
    if item["kind"] not in _KINDS:
        return None
    if item["state"] == "open":
        return _open(item["reason"], str(item["detail"] or ""))
    return {"applied": Verdict("agreed"), "not_needed": Verdict("not_needed")}.get(item["state"])


def _open(reason: str, detail: str) -> Verdict:
    """Of an answer that was not followed as it is; `detail` of a plan names the rules it misses."""
    if reason == "plan_needs_approval":
        return Verdict("waits")
    if reason == "promised_before":
        return Verdict("refused", "agreed_before")
    missed = (_WHY[rule] for rule in detail.split(", ") if rule in _WHY)
    return Verdict("refused", next(missed, "other") if reason == "plan_refused" else "other")

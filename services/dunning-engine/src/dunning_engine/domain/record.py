"""The decision record: everything a decision looked at and what came out, as canonical bytes.

Whoever holds the record needs nothing else to decide again: `recompute` gives the same bytes, years
later. Not for holding personal data: there is none in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from dunning_common.canonical import canonical_json
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case, PolicyKey
from dunning_engine.domain.decision import decide
from dunning_engine.domain.interest import rate_series
from dunning_engine.domain.outcome import Decision
from dunning_engine.domain.plain import from_plain
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_document import read_policy
from dunning_engine.domain.policy_writing import to_document
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.schedule import Calendar, local_date
from dunning_engine.domain.verdict import Step, Verdict

FORMAT = 1
POLICIES_KEPT = 1024
# Canonical as well: the members in their order, each of them canonical already.
_INPUTS = (
    b'{"account":%b,"calendar_years":%b,"cases":%b,"holidays":%b,"now":%b,"policies":[%b],'
    b'"rates":%b}'
)
_RECORD = b'{"format":%d,"inputs":%b,"inputs_sha256":"%b","outcome":%b}'
_RATE_STEPS = frozenset({"interest", "no_interest", "compensation", "no_compensation"})


class RecordError(ValueError):
    """Bytes that are no decision record, or one whose inputs were changed after it was made."""


def make_record(
    account: Account,
    cases: Sequence[Case],
    policies: Mapping[PolicyKey, Policy],
    calendar: Calendar,
    rates: RateBook,
    decision: Decision,
) -> bytes:
    """The record of a decision that `decide` made of these arguments at `decision.decided_at`."""
    today = local_date(decision.decided_at, account.zone)
    pinned = sorted({case.policy_key for case in cases})
    used = [policies[key] for key in pinned if key in policies]
    rates_used = _rates_used(cases, used, rates, today) if _looked_at_rates(decision) else {}
    inputs = _INPUTS % (
        canonical_json(account),
        _years(calendar.years),
        canonical_json(sorted(cases, key=lambda case: case.invoice_id)),
        _holidays_from(calendar, _first_day(used, today)),
        canonical_json(decision.decided_at),
        b",".join([_policy_json(policy) for policy in used]),
        canonical_json(rates_used),
    )
    return _bytes(inputs, decision)


def recompute(record: bytes) -> bytes:
    """Decide again from the record's inputs alone; the same bytes when nothing changed.

    Raises:
        RecordError: the bytes are no record, or its inputs do not match their hash.
    """
    inputs = _inputs(record)
    account = from_plain(Account, inputs["account"])
    policies = [
        read_policy(item["document"], policy_id=item["policy_id"], version=item["version"])
        for item in inputs["policies"]
    ]
    decision = decide(
        account,
        [from_plain(Case, case) for case in inputs["cases"]],
        {policy.key: policy for policy in policies},
        datetime.fromisoformat(inputs["now"]),
        Calendar(
            holidays=frozenset(map(date.fromisoformat, inputs["holidays"])),
            years=frozenset(inputs["calendar_years"]),
        ),
        RateBook(
            {
                series: {half_year: Decimal(percent) for half_year, percent in figures.items()}
                for series, figures in inputs["rates"].items()
            }
        ),
    )
    return _bytes(canonical_json(inputs), decision)


def recorded_verdict(record: bytes, invoice_id: str) -> Verdict | None:
    """The verdict about one invoice in a record, for saying why; None when it is not in it."""
    verdicts = json.loads(record)["outcome"]["verdicts"]
    found = next((item for item in verdicts if item["invoice_id"] == invoice_id), None)
    if found is None:
        return None
    steps = tuple(
        Step(item["code"], tuple((name, fact) for name, fact in item.get("facts", ())))
        for item in found.pop("trace", ())
    )
    return Verdict(
        **{**found, "at": datetime.fromisoformat(found["at"]) if "at" in found else None},
        trace=steps,
    )


def _bytes(inputs: bytes, decision: Decision) -> bytes:
    digest = hashlib.sha256(inputs).hexdigest().encode()
    return _RECORD % (FORMAT, inputs, digest, canonical_json(decision))


@lru_cache(maxsize=1024)
def _years(years: frozenset[int]) -> bytes:
    return canonical_json(years)


_written_policies: dict[int, tuple[Policy, bytes]] = {}
"""By identity: to hash a policy with all its levels takes as long as writing a small one."""


def _policy_json(policy: Policy) -> bytes:
    known = _written_policies.get(id(policy))
    if known is not None and known[0] is policy:
        return known[1]
    written = canonical_json(
        {
            "policy_id": policy.policy_id,
            "version": policy.version,
            "document": to_document(policy),
        }
    )
    if len(_written_policies) >= POLICIES_KEPT:
        _written_policies.clear()
    _written_policies[id(policy)] = (policy, written)  # kept, so that its id stays its own
    return written


def _first_day(policies: Sequence[Policy], today: date) -> date:
    """A decision looks at today and later days, and at earlier ones where business days count.

    How far back depends on the due date, on what was served and on the thresholds: all are kept.
    """
    counts = any(
        level.counting == "business_days" for policy in policies for level in policy.levels
    )
    return date.min if counts else today


@lru_cache(maxsize=1024)
def _holidays_from(calendar: Calendar, first_day: date) -> bytes:
    return canonical_json(sorted(day for day in calendar.holidays if day >= first_day))


def _inputs(record: bytes) -> dict[str, Any]:
    try:
        document = json.loads(record)
        inputs: dict[str, Any] = document["inputs"]
        stated = document["inputs_sha256"]
        known_format = document["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        raise RecordError("these bytes are no decision record") from None
    if not known_format:
        raise RecordError(f"the record is not of format {FORMAT}")
    if hashlib.sha256(canonical_json(inputs)).hexdigest() != stated:
        raise RecordError("the record's inputs were changed: they do not match their hash")
    return inputs


def _looked_at_rates(decision: Decision) -> bool:
    """Did the decision look into the rates at all, even to find that nothing is owed?"""
    return any(
        verdict.reason == "missing_rate"
        or not _RATE_STEPS.isdisjoint([taken.code for taken in verdict.trace])
        for verdict in decision.verdicts
    )


def _rates_used(
    cases: Sequence[Case], policies: Sequence[Policy], rates: RateBook, today: date
) -> Mapping[str, Mapping[str, Decimal]]:
    series = {name for policy in policies for name in rate_series(policy.country)}
    since = min((case.due_on for case in cases), default=today)
    return rates.extract(series, min(since, today), today).series

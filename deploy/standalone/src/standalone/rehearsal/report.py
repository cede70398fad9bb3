"""What came of a rehearsal: counts per level and channel, and the two promises, checked.

Pure: works on what the engine and the notifier answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from dunning_common.money import to_decimal_string
from standalone.rehearsal.plan import Plan


def report_of(
    plan: Plan,
    *,
    tenant: str,
    policy: str,
    levels: Sequence[Mapping[str, Any]],
    messages: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The report as a JSON object.

    Args:
        plan: what was played.
        tenant: the sandbox tenant.
        policy: what `--policy` said.
        levels: items of `GET /v1/levels`.
        messages: items of `GET /v1/messages`.
    """
    served = [level for level in levels if level["outcome"] == "served"]
    return {
        "tenant": tenant,
        "policy": policy,
        "period": {"from": plan.starts_on.isoformat(), "to": plan.ends_on.isoformat()},
        "invoices": plan.invoices,
        "debtors": plan.debtors,
        "total": {
            currency: to_decimal_string(minor, currency)
            for currency, minor in sorted(plan.totals_minor.items())
        },
        "settled": len(plan.settled_on),
        "settled_late": plan.settled_late,
        "bad_rows": [
            {"line": row.line, "column": row.column, "reason": row.reason} for row in plan.bad_rows
        ],
        "notices_per_level": _counts(level["level"] for level in served),
        "outcomes": _counts(level["outcome"] for level in levels),
        "messages_per_channel": _counts(message["channel"] for message in messages),
        "message_states": _counts(message["state"] for message in messages),
        "unknown": [message["message_id"] for message in messages if message["state"] == "unknown"],
        "checks": {
            "after_settlement": _after_settlement(plan, served),
            "twice": _twice(served),
        },
        "levels": [
            {key: level.get(key) for key in ("invoice_id", "debtor_id", "level", "on", "outcome")}
            for level in sorted(levels, key=lambda level: (level["on"], level["invoice_id"]))
        ],
    }


def _after_settlement(plan: Plan, served: Iterable[Mapping[str, Any]]) -> list[str]:
    """Invoices that got a notice on or after the day they were settled: must be none."""
    return sorted(
        level["invoice_id"]
        for level in served
        if (settled_on := plan.settled_on.get(level["invoice_id"]))
        and date.fromisoformat(level["on"]) >= settled_on
    )


def _twice(served: Iterable[Mapping[str, Any]]) -> list[str]:
    """Invoices that got one level more than once: must be none."""
    counted = Counter((level["invoice_id"], level["level"]) for level in served)
    return sorted(invoice_id for (invoice_id, _), count in counted.items() if count > 1)


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))

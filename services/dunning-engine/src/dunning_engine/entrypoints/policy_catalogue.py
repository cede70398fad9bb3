"""Writes `docs/policies.md`: every policy that is shipped, and the law that its charges follow.

`python -m dunning_engine.entrypoints.policy_catalogue docs/`. Made from the policies, the tables of
law and the rate files alone; a test compares, so that the document cannot lie. Decides nothing.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from dunning_engine.adapters.builtin_policies import builtin_policies, builtin_text
from dunning_engine.adapters.rate_files import load_series
from dunning_engine.domain.law import COMMON_KNOWLEDGE, FixedSumRule, InterestRule, LawRule
from dunning_engine.domain.law_of_fixed_sums import FIXED_SUM_RULES
from dunning_engine.domain.law_of_interest import COUNTRY_NAMES, INTEREST_RULES
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.policy_writing import to_document
from dunning_engine.domain.rate_series import RateSeries

DOCUMENT = "policies.md"
_SHOWN_IN_COLUMNS = {"code", "threshold_days", "gap_days", "channels", "template", "final"}
_ANCHORS = {
    "due_date": "the due date",
    "invoice_date": "the invoice date",
    "end_of_month": "the end of the due date's month",
    "previous_level": "the level before",
}
_RATE_ANCHORS = {
    "half_year": "changes each half-year",
    "start": "stays what it was on the first day",
    "payment": "that of the day of payment, for the whole delay",
}
_REFUSALS = {
    "only_if_agreed": "none: only where the contract says so",
    "rate_not_kept": "none: the rate moves from day to day and is not kept",
}
_INTRODUCTION = """\
Made by `make policy-docs` from the shipped policies, the tables of law and the rate files; do not
edit. Not legal advice: each rule names its source and the day on which it was checked. What is
marked **unverified** is common knowledge that nobody has looked up yet; the explanation of a charge
under such a rule says so.

Interest is simple (but for the Netherlands), counted from the day after the due date through the
day of payment over years of 365 days, and rounded once a claim. A half-year whose rate is missing
blocks the claim; it is never guessed. `dunning rates check` names what is missing. What needs a
lawyer is listed in [templates.md](templates.md)."""

_CHOICE = """\
Every tenant knows these. A debtor's country and kind choose among them where nothing else names a
policy; France's is the last resort. Open cases keep the version that they began with; those before
the newest are in `policies/earlier`, and GET /v1/policies/{id}?version=1 shows them."""
_ELSEWHERE = """\
No statutory claim is known: a policy names no `country` and charges nothing but its own fees. In
the United States, private claims bear what the contract says, within each state's limits."""


def policies_markdown() -> str:
    """The whole of `docs/policies.md`."""
    lines = ["# Policies and the law behind them", "", *_INTRODUCTION.splitlines(), ""]
    lines += ["## Policies", ""]
    lines += [_CHOICE]
    for policy_id, policy in sorted(builtin_policies().items()):
        lines += ["", *_policy(policy, builtin_text(policy_id))]
    lines += ["", "## Late-payment law by country"]
    for country, name in COUNTRY_NAMES.items():
        lines += ["", f"### {name}", "", *_interest_table(country), "", *_fixed_sum_table(country)]
    lines += ["", "### Elsewhere", "", _ELSEWHERE]
    lines += ["", "## Reference rates", "", *_rate_table(load_series())]
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write the document into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DOCUMENT).write_text(policies_markdown(), encoding="utf-8")


def _policy(policy: Policy, text: str) -> Iterator[str]:
    document = to_document(policy)
    calendar = document["calendar"]
    remarks = _remarks(text)
    yield f"### `{policy.policy_id}`: {policy.name}"
    yield ""
    holidays = "not on public holidays" if policy.observe_holidays else "also on public holidays"
    yield (
        f"Speaks {', '.join(calendar['weekdays'])} from {calendar['opens']} to "
        f"{calendar['closes']}, {holidays}; at most {policy.max_attempts} tries a level. "
        f"Law of its charges: {COUNTRY_NAMES.get(policy.country or '', 'none')}."
    )
    yield ""
    yield from _table(
        ("", "level", "earliest", "by", "adds", "why"),
        (
            (
                str(level.level_no),
                f"`{level.code}`",
                _when(level),
                _how(level),
                _adds(level_document),
                remarks.get(level.code, ""),
            )
            for level, level_document in zip(policy.levels, document["levels"], strict=True)
        ),
    )


def _when(level: Level) -> str:
    days = "business days" if level.counting == "business_days" else "days"
    anchor = _ANCHORS[level.anchor]
    if level.threshold_days < 0:
        return f"{-level.threshold_days} {days} before {anchor}"
    gap = f", {level.gap_days} after the level before" if level.gap_days else ""
    return f"{level.threshold_days} {days} after {anchor}{gap}"


def _how(level: Level) -> str:
    if level.final:
        return f"nothing: {level.final.replace('_', ' ')}"
    return ", ".join(channel.replace("_", " ") for channel in level.channels)


def _adds(level: Mapping[str, Any]) -> str:
    """Whatever a level says beside its columns."""
    rest = {key: value for key, value in level.items() if key not in _SHOWN_IN_COLUMNS}
    pay_within_days = rest.pop("pay_within_days", None)
    said = [f"{key.replace('_', ' ')}: {_value(value)}" for key, value in rest.items()]
    said += [f"{pay_within_days} days to pay"] if pay_within_days else []
    return "; ".join(said)


def _value(value: Any) -> str:
    match value:
        case list():
            return " and ".join(map(str, value))
        case dict():
            return ", ".join(f"{key} {_value(item)}" for key, item in value.items())
        case True:
            return "yes"
        case _:
            return str(value)


def _remarks(text: str) -> dict[str, str]:
    """The comment above each level of a policy's text."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("# "))
        elif code := re.match(r"- code: (\w+)", stripped):
            found[code[1]] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found


def _interest_table(country: str) -> Iterator[str]:
    rules = [rule for rule in INTEREST_RULES if rule.country == country]
    yield from _table(
        ("debtor", "contracts", "interest a year", "law", "source", "remarks"),
        ((_who(r), _period(r), _rate(r), r.basis, _source(r), _remark(r)) for r in rules),
    )


def _fixed_sum_table(country: str) -> Iterator[str]:
    rules = [rule for rule in FIXED_SUM_RULES if rule.country == country]
    if not rules:
        yield "No fixed compensation."
        return
    yield from _table(
        ("debtor", "contracts", "fixed compensation", "law", "source", "remarks"),
        ((_who(r), _period(r), _fixed_sum(r), r.basis, _source(r), r.note) for r in rules),
    )


def _who(rule: LawRule) -> str:
    tagged = f", tagged `{rule.tag}`" if rule.tag else ""
    return ", ".join(rule.kinds) + tagged


def _period(rule: LawRule) -> str:
    until = f" to {rule.valid_to}" if rule.valid_to else ""
    by_due_date = isinstance(rule, FixedSumRule) and rule.by_due_date
    return f"from {rule.valid_from}{until}" + (" (due date)" if by_due_date else "")


def _source(rule: LawRule) -> str:
    if rule.confidence == "unverified":
        return "**unverified**" + (
            "" if rule.source == COMMON_KNOWLEDGE else f"; see {rule.source}"
        )
    return f"{rule.source} ({rule.checked_on})"


def _remark(rule: InterestRule) -> str:
    said = [_RATE_ANCHORS[rule.anchor]] if rule.series and rule.anchor != "half_year" else []
    said += ["from the formal notice on"] if rule.from_notice else []
    said += ["compounds yearly"] if rule.compounds_yearly else []
    words = "; ".join(said)
    return " ".join(filter(None, (words and f"{words[0].upper()}{words[1:]}.", rule.note)))


def _rate(rule: InterestRule) -> str:
    if rule.refusal:
        return _REFUSALS[rule.refusal]
    if rule.series is None:
        return f"{rule.points} %"
    return f"`{rule.series}`" + (f" + {rule.points} points" if rule.points else "")


def _fixed_sum(rule: FixedSumRule) -> str:
    currency = "EUR" if rule.converted_by else rule.currency
    steps = [_step(rule, index) for index in range(len(rule.bands))]
    least = f", at least {rule.minimum}" if rule.minimum else ""
    most = f", at most {rule.maximum}" if rule.maximum else ""
    converted = f", in {rule.currency} by `{rule.converted_by}`" if rule.converted_by else ""
    return f"{currency} {'; '.join(steps)}{least}{most}{converted}"


def _step(rule: FixedSumRule, index: int) -> str:
    band, below = rule.bands[index], rule.bands[index - 1].limit if index else None
    amount = f"{band.base}" if band.base or not band.percent else ""
    if band.percent:
        share = f"{band.percent} %" + (f" above {_grouped(below)}" if below else "")
        amount = f"{amount} + {share}" if amount else share
    if band.limit is None:
        word = "above" if index and rule.bands[index - 1].is_inclusive else "from there on"
        return f"{amount} {word}" if below and not band.percent else amount
    return f"{amount} {'up to' if band.is_inclusive else 'below'} {_grouped(band.limit)}"


def _grouped(amount: Decimal | None) -> str:
    return f"{amount:,}".replace(",", " ")


def _rate_table(series: Sequence[RateSeries]) -> Iterator[str]:
    yield from _table(
        ("series", "what", "for", "figures", "latest", "source", "checked on", "doubts"),
        (
            (
                f"`{one.name}`",
                one.what,
                ", ".join(one.countries) or "no claim",
                f"{min(one.figures)} to {one.last_period}" if one.figures else "none yet",
                str(one.figures[one.last_period]) if one.last_period else "",
                one.source,
                str(one.checked_on),
                _doubts(one),
            )
            for one in series
        ),
    )


def _doubts(one: RateSeries) -> str:
    kinds = list(one.doubts.values())
    counted = {doubt: kinds.count(doubt) for doubt in ("computed", "unverified")}
    said = [f"{number} **{doubt}**" for doubt, number in counted.items() if number]
    return f"{', '.join(said)} of {len(one.figures)}" if said else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


def main() -> None:
    """Entry point: write the document into the folder given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs"))
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()

"""Policies as documents: reading and checking them, writing them in one canonical form.

A document is what YAML or JSON gives (mappings, lists, text, numbers, booleans); nothing here
knows files or line numbers: a problem names its place by path. Every problem is collected, not
only the first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from dunning_common.money import MoneyError, parse_minor, to_decimal_string
from dunning_engine.domain.interest import RATE_SERIES
from dunning_engine.domain.policy import (
    CHANNELS,
    CHARGES,
    FINAL_ACTIONS,
    TEMPLATES,
    Level,
    Policy,
)

COUNTRIES = tuple(RATE_SERIES)
"""Countries whose law of late payment is known."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAYS = ("observe", "ignore")
DAYS_MAX = 3650
LEVELS_MAX = 20
TEXT_MAX = 200
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)

POLICY_KEYS = ("name", "country", "calendar", "grace_days", "max_attempts", "levels")
CALENDAR_KEYS = ("weekdays", "opens", "closes", "holidays")
LEVEL_KEYS = (
    "code",
    "threshold_days",
    "gap_days",
    "channels",
    "template",
    "charges",
    "pay_within_days",
    "minimum",
    "final",
)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyProblem:
    """One thing that is wrong in a document: where (keys and positions), and what to do."""

    path: Path
    message: str

    def __str__(self) -> str:
        """`levels[2].gap_days: must be ...`."""
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return f"{place.lstrip('.') or 'policy'}: {self.message}"


class PolicyInvalidError(ValueError):
    """A document that is no policy; `problems` lists everything that is wrong."""

    def __init__(self, problems: Sequence[PolicyProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def read_policy(document: object, *, policy_id: str, version: int) -> Policy:
    """Check a document and make a policy of it.

    Raises:
        PolicyInvalidError: with every problem found.
    """
    reader = _Reader()
    policy = reader.policy(document, policy_id, version)
    if reader.problems:
        raise PolicyInvalidError(reader.problems)
    return policy


def to_document(policy: Policy) -> dict[str, Any]:
    """The canonical document of a policy, without id and version: equal content, equal document."""
    return {
        "name": policy.name,
        "country": policy.country,
        "calendar": {
            "weekdays": [WEEKDAYS[day] for day in sorted(policy.weekdays)],
            "opens": policy.opens.strftime("%H:%M"),
            "closes": policy.closes.strftime("%H:%M"),
            "holidays": "observe" if policy.observe_holidays else "ignore",
        },
        "grace_days": policy.grace_days,
        "max_attempts": policy.max_attempts,
        "levels": [_level_document(level) for level in policy.levels],
    }


def _level_document(level: Level) -> dict[str, Any]:
    document: dict[str, Any] = {
        "code": level.code,
        "threshold_days": level.threshold_days,
        "gap_days": level.gap_days,
    }
    if level.final:
        return document | {"final": level.final}
    document |= {"channels": list(level.channels), "template": level.template}
    if level.charges:
        document["charges"] = [charge for charge in CHARGES if charge in level.charges]
    if level.pay_within_days is not None:
        document["pay_within_days"] = level.pay_within_days
    if level.minimum_minor:
        document["minimum"] = {
            currency: to_decimal_string(minor, currency) for currency, minor in level.minimum_minor
        }
    return document


class _Reader:
    """Walks a document and collects problems; a wrong value is replaced, so that it can go on."""

    def __init__(self) -> None:
        self.problems: list[PolicyProblem] = []

    def policy(self, document: object, policy_id: str, version: int) -> Policy:
        fields = self.mapping(document, (), POLICY_KEYS, required=("name", "levels"))
        country = fields.get("country")
        if country is not None:
            country = self.choice(country, ("country",), COUNTRIES, "the law that charges follow")
        calendar = self.mapping(fields.get("calendar", {}), ("calendar",), CALENDAR_KEYS)
        opens = self.clock(calendar.get("opens", "08:00"), ("calendar", "opens"))
        closes = self.clock(calendar.get("closes", "20:00"), ("calendar", "closes"))
        if opens >= closes:
            self.conflict(
                ("calendar", "opens"), f"opens at {opens:%H:%M}; must be before {closes:%H:%M}"
            )
        grace_days = self.integer(fields.get("grace_days", 0), ("grace_days",), 0, 365)
        max_attempts = self.integer(fields.get("max_attempts", 3), ("max_attempts",), 1, 20)
        return Policy(
            policy_id=policy_id,
            version=version,
            name=self.text(fields.get("name", ""), ("name",)),
            country=country,
            levels=self.levels(fields.get("levels"), country),
            weekdays=self.weekdays(calendar.get("weekdays", list(WEEKDAYS[:5]))),
            opens=opens,
            closes=closes,
            observe_holidays=self.choice(
                calendar.get("holidays", "observe"), ("calendar", "holidays"), HOLIDAYS
            )
            == "observe",
            grace_days=grace_days,
            max_attempts=max_attempts,
        )

    def weekdays(self, value: object) -> frozenset[int]:
        names = self.choices(value, ("calendar", "weekdays"), WEEKDAYS)
        return frozenset(WEEKDAYS.index(name) for name in names)

    def levels(self, value: object, country: str | None) -> tuple[Level, ...]:
        if not isinstance(value, list) or not value:
            if value is not None:
                self.problem(("levels",), "must be a list of at least one level")
            return ()
        if len(value) > LEVELS_MAX:
            self.problem(("levels",), f"has {len(value)} levels; at most {LEVELS_MAX} are possible")
            return ()
        levels: list[Level] = []
        for index, item in enumerate(value):
            previous = levels[-1] if levels else None
            levels.append(self.level(item, index, previous, country))
            self.order(index, levels)
            if levels[-1].final and index + 1 < len(value):
                self.problem(
                    ("levels", index, "final"),
                    "a final level must be the last; move it to the end or remove 'final'",
                )
        return tuple(levels)

    def order(self, index: int, levels: Sequence[Level]) -> None:
        """What must hold between a level and those before it."""
        level, earlier = levels[-1], levels[:-1]
        if level.code in {other.code for other in earlier}:
            self.conflict(
                ("levels", index, "code"), f"{level.code!r} is used before; give it its own code"
            )
        if not earlier:
            return
        previous = earlier[-1]
        if level.threshold_days <= previous.threshold_days:
            self.conflict(
                ("levels", index, "threshold_days"),
                f"{level.threshold_days} must be more than {previous.threshold_days}, "
                f"the threshold of {previous.code!r} before it",
            )
        elif not previous.is_pre_due and level.gap_days < 1:
            self.conflict(
                ("levels", index, "gap_days"),
                f"must be at least 1: {previous.code!r} and {level.code!r} would go out on one day",
            )

    def level(
        self, value: object, index: int, previous: Level | None, country: str | None
    ) -> Level:
        path: Path = ("levels", index)
        fields = self.mapping(value, path, LEVEL_KEYS, required=("code", "threshold_days"))
        code = self.code(fields.get("code", f"level_{index + 1}"), (*path, "code"))
        threshold_days = self.integer(
            fields.get("threshold_days", index), (*path, "threshold_days"), -365, DAYS_MAX
        )
        gap_days = self.integer(
            fields.get("gap_days", _usual_gap(threshold_days, previous)),
            (*path, "gap_days"),
            0,
            DAYS_MAX,
        )
        if "final" in fields:
            self.no_message(fields, path)
            return Level(
                code=code,
                level_no=index + 1,
                threshold_days=threshold_days,
                gap_days=gap_days,
                final=self.choice(fields["final"], (*path, "final"), FINAL_ACTIONS),
            )
        for key in ("channels", "template"):
            if key not in fields and isinstance(value, Mapping):
                self.problem(
                    path, f"{key!r} is missing; a level sends something, or it is 'final: agency'"
                )
        pay_within_days = fields.get("pay_within_days")
        if pay_within_days is not None:
            pay_within_days = self.integer(pay_within_days, (*path, "pay_within_days"), 1, 365)
        return Level(
            code=code,
            level_no=index + 1,
            threshold_days=threshold_days,
            gap_days=gap_days,
            channels=self.choices(fields.get("channels", ["email"]), (*path, "channels"), CHANNELS),
            template=self.choice(
                fields.get("template", "courtesy"), (*path, "template"), TEMPLATES
            ),
            charges=self.charges(fields.get("charges"), path, threshold_days, country),
            pay_within_days=pay_within_days,
            minimum_minor=self.minimum(fields.get("minimum", {}), (*path, "minimum")),
        )

    def no_message(self, fields: Mapping[str, Any], path: Path) -> None:
        for key in ("channels", "template", "charges", "pay_within_days", "minimum"):
            if key in fields:
                self.problem(
                    (*path, key), "a final level sends nothing; remove this or remove 'final'"
                )

    def charges(
        self, value: object, path: Path, threshold_days: int, country: str | None
    ) -> frozenset[Any]:
        if value is None:
            return frozenset()
        path = (*path, "charges")
        found = self.choices(value, path, CHARGES)
        if country is None:
            self.problem(path, f"charges need a 'country': one of {_listed(COUNTRIES)}")
        if threshold_days < 0:
            self.problem(path, "nothing can be charged before the due date; remove it")
        return frozenset(found)

    def minimum(self, value: object, path: Path) -> tuple[tuple[str, int], ...]:
        if not isinstance(value, Mapping):
            self.problem(path, 'must map currencies to amounts, such as {EUR: "15.00"}')
            return ()
        found = []
        for currency, amount in value.items():
            if isinstance(amount, bool | float) or not isinstance(amount, str | int):
                self.problem((*path, str(currency)), 'must be an amount in quotes, such as "15.00"')
                continue
            try:
                minor = parse_minor(str(amount), str(currency))
            except MoneyError as error:
                self.problem((*path, str(currency)), str(error))
                continue
            if minor < 0:
                self.problem((*path, str(currency)), "must be an amount of 0 or more")
            found.append((str(currency), minor))
        return tuple(sorted(found))

    def mapping(
        self, value: object, path: Path, known: Collection[str], required: Collection[str] = ()
    ) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.problem(path, f"must be a mapping with the keys {_listed(known)}")
            return {}
        for key in value:
            if key not in known:
                self.problem((*path, str(key)), f"unknown key; known ones are {_listed(known)}")
        for key in required:
            if value.get(key) is None:
                self.problem(path, f"{key!r} is missing")
        return {key: item for key, item in value.items() if item is not None}

    def text(self, value: object, path: Path) -> str:
        if isinstance(value, str) and len(value) <= TEXT_MAX:
            return value
        self.problem(path, f"must be text of at most {TEXT_MAX} characters")
        return ""

    def code(self, value: object, path: Path) -> str:
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
        self.problem(path, "must be a code of small letters, digits and _, such as first_reminder")
        return str(path)

    def integer(self, value: object, path: Path, least: int, most: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.problem(path, f"must be a whole number from {least} to {most}")
        return least

    def clock(self, value: object, path: Path) -> time:
        if isinstance(value, str) and _TIME.fullmatch(value):
            return time.fromisoformat(value)
        self.problem(path, 'must be a time of day such as "08:00", in quotes')
        return time(0) if path[-1] == "opens" else time(23, 59)

    def choice(self, value: object, path: Path, known: Sequence[Any], what: str = "") -> Any:
        if isinstance(value, str) and value in known:
            return value
        meaning = f" ({what})" if what else ""
        self.problem(path, f"{_shown(value)} is unknown; choose one of {_listed(known)}{meaning}")
        return known[0]

    def choices(self, value: object, path: Path, known: Sequence[Any]) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            self.problem(path, f"must be a list of one or more of {_listed(known)}")
            return (known[0],)
        found = [self.choice(item, (*path, index), known) for index, item in enumerate(value)]
        for index, item in enumerate(value):
            if item in value[:index]:
                self.problem((*path, index), f"{_shown(item)} is listed twice; remove one")
        return tuple(item for item in known if item in found)

    def problem(self, path: Path, message: str) -> None:
        self.problems.append(PolicyProblem(path=path, message=message))

    def conflict(self, path: Path, message: str) -> None:
        """A value that does not fit others; said only where the value is not wrong by itself."""
        if path not in {problem.path for problem in self.problems}:
            self.problem(path, message)


def _usual_gap(threshold_days: int, previous: Level | None) -> int:
    """Without a gap of its own a level keeps the distance of the thresholds."""
    if previous is None or previous.is_pre_due:
        return 0
    return max(0, threshold_days - previous.threshold_days)


def _shown(value: object) -> str:
    return repr(value)[:60]


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)

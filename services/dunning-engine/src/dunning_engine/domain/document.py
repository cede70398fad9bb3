"""Reading documents: plain data in, checked values out, every problem collected with its place.

A document is what YAML or JSON gives (mappings, lists, text, numbers, booleans); nothing here knows
files or line numbers, or what a policy is. A wrong value is replaced, so that reading can go on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any

from dunning_common.money import MoneyError, parse_minor
from dunning_engine.domain.conditions import Amounts

TEXT_MAX = 200
NAMES_MAX = 50
PERCENT_MAX = 100
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_PERCENT = re.compile(r"\d{1,3}(\.\d{1,4})?", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)

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


class DocumentReader:
    """Checks the values of a document and collects `problems`."""

    def __init__(self) -> None:
        self.problems: list[PolicyProblem] = []

    def percent(self, value: object, path: Path) -> Decimal:
        """A percentage from 0 to 100."""
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(text, str) and _PERCENT.fullmatch(text) and Decimal(text) <= PERCENT_MAX:
            return Decimal(text)
        self.problem(path, f'must be a percentage from 0 to {PERCENT_MAX} in quotes, such as "1.5"')
        return Decimal(0)

    def amounts(self, value: object, path: Path) -> Amounts:
        """Amounts of 0 or more by currency, in minor units."""
        if not isinstance(value, Mapping):
            self.problem(path, 'must map currencies to amounts, such as {EUR: "15.00"}')
            return ()
        return tuple(
            sorted(
                (str(currency), self.minor(amount, str(currency), (*path, str(currency))))
                for currency, amount in value.items()
            )
        )

    def minor(self, value: object, currency: str, path: Path) -> int:
        """An amount in minor units; a wrong one counts as 0."""
        if isinstance(value, bool | float) or not isinstance(value, str | int):
            self.problem(path, 'must be an amount in quotes, such as "15.00"')
            return 0
        try:
            minor = parse_minor(str(value), currency)
        except MoneyError as error:
            self.problem(path, str(error))
            return 0
        if minor < 0:
            self.problem(path, "must be an amount of 0 or more")
        return minor

    def names(self, value: object, path: Path) -> frozenset[str]:
        """Words of the company's own: segments, risks, tags."""
        if value is None:
            return frozenset()
        if not isinstance(value, list) or not value or len(value) > NAMES_MAX:
            self.problem(path, f"must be a list of 1 to {NAMES_MAX} names")
            return frozenset()
        for index, name in enumerate(value):
            if not isinstance(name, str) or not name or len(name) > TEXT_MAX:
                self.problem((*path, index), "must be a name in text")
        return frozenset(name for name in value if isinstance(name, str))

    def countries(self, value: object, path: Path) -> frozenset[str]:
        """Countries by their two letters."""
        found = self.names(value, path)
        for country in sorted(found):
            if not _COUNTRY.fullmatch(country):
                self.problem(path, f"{shown(country)} is no country; write two letters, such as FR")
        return found

    def flag(self, value: object, path: Path) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.problem(path, "must be true or false")
        return value is True

    def optional(self, value: object, path: Path, least: int, most: int) -> int | None:
        """A whole number, or None when nothing is given."""
        return None if value is None else self.integer(value, path, least, most)

    def mapping(
        self, value: object, path: Path, known: Collection[str], required: Collection[str] = ()
    ) -> Mapping[str, Any]:
        """A mapping with known keys only; what is None counts as not given."""
        if not isinstance(value, Mapping):
            self.problem(path, f"must be a mapping with the keys {listed(known)}")
            return {}
        for key in value:
            if key not in known:
                self.problem((*path, str(key)), f"unknown key; known ones are {listed(known)}")
        for key in required:
            if value.get(key) is None:
                self.problem(path, f"{key!r} is missing")
        return {key: item for key, item in value.items() if item is not None}

    def text(self, value: object, path: Path) -> str:
        """Text of at most `TEXT_MAX` characters."""
        if isinstance(value, str) and len(value) <= TEXT_MAX:
            return value
        self.problem(path, f"must be text of at most {TEXT_MAX} characters")
        return ""

    def code(self, value: object, path: Path) -> str:
        """A code of small letters, digits and underscores."""
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
        self.problem(path, "must be a code of small letters, digits and _, such as first_reminder")
        return str(path)

    def integer(self, value: object, path: Path, least: int, most: int) -> int:
        """A whole number between two bounds."""
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.problem(path, f"must be a whole number from {least} to {most}")
        return least

    def clock(self, value: object, path: Path) -> time:
        """A time of day such as 08:00."""
        if isinstance(value, str) and _TIME.fullmatch(value):
            return time.fromisoformat(value)
        self.problem(path, 'must be a time of day such as "08:00", in quotes')
        return time(0) if path[-1] == "opens" else time(23, 59)

    def choice(self, value: object, path: Path, known: Sequence[Any], what: str = "") -> Any:
        """One of the known names."""
        if isinstance(value, str) and value in known:
            return value
        meaning = f" ({what})" if what else ""
        self.problem(path, f"{shown(value)} is unknown; choose one of {listed(known)}{meaning}")
        return known[0]

    def choices(self, value: object, path: Path, known: Sequence[Any]) -> tuple[Any, ...]:
        """One or more of the known names, in their own order."""
        if not isinstance(value, list) or not value:
            self.problem(path, f"must be a list of one or more of {listed(known)}")
            return (known[0],)
        found = [self.choice(item, (*path, index), known) for index, item in enumerate(value)]
        for index, item in enumerate(value):
            if item in value[:index]:
                self.problem((*path, index), f"{shown(item)} is listed twice; remove one")
        return tuple(item for item in known if item in found)

    def problem(self, path: Path, message: str) -> None:
        """Remember what is wrong, and where."""
        self.problems.append(PolicyProblem(path=path, message=message))

    def conflict(self, path: Path, message: str) -> None:
        """A value that does not fit others; said only where the value is not wrong by itself."""
        if path not in {problem.path for problem in self.problems}:
            self.problem(path, message)


def shown(value: object) -> str:
    """A value as messages show it, cut short."""
    return repr(value)[:60]


def listed(names: Collection[str]) -> str:
    """Names as messages list them."""
    return ", ".join(names)

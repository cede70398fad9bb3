"""Reference rates from the dated YAML files in this package; every series names its source.

Figures are quoted decimals, so that no float ever reads them; a key that stands twice, a half-year
that is none and a series in two files are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, get_args

import yaml

from dunning_engine.domain.rate_series import Doubt, RateSeries, Unit
from dunning_engine.domain.rates import RateBook

_HALF_YEAR = re.compile(r"\d\dH[12]", re.ASCII)
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
_UNITS: tuple[Unit, ...] = get_args(Unit)
_DOUBTS: tuple[Doubt, ...] = get_args(Doubt)
_KEYS = {"name", "what", "source", "checked_on", *_UNITS, *_DOUBTS}


class RateFileError(ValueError):
    """A rate file that cannot be trusted; the message says where and why."""


@cache
def load_rates() -> RateBook:
    """The rate book of all rate files."""
    return RateBook({one.name: one.figures for one in load_series()})


@cache
def load_series() -> tuple[RateSeries, ...]:
    """Every series of all rate files, file by file.

    Raises:
        RateFileError: a file cannot be trusted.
    """
    found: dict[str, RateSeries] = {}
    folder = files("dunning_engine") / "rates"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            for one in read_rates(file.read_text("utf-8"), str(file)):
                if one.name in found:
                    raise RateFileError(f"{file}: series {one.name} is in {found[one.name].file}")
                found[one.name] = one
    return tuple(found.values())


def read_rates(text: str, name: str) -> tuple[RateSeries, ...]:
    """The series of a rate file; `name` is the file's, for messages and for who adds figures.

    Raises:
        RateFileError: a series names no source, or a figure is not a quoted decimal.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise RateFileError(f"{name}: is not valid YAML: {error}") from None
    document = _plain(root, name) if root else None
    if (
        root is None
        or not isinstance(document, Mapping)
        or not isinstance(document.get("series"), list)
    ):
        raise RateFileError(f"{name}: needs a list 'series'")
    nodes = _child(root, "series").value
    found = [
        _series(fields, node, name) for fields, node in zip(document["series"], nodes, strict=True)
    ]
    names = [one.name for one in found]
    for one in names:
        if names.count(one) > 1:
            raise RateFileError(f"{name}: series {one} stands twice; remove one")
    return tuple(found)


def _series(fields: Mapping[str, Any], node: yaml.Node, name: str) -> RateSeries:
    place = f"{name}: series {fields.get('name')}"
    if not fields.get("source") or not isinstance(fields.get("checked_on"), date):
        raise RateFileError(f"{place} needs a 'source' and a 'checked_on' date")
    if unknown := sorted(fields.keys() - _KEYS):
        raise RateFileError(f"{place}: unknown key {unknown[0]}; known are {', '.join(_KEYS)}")
    unit = next((unit for unit in _UNITS if unit in fields), None)
    if unit is None:
        raise RateFileError(f"{place} needs figures: 'percent' by half-year")
    figures = _figures(fields[unit], place, _HALF_YEAR if unit == "percent" else _MONTH)
    doubts = {
        period: doubt
        for doubt in _DOUBTS
        for period in _listed(fields.get(doubt, ()), figures, f"{place}: {doubt}")
    }
    return RateSeries(
        name=fields["name"],
        what=fields.get("what", ""),
        source=fields["source"],
        checked_on=fields["checked_on"],
        unit=unit,
        figures=figures,
        doubts=doubts,
        file=name,
        last_line=_last_line(_child(node, unit)),
    )


def _figures(
    values: Mapping[object, object], place: str, pattern: re.Pattern[str]
) -> dict[str, Decimal]:
    figures = {}
    for period, figure in values.items():
        if not pattern.fullmatch(str(period)):
            raise RateFileError(f"{place}: {period} is no period such as 26H2 (or 2026-10)")
        if not isinstance(figure, str):
            raise RateFileError(f'{place}: write the rate of {period} in quotes, such as "2.15"')
        try:
            figures[str(period)] = Decimal(figure)
        except InvalidOperation:
            raise RateFileError(f"{place}: {figure!r} of {period} is no number") from None
        if not figures[str(period)].is_finite():
            raise RateFileError(f"{place}: {figure!r} of {period} is no number")
    return figures


def _listed(entries: Any, figures: Mapping[str, Decimal], place: str) -> Iterator[str]:
    """The periods of a list such as `[16H1-24H1, 25H2]`, which must be there."""
    if not isinstance(entries, list | tuple):
        raise RateFileError(f"{place}: list periods, such as [16H1-24H1, 25H2]")
    for entry in entries:
        first, last = str(entry), ""
        if not _MONTH.fullmatch(first):
            first, _, last = first.partition("-")
        for period in (first, last or first):
            if period not in figures:
                raise RateFileError(f"{place}: there is no figure of {period}")
        yield from (period for period in figures if first <= period <= (last or first))


def _plain(node: yaml.Node, name: str) -> Any:
    """The value of a node; keys that stand twice are refused, which PyYAML would let pass."""
    if isinstance(node, yaml.MappingNode):
        found = {}
        for key, value in node.value:
            if key.value in found:
                line = key.start_mark.line + 1
                raise RateFileError(f"{name}: line {line}: {key.value} stands twice; remove one")
            found[key.value] = _plain(value, name)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, name) for item in node.value]
    return yaml.safe_load(yaml.serialize(node))


def _child(node: yaml.Node, key: str) -> yaml.Node:
    found: yaml.Node = next(value for name, value in node.value if name.value == key)
    return found


def _last_line(figures: yaml.Node) -> int:
    """The line of the last figure, or of the empty mapping, counted from 1."""
    last: yaml.Node = figures.value[-1][1] if figures.value else figures
    return int(last.start_mark.line) + 1

"""Reference rates from the dated YAML files in this package; every series names its source."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from dunning_engine.domain.rates import RateBook

RATE_FILES = ("de.yaml", "fr.yaml", "gb.yaml")


class RateFileError(ValueError):
    """A rate file that cannot be trusted; the message says where and why."""


@cache
def load_rates() -> RateBook:
    """The rate book of all rate files."""
    book: dict[str, dict[str, Decimal]] = {}
    for name in RATE_FILES:
        book |= read_rates((files("dunning_engine") / "rates" / name).read_text("utf-8"), name)
    return RateBook(book)


def read_rates(text: str, name: str) -> dict[str, dict[str, Decimal]]:
    """The figures of a rate file by series and half-year; `name` is for messages only.

    Raises:
        RateFileError: a series names no source, or a figure is not a quoted decimal.
    """
    return {
        series["name"]: _figures(series, f"{name}: series {series['name']}")
        for series in yaml.safe_load(text)["series"]
    }


def _figures(series: dict[str, Any], place: str) -> dict[str, Decimal]:
    if not series.get("source") or not isinstance(series.get("checked_on"), date):
        raise RateFileError(f"{place} needs a 'source' and a 'checked_on' date")
    figures = {}
    for half_year, percent in series["percent"].items():
        if not isinstance(percent, str):
            raise RateFileError(f'{place}: write the rate of {half_year} in quotes, such as "2.15"')
        figures[str(half_year)] = Decimal(percent)
    return figures

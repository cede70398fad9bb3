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


@cache
def load_rates() -> RateBook:
    """The rate book of all rate files.

    Raises:
        RateFileError: a series names no source, or a figure is not a quoted decimal.
    """
    book: dict[str, dict[str, Decimal]] = {}
    for name in RATE_FILES:
        text = (files("dunning_engine") / "rates" / name).read_text("utf-8")
        for series in yaml.safe_load(text)["series"]:
            book[series["name"]] = _figures(series, name)
    return RateBook(book)


class RateFileError(ValueError):
    """A rate file that cannot be trusted; the message says where and why."""


def _figures(series: dict[str, Any], name: str) -> dict[str, Decimal]:
    place = f"{name}: series {series['name']}"
    if not series.get("source") or not isinstance(series.get("checked_on"), date):
        raise RateFileError(f"{place} needs a 'source' and a 'checked_on' date")
    figures = {}
    for half_year, percent in series["percent"].items():
        if not isinstance(percent, str):
            raise RateFileError(f'{place}: write the rate of {half_year} in quotes, such as "2.15"')
        figures[str(half_year)] = Decimal(percent)
    return figures

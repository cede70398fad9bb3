"""Which countries there are: ISO 3166-1 alpha-2, from the IANA time zone tables (tzdata)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes."""
    text = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    return frozenset(line[:2] for line in text.splitlines() if line and not line.startswith("#"))

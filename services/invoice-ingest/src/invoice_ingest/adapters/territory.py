"""Countries, and what to assume about a debtor of whom only the country is known.

Data is the IANA time zone tables (tzdata) and CLDR (babel); only countries with several zones and
no obvious first one are named here, by where most businesses are.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from zoneinfo import available_timezones

from babel.languages import get_official_languages

_MAIN_ZONES = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "ID": "Asia/Jakarta",
    "KZ": "Asia/Almaty",
    "MX": "America/Mexico_City",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv",
    "US": "America/New_York",
}
_LANGUAGES = {"US": "en", "BE": "fr", "CA": "en", "CH": "de", "LU": "fr"}
"""Where CLDR names no official language, or several of which the first is not business's first."""


@cache
def countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes."""
    return frozenset(row[0] for row in _table("iso3166.tab"))


@cache
def zones() -> frozenset[str]:
    """IANA time zone names."""
    return frozenset(available_timezones())


@cache
def default_zone(country: str) -> str:
    """The zone in which most of the country's businesses are."""
    first = next((row[2] for row in _table("zone.tab") if row[0] == country), "UTC")
    return _MAIN_ZONES.get(country, first)


@cache
def default_language(country: str) -> str:
    """ISO 639-1 code of the language to write in."""
    official = [code for code in get_official_languages(country) if len(code) == 2]
    return _LANGUAGES.get(country, official[0] if official else "en")


def _table(name: str) -> list[list[str]]:
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]

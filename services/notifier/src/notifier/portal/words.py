"""The portal's words in its languages: one YAML file each, all with the same names and gaps.

Read and checked once; a file that lacks a word is refused when the service starts.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml
from babel import Locale

from dunning_common.money import to_decimal
from notifier.content.formats import Formats, formats_for

FALLBACK = "en"
_FOLDER = Path(__file__).resolve().parent / "languages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language: its words, and how it writes money and dates."""

    code: str
    texts: Mapping[str, str]
    formats: Formats

    def __getitem__(self, name: str) -> str:
        """A word without gaps."""
        return self.texts[name]

    def say(self, name: str, **values: object) -> str:
        """A word with its gaps filled in; dates are written the language's way."""
        shown = {
            key: self.day(value) if isinstance(value, date) else str(value)
            for key, value in values.items()
        }
        return self.texts[name].format_map(shown)

    def money(self, minor: int, currency: str) -> str:
        """An amount with its currency."""
        return self.formats.money(to_decimal(minor, currency), currency)

    def day(self, day: date, style: str = "long") -> str:
        """A date."""
        return self.formats.day(day, style)

    def countries(self) -> list[tuple[str, str]]:
        """Codes and names of countries, sorted by name."""
        names = {str(code): str(name) for code, name in self.formats.locale.territories.items()}
        found = [(code, name) for code, name in names.items() if len(code) == 2 and code.isalpha()]
        return sorted((pair for pair in found if pair[0] not in _NO_COUNTRY), key=lambda p: p[1])


_NO_COUNTRY = frozenset({"EU", "EZ", "UN", "XA", "XB", "ZZ", "QO"})


@dataclass(frozen=True, slots=True)
class Dictionary:
    """All languages."""

    languages: Mapping[str, Words]

    @classmethod
    def load(cls, folder: Path = _FOLDER) -> Dictionary:
        """Read every language and hold it against English.

        Raises:
            ValueError: a file lacks a word, has one too many, or another gap; names them.
        """
        texts = {path.stem: _read(path) for path in sorted(folder.glob("*.yaml"))}
        for code, found in texts.items():
            _compare(code, found, texts[FALLBACK])
        return cls(
            {
                code: Words(code=code, texts=found, formats=formats_for(found["locale"]))
                for code, found in texts.items()
            }
        )

    def choose(self, *wanted: str) -> Words:
        """The first of these tags (`fr`, `fr-CA`) that there is, else English."""
        for tag in wanted:
            found = self.languages.get(tag.replace("_", "-").split("-")[0].strip().lower())
            if found is not None:
                return found
        return self.languages[FALLBACK]

    def accepted(self, header: str) -> Words:
        """The language that a browser asks for (`Accept-Language`), without weighing it."""
        return self.choose(*(part.partition(";")[0] for part in header[:200].split(",")))

    def names(self) -> list[tuple[str, str]]:
        """Codes and own names of the languages."""
        return [(code, words["name"]) for code, words in self.languages.items()]


def _read(path: Path) -> dict[str, str]:
    loaded = yaml.safe_load(path.read_text())
    if not isinstance(loaded, dict) or not all(isinstance(text, str) for text in loaded.values()):
        raise ValueError(f"{path.name}: every entry is a name and a text")
    return loaded


def _compare(code: str, found: Mapping[str, str], english: Mapping[str, str]) -> None:
    if differing := sorted(found.keys() ^ english.keys()):
        raise ValueError(f"{code}.yaml: missing, or not in English: {', '.join(differing)}")
    for name, text in found.items():
        if _gaps(text) != _gaps(english[name]):
            raise ValueError(f"{code}.yaml, {name}: other gaps than {_gaps(english[name])}")
    Locale.parse(found["locale"])


def _gaps(text: str) -> list[str]:
    return sorted(gap for _, gap, _, _ in string.Formatter().parse(text) if gap is not None)

"""A tenant's own texts: a family in one language, written as its file is, instead of the built-in.

Compiles and keeps them; where they are stored and who may write them is decided elsewhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

import yaml

from dunning_common.events.dunning import Channel
from notifier.content.model import OwnText, TemplateError
from notifier.content.text_table import TextTable

MAX_OWN_CHARS = 64 * 1024
_KEPT = 512
_MAX_DEPTH = 3
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs"})
_INVISIBLE_ALLOWED = frozenset("\n\t\r\u00ad\u200b\u200c\u200d\u200e\u200f\u2060")
"""Line ends, hyphens that show at a line's end, joiners, and marks of right-to-left names."""


Script_co = TypeVar("Script_co", covariant=True)


class FamilyReader(Protocol[Script_co]):
    """Reads a family's texts in one language (`notifier.content.library.LanguageReader`)."""

    def family(self, family: str, table: TextTable) -> Mapping[tuple[Channel, str], Script_co]:
        """What the family says on every channel.

        Raises:
            TemplateError: a text is missing, unknown or refused.
        """
        ...


class OwnScripts(Generic[Script_co]):
    """Compiles tenants' own texts, and keeps the last few hundred; safe for many threads."""

    def __init__(self, readers: Mapping[str, FamilyReader[Script_co]]) -> None:
        self._readers = readers
        self._compiled = lru_cache(maxsize=_KEPT)(self._compile)

    def find(self, text: OwnText, channel: Channel) -> Script_co:
        """What the text says on a channel.

        Raises:
            TemplateError: refused; names the text, the place and the remedy.
        """
        return self._compiled(text)[channel, text.language]

    def _compile(self, text: OwnText) -> Mapping[tuple[Channel, str], Script_co]:
        reader = self._readers.get(text.language)
        if reader is None:
            known = ", ".join(self._readers)
            raise TemplateError(text.name, "the language", f"there are {known}")
        return reader.family(text.family, read_own(text))


def read_own(text: OwnText) -> TextTable:
    """The table of a tenant's own family.

    Raises:
        TemplateError: too long, not YAML, deeper than a family's file, or with references or signs
            that nobody sees in it.
    """
    if len(text.source) > MAX_OWN_CHARS:
        raise TemplateError(
            text.name, "the whole", f"{len(text.source)} characters; at most {MAX_OWN_CHARS}"
        )
    _look_at_events(text)
    return TextTable.parse(text.name, text.source)


def _look_at_events(text: OwnText) -> None:
    """Before YAML builds anything: no references, which multiply, and no depth, which recurses."""
    depth = 0
    try:
        for event in yaml.parse(text.source, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise TemplateError(text.name, f"line {line}", "write the text out; no & and no *")
            if isinstance(event, yaml.ScalarEvent):
                _look_at_signs(text.name, line, event.value)
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _MAX_DEPTH:
                raise TemplateError(text.name, f"line {line}", "tables stand at most one deep")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise TemplateError(text.name, f"line {line}", str(error.problem)) from error
    except yaml.YAMLError as error:
        raise TemplateError(text.name, "the whole", str(error).splitlines()[0]) from error


def _look_at_signs(name: str, line: int, value: str) -> None:
    """No control signs: they turn words around, and a letter of nothing else takes a minute."""
    if value.isascii() and value.isprintable():
        return
    for sign in value:
        if unicodedata.category(sign) in _INVISIBLE and sign not in _INVISIBLE_ALLOWED:
            reason = f"holds U+{ord(sign):04X}, a sign that nobody sees; take it out"
            raise TemplateError(name, f"line {line}", reason)

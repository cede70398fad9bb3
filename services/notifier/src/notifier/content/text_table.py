"""Reads YAML files of names and texts, with errors that name the file and the place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from notifier.content.model import TemplateError


class TextTable:
    """A mapping of a YAML file, with errors that say where."""

    def __init__(self, file: str, place: str, content: Mapping[str, Any]) -> None:
        self.file = file
        self.place = place
        self._content = content

    @classmethod
    def read(cls, path: Path) -> TextTable:
        """The table in a file.

        Raises:
            TemplateError: no such file, not YAML, or not a mapping.
        """
        file = "/".join(path.parts[-2:])
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise TemplateError(file, "the file", "is missing") from error
        return cls.parse(file, text)

    @classmethod
    def parse(cls, file: str, text: str) -> TextTable:
        """The table in a text; `file` is its name in errors.

        Raises:
            TemplateError: not YAML, or not a mapping.
        """
        try:
            content = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise TemplateError(file, f"line {line}", str(error.problem)) from error
        except yaml.YAMLError as error:
            raise TemplateError(file, "the file", str(error).splitlines()[0]) from error
        if not isinstance(content, dict):
            raise TemplateError(file, "the file", "must hold names with texts")
        return cls(file, "", content)

    def error(self, reason: str) -> TemplateError:
        """An error about this place."""
        return TemplateError(self.file, self.place or "the file", reason)

    def names(self) -> list[str]:
        """The names, in the order of the file."""
        return [str(name) for name in self._content]

    def has(self, name: str) -> bool:
        """Whether there is an entry of that name."""
        return name in self._content

    def only(self, allowed: set[str]) -> None:
        """Refuse names that are not allowed here."""
        stray = sorted(set(self.names()) - allowed)
        if stray:
            raise self.error(f"{stray[0]!r} is not known here; known: {', '.join(sorted(allowed))}")

    def exactly(self, wanted: frozenset[str]) -> None:
        """Refuse a missing name and a name too many."""
        missing = sorted(wanted - set(self.names()))
        if missing:
            raise self.error(f"{missing[0]!r} is missing")
        self.only(set(wanted))

    def texts(self) -> dict[str, str]:
        """All entries, which are texts."""
        return {name: self.text(name) for name in self.names()}

    def text(self, name: str, default: str | None = None) -> str:
        """A text."""
        return str(self._typed(name, str, "a text", default))

    def number(self, name: str) -> int:
        """A whole number."""
        return int(self._typed(name, int, "a whole number", None))

    def flag(self, name: str) -> bool:
        """Yes or no; no where it is missing."""
        return bool(self._typed(name, bool, "true or false", default=False))

    def sequence(self, name: str, default: tuple[str, ...] | None = None) -> list[Any]:
        """A list."""
        return list(self._typed(name, (list, tuple), "a list", default))

    def table(self, name: str) -> TextTable:
        """The table below a name."""
        return self._below(name, self._typed(name, dict, "a table of names", None))

    def section(self, name: str) -> TextTable:
        """Like `table`, but empty where it is missing."""
        return self._below(name, self._typed(name, dict, "a table of names", {}))

    def _below(self, name: str, content: Mapping[str, Any]) -> TextTable:
        return TextTable(self.file, f"{self.place}.{name}".strip("."), content)

    def _typed(self, name: str, kind: Any, words: str, default: Any) -> Any:
        value = self._content.get(name, default)
        if not isinstance(value, kind):
            raise self.error(f"{name} must be {words}")
        return value

"""Short texts as people write them: blank lines part paragraphs, `- ` makes a list, `**` is bold.

The source is Liquid in plain text. It is turned into paragraphs of runs, and each medium prints
those its own way, so a text can never smuggle markup into a page or a letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from markupsafe import Markup, escape

from notifier.content.model import TemplateError
from notifier.content.sandbox import Compiled, Sandbox
from notifier.content.shape import Shape

BOLD_ON, BOLD_OFF = "\ue000", "\ue001"
"""Marks of bold text while Liquid runs; values never contain them (`clean` drops private use)."""

MAX_BLOCK_CHARS = 64 * 1024

_REMEMBERED = 2048
"""Parts of texts whose paragraphs are kept."""

_PARTS = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)
_MARKS = re.compile(f"([{BOLD_ON}{BOLD_OFF}])")
_SPACES = re.compile("[ \t]+")
_WHITE = re.compile("[ \t\n]+")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_SANDBOX = Sandbox(html=False, max_output_chars=MAX_BLOCK_CHARS)


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one weight."""

    text: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Runs of text; an `entry` is one entry of a list.

    `text` are the words alone, `html` the words escaped for HTML, with `<strong>`.
    """

    runs: tuple[Run, ...]
    entry: bool = False
    text: str = field(init=False, repr=False, compare=False)
    html: Markup = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", "".join([run.text for run in self.runs]))
        object.__setattr__(self, "html", _html(self.runs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spacing:
    """Where a language wants an unbreakable space: before `:` and `»`, after `«` in French."""

    before: str = ""
    after: str = ""
    words: tuple[str, ...] = ()

    def apply(self, text: str) -> str:
        """The same text with the spaces in those places made unbreakable."""
        if self.before:
            text = re.sub(f" (?=[{re.escape(self.before)}])", "\u00a0", text)
        if self.after:
            text = re.sub(f"(?<=[{re.escape(self.after)}]) ", "\u00a0", text)
        for word in self.words:
            text = text.replace(f"{word} ", f"{word}\u00a0")
        return text


class Block:
    """One short text of a template, checked and ready to be filled in."""

    def __init__(
        self, source: str, *, name: str, place: str, data: Shape, spacing: Spacing
    ) -> None:
        _SANDBOX.scan(source, name=name, place=place)  # what follows is slow on crooked delimiters
        self._compiled: Compiled = _SANDBOX.compile(
            _prepare(source, spacing, name, place), name=name, place=place, data=data
        )
        self._always = None if _PARTS.search(source) else self._compiled.render({})

    def line(self, data: Mapping[str, object]) -> str:
        """The text on one line, without marks: a subject, a headline."""
        text = self.marked(data)
        if BOLD_ON in text or BOLD_OFF in text:
            text = _MARKS.sub("", text)
        if "\n" in text or "\t" in text or "  " in text:
            text = _WHITE.sub(" ", text)
        return text.strip(" ")

    def marked(self, data: Mapping[str, object]) -> str:
        """The text with its marks, to be used inside another block."""
        return self._compiled.render(data) if self._always is None else self._always

    def slowly(self, data: Mapping[str, object]) -> str:
        """The same as `marked`, by the Liquid library alone."""
        return self._compiled.render_slowly(data)

    @property
    def is_swift(self) -> bool:
        """Whether the library is needed only for what is unusual."""
        return self._compiled.is_swift

    def paragraphs(self, data: Mapping[str, object]) -> tuple[Paragraph, ...]:
        """The text as paragraphs; those that came out empty are left out."""
        text = self.marked(data)
        return _paragraphs(text) if text else ()


def _prepare(source: str, spacing: Spacing, name: str, place: str) -> str:
    """Bold marks and unbreakable spaces, in the words only, never inside a tag."""
    bold = False
    prepared: list[str] = []
    for part in _PARTS.split(source):
        if part.startswith(("{{", "{%")):
            prepared.append(part)
            continue
        pieces = spacing.apply(part).split("**")
        for index, piece in enumerate(pieces):
            if index:
                bold = not bold
                prepared.append(BOLD_ON if bold else BOLD_OFF)
            prepared.append(piece)
    if bold:
        raise TemplateError(name, place, "** opens bold text that is not closed; write ** again")
    return "".join(prepared)


def _paragraphs(text: str) -> tuple[Paragraph, ...]:
    is_plain = "\n " not in text and "\n\t" not in text  # four times as fast to split
    parts = text.split("\n\n") if is_plain else _BLANK_LINE.split(text)
    return tuple([paragraph for part in parts for paragraph in _part(part)])


@lru_cache(maxsize=_REMEMBERED)
def _part(part: str) -> tuple[Paragraph, ...]:
    """The paragraphs of a text without blank lines: one, and one for each entry of a list.

    Remembered, as most of a message's are the same in the next one: reading them again took an
    eighth of an e-mail's time.
    """
    found: list[Paragraph] = []
    if "\t" in part or "  " in part:
        part = _SPACES.sub(" ", part)
    chunk: list[str] = []
    entry = False
    for line in filter(None, [line.strip(" ") for line in part.split("\n")]):
        if line.startswith("- "):
            _add(found, chunk, entry=entry)
            chunk, entry = [line[2:]], True
        else:
            chunk.append(line)
    _add(found, chunk, entry=entry)
    return tuple(found)


def _add(found: list[Paragraph], chunk: list[str], *, entry: bool) -> None:
    runs = _runs(" ".join(chunk))
    if any(run.text.strip() for run in runs):
        found.append(Paragraph(runs, entry))


def _html(runs: tuple[Run, ...]) -> Markup:
    if len(runs) == 1 and not runs[0].bold:
        return escape(runs[0].text)
    parts = [
        f"<strong>{escape(run.text)}</strong>" if run.bold else escape(run.text) for run in runs
    ]
    return Markup("".join(parts))  # noqa: S704  every text in it is escaped


def _runs(text: str) -> tuple[Run, ...]:
    if BOLD_ON not in text and BOLD_OFF not in text:
        return (Run(text),) if text else ()
    runs: list[Run] = []
    bold = False
    for piece in _MARKS.split(text):
        if piece in (BOLD_ON, BOLD_OFF):
            bold = piece == BOLD_ON
        elif piece:
            runs.append(Run(piece, bold))
    return tuple(runs)

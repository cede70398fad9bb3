"""Letters: data to a PDF/A through Typst, one window layout per country of the creditor.

Data reaches Typst as JSON and is never put into its source, so a name can never become code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Literal

import orjson
import typst

from notifier.content.model import TemplateError
from notifier.content.variables import Data

STANDARD: Literal["a-2a"] = "a-2a"
"""PDF/A-2a: for archives, with the structure that screen readers use."""

_UNDISPLAYABLE = re.compile(r'the text `"(.+?)"` could not be displayed')
_ESCAPED = re.compile(r"\\u\{([0-9a-fA-F]+)\}")
_MAX_ATTEMPTS = 3


class LetterPress:
    """Makes PDFs; safe to use from many threads, each call borrows a compiler of its own.

    Args:
        folder: holds `letter.typ` and `windows/`.
        fonts: folders with fonts to use besides the ones inside Typst, for scripts those lack.
    """

    def __init__(self, folder: Path, *, fonts: tuple[Path, ...] = ()) -> None:
        self._folder = folder
        paths = [*_arimo(), *fonts]
        self._fonts = typst.Fonts(include_system_fonts=False, font_paths=paths)
        self._idle: dict[str, LifoQueue[typst.Compiler]] = {
            path.stem: LifoQueue() for path in (folder / "windows").glob("*.typ")
        }
        self._without: frozenset[str] = frozenset()

    @property
    def windows(self) -> tuple[str, ...]:
        """Names of the window layouts."""
        return tuple(sorted(self._idle))

    def known(self, windows: Mapping[str, str]) -> dict[str, str]:
        """The layouts of tenants, as they are.

        Raises:
            TemplateError: one of them does not exist.
        """
        for tenant, window in windows.items():
            if window not in self._idle:
                known = ", ".join(self.windows)
                raise TemplateError(window, f"tenant {tenant}", f"no such window; use {known}")
        return dict(windows)

    def print(self, window: str, data: Data, *, timestamp: int, name: str) -> bytes:
        """The PDF of one letter; the same data and time give the same bytes.

        Signs that no font has (pictures, dingbats) are left out.

        Args:
            window: one of `windows`.
            data: what `letter.typ` prints.
            timestamp: creation time written into the file, seconds since 1970.
            name: the template, for messages.

        Raises:
            TemplateError: a letter that no font can show, or the layout does not compile.
        """
        text = orjson.dumps(data).decode()
        for _ in range(_MAX_ATTEMPTS):
            unknown = self._without
            try:
                return self._compile(window, _leave_out(text, unknown), timestamp)
            except typst.TypstError as error:
                missing = _undisplayable(error)
                letters = sorted(char for char in missing if _is_writing(char))
                if letters:
                    raise TemplateError(
                        name,
                        f"window {window}",
                        f"no font can show {' '.join(letters)}; add a font that can",
                    ) from error
                if missing <= unknown:
                    raise TemplateError(name, f"window {window}", error.message) from error
                self._without = unknown | missing
            except BaseException as error:
                # A panic of the typesetter is no `Exception`: it would end whoever sends.
                if type(error).__name__ != "PanicException":
                    raise
                place = f"window {window}"
                raise TemplateError(name, place, "a text is too long to print; say less") from error
        raise TemplateError(name, f"window {window}", "holds too many signs that no font can show")

    def _compile(self, window: str, text: str, timestamp: int) -> bytes:
        idle = self._idle[window]
        try:
            compiler = idle.get_nowait()
        except Empty:
            compiler = typst.Compiler(
                self._folder / "windows" / f"{window}.typ",
                root=self._folder,
                font_paths=self._fonts,
            )
        try:
            pdf = compiler.compile(
                format="pdf",
                sys_inputs={"data": text},
                pdf_standards=STANDARD,
                timestamp=timestamp,
            )
        finally:
            idle.put(compiler)
        if not isinstance(pdf, bytes):
            raise TypeError("one PDF was asked for")
        return pdf


def _arimo() -> list[Path]:
    """The font of QR-bills: what Liberation Sans is drawn from, and as wide as Arial."""
    return [Path(str(files("fontpkg_arimo"))) / "files"]


def _undisplayable(error: typst.TypstError) -> frozenset[str]:
    found = _UNDISPLAYABLE.findall(f"{error.message}\n{error.diagnostic}")
    texts = (_ESCAPED.sub(lambda code: chr(int(code[1], 16)), text) for text in found)
    return frozenset(char for text in texts for char in text if ord(char) > 0x7F)


def _is_writing(char: str) -> bool:
    """Whether leaving the sign out would change a name: letters, digits and their marks."""
    return unicodedata.category(char)[0] in "LN"


def _leave_out(text: str, signs: frozenset[str]) -> str:
    if not signs or text.isascii():
        return text
    return "".join(char for char in text if char not in signs)

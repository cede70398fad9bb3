"""Looks at a letter as a ruler and a scanner do: where ink lies on the sheet, and what codes say.

Everything is in millimetres from the sheet's top left corner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pypdfium2  # type: ignore[import-untyped]
import zxingcpp
from pypdfium2 import raw

POINTS_PER_MM = 72 / 25.4
DPI = 300


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the sheet."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def holds(self, other: Box, *, tolerance: float = 0.0) -> bool:
        return (
            self.left - tolerance <= other.left
            and self.top - tolerance <= other.top
            and other.right <= self.right + tolerance
            and other.bottom <= self.bottom + tolerance
        )

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


@dataclass(frozen=True, slots=True)
class Ink:
    """A sign and the box around its ink."""

    sign: str
    box: Box


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code as a scanner reads it."""

    content: bytes
    level: str
    box: Box


class Sheet:
    """One page of a letter."""

    def __init__(self, pdf: bytes, page: int = 0, *, scan: bool = False) -> None:
        with closing(pypdfium2.PdfDocument(pdf)) as document:
            self.pages = len(document)
            with closing(document[page % self.pages]) as sheet:
                width, height = sheet.get_size()
                self.width, self.height = width / POINTS_PER_MM, height / POINTS_PER_MM
                self.inks = tuple(self._inks(sheet))
                self._drawn = [
                    self._box(*each.get_bounds()) for each in sheet.get_objects(max_depth=1)
                ]
                self._raster = sheet.render(scale=DPI / 72, grayscale=True) if scan else None

    @property
    def text(self) -> str:
        """All words of the sheet, spaces of any kind as one."""
        return " ".join("".join(ink.sign for ink in self.inks).split())

    def inside(self, box: Box) -> str:
        """The signs whose ink lies at least partly in the box, as read, spaces as one."""
        kept = (ink.sign if ink.box.meets(box) else " " for ink in self.inks)
        return " ".join("".join(kept).split())

    def box_of(self, text: str) -> Box:
        """Where the text stands first; it must be on one line."""
        signs = "".join(ink.sign for ink in self.inks)
        at = signs.index(text)
        boxes = [ink.box for ink in self.inks[at : at + len(text)] if not ink.sign.isspace()]
        return around(boxes)

    def lines(self) -> list[Box]:
        """Straight strokes that are drawn on the sheet itself, horizontal or vertical."""
        return [box for box in self._drawn if min(box.width, box.height) < 0.6]

    def fold_marks(self) -> list[float]:
        """How far down the short strokes at the left edge stand."""
        edge = Box(0, 0, 11, self.height)
        return sorted(
            round((line.top + line.bottom) / 2, 1)
            for line in self.lines()
            if edge.holds(line) and 2 < line.width < 8
        )

    def codes(self) -> list[Code]:
        """All QR codes that a scanner finds at 300 dpi, of a sheet that was scanned."""
        bitmap = self._raster
        if bitmap is None:
            raise ValueError("the sheet was not scanned")
        rows = memoryview(bytes(bitmap.buffer)).cast("B", (bitmap.height, bitmap.stride))
        found = zxingcpp.read_barcodes(rows, formats=zxingcpp.barcode_formats_from_str("QRCode"))
        return [Code(each.bytes, each.ec_level, _pixels(each.position)) for each in found]

    def _inks(self, sheet: pypdfium2.PdfPage) -> Iterator[Ink]:
        with closing(sheet.get_textpage()) as text:
            for place in range(text.count_chars()):
                sign = chr(raw.FPDFText_GetUnicode(text, place))
                yield Ink(sign.replace("\u200b", ""), self._box(*text.get_charbox(place)))

    def _box(self, left: float, bottom: float, right: float, top: float) -> Box:
        points = (
            left,
            self.height * POINTS_PER_MM - top,
            right,
            self.height * POINTS_PER_MM - bottom,
        )
        return Box(*(point / POINTS_PER_MM for point in points))


def around(boxes: list[Box]) -> Box:
    """The smallest box that holds all."""
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )


def _pixels(position: zxingcpp.Position) -> Box:
    corners = (
        position.top_left,
        position.top_right,
        position.bottom_left,
        position.bottom_right,
    )
    mm = 25.4 / DPI
    return Box(
        min(corner.x for corner in corners) * mm,
        min(corner.y for corner in corners) * mm,
        max(corner.x for corner in corners) * mm,
        max(corner.y for corner in corners) * mm,
    )

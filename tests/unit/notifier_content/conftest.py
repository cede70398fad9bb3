"""One renderer for all tests, and eyes for PDFs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO

import pytest
from pypdf import PdfReader

from notifier.content.render import Renderer

POINTS_PER_MM = 72 / 25.4


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    return Renderer()


@dataclass(frozen=True)
class Placed:
    """A piece of text and where its baseline starts, in mm from the sheet's top left corner."""

    text: str
    x_mm: float
    y_mm: float


def words_of(pdf: bytes) -> str:
    """All text of a PDF on one line, every kind of space a plain one."""
    pages = [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]
    return plain(" ".join(pages))


def plain(text: str) -> str:
    return " ".join(re.sub(r"[\u00a0\u202f\u200b]", " ", text).split())


def placed_on_first_page(pdf: bytes) -> list[Placed]:
    page = PdfReader(BytesIO(pdf)).pages[0]
    height = float(page.mediabox.height)
    found: list[Placed] = []

    def visit(text: str, cm: list[float], tm: list[float], _font: object, _size: float) -> None:
        if text.strip():
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            found.append(
                Placed(
                    text.replace("\u200b", "").strip(),
                    x / POINTS_PER_MM,
                    (height - y) / POINTS_PER_MM,
                )
            )

    page.extract_text(visitor_text=visit)
    return found

"""One renderer for all tests, and eyes for PDFs."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from pypdf import PdfReader

from notifier.content.render import Renderer


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    return Renderer()


def words_of(pdf: bytes) -> str:
    """All text of a PDF on one line, every kind of space a plain one."""
    pages = [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]
    return plain(" ".join(pages))


def plain(text: str) -> str:
    return " ".join(re.sub(r"[\u00a0\u202f\u200b]", " ", text).split())

"""Pictures of a letter's pages, for people who look at it in a browser that shows no PDF in place.

Reads PDFs that were made here; nothing that came from outside is given to it.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from threading import Lock

import pypdfium2  # type: ignore[import-untyped]

PAGES_MAX = 10
_SCALE = 96 / 72
_READING = Lock()  # PDFium keeps state for the whole process
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pictures_of(pdf: bytes) -> list[bytes]:
    """The first `PAGES_MAX` pages as PNG at 96 dots an inch. Blocking."""
    with _READING, closing(pypdfium2.PdfDocument(pdf)) as document:
        return [_picture(document, number) for number in range(min(len(document), PAGES_MAX))]


def _picture(document: pypdfium2.PdfDocument, number: int) -> bytes:
    with (
        closing(document[number]) as page,
        closing(page.render(scale=_SCALE, rev_byteorder=True)) as drawn,
    ):
        width, height, stride = drawn.width, drawn.height, drawn.stride
        colours = bytes(drawn.buffer)
        channels = drawn.n_channels
    lines = b"".join(
        b"\0" + colours[line * stride : line * stride + width * channels] for line in range(height)
    )
    kind = {1: 0, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return (
        _SIGNATURE
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", zlib.compress(lines, 6))
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

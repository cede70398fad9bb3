"""Pictures of letters: whole PNGs, page by page, no more than anybody looks at."""

from __future__ import annotations

import io
import struct
import zlib

from pypdf import PdfWriter

from notifier.adapters.pdf_pictures import PAGES_MAX, pictures_of


def pdf_of(pages: int) -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    for _ in range(pages):
        writer.add_blank_page(width=72, height=144)
    writer.write(out)
    return out.getvalue()


def test_each_page_is_a_whole_picture_at_96_dots_an_inch() -> None:
    pictures = pictures_of(pdf_of(2))

    assert len(pictures) == 2
    for png in pictures:
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
        assert (width, height, depth, kind) == (96, 192, 8, 2)
        begin = png.index(b"IDAT") + 4
        lines = zlib.decompress(png[begin:-16])
        assert lines == (b"\0" + b"\xff" * 96 * 3) * 192


def test_no_more_pages_are_drawn_than_anybody_looks_at() -> None:
    assert len(pictures_of(pdf_of(PAGES_MAX + 5))) == PAGES_MAX

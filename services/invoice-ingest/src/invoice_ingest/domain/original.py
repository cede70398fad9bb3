"""The original document of an invoice: what may be kept as one. Reads and writes nothing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

from invoice_ingest.domain.permit import InvoiceRef

ORIGINAL_BYTES_MAX = 5 * 1024 * 1024
PDF = "application/pdf"
_NAME_CHARS_MAX = 100
_UNSAFE = re.compile(r"[^\w.() -]+", re.ASCII)


class OriginalError(ValueError):
    """This cannot be kept as a document; `detail` says what to send instead."""

    def __init__(self, detail: str, *, too_large: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.too_large = too_large


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A document as it was sent: a PDF (also Factur-X, which is one)."""

    file_name: str
    media_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the bytes, in hex."""
        return hashlib.sha256(self.content).hexdigest()


class Sheet(NamedTuple):
    """The document that an invoice or an instalment is on, and whose it is."""

    invoice_id: str
    debtor_id: str


class Listed(NamedTuple):
    """That a document is kept for the invoice that was `asked` for, and how long it is."""

    asked: InvoiceRef
    sheet: Sheet
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedOriginal:
    """A kept document of the invoice that was `asked` for."""

    asked: InvoiceRef
    sheet: Sheet
    file_name: str
    media_type: str
    sealed: bytes


def original(content: bytes, *, media_type: str, file_name: str) -> Original:
    """A document to keep.

    Raises:
        OriginalError: empty, too large, or no PDF.
    """
    if not content:
        raise OriginalError("the body is empty; send the document itself")
    if len(content) > ORIGINAL_BYTES_MAX:
        raise OriginalError(
            f"{len(content)} bytes; a document has at most {ORIGINAL_BYTES_MAX}", too_large=True
        )
    if media_type != PDF or not content.startswith(b"%PDF-"):
        raise OriginalError(f"not a PDF; send one as {PDF}")
    return Original(file_name=safe_name(file_name), media_type=PDF, content=content)


def safe_name(name: str) -> str:
    """A file name that every mail program takes: no path, no odd signs, ends in `.pdf`."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = _UNSAFE.sub("_", last).strip(" .")
    if stem.lower().endswith(".pdf"):
        stem = stem[:-4]
    return f"{stem[:_NAME_CHARS_MAX].strip(' .') or 'invoice'}.pdf"

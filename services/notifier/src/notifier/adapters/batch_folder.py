"""Binds a batch of letters in a folder: the letters in order, a cover sheet, a list, checksums.

The folder gets its name when it is whole, so whoever sees it may take it. `SHA256SUMS` lists the
letters and the list (`sha256sum --check` reads it); its own checksum stands on the cover sheet,
which it therefore cannot name.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from pathlib import Path

import orjson
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from notifier.adapters.cover_sheet import CoverSheet, SheetRow, print_sheet
from notifier.channels.letter_spool import folder_name
from notifier.ports.post import BatchFolder, BatchLetter, ClaimedBatch

CHECKSUMS = "SHA256SUMS"
COVER = "cover.pdf"
LIST = "letters.csv"
_CSV_COLUMNS = ("place", "reference", "file", "pages", "name", "postcode", "city", "country")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class FolderBinder:
    """Folders `<out>/<tenant>/<reference>-<batch id>/`, made of files in the spool."""

    def __init__(self, *, spool: Path, out: Path) -> None:
        self._spool = spool
        self._out = out

    def bind(self, claimed: ClaimedBatch) -> BatchFolder:
        """Make the folder, or make it again; blocking.

        Raises:
            OSError: no space left, no permission: nothing of the folder is there.
        """
        batch = claimed.batch
        name = f"{batch.reference}-{batch.batch_id}"
        final = self._out / folder_name(batch.tenant) / name
        draft = final.with_name(f".{name}.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            bound = self._fill(draft, claimed)
            shutil.rmtree(final, ignore_errors=True)
            draft.rename(final)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return BatchFolder(
            path=final,
            pages=bound.pages,
            size_bytes=bound.size_bytes,
            checksum=bound.checksum,
            missing=bound.missing,
        )

    def _fill(self, folder: Path, claimed: ClaimedBatch) -> BatchFolder:
        rows: list[SheetRow] = []
        sums: list[str] = []
        missing: list[str] = []
        size_bytes = 0
        for letter in claimed.letters:
            reference = letter.reference(claimed.batch)
            body = self._letter(letter)
            if body is None:
                missing.append(reference)
                continue
            file_name = f"{letter.place:04}-{letter.message_id}.pdf"
            (folder / file_name).write_bytes(body)
            sums.append(f"{letter.sha256}  {file_name}\n")
            size_bytes += len(body)
            rows.append(self._row(letter, reference, file_name, body))
        listed = _csv(rows)
        (folder / LIST).write_bytes(listed)
        sums.append(f"{hashlib.sha256(listed).hexdigest()}  {LIST}\n")
        checksums = "".join(sums).encode()
        checksum = hashlib.sha256(checksums).hexdigest()
        sheet = CoverSheet(
            reference=claimed.batch.reference,
            batch_id=claimed.batch.batch_id,
            registered=claimed.batch.channel == "registered_letter",
            creditor=claimed.creditor,
            language=claimed.language,
            cut_at=claimed.batch.cut_at,
            zone=claimed.zone,
            size_bytes=size_bytes,
            checksum=checksum,
            rows=tuple(rows),
            missing=tuple(missing),
            sandbox=claimed.sandbox,
        )
        (folder / COVER).write_bytes(print_sheet(sheet))
        (folder / CHECKSUMS).write_bytes(checksums)
        return BatchFolder(
            path=folder,
            pages=sum(row.pages for row in rows),
            size_bytes=size_bytes,
            checksum=checksum,
            missing=tuple(missing),
        )

    def _letter(self, letter: BatchLetter) -> bytes | None:
        """The letter as it was written; None when it is gone or another."""
        try:
            body = (self._spool / letter.file).read_bytes()
        except FileNotFoundError:
            return None
        return body if hashlib.sha256(body).hexdigest() == letter.sha256 else None

    def _row(self, letter: BatchLetter, reference: str, file_name: str, body: bytes) -> SheetRow:
        slip = (self._spool / letter.file).with_suffix(".json")
        to = orjson.loads(slip.read_bytes())["to"] if slip.exists() else {}
        return SheetRow(
            place=letter.place,
            reference=reference,
            file_name=file_name,
            pages=_pages(body),
            name=to.get("name", ""),
            postcode=to.get("postcode", ""),
            city=to.get("city", ""),
            country=to.get("country", ""),
        )


def _pages(body: bytes) -> int:
    try:
        return len(PdfReader(io.BytesIO(body)).pages)
    except (PyPdfError, ValueError, KeyError):
        return 0


def _csv(rows: list[SheetRow]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_CSV_COLUMNS)
    for row in rows:
        cells = [str(getattr(row, _FIELD.get(column, column))) for column in _CSV_COLUMNS]
        writer.writerow([_inert(cell) for cell in cells])
    return text.getvalue().encode()


_FIELD = {"file": "file_name"}


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (ASVS 1.2.10)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell

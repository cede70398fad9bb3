"""Binds a batch of letters in a folder: the letters in order, a cover sheet, a list, checksums.

The folder gets its own name at last, in one step: whoever sees it may take it. Until then it bears
one that begins with a dot. `SHA256SUMS` lists the letters and the list (`sha256sum --check` reads
it); its own checksum stands on the cover sheet, which it therefore cannot name.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from notifier.adapters.cover_sheet import CoverSheet, SheetRow, print_sheet
from notifier.channels.letter_spool import folder_name
from notifier.ports.post import (
    Batch,
    BatchFolder,
    BatchLetter,
    ClaimedBatch,
    Exit,
    HandOverError,
    InDoubtError,
    Latest,
    Whereabouts,
)

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

    def home(self, batch: Batch) -> Path:
        """Where the folder of a batch lies at last."""
        return self._out / folder_name(batch.tenant) / f"{batch.reference}-{batch.batch_id}"

    def bind(self, claimed: ClaimedBatch, letters: Sequence[BatchLetter]) -> BatchFolder:
        """Make the folder, or make it again, under a name that begins with a dot; blocking.

        Raises:
            OSError: no space left, no permission: nothing of the folder is there.
        """
        self.drop(claimed)
        draft = draft_of(self.home(claimed.batch), claimed.batch.tries)
        try:
            draft.mkdir(parents=True)
            return self._fill(draft, claimed, letters)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def keep(self, batch: Batch) -> Path:
        """Give the folder its own name, in the place of a former one; blocking.

        Raises:
            OSError: it cannot be renamed.
        """
        home = self.home(batch)
        drafts = _drafts_until(home, batch.tries)
        if drafts:
            shutil.rmtree(home, ignore_errors=True)
            _rename(drafts.pop(), home)
        for draft in drafts:
            shutil.rmtree(draft, ignore_errors=True)
        return home

    def drop(self, claimed: ClaimedBatch) -> None:
        """Take away what this try and those before it bound, and nobody was given; blocking."""
        for draft in _drafts_until(self.home(claimed.batch), claimed.batch.tries):
            shutil.rmtree(draft, ignore_errors=True)

    def _fill(
        self, folder: Path, claimed: ClaimedBatch, letters: Sequence[BatchLetter]
    ) -> BatchFolder:
        rows: list[SheetRow] = []
        sums: list[str] = []
        missing: list[BatchLetter] = []
        size_bytes = 0
        for letter in letters:
            reference = letter.reference(claimed.batch)
            body = self._letter(letter)
            if body is None:
                missing.append(letter)
                continue
            file_name = f"{letter.place:04}-{letter.message_id}.pdf"
            _write(folder / file_name, body)
            sums.append(f"{letter.sha256}  {file_name}\n")
            size_bytes += len(body)
            rows.append(self._row(letter, reference, file_name, body))
        listed = _csv(rows)
        _write(folder / LIST, listed)
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
            missing=tuple(letter.reference(claimed.batch) for letter in missing),
            sandbox=claimed.sandbox,
        )
        _write(folder / COVER, print_sheet(sheet))
        _write(folder / CHECKSUMS, checksums)
        _sync(folder)
        return BatchFolder(
            path=folder,
            letters=len(rows),
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


class FolderHandOver:
    """Hands a batch over by its folder's name: whoever watches the parent folder takes it."""

    @asynccontextmanager
    async def open(self, home: Path, *, try_no: int) -> AsyncIterator[Exit]:
        """The way out of the batch whose folder's last place is `home`."""
        yield _FolderExit(home, draft=draft_of(home, try_no))


class _FolderExit:
    def __init__(self, home: Path, *, draft: Path) -> None:
        self._home = home
        self._draft = draft

    @property
    def place(self) -> str:
        """The folder itself."""
        return str(self._home)

    async def look(self) -> Whereabouts:
        """By which name the folder is there."""
        if await asyncio.to_thread(self._home.is_dir):
            return Whereabouts.OVER
        is_held = await asyncio.to_thread(drafts_of, self._home)
        return Whereabouts.HELD if is_held else Whereabouts.NOWHERE

    async def bring(self, folder: Path) -> None:
        """It lies there already: this is the one that gets the name."""
        self._draft = folder

    async def release(self, deadline: Latest) -> None:
        """Give the folder its own name.

        Raises:
            DeadlinePassedError: too late to begin.
            HandOverError: it cannot be renamed.
            InDoubtError: it is under neither name.
        """
        try:
            await asyncio.to_thread(self._step, deadline)
        except OSError as error:
            await judge(self, HandOverError(f"{type(error).__name__}: {error}"))

    def _step(self, deadline: Latest) -> None:
        deadline.check()  # here: a busy pool may have let the thread wait
        _rename(self._draft, self._home)

    async def drop(self) -> None:
        """Nothing is anywhere else than in the folder itself."""


async def judge(way: Exit, error: HandOverError) -> None:
    """Look what an error of the one step means: nothing, where the step was done all the same.

    Raises:
        HandOverError: it was not done: the error itself.
        InDoubtError: nobody can tell.
    """
    try:
        where = await way.look()
    except (HandOverError, OSError) as unseen:
        raise InDoubtError(str(error)) from unseen
    if where is Whereabouts.HELD:
        raise error
    if where is Whereabouts.NOWHERE:
        raise InDoubtError(str(error))


def draft_of(home: Path, try_no: int) -> Path:
    """The folder's name until it is handed over: each try has its own, and touches no later one."""
    return home.with_name(f".{home.name}.{try_no}.tmp")


def drafts_of(home: Path) -> dict[int, Path]:
    """The drafts that are there, by their try."""
    prefix = f".{home.name}."
    found = {path.name[len(prefix) : -len(".tmp")]: path for path in home.parent.glob(f"{prefix}*")}
    return {int(no): path for no, path in found.items() if no.isdigit()}


def _drafts_until(home: Path, try_no: int) -> list[Path]:
    return [path for no, path in sorted(drafts_of(home).items()) if no <= try_no]


def _rename(draft: Path, home: Path) -> None:
    draft.rename(home)
    _sync(home.parent)


def _write(path: Path, content: bytes) -> None:
    """Write durably: what was handed over must still be there after a power cut."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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

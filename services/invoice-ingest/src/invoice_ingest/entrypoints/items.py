"""Reads a bulk body: NDJSON line by line from a spool, or a JSON array; gives raw items in chunks.

Knows nothing of invoices. The body is read to its end and checked to be UTF-8 before the first item
is taken, so that a broken upload stores nothing; memory stays bounded, a large body goes to disk.
"""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from dunning_common.http import MAX_BODY_BYTES
from dunning_common.problems import ProblemError

CHUNK_ITEMS = 1_000
"""Items in one transaction."""

ARRAY_BYTES_MAX = 16 * 1024 * 1024
"""A JSON array is parsed as a whole; anything larger comes as NDJSON."""

LINE_BYTES_MAX = 1024 * 1024
_IN_MEMORY_BYTES = 8 * 1024 * 1024
_NDJSON = {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl"}
_JSON = {"application/json", "text/json"}


@dataclass(frozen=True, slots=True)
class RawItem:
    """One item as sent, or the problem with reading it."""

    index: int
    value: Any
    problem: ProblemError | None = None


class Spool:
    """A bulk body on its way to its items; close it after use."""

    def __init__(self, *, is_array: bool) -> None:
        self._is_array = is_array
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 -- see close()
            max_size=_IN_MEMORY_BYTES
        )
        self._bytes = 0

    def chunks(self) -> Iterator[list[RawItem]]:
        """The items, `CHUNK_ITEMS` at a time.

        Raises:
            ProblemError: 400, an array that is not valid JSON, or no array.
        """
        self._file.seek(0)
        items = self._array() if self._is_array else self._lines()
        chunk: list[RawItem] = []
        for item in items:
            chunk.append(item)
            if len(chunk) == CHUNK_ITEMS:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    async def fill(self, request: Request) -> None:
        """Read the whole body.

        Raises:
            ProblemError: 400 not UTF-8 or cut off, 413 too large.
        """
        limit = ARRAY_BYTES_MAX if self._is_array else MAX_BODY_BYTES
        utf8 = codecs.getincrementaldecoder("utf-8")()
        try:
            async for part in request.stream():
                self._bytes += len(part)
                if self._bytes > limit:
                    raise _too_large(limit)
                utf8.decode(part)
                self._file.write(part)
            utf8.decode(b"", final=True)
        except UnicodeDecodeError:
            raise ProblemError(
                400, "wrong-encoding", "The body is not UTF-8.", detail="Nothing was stored."
            ) from None
        except ClientDisconnect:
            raise ProblemError(
                400, "cut-off", "The connection ended before the body did.", detail="Send it again."
            ) from None

    def close(self) -> None:
        """Let go of the memory or the file."""
        self._file.close()

    def _array(self) -> Iterator[RawItem]:
        try:
            values = orjson.loads(self._file.read().removeprefix(codecs.BOM_UTF8))
        except orjson.JSONDecodeError:
            raise _malformed("The body is not valid JSON.") from None
        if not isinstance(values, list):
            raise ProblemError(422, "not-an-array", "The body is not a JSON array.")
        for index, value in enumerate(values):
            yield RawItem(index, value)

    def _lines(self) -> Iterator[RawItem]:
        index = 0
        first = True
        while line := self._file.readline(LINE_BYTES_MAX + 1):
            text = line.removeprefix(codecs.BOM_UTF8) if first else line
            first = False
            if len(line) > LINE_BYTES_MAX:
                self._skip_line()
                yield RawItem(
                    index, None, _malformed(f"A line has more than {LINE_BYTES_MAX} bytes.")
                )
            elif not text.strip():
                continue
            else:
                yield _parsed(index, text)
            index += 1

    def _skip_line(self) -> None:
        while line := self._file.readline(LINE_BYTES_MAX):
            if line.endswith(b"\n"):
                return


async def spool(request: Request) -> Spool:
    """The body of a bulk request.

    Raises:
        ProblemError: 400 not UTF-8 or cut off, 413 too large, 415 neither NDJSON nor JSON.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in _NDJSON | _JSON:
        raise ProblemError(
            415,
            "unknown-media-type",
            "Send NDJSON or a JSON array.",
            detail="Content-Type: application/x-ndjson, or application/json for an array.",
        )
    filled = Spool(is_array=media_type in _JSON)
    try:
        await filled.fill(request)
    except BaseException:
        filled.close()
        raise
    return filled


def _parsed(index: int, text: bytes) -> RawItem:
    try:
        return RawItem(index, orjson.loads(text))
    except orjson.JSONDecodeError:
        return RawItem(index, None, _malformed("The line is not valid JSON."))


def _malformed(title: str) -> ProblemError:
    return ProblemError(400, "malformed-json", title)


def _too_large(limit: int) -> ProblemError:
    return ProblemError(
        413,
        "body-too-large",
        f"At most {limit} bytes; send several requests.",
        detail="Larger bodies fit as NDJSON than as a JSON array.",
    )

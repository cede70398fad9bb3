"""Reads a posted form into fields and one file, in memory, bounded, whatever the browser sends.

What is too large is read to its end and thrown away, so that the visitor gets an answer instead of
a broken connection, and keeps what was typed before the file.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from notifier.portal.files import FILE_BYTES_MAX, Upload

_BYTES_MAX = FILE_BYTES_MAX + 256 * 1024
_FIELDS_MAX = 40
_FIELD_BYTES_MAX = 64 * 1024


class UnreadableFormError(ValueError):
    """Not a form, or not one of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A form as it was sent."""

    fields: dict[str, str]
    upload: Upload | None


class _InMemory(MultiPartParser):
    """Keeps files off the disk: they are personal data in clear."""

    spool_max_size = _BYTES_MAX + 1

    def close_unfinished(self) -> None:
        """Let go of a file that ended in the middle; those that are whole are the reader's."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_form(request: Request) -> Posted:
    """The fields and the file of a form.

    Raises:
        UnreadableFormError: not a form, or not one of ours.
    """
    body = bytearray()
    is_whole = True
    async for chunk in request.stream():
        if len(body) + len(chunk) > _BYTES_MAX:
            is_whole = False
        if is_whole:
            body += chunk
    try:
        data = await _parsed(request.headers, bytes(body), is_whole=is_whole)
    except (MultiPartException, ValueError, KeyError) as error:
        raise UnreadableFormError(str(error)) from error
    fields = {name: value for name, value in data.items() if isinstance(value, str)}
    file = data.get("file")
    upload = Upload(name="", content=b"", is_whole=False) if not is_whole else None
    if isinstance(file, UploadFile) and is_whole:
        content = await file.read()
        if content or file.filename:
            upload = Upload(name=file.filename or "", content=content)
        await file.close()
    return Posted(fields=fields, upload=upload)


async def _parsed(headers: Headers, body: bytes, *, is_whole: bool) -> FormData:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        parser = _InMemory(
            headers,
            stream(),
            max_files=1,
            max_fields=_FIELDS_MAX,
            max_part_size=_FIELD_BYTES_MAX,
        )
        found = await parser.parse()
        if not is_whole:
            parser.close_unfinished()
        return found
    if kind == "application/x-www-form-urlencoded" and len(body) <= _FIELD_BYTES_MAX:
        return await FormParser(headers, stream()).parse()
    raise UnreadableFormError("not a form")


def is_from_here(request: Request, public_url: str) -> bool:
    """Whether a form may have come from our own page.

    The token in the path is what keeps others out; this is a second look. Pages sent with
    `no-referrer` post with `Origin: null`, so that one counts where the browser says no more.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin in (None, "null"):
        return True
    here = {request.headers.get("host", ""), urlsplit(public_url).netloc}
    return urlsplit(str(origin)).netloc in here

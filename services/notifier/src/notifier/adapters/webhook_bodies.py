"""The body of a webhook as its fields: compressed or not, form or JSON, whatever its charset.

Signatures are checked over the raw bytes before anything here runs.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections import defaultdict
from email.message import Message
from urllib.parse import parse_qsl

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class BodyError(ValueError):
    """The body is not in the form that it says it has."""


def inflated(body: bytes, encoding: str, *, max_bytes: int) -> bytes:
    """The body without its `Content-Encoding`.

    Raises:
        BodyError: another encoding than gzip or deflate, broken, or too large when unpacked.
    """
    named = encoding.strip().lower()
    if named in ("", "identity"):
        return body
    if named not in ("gzip", "x-gzip", "deflate"):
        raise BodyError(f"Content-Encoding {named[:20]!r} is not known here: send gzip or none")
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        unpacked = unpacker.decompress(body, max_bytes)
    except zlib.error as error:
        raise BodyError("the body says it is compressed and is not") from error
    if not unpacker.eof:
        raise BodyError("the compressed body is cut off or too large")
    return unpacked


def form_fields(body: bytes, content_type: str = "") -> dict[str, list[str]]:
    """The fields of an `application/x-www-form-urlencoded` body, repeated ones in order.

    Its charset is the one that `content_type` names: UTF-8, ISO 8859, KOI8 or one of Windows'.
    Without a name, or with another, it is UTF-8.
    """
    charset = _charset(content_type)
    fields: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(
        body.decode(charset, "replace"),
        keep_blank_values=True,
        encoding=charset,
        errors="replace",
        max_num_fields=None,
    ):
        fields[name].append(value)
    return dict(fields)


def _charset(content_type: str) -> str:
    """Anybody can name one before a signature was checked: only codecs that take linear time."""
    header = Message()
    header["content-type"] = content_type
    try:
        name = codecs.lookup(header.get_content_charset() or "utf-8").name
    except (LookupError, ValueError):
        return "utf-8"
    return name if _PLAIN_CHARSET.fullmatch(name) else "utf-8"


_PLAIN_CHARSET = re.compile(r"utf-8|ascii|iso8859-[0-9]{1,2}|cp125[0-9]|koi8-[ru]")


def json_fields(body: bytes) -> dict[str, list[str]]:
    """The members of a JSON object as if they had come by form.

    Raises:
        BodyError: not an object.
    """
    try:
        members = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BodyError("not JSON") from error
    if not isinstance(members, dict):
        raise BodyError("not a JSON object")
    return {name: [value if isinstance(value, str) else json.dumps(value)]
            for name, value in members.items() if value is not None}  # fmt: skip

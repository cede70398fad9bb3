"""Reads MIME leniently: headers, texts and files of mails that nobody promised to write well.

Whatever a mail contains, reading it raises nothing but `UnreadableMailError`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

from notifier.domain.inbound import Attachment

_MOST_PARTS = 200
_LONGEST_TEXT, _LONGEST_HEADER, _LONGEST_ADDRESS = 100_000, 20_000, 2_000
_MOST_FILES, _LARGEST_FILE = 10, 10 * 1024 * 1024


class UnreadableMailError(ValueError):
    """What came is not a mail in any form that is known here."""


def message_of(raw: bytes) -> Message:
    """The mail in these bytes.

    Raises:
        UnreadableMailError: it has no header at all, or is built to exhaust its reader.
    """
    try:
        message = message_from_bytes(raw)
        parts = sum(1 for _ in zip(message.walk(), range(_MOST_PARTS + 1), strict=False))
    except (ValueError, LookupError, RecursionError) as error:
        raise UnreadableMailError("not a mail") from error
    if not message.keys():
        raise UnreadableMailError("a mail without a header")
    if parts > _MOST_PARTS:
        raise UnreadableMailError(f"a mail of more than {_MOST_PARTS} parts")
    return message


def header(message: Message, name: str) -> str:
    """A header as text, decoded, on one line, cut to 20,000; empty when it is missing."""
    value = str(message.get(name, ""))[:_LONGEST_HEADER]
    try:
        text = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        text = value
    return " ".join(text.encode("utf-8", "replace").decode().split())


def address(message: Message, name: str) -> str:
    """The first address in a header, in lower case; empty when there is none."""
    for _, found in getaddresses([header(message, name)[:_LONGEST_ADDRESS]]):
        if "@" in found:
            return found.strip().lower()
    return ""


def sent_at(message: Message) -> datetime | None:
    """When the mail says it was written."""
    try:
        at = parsedate_to_datetime(header(message, "Date"))
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def own_parts(message: Message) -> Iterator[Message]:
    """The parts that are the mail's own: not those of mails inside it."""
    waiting = [message]
    while waiting:
        part = waiting.pop(0)
        yield part
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            waiting.extend(p for p in part.get_payload() if isinstance(p, Message))


def inside(part: Message) -> list[Message]:
    """The blocks of a `message/…` part: recipients of a report, or the mail that is enclosed."""
    payload = part.get_payload()
    return [p for p in payload if isinstance(p, Message)] if isinstance(payload, list) else []


def text_of(message: Message) -> str:
    """The mail's plain text, or its HTML without tags; without quoted HTML."""
    plain = marked = ""
    for part in own_parts(message):
        if part.get_content_disposition() == "attachment" or part.is_multipart():
            continue
        kind = part.get_content_type()
        if kind == "text/plain" and not plain:
            plain = content_text(part)
        elif kind == "text/html" and not marked:
            marked = content_text(part)
    return (plain if plain.strip() else without_tags(marked))[:_LONGEST_TEXT]


def content_text(part: Message) -> str:
    """A part's content in its charset, or in the first that fits."""
    return decoded(content_bytes(part), part.get_content_charset() or "utf-8")


def content_bytes(part: Message) -> bytes:
    """A part's content without its transfer encoding."""
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError):
        content = None
    return content if isinstance(content, bytes) else b""


def decoded(raw: bytes, charset: str) -> str:
    """Bytes as text: in the charset they are said to be in, else UTF-8, else Windows' own."""
    for each in (charset, "utf-8", "cp1252"):
        try:
            return raw.decode(each)
        except (UnicodeError, LookupError, ValueError):
            continue
    return raw.decode("latin-1")


def attachments_of(message: Message) -> tuple[Attachment, ...]:
    """The files of a mail; not those beyond 10, and not those beyond 10 MB."""
    found: list[Attachment] = []
    for part in own_parts(message):
        if part.is_multipart() or not (
            part.get_content_disposition() == "attachment" or part.get_filename()
        ):
            continue
        content = content_bytes(part)
        if content and len(content) <= _LARGEST_FILE and len(found) < _MOST_FILES:
            name = " ".join((part.get_filename() or "").encode("utf-8", "replace").decode().split())
            found.append(
                Attachment(name=name[:200], media_type=part.get_content_type(), content=content)
            )
    return tuple(found)


_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]{0,2000})>|<![^<>]{0,2000}>")
_UNSEEN = frozenset({"script", "style", "head", "title"})
_BREAKS = frozenset({"br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4"})
_QUOTES = ("gmail_quote", "divRplyFwdMsg", "yahoo_quoted")


def without_tags(marked: str) -> str:
    """HTML as the text that a reader sees, up to where the mail that is answered begins.

    One pass over the tags, whatever they are: strangers write this, and some to keep us busy.
    """
    marked = marked[: 10 * _LONGEST_TEXT]
    seen: list[str] = []
    unseen, place = "", 0
    for tag in _TAG.finditer(marked):
        if not unseen:
            seen.append(marked[place : tag.start()])
        place = tag.end()
        name, attributes = (tag[2] or "").lower(), tag[3] or ""
        if unseen:
            unseen = "" if tag[1] and name == unseen else unseen
        elif name == "blockquote" or any(quote in attributes for quote in _QUOTES):
            break
        elif name in _UNSEEN and not tag[1]:
            unseen = name
        elif name in _BREAKS:
            seen.append("\n")
    else:
        seen.append("" if unseen else marked[place:])
    text = html.unescape("".join(seen))
    return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()

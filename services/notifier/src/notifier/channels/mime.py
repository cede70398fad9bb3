"""E-mail as RFC 5322 bytes: deterministic `Message-ID`, plain text and HTML, no tracking.

Written by hand, because the standard library's e-mail package takes longer over one mail than all
its templates together; tests compare every part with what that package reads. Pure: sends nothing.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from email.header import Header
from email.utils import format_datetime
from urllib.parse import quote
from uuid import UUID

from notifier.channels.base import Draft
from notifier.content.model import Attachment

_ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_ADDRESS = re.compile(r"[!-~]+@[!-~]+")
_MEDIA_TYPE = re.compile(r"[a-z0-9]+/[a-z0-9.+-]+")
_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")
_LONGEST_LINE = 76
_LONGEST_AS_IS = 990
"""No server cuts lines up to this; RFC 5322 allows 998, an old sendmail cuts at 990."""

_WORD_FRAME = len("=?utf-8?b??=")
_UTF8_GOES_ON = 0b1000_0000
_LONGEST_NAME = 70
_AS_IS = bytes([*range(ord(" "), 127), *b"\n\t"])
_C1_REFERENCE = re.compile(rb"&#1(?:2[89]|[345]\d);")
_TEXT_HEAD = b'Content-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: %b\r\n\r\n'
_PLAIN_HEAD = _TEXT_HEAD % (b"plain", b"quoted-printable")
_PAGE_HEAD = _TEXT_HEAD % (b"html", b"7bit")
_QUOTED_PAGE_HEAD = _TEXT_HEAD % (b"html", b"quoted-printable")

ATTACHED_BYTES_MAX = 15 * 1024 * 1024
"""No mail leaves with more: encoded it is 20 MB, and most servers refuse what is larger."""


def message_id_header(message_id: UUID, sender_email: str) -> str:
    """`<message id@sender's domain>`: the same for every attempt, so that bounces map back."""
    return f"<{message_id}@{sender_email.rpartition('@')[2].lower()}>"


def compose(draft: Draft) -> bytes:
    """The whole e-mail with CRLF line ends, in ASCII.

    Raises:
        ValueError: an address that cannot stand in a header, or attachments that are too large.
    """
    message, rendered = draft.message, draft.rendered
    headers = [
        ("Message-ID", message_id_header(message.message_id, draft.sender.email)),
        ("Date", _date(draft.dated)),
        ("From", _mailbox("From", draft.sender.name, draft.sender.email)),
        ("To", _mailbox("To", draft.recipient.name, draft.recipient.address)),
        ("Subject", _unstructured("Subject", rendered.subject or "")),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        *_labels(draft),
        ("MIME-Version", "1.0"),
    ]
    check_size(rendered.attachments)
    boundary = f"=_{message.message_id.hex}"
    body = _plain(rendered.text or "")
    if rendered.html is not None:
        body = _multipart("alternative", boundary, [body, _page(rendered.html)])
    if rendered.attachments:
        files = [_file(attachment) for attachment in rendered.attachments]
        body = _multipart("mixed", f"{boundary}.", [body, *files])
    return b"".join((_head(headers), *body))


def check_size(attachments: Iterable[Attachment]) -> None:
    """Refuse what no mailbox takes.

    Raises:
        ValueError: the attachments are too large.
    """
    if sum(len(attachment.content) for attachment in attachments) > ATTACHED_BYTES_MAX:
        raise ValueError(
            f"its attachments are larger than {ATTACHED_BYTES_MAX} bytes: send fewer or smaller"
        )


def labels(draft: Draft) -> dict[str, str]:
    """What the message is about, for whoever files or searches mail by its headers."""
    message = draft.message
    return {
        "X-Dunning-Tenant": one_line(message.tenant),
        "X-Dunning-Notice": str(message.notice_id),
        "X-Dunning-Level": one_line(message.level),
        "X-Dunning-Invoices": one_line(", ".join(message.invoice_ids)),
    }


def one_line(text: str) -> str:
    """The text without line breaks and control characters: nothing can smuggle a header in."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def _plain(text: str) -> Sequence[bytes]:
    """A plain text as a part."""
    return _PLAIN_HEAD, _quoted_printable(_unix_lines(text))


def _page(html: str) -> Sequence[bytes]:
    """An HTML page as a part: as it is, each sign beyond ASCII as a reference (`&#233;`).

    A browser reads both alike, and to write each `=` of a page and to fold its lines took longer
    than to fill it in. Lines too long to travel so, and signs that are none in HTML, are quoted.
    """
    html = _unix_lines(html)
    page = html.encode("ascii", "xmlcharrefreplace")
    if page.translate(None, _AS_IS) or _C1_REFERENCE.search(page) or not _has_short_lines(page):
        return _QUOTED_PAGE_HEAD, _quoted_printable(html)
    return _PAGE_HEAD, page.replace(b"\n", b"\r\n"), b"\r\n"


def _unix_lines(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.rstrip("\n")


def _has_short_lines(page: bytes) -> bool:
    """Whether each line can travel as it is; leaps from the last line end within reach to the next.

    To measure each line took five times as long.
    """
    start, reach = 0, _LONGEST_AS_IS + 1
    while len(page) - start >= reach:
        end = page.rfind(b"\n", start, start + reach)
        if end < 0:
            return False
        start = end + 1
    return True


def _quoted_printable(text: str) -> bytes:
    return binascii.b2a_qp(f"{text}\n".replace("\n", "\r\n").encode("utf-8", "replace"))


def _multipart(subtype: str, boundary: str, parts: list[Sequence[bytes]]) -> Sequence[bytes]:
    """Parts with a header of their own; each boundary begins no other."""
    mark = b"--" + boundary.encode()
    chunks = [_head([("Content-Type", f'multipart/{subtype}; boundary="{boundary}"')])]
    for part in parts:
        chunks += (b"\r\n", mark, b"\r\n", *part)
    return *chunks, b"\r\n", mark, b"--\r\n"


def _file(attachment: Attachment) -> Sequence[bytes]:
    """A file as a part; a name that is not plain ASCII as RFC 2231 wants it."""
    name = one_line(attachment.file_name)[-_LONGEST_NAME:]
    plain_name = _UNQUOTABLE.sub("_", name)
    known = _MEDIA_TYPE.fullmatch(attachment.media_type)
    media_type = attachment.media_type if known else "application/octet-stream"
    said = f'="{name}"' if plain_name == name else f"*=utf-8''{quote(name, safe='')}"
    headers = [
        ("Content-Type", f'{media_type}; name="{plain_name}"'),
        ("Content-Transfer-Encoding", "base64"),
        ("Content-Disposition", f"attachment; filename{said}"),
    ]
    content = base64.encodebytes(attachment.content).replace(b"\n", b"\r\n")
    return _head(headers), b"\r\n", content


def _head(headers: list[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("ascii")


def _labels(draft: Draft) -> list[tuple[str, str]]:
    return [(name, _folded(name, text)) for name, text in labels(draft).items()]


def _date(at: datetime) -> str:
    return _date_of(at.replace(microsecond=0, tzinfo=None), at.utcoffset() or timedelta())


@functools.lru_cache(maxsize=16)
def _date_of(local: datetime, offset: timedelta) -> str:
    """Kept for a while: mails are written in batches, and those of a batch bear the same time."""
    return format_datetime(local.replace(tzinfo=timezone(offset)))


def _unstructured(name: str, text: str) -> str:
    """A free text, folded, as encoded words where it is not plain ASCII."""
    return _folded(name, one_line(text))


def _folded(name: str, line: str) -> str:
    if not line.isascii() or "=?" in line:
        return _encoded_words(name, line)
    if len(name) + len(line) + 2 <= _LONGEST_LINE:
        return line
    return Header(line, "us-ascii", maxlinelen=_LONGEST_LINE, header_name=name).encode(
        linesep="\r\n"
    )


def _encoded_words(name: str, text: str) -> str:
    """The text as RFC 2047 wants it in a header of this name: base64 words, each a line of its own.

    The standard library does the same in forty times the time.
    """
    room = _LONGEST_LINE - len(name) - 2 - _WORD_FRAME
    return "\r\n ".join(
        f"=?utf-8?b?{binascii.b2a_base64(part, newline=False).decode()}?="
        for part in _parts(text.encode("utf-8", "replace"), room // 4 * 3)
    )


def _parts(text: bytes, first_bytes: int) -> Iterator[bytes]:
    """UTF-8 in parts of whole characters, each small enough for the line that it stands on."""
    start, room = 0, first_bytes
    while start + room < len(text):
        end = start + room
        while text[end] & 0b1100_0000 == _UTF8_GOES_ON:
            end -= 1
        yield text[start:end]
        start, room = end, (_LONGEST_LINE - 1 - _WORD_FRAME) // 4 * 3
    yield text[start:]


def _mailbox(header: str, name: str, address: str) -> str:
    """`name <address>`, the name quoted or encoded as it needs to be."""
    if not _ADDRESS.fullmatch(address) or any(char in address for char in '<>"(),;:\\'):
        raise ValueError(f"{header} has no address that can stand in an e-mail")
    name = one_line(name)
    if not name:
        return address
    if not name.isascii() or "=?" in name:
        name = _encoded_words(header, name)
    elif not _ATEXT.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    space = "\r\n " if len(header) + len(name) + len(address) > _LONGEST_LINE else " "
    return f"{name}{space}<{address}>"

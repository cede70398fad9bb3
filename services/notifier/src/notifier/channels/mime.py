"""E-mail as RFC 5322 bytes: deterministic `Message-ID`, plain text and HTML, no tracking.

Written by hand, because the standard library's e-mail package takes longer over one mail than all
its templates together; tests compare every part with what that package reads. Pure: sends nothing.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
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
_WORD_FRAME = len("=?utf-8?b??=")
_LINES_KEPT = 2_048
_LONGEST_NAME = 70

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
    body = _part("plain", rendered.text or "")
    if rendered.html is not None:
        body = _multipart("alternative", boundary, [body, _part("html", rendered.html)])
    if rendered.attachments:
        files = [_file(attachment) for attachment in rendered.attachments]
        body = _multipart("mixed", f"{boundary}.", [body, *files])
    return _head(headers) + body


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


def _part(subtype: str, text: str) -> bytes:
    """A text part with its own headers, quoted-printable."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.rstrip("\n").split("\n")
    encoded = b"".join(map(_quoted_printable, lines))
    headers = [
        ("Content-Type", f'text/{subtype}; charset="utf-8"'),
        ("Content-Transfer-Encoding", "quoted-printable"),
    ]
    return _head(headers) + b"\r\n" + encoded


@functools.lru_cache(maxsize=_LINES_KEPT)
def _quoted_printable(line: str) -> bytes:
    """A line of text and its end; kept for a while, because most lines of a mail are its layout's.

    They are the same in every mail, and encoding them took longer than filling them in.
    """
    return binascii.b2a_qp(line.encode("utf-8", "replace") + b"\r\n")


def _multipart(subtype: str, boundary: str, parts: list[bytes]) -> bytes:
    """Parts with a header of their own; each boundary begins no other."""
    mark = boundary.encode()
    head = _head([("Content-Type", f'multipart/{subtype}; boundary="{boundary}"')])
    return b"%b\r\n%b--%b--\r\n" % (
        head,
        b"".join(b"--%b\r\n%b\r\n" % (mark, part) for part in parts),
        mark,
    )


def _file(attachment: Attachment) -> bytes:
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
    return _head(headers) + b"\r\n" + content


def _head(headers: list[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("ascii")


def _labels(draft: Draft) -> list[tuple[str, str]]:
    return [(name, _unstructured(name, text)) for name, text in labels(draft).items()]


def _date(at: datetime) -> str:
    return format_datetime(at)


def _unstructured(name: str, text: str) -> str:
    """A free text, folded, as encoded words where it is not plain ASCII."""
    text = one_line(text)
    if not text.isascii() or "=?" in text:
        return _encoded_words(name, text)
    if len(name) + len(text) + 2 <= _LONGEST_LINE:
        return text
    return Header(text, "us-ascii", maxlinelen=_LONGEST_LINE, header_name=name).encode(
        linesep="\r\n"
    )


def _encoded_words(name: str, text: str) -> str:
    """The text as RFC 2047 wants it in a header of this name: base64 words, each a line of its own.

    The standard library does the same in forty times the time.
    """
    room = _LONGEST_LINE - len(name) - 2 - _WORD_FRAME
    return "\r\n ".join(
        f"=?utf-8?b?{binascii.b2a_base64(part, newline=False).decode()}?="
        for part in _parts(text, room // 4 * 3)
    )


def _parts(text: str, first_bytes: int) -> Iterator[bytes]:
    """The text in parts of whole characters, each small enough for the line that it stands on."""
    part, room = b"", first_bytes
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(part) + len(encoded) > room and part:
            yield part
            part, room = b"", (_LONGEST_LINE - 1 - _WORD_FRAME) // 4 * 3
        part += encoded
    yield part


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

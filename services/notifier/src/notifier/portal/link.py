"""A link to a debtor's own page: its token, and what it opens.

A token is random, is put into one message, and is kept nowhere but as a hash. Knows nothing of how
links are stored.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

TOKEN_BYTES = 16
"""128 bits: too many to guess, so that a plain hash is enough to store (OWASP ASVS 6.5.2)."""

PATH = "/p"
"""Where the pages are, below the public address."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a token opens: these invoices of a debtor, or, without any named, all that are open.

    `notice_id`, `message_id` and `channel` are of the message that carried the link, if one did.
    """

    tenant: str
    link_id: UUID
    debtor_id: str
    invoice_ids: tuple[str, ...] | None
    notice_id: UUID | None = None
    message_id: UUID | None = None
    channel: str | None = None

    def covers(self, invoice_id: str) -> bool:
        """Whether the link opens this invoice."""
        return self.invoice_ids is None or invoice_id in self.invoice_ids


def new_token() -> str:
    """A fresh token: 22 characters that need no escaping in an address."""
    return _written(secrets.token_bytes(TOKEN_BYTES))


def token_hash(token: str) -> bytes:
    """SHA-256 of a token, as links are stored and found by it.

    Raises:
        ValueError: not the form of a token; nothing of it was ever stored.
    """
    if not _TOKEN.fullmatch(token) or _written(base64.urlsafe_b64decode(f"{token}==")) != token:
        raise ValueError("not a token of the portal")
    return hashlib.sha256(token.encode()).digest()


def link_url(public_url: str, token: str) -> str:
    """The address that is put into a message."""
    return f"{public_url.rstrip('/')}{PATH}/{token}"


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")

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

TYPED_CHARS = 20
"""A token that people type has 100 bits, five a sign: far more than the 64 that OWASP asks for
where guesses are made online (Session Management Cheat Sheet), in fewer signs than the other."""

PATH = "/p"
"""Where the pages are, below the public address."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_TYPED = re.compile(r"[0-9a-z]{20}", re.ASCII)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's Base32 in small letters: none of them is read as another."""

_READ_AS = str.maketrans({"i": "1", "l": "1", "o": "0", "-": None})
_GROUP = 4


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
    """A fresh token for links that are clicked: 22 characters that need no escaping."""
    while canonical(token := _written(secrets.token_bytes(TOKEN_BYTES))) != token:
        pass  # it could be read as one that people type: one in millions
    return token


def new_typed_token() -> str:
    """A fresh token for links on paper, on the telephone and in texts: 20 characters."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(TYPED_CHARS))


def in_groups(typed: str) -> str:
    """A typed token as it is printed: in groups of four, which its reader may leave out."""
    return "-".join(typed[start : start + _GROUP] for start in range(0, len(typed), _GROUP))


def token_hash(token: str) -> bytes:
    """SHA-256 of a token, as links are stored and found by it.

    A typed token is found in small and capital letters, with and without its groups, and with the
    letters that look like digits.

    Raises:
        ValueError: not the form of a token; nothing of it was ever stored.
    """
    return hashlib.sha256(canonical(token).encode()).digest()


def canonical(token: str) -> str:
    """The one way in which a token is written.

    Raises:
        ValueError: not the form of a token.
    """
    typed = token.lower().translate(_READ_AS) if token.isascii() else ""
    is_typed = _TYPED.fullmatch(typed) is not None and set(typed) <= set(_ALPHABET)
    # With two hyphens of four a typed token has 22 signs, too. Unlike one that is clicked it is all
    # small or all capital; `new_token` makes none that is both.
    in_one_case = token in (token.lower(), token.upper())
    if not (is_typed and in_one_case) and _is_clicked(token):
        return token
    if is_typed:
        return typed
    raise ValueError("not a token of the portal")


def link_url(public_url: str, token: str) -> str:
    """The address that is put into a message."""
    return f"{public_url.rstrip('/')}{PATH}/{token}"


def _is_clicked(token: str) -> bool:
    return (
        bool(_TOKEN.fullmatch(token)) and _written(base64.urlsafe_b64decode(f"{token}==")) == token
    )


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")

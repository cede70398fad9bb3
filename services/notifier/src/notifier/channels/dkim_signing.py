"""Signs e-mails with the key of their sender's domain (DKIM, RFC 6376), where there is one.

The signing domain is always that of the From address, so that DMARC finds both aligned. Whoever
relays the mail must not change it; where the relay signs itself, no key is needed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dkim

_CANONICAL = (b"relaxed", b"relaxed")  # survives relays that fold headers and trim spaces


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """A private key (PEM) whose public half stands in the DNS at `<selector>._domainkey`."""

    selector: str
    pem: bytes


class DkimSigner:
    """Signs with the key of a domain."""

    def __init__(self, keys: Mapping[str, DkimKey]) -> None:
        """Make it; `keys` are by domain."""
        self._keys = {domain.lower(): key for domain, key in keys.items()}

    def sign(self, mail: bytes, *, sender: str) -> bytes:
        """The mail with a signature in front, or as it is when the domain has no key.

        Raises:
            ValueError: the key cannot be used.
        """
        domain = sender.rpartition("@")[2].lower()
        key = self._keys.get(domain)
        if key is None:
            return mail
        try:
            signature: bytes = dkim.sign(
                mail, key.selector.encode(), domain.encode(), key.pem, canonicalize=_CANONICAL
            )
        except (dkim.DKIMException, dkim.UnparsableKeyError) as error:
            raise ValueError(f"DKIM key of {domain} cannot be used: {error}") from error
        return signature + mail

"""Checks who signed a webhook: SendGrid's ECDSA, Twilio's HMAC, Standard Webhooks' HMAC.

Own verifiers, because the vendors' helpers let malformed input raise and check no time. Anything
that is not a valid signature is False, whatever it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

_DEFAULT_PORT = {"https": 443, "http": 80}


def is_from_sendgrid(*, public_key: str, timestamp: str, body: bytes, signature: str) -> bool:
    """Whether `signature` is SendGrid's over `timestamp || body`.

    Args:
        public_key: base64 of the SPKI, as SendGrid shows it.
        timestamp: header `X-Twilio-Email-Event-Webhook-Timestamp`.
        body: the raw bytes, exactly as they came.
        signature: header `X-Twilio-Email-Event-Webhook-Signature`, base64 DER.
    """
    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        der = base64.b64decode(signature, validate=True)
        key.verify(der, timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, binascii.Error):
        return False
    return True


def is_fresh(timestamp: str, *, now: float, max_age_s: float, max_ahead_s: float = 300.0) -> bool:
    """Whether a signed Unix timestamp is neither too old nor ahead; False when unreadable."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    return now - max_age_s <= int(timestamp) <= now + max_ahead_s


def is_from_twilio(
    *,
    auth_token: str,
    url: str,
    signature: str,
    params: Mapping[str, Sequence[str]] | None = None,
    body: bytes | None = None,
) -> bool:
    """Whether the signature of header `X-Twilio-Signature` is Twilio's.

    Args:
        auth_token: the account's.
        url: the *public* URL that Twilio called, from configuration, never from the request.
        signature: base64.
        params: of a form; every distinct value of a repeated name counts.
        body: of a JSON request, whose SHA-256 then stands in the URL as `bodySHA256`.
    """
    try:
        parts = urlsplit(url)
        if body is not None and not _body_matches(parts, body):
            return False
        text = "".join(
            name + value
            for name in sorted(params or {})
            for value in sorted(set((params or {})[name]))
        )
        candidates = [_with_port(parts), _without_port(parts), url]
        secret = auth_token.encode()
        wanted = signature.encode()
        matches = [
            hmac.compare_digest(_hmac(secret, candidate + text), wanted) for candidate in candidates
        ]
    except (ValueError, TypeError, UnicodeError):
        return False
    return any(matches)


def _hmac(secret: bytes, text: str) -> bytes:
    return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha1).digest())


def _body_matches(parts: SplitResult, body: bytes) -> bool:
    claimed = parse_qs(parts.query).get("bodySHA256", [""])[0]
    return hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), claimed.encode())


def _without_port(parts: SplitResult) -> str:
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2].split(":")[0]))


def _with_port(parts: SplitResult) -> str:
    if parts.port:
        return urlunsplit(parts)
    port = _DEFAULT_PORT.get(parts.scheme, 80)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc}:{port}"))


def is_standard_webhook(
    *, secret: str, message_id: str, timestamp: str, body: bytes, signatures: str
) -> bool:
    """Whether one of the signatures is right by Standard Webhooks 1.0.0 (symmetric, `v1`).

    Args:
        secret: `whsec_` and base64, or plain base64.
        message_id: header `webhook-id`.
        timestamp: header `webhook-timestamp`, Unix seconds; whether it is fresh is `is_fresh`'s.
        body: the raw bytes.
        signatures: header `webhook-signature`: `v1,<base64>`, several apart by spaces.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        if not key:
            return False
        signed = f"{message_id}.{timestamp}.".encode() + body
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        matches = [
            hmac.compare_digest(wanted, given.removeprefix("v1,").encode())
            for given in signatures.split(" ")
            if given.startswith("v1,")
        ]
    except (ValueError, TypeError, UnicodeError, binascii.Error):
        return False
    return any(matches)

"""Webhook signatures: the vendors' own test vectors, their own libraries as oracles, and rubbish."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.request_validator import RequestValidator

from notifier.adapters.webhook_signatures import (
    is_fresh,
    is_from_sendgrid,
    is_from_twilio,
    is_standard_webhook,
)
from notifier.testing import FakeSendGrid, FakeTwilio

URL = "https://mail.example.com/webhooks/twilio/acme/0190"
values = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


def _vectors(shared: Path, provider: str) -> list[dict[str, Any]]:
    file = shared / "data" / "webhooks" / provider / "vectors.json"
    vectors: list[dict[str, Any]] = json.loads(file.read_text())["vectors"]
    return vectors


def test_sendgrids_own_vectors_hold(shared: Path) -> None:
    vectors = _vectors(shared, "sendgrid")

    for vector in vectors:
        valid = is_from_sendgrid(
            public_key=vector["public_key"],
            timestamp=vector["timestamp"],
            body=base64.b64decode(vector["body_b64"]),
            signature=vector["signature"],
        )
        assert valid is vector["valid"], vector["name"]
    assert len(vectors) >= 5


def test_twilios_own_vectors_hold(shared: Path) -> None:
    vectors = _vectors(shared, "twilio")

    for vector in vectors:
        params = {
            name: value if isinstance(value, list) else [value]
            for name, value in vector.get("params", {}).items()
        }
        body = vector["body"].encode() if "body" in vector else None
        checks = {
            "auth_token": vector["auth_token"],
            "url": vector["url"],
            "params": params,
            "body": body,
        }
        assert is_from_twilio(signature=vector["signature"], **checks), vector["name"]
        assert not is_from_twilio(signature=vector["signature"][:-2] + "A=", **checks)
    assert len(vectors) >= 7


def test_standard_webhooks_own_vectors_hold(shared: Path) -> None:
    vectors = _vectors(shared, "standard_webhooks")

    for vector in vectors:
        checks = {
            "secret": vector["secret"],
            "message_id": vector["id"],
            "timestamp": vector["timestamp"],
            "body": vector["body"].encode(),
            "signatures": vector["signature"],
        }
        assert is_standard_webhook(**checks) is vector["valid"]
        assert not is_standard_webhook(**{**checks, "message_id": "other"})
        assert not is_standard_webhook(**{**checks, "body": b"other"})
        assert not is_standard_webhook(**{**checks, "timestamp": "1"})
        assert not is_standard_webhook(**{**checks, "secret": ""})
    assert len(vectors) >= 3


@given(st.lists(st.dictionaries(values, values, max_size=3), max_size=3), st.integers(0, 2**33))
def test_we_take_what_sendgrids_library_takes(events: list[dict[str, str]], at: int) -> None:
    fake = FakeSendGrid()
    body, headers = fake.signed(events, at=at)
    signature = headers["x-twilio-email-event-webhook-signature"]
    timestamp = headers["x-twilio-email-event-webhook-timestamp"]

    oracle = EventWebhook(fake.public_key)
    ours = {"public_key": fake.public_key, "timestamp": timestamp, "signature": signature}

    assert oracle.verify_signature(body.decode(), signature, timestamp)
    assert is_from_sendgrid(body=body, **ours)
    assert not is_from_sendgrid(body=body + b" ", **ours)
    assert not is_from_sendgrid(body=body, **{**ours, "timestamp": timestamp + "0"})


@given(st.dictionaries(st.text("abcXYZ", min_size=1), values, max_size=4))
def test_we_take_what_twilios_library_signs(params: dict[str, str]) -> None:
    oracle = RequestValidator(FakeTwilio.auth_token)
    signature = oracle.compute_signature(URL, params)
    listed = {name: [value] for name, value in params.items()}
    ours = {"auth_token": FakeTwilio.auth_token, "signature": signature}

    assert is_from_twilio(url=URL, params=listed, **ours)
    assert not is_from_twilio(url=URL + "x", params=listed, **ours)
    assert not is_from_twilio(url=URL, params={**listed, "Zz": ["1"]}, **ours)
    assert not is_from_twilio(url=URL, params=listed, auth_token="other", signature=signature)


@given(st.text(), st.text(), st.binary(max_size=50), st.text())
def test_rubbish_is_unsigned_and_raises_nothing(
    key: str, timestamp: str, body: bytes, signature: str
) -> None:
    good = FakeSendGrid().public_key

    for public_key in (key, good):
        assert not is_from_sendgrid(
            public_key=public_key, timestamp=timestamp, body=body, signature=signature
        )
    assert not is_from_twilio(auth_token=key, url=URL, signature=signature, params={"a": [key]})
    assert not is_from_twilio(auth_token=key, url=signature, signature=signature)
    assert not is_standard_webhook(
        secret=key, message_id=key, timestamp=timestamp, body=body, signatures=signature
    )


def test_a_timestamp_must_be_recent() -> None:
    assert is_fresh("1000", now=1000, max_age_s=60)
    assert is_fresh("1299", now=1000, max_age_s=60)
    assert not is_fresh("1301", now=1000, max_age_s=60)
    assert not is_fresh("939", now=1000, max_age_s=60)
    assert not is_fresh("", now=1000, max_age_s=60)
    assert not is_fresh("1e3", now=1000, max_age_s=60)
    assert not is_fresh("١٠٠٠", now=1000, max_age_s=60)

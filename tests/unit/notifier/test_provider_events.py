"""What providers post is understood event by event; one that cannot be read loses no other."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.ids import short_hash
from notifier.adapters.provider_events import (
    MalformedEventError,
    Unreadable,
    sendgrid_events,
    twilio_event,
)
from notifier.adapters.webhook_bodies import BodyError, form_fields, inflated, json_fields
from notifier.domain.bounces import BounceClass
from notifier.domain.feedback import Stage
from notifier.ports.messages import ProviderEvent
from notifier.testing import FakeSendGrid

TENANT = "acme"
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def event(kind: str, **more: Any) -> dict[str, Any]:
    return FakeSendGrid().event(kind, tenant=TENANT, message_id=uuid4(), **more)


def only(body: bytes) -> ProviderEvent:
    (found,) = sendgrid_events(TENANT, body)
    assert isinstance(found, ProviderEvent)
    return found


def test_sendgrids_own_vectors_are_understood(shared: Path) -> None:
    file = shared / "data" / "webhooks" / "sendgrid" / "vectors.json"
    vectors = {v["name"]: v for v in json.loads(file.read_text())["vectors"]}

    def found(name: str) -> list[tuple[str, Stage, BounceClass | None]]:
        events = sendgrid_events(TENANT, base64.b64decode(vectors[name]["body_b64"]))
        return [
            (e.kind, e.report.stage, e.report.bounce)
            for e in events
            if isinstance(e, ProviderEvent)
        ]

    assert found("single_dropped") == [("dropped", Stage.BOUNCED, BounceClass.HARD)]
    assert found("multi_processed_bounce") == [
        ("processed", Stage.ACCEPTED, None),
        ("bounce", Stage.BOUNCED, BounceClass.SOFT),
    ]


def test_one_bad_event_among_a_thousand_loses_none_of_the_others() -> None:
    rows: list[Any] = [event("delivered") for _ in range(1000)]
    rows[500] = "not an event"

    found = sendgrid_events(TENANT, orjson.dumps(rows))

    assert len(found) == 1000
    assert [place for place, each in enumerate(found) if isinstance(each, Unreadable)] == [500]


@given(st.lists(anything, max_size=5))
def test_whatever_an_array_holds_each_is_understood_or_unreadable(rows: list[Any]) -> None:
    found = sendgrid_events(TENANT, json.dumps(rows).encode())

    assert len(found) == len(rows)
    for each in found:
        text = orjson.dumps(each.body) if isinstance(each, ProviderEvent) else each.excerpt.encode()
        assert b"\x00" not in text


@given(st.binary(max_size=100))
def test_what_is_no_array_is_malformed_and_nothing_worse(body: bytes) -> None:
    try:
        sendgrid_events(TENANT, body)
    except MalformedEventError:
        return


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_an_event_is_the_same_in_every_encoding_of_json(encoding: str) -> None:
    row = event("bounce", reason="boîte pleine 452 4.2.2", type="blocked")

    found = only(json.dumps([row], ensure_ascii=False).encode(encoding))

    assert found == only(orjson.dumps([row]))
    assert found.report.bounce is BounceClass.SOFT


def test_a_reason_in_latin_1_loses_only_its_accents() -> None:
    body = json.dumps([event("bounce", reason="boîte pleine 452 4.2.2")], ensure_ascii=False)

    found = only(body.encode("latin-1"))

    assert found.report.bounce is BounceClass.SOFT
    assert "pleine" in found.report.reason


def test_without_an_id_of_its_own_the_same_event_is_still_the_same() -> None:
    row = {"event": "delivered", "email": "a@b.example", "timestamp": 1}

    assert only(orjson.dumps([row])).event_id == only(json.dumps([row]).encode()).event_id


def test_who_complains_or_leaves_was_reached_and_wants_no_more() -> None:
    kinds = {
        "spamreport": BounceClass.COMPLAINT,
        "unsubscribe": BounceClass.UNSUBSCRIBE,
        "group_unsubscribe": BounceClass.UNSUBSCRIBE,
    }
    for kind, bounce in kinds.items():
        report = only(orjson.dumps([event(kind)])).report
        assert (report.stage, report.bounce, report.hard) == (Stage.DELIVERED, bounce, False)
    assert only(orjson.dumps([event("group_resubscribe")])).report.opts_in


def test_an_event_names_its_address_only_as_the_hash_that_messages_bear() -> None:
    found = only(orjson.dumps([event("bounce", email="Debtor@Example.com ")]))

    assert found.report.recipient_hash == short_hash(TENANT, "email", "debtor@example.com")
    assert "example" not in str(found)


def test_a_text_that_was_answered_by_stop_before_is_an_opt_out() -> None:
    params = {"MessageSid": ["SM1"], "MessageStatus": ["failed"], "ErrorCode": ["21610"]}

    report = twilio_event(TENANT, uuid4(), params).report

    assert (report.stage, report.bounce, report.hard) == (
        Stage.BOUNCED, BounceClass.UNSUBSCRIBE, True,
    )  # fmt: skip


@pytest.mark.parametrize("status", ["canceled", "failed", "undelivered"])
def test_a_text_that_never_left_twilio_is_not_taken_for_one_on_its_way(status: str) -> None:
    params = {"MessageSid": ["SM1"], "MessageStatus": [status]}

    report = twilio_event(TENANT, uuid4(), params).report

    assert (report.stage, report.hard) == (Stage.BOUNCED, False)


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        ("application/x-www-form-urlencoded", b"Body=d%C3%A9j%C3%A0", "déjà"),
        ("application/x-www-form-urlencoded; charset=utf-8", b"Body=d%C3%A9j%C3%A0", "déjà"),
        ("application/x-www-form-urlencoded; charset=ISO-8859-1", b"Body=d%E9j%E0", "déjà"),
        ('application/x-www-form-urlencoded; charset="windows-1252"', b"Body=5+%80", "5 €"),
        ("application/x-www-form-urlencoded; charset=windows-1252", b"Body=5+\x80", "5 €"),
        ("application/x-www-form-urlencoded; charset=koi8-r", b"Body=%D3%D4%CF%D0", "стоп"),
        ("application/x-www-form-urlencoded; charset=idna", b"Body=d%C3%A9j%C3%A0", "déjà"),
        ("application/x-www-form-urlencoded; charset=rot13", b"Body=STOP", "STOP"),
        ("application/x-www-form-urlencoded; charset=\x00", b"Body=STOP", "STOP"),
        ("", b"Body=%FF", "\ufffd"),
    ],
)
def test_a_form_is_read_in_the_charset_that_it_names(
    content_type: str, body: bytes, said: str
) -> None:
    assert form_fields(body, content_type) == {"Body": [said]}


@given(st.text(), st.binary(max_size=50))
def test_no_name_of_a_charset_breaks_a_form(content_type: str, body: bytes) -> None:
    form_fields(body, content_type)
    form_fields(body, f"x/y; charset={content_type}")


def test_a_packed_body_is_unpacked_within_bounds() -> None:
    import gzip
    import zlib

    assert inflated(gzip.compress(b"[]"), "gzip", max_bytes=10) == b"[]"
    assert inflated(zlib.compress(b"[]"), "deflate", max_bytes=10) == b"[]"
    assert inflated(b"[]", "identity", max_bytes=1) == b"[]"
    bomb = gzip.compress(b"0" * 10_000_000)
    for body, encoding in ((bomb, "gzip"), (b"[]", "gzip"), (b"[]", "br"), (bomb[:50], "gzip")):
        with pytest.raises(BodyError):
            inflated(body, encoding, max_bytes=1_000_000)


def test_json_fields_are_read_as_a_forms() -> None:
    assert json_fields(b'{"MessageSid":"SM1","n":1,"none":null}') == {
        "MessageSid": ["SM1"], "n": ["1"],
    }  # fmt: skip
    for body in (b"[]", b"", b"\xff", b"1"):
        with pytest.raises(BodyError):
            json_fields(body)

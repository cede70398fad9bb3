"""Why a message did not arrive: codes and words of servers and providers, in six classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.bounces import (
    BounceClass,
    of_refusal,
    of_sendgrid_bounce,
    of_sendgrid_drop,
    of_status,
    of_twilio,
)

HARD, SOFT, BLOCKED = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        ("5.1.1", "user unknown", HARD),
        ("5.1.2", "bad destination system", HARD),
        ("5.1.3", "bad address syntax", HARD),
        ("5.1.6", "mailbox has moved", HARD),
        ("5.1.10", "recipient domain has a null MX", HARD),
        ("5.2.1", "mailbox disabled", HARD),
        ("5.4.4", "unable to route", HARD),
        ("5.2.2", "mailbox full", SOFT),
        ("4.2.2", "mailbox full", SOFT),
        ("4.7.1", "greylisted, try again in 5 minutes", SOFT),
        ("4.1.1", "no such user", SOFT),
        ("5.4.7", "delivery time expired", SOFT),
        ("5.7.1", "message refused by policy", BLOCKED),
        ("5.7.26", "fails DMARC", BLOCKED),
        ("5.6.0", "content rejected", BLOCKED),
        ("5.2.3", "message too large", BLOCKED),
        ("5.1.8", "bad sender's system address", BLOCKED),
        ("5.7.1", "550 5.7.1 no such user here", HARD),
        ("5.1.0", "address rejected for its bad reputation", BLOCKED),
        ("", "550 5.1.1 <x> unknown", HARD),
        ("", "452 4.2.2 over quota", SOFT),
        ("", "550 No such user here", HARD),
        ("", "550 mail from 192.0.2.5 refused, listed on a block list", BLOCKED),
        ("", "550 rejected", HARD),
        ("", "554 transaction failed", BLOCKED),
        ("", "552 exceeded storage allocation", SOFT),
        ("", "421 service not available", SOFT),
        ("5.0.0", "", SOFT),
        ("", "", SOFT),
    ],
)
def test_what_a_mail_server_says_has_a_class(status: str, text: str, expected: BounceClass) -> None:
    assert of_status(status, text) is expected


@given(st.text(max_size=60), st.integers(0, 9), st.integers(0, 99))
def test_a_passing_failure_never_condemns_an_address(text: str, subject: int, detail: int) -> None:
    assert not of_status(f"4.{subject}.{detail}", text).is_dead


@given(st.text(max_size=20), st.text(max_size=80))
def test_whatever_a_server_says_it_has_a_class(status: str, text: str) -> None:
    assert of_status(status, text) in (HARD, SOFT, BLOCKED)


@pytest.mark.parametrize(
    ("kind", "status", "reason", "classification", "expected"),
    [
        ("bounce", "5.1.1", "550 5.1.1 user unknown", "Invalid Address", HARD),
        ("blocked", "5.2.2", "552 5.2.2 over quota and inactive", "", SOFT),
        ("blocked", "5.1.1", "550 5.1.1 user unknown", "", BLOCKED),
        ("bounce", "", "", "", HARD),
        ("blocked", "", "", "", BLOCKED),
        ("bounce", "", "", "Reputation", BLOCKED),
        ("bounce", "", "", "Mailbox Unavailable", SOFT),
        ("bounce", "", "", "Unclassified", HARD),
        ("bounce", "5.7.1", "550 5.7.1 spam", "", BLOCKED),
    ],
)
def test_a_bounce_of_sendgrids_has_a_class(
    kind: str, status: str, reason: str, classification: str, expected: BounceClass
) -> None:
    found = of_sendgrid_bounce(
        kind=kind, status=status, reason=reason, classification=classification
    )

    assert found is expected


def test_a_dropped_mail_tells_what_sendgrid_remembers_of_the_address() -> None:
    said = {
        "Bounced Address": HARD,
        "Invalid": HARD,
        "Unsubscribed Address": BounceClass.UNSUBSCRIBE,
        "Spam Reporting Address": BounceClass.COMPLAINT,
        "Spam Content (if Spam Checker app enabled)": BLOCKED,
        "Invalid SMTPAPI header": BounceClass.DROPPED,
        "Recipient List over Package Quota": BounceClass.DROPPED,
    }

    assert {reason: of_sendgrid_drop(reason) for reason in said} == said


def test_twilios_codes_have_classes_and_unknown_ones_condemn_nobody() -> None:
    assert {code: of_twilio(code) for code in ("30003", "30008", "99999", "")} == dict.fromkeys(
        ("30003", "30008", "99999", ""), SOFT
    )
    assert [of_twilio(code) for code in ("30005", "30006", "21211", "21614")] == [HARD] * 4
    assert [of_twilio(code) for code in ("30004", "30007")] == [BLOCKED] * 2
    assert of_twilio("21610") is BounceClass.UNSUBSCRIBE


def test_a_refusal_while_sending_is_read_from_the_reason_that_was_kept() -> None:
    assert of_refusal("email", "550 5.1.1 <<address>> user unknown") is HARD
    assert of_refusal("email", "content: no such template") is SOFT
    assert of_refusal("sms", "21610 Attempt to send to unsubscribed recipient").is_dead
    assert of_refusal("sms", "no_sms_sender: set sms_from of the tenant") is SOFT
    assert of_refusal("letter", "spool: OSError 550 5.1.1") is SOFT

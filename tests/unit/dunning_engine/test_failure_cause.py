"""Whose doing a failed try is: only what the debtor's address is to blame for uses up attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.domain.failure_cause import is_ours


@pytest.mark.parametrize(
    "reason",
    [
        "not_connected: ConnectionRefusedError [Errno 111]",
        "spool: OSError No space left on device",
        "channel_not_configured",
        "content: formal_notice/letter/fr: legal.form must stand on it",
        "no_sms_sender",
        "sms_daily_limit: 900 of 1000 minor units",
        "http_401 bad key",
        "http_403",
        "http_429 slow down",
        "http_503",
        "http_302: redirects are not followed",
        "421 4.3.2 shutting down",
        "451 greylisted",
        "535 5.7.8 bad credentials",
        "permit_refused: changed",
    ],
)
def test_what_we_or_a_provider_can_mend_is_ours(reason: str) -> None:
    assert is_ours(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "",
        None,
        "no_address",
        "no_address: the number takes no texts",
        "unusable_address: ValueError",
        "recipient_refused",
        "address_bounced",
        "opted_out",
        "erased",
        "http_400 invalid number",
        "http_404",
        "http_422",
        "452 4.2.2 mailbox full",
        "550 5.1.1 no such user",
        "554 5.7.1 spam, go away",
        "call: nobody answers",
        "40300 something else",
    ],
)
def test_what_the_address_is_to_blame_for_is_the_debtors(reason: str | None) -> None:
    assert not is_ours(reason)


@given(st.text(max_size=60))
def test_any_reason_is_one_or_the_other(reason: str) -> None:
    assert is_ours(reason) in (True, False)

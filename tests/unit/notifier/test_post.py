"""Batches of letters: which letter stays here, and what a person reads about one that waits."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.message import Message, State
from notifier.domain.outcome import IN_SPOOL, RetryPolicy, Spooled, settle
from notifier.domain.post import IN_DOUBT, NO_PERMITS, NOT_THERE, TOO_LATE, remedy, withheld
from notifier.domain.suppression import Cause

ID = UUID("0190a000-0000-7000-8000-000000000001")
INVOICES = st.sets(st.sampled_from(["i1", "i2", "i3"]))


def letter(*invoices: str) -> Message:
    return Message(
        tenant="acme",
        message_id=ID,
        notice_id=ID,
        debtor_id="d1",
        channel="letter",
        template="t",
        level="l",
        level_no=1,
        invoice_ids=invoices,
        effective_at=datetime(2026, 3, 2, tzinfo=UTC),
        state=State.PLANNED,
        fence=1,
        attempts=1,
    )


@given(INVOICES.filter(bool), INVOICES, st.sets(st.sampled_from(list(Cause))))
def test_a_letter_leaves_only_when_nothing_stands_against_it(
    about: set[str], revoked: set[str], causes: set[Cause]
) -> None:
    verdict = withheld(letter(*sorted(about)), revoked=revoked, causes=causes)

    assert (verdict is None) == (not about & revoked and not causes)
    if about <= revoked:
        assert verdict is not None
        assert (verdict.state, verdict.reason) == (State.SUPPRESSED, "revoked")
    elif about & revoked:
        assert verdict is not None
        assert verdict.state is State.RETURNED
        assert set(verdict.refused_invoice_ids) == about & revoked


def test_a_letter_in_the_spool_stays_planned_and_is_left_alone_however_old_it_is() -> None:
    verdict = settle(
        Spooled(provider_ref="acme/2026-03-02/x.pdf"),
        message_id=ID,
        attempts=9,
        age_s=1e9,
        retry=RetryPolicy(),
    )

    assert (verdict.state, verdict.reason) == (State.PLANNED, IN_SPOOL)
    assert verdict.provider_ref == "acme/2026-03-02/x.pdf"
    assert verdict.delay_s > RetryPolicy().give_up_after_s


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (f"{NOT_THERE}: L1-0002", "/v1/messages/{id}/resolve"),
        (NO_PERMITS, "invoice-ingest"),
        (TOO_LATE, "NOTIFIER_BATCH_LETTERS_MAX"),
        ("OSError: [Errno 28] No space left on device", "room"),
        ("PermissionError: [Errno 13] Permission denied: 'batches'", "NOTIFIER_BATCH_FOLDER"),
        ("HandOverError: sftp: PermissionDenied", "NOTIFIER_SFTP_HOST"),
        ("InDoubtError: sftp: ConnectionLost", "NOTIFIER_SFTP_HOST"),
    ],
)
def test_every_trouble_of_a_batch_has_its_remedy(error: str, word: str) -> None:
    assert word in (remedy(state="cut", error=error) or "")


def test_an_unknown_batch_is_for_a_person_and_one_without_trouble_for_nobody() -> None:
    assert "/resolve" in (remedy(state="unknown", error=IN_DOUBT) or "")
    assert remedy(state="handed_over", error=None) is None

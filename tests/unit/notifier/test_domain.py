"""The postman's rules: what may be tried again, what is proof, what a revocation does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.bounces import BounceClass
from notifier.domain.feedback import Knowledge, Report, Stage, condemned, learn
from notifier.domain.message import Message, State
from notifier.domain.outcome import Late, Refused, RetryPolicy, Sent, Unknown, settle
from notifier.domain.redaction import plain, redact
from notifier.domain.revocation import revoke
from notifier.domain.segments import segment_count

POLICY = RetryPolicy(base_s=1.0, cap_s=60.0, give_up_after_s=3600.0)
outcomes = st.one_of(
    st.builds(Sent, provider_ref=st.text(), cost_minor=st.integers(0, 100)),
    st.builds(Refused, reason=st.text(), retry=st.booleans()),
    st.builds(Unknown, reason=st.text()),
    st.just(Late()),
)
reports = st.lists(
    st.builds(
        Report,
        stage=st.sampled_from(Stage),
        provider_ref=st.text(max_size=3),
        reason=st.text(max_size=3),
        hard=st.booleans(),
    ),
    max_size=6,
)


@given(outcomes, st.uuids(), st.integers(1, 1000), st.floats(0, 1e6))
def test_only_what_is_definitely_not_sent_is_planned_again(
    outcome: Sent | Refused | Unknown | Late, message_id: UUID, attempts: int, age_s: float
) -> None:
    verdict = settle(outcome, message_id=message_id, attempts=attempts, age_s=age_s, retry=POLICY)

    definitely_not = isinstance(outcome, Late) or (isinstance(outcome, Refused) and outcome.retry)
    assert (verdict.state is State.PLANNED) <= definitely_not
    assert (verdict.state is State.UNKNOWN) == isinstance(outcome, Unknown)
    assert (verdict.state is State.SENT) == isinstance(outcome, Sent)


@given(st.uuids(), st.integers(1, 10_000))
def test_retries_wait_longer_each_time_up_to_a_limit(message_id: UUID, attempts: int) -> None:
    delay_s = POLICY.delay_s(attempts, message_id)

    assert 0.75 <= delay_s <= 60.0 * 1.25
    assert POLICY.delay_s(attempts + 1, message_id) >= delay_s


def test_a_message_too_old_to_retry_fails_so_that_the_engine_decides_again() -> None:
    refused = Refused(reason="421 later", retry=True)

    young = settle(refused, message_id=UUID(int=1), attempts=9, age_s=3599, retry=POLICY)
    old = settle(refused, message_id=UUID(int=1), attempts=9, age_s=3600, retry=POLICY)

    assert (young.state, old.state) == (State.PLANNED, State.FAILED)


@given(st.sets(st.text(min_size=1), min_size=1, max_size=5), st.sets(st.text(min_size=1)))
def test_a_revocation_suppresses_all_or_returns_some_or_leaves_alone(
    covered: set[str], revoked: set[str]
) -> None:
    verdict = revoke(sorted(covered), revoked)

    if not covered & revoked:
        assert verdict is None
    elif covered <= revoked:
        assert verdict is not None
        assert verdict.state is State.SUPPRESSED
    else:
        assert verdict is not None
        assert verdict.state is State.RETURNED
        assert set(verdict.refused_invoice_ids) == covered & revoked


@given(st.sampled_from(State), st.sampled_from(Stage), st.integers(0, 3), reports)
def test_knowledge_only_moves_forward(
    state: State, known: Stage, attempts: int, given_: list[Report]
) -> None:
    knowledge = learn(state, known, attempts=attempts, reports=given_)

    assert knowledge.stage >= known
    if knowledge.proves_sent:
        assert attempts > 0
        assert state in (State.UNKNOWN, State.FAILED, State.PLANNED)


@given(reports, st.randoms(use_true_random=False))
def test_the_order_of_reports_does_not_matter_for_what_is_known(
    given_: list[Report], random: object
) -> None:
    shuffled = list(given_)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    one = learn(State.SENT, Stage.NONE, attempts=1, reports=given_)
    other = learn(State.SENT, Stage.NONE, attempts=1, reports=shuffled)

    assert one.stage == other.stage
    assert (one.delivered is None) == (other.delivered is None)
    assert (one.bounced is None) == (other.bounced is None)


@given(reports)
def test_hearing_it_again_is_no_news(given_: list[Report]) -> None:
    first = learn(State.SENT, Stage.NONE, attempts=1, reports=given_)

    assert not learn(State.SENT, first.stage, attempts=1, reports=given_).is_news


def test_a_message_that_was_never_tried_cannot_be_proved_sent() -> None:
    delivered = [Report(stage=Stage.DELIVERED)]

    for state in (State.PLANNED, State.SUPPRESSED, State.RETURNED):
        assert learn(state, Stage.NONE, attempts=0, reports=delivered) == Knowledge(
            stage=Stage.NONE
        )


def test_a_text_is_billed_by_its_alphabet() -> None:
    assert segment_count("") == 1
    assert segment_count("a" * 160) == 1
    assert segment_count("a" * 161) == 2
    assert segment_count("a" * 306) == 2
    assert segment_count("€" * 80) == 1
    assert segment_count("€" * 81) == 2
    assert segment_count("é" * 160) == 1
    assert segment_count("ê" * 70) == 1
    assert segment_count("ê" * 71) == 2
    assert segment_count("😀" * 35) == 1
    assert segment_count("😀" * 36) == 2


def test_a_two_septet_character_is_not_split_over_parts() -> None:
    assert segment_count("a" * 152 + "€" + "a" * 152) == 3


def test_reasons_keep_codes_and_lose_people() -> None:
    said = "550 5.1.1 <jane.doe+x@example.co.uk> unknown; call +33 6 12 34 56 78 or 0612345678\r\n"

    assert redact(said) == "550 5.1.1 <<address>> unknown; call <number> or <number>"
    assert redact("452 4.2.2 over quota") == "452 4.2.2 over quota"
    assert plain("1600112502\x00") == "1600112502"


@given(st.text(st.characters(exclude_categories=[])))
def test_whatever_is_said_can_be_stored(text: str) -> None:
    for kept in (redact(text), plain(text)):
        assert len(kept) <= 300
        assert "\x00" not in kept
        assert kept.encode().decode() == kept


@given(reports, st.booleans(), st.sampled_from([None, *BounceClass]), st.integers(0, 2))
def test_only_a_trusted_report_of_a_dead_address_condemns_it(
    given_: list[Report], trusted: bool, bounce: BounceClass | None, attempts: int
) -> None:
    message = Message(
        tenant="acme", message_id=UUID(int=1), notice_id=UUID(int=2), debtor_id="d1",
        channel="email", template="t", level="l", level_no=1, invoice_ids=("i1",),
        effective_at=datetime(2026, 3, 2, tzinfo=UTC), state=State.SENT, fence=1,
        attempts=attempts, recipient_hash="0123456789abcdef",
    )  # fmt: skip
    told = [replace(report, bounce=bounce, trusted=trusted) for report in given_]

    found = condemned(message, "sendgrid", told)

    is_dead = bounce is not None and bounce.is_dead
    assert len(found) == (len(told) if trusted and is_dead and attempts else 0)
    assert all(each.recipient_hash == message.recipient_hash for each in found)

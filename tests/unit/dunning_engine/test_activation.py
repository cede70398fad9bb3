"""Stages of activation: who gets the new version, that it is never taken back, and stop rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.domain.activation import (
    BUCKETS,
    NarrowerError,
    Offer,
    Stage,
    StopRule,
    Tally,
    assign,
    bucket,
    check_widens,
    in_words,
    is_in,
    reason_to_stop,
)

IDS = st.text(min_size=1, max_size=20)
SEGMENTS = st.sampled_from([None, "gold", "silver", "bronze"])
STAGES = st.builds(
    Stage,
    version=st.just(2),
    percent=st.integers(1, 100),
    segments=st.lists(st.sampled_from(["gold", "silver"]), unique=True).map(tuple),
)


def widens(before: Stage, after: Stage) -> bool:
    try:
        check_widens(before, after)
    except NarrowerError:
        return False
    return True


@given(tenant=IDS, invoice_id=IDS, segment=SEGMENTS, before=STAGES, after=STAGES)
def test_widening_never_takes_the_version_away_from_an_invoice(
    tenant: str, invoice_id: str, segment: str | None, before: Stage, after: Stage
):
    who = {"tenant": tenant, "invoice_id": invoice_id, "segment": segment}

    if widens(before, after) and is_in(before, **who):
        assert is_in(after, **who)


@pytest.mark.parametrize("percent", [1, 5, 10, 33, 50, 90, 99])
def test_the_share_of_invoices_is_close_to_the_percentage(percent: int):
    stage = Stage(version=2, percent=percent)

    among = sum(
        is_in(stage, tenant="acme", invoice_id=f"INV-{number:06d}", segment=None)
        for number in range(20_000)
    )

    assert abs(among / 200 - percent) < 1.1


@given(tenant=IDS, invoice_id=IDS)
def test_the_hash_is_the_same_every_time_and_inside_its_bounds(tenant: str, invoice_id: str):
    assert bucket(tenant, invoice_id) == bucket(tenant, invoice_id)
    assert 0 <= bucket(tenant, invoice_id) < BUCKETS


def test_the_hash_is_the_same_on_every_machine_for_ever():
    assert [bucket("acme", "i1"), bucket("acme", "i2"), bucket("other", "i1")] == [
        4643, 1974, 4604,
    ]  # fmt: skip


def test_two_tenants_and_ids_that_read_alike_together_are_told_apart():
    assert bucket("ab", "c") != bucket("a", "bc")


@given(tenant=IDS, invoice_id=IDS, segment=SEGMENTS, stage=STAGES)
def test_every_new_case_gets_the_stages_version_or_the_active_one(
    tenant: str, invoice_id: str, segment: str | None, stage: Stage
):
    who = {"tenant": tenant, "invoice_id": invoice_id, "segment": segment}

    given_ = assign(Offer(active_version=1, stage=stage), **who)

    assert given_.version == (2 if is_in(stage, **who) else 1)
    assert f"version {given_.version}" in given_.why


def test_without_a_stage_the_active_version_is_given_and_without_that_none():
    who = {"tenant": "acme", "invoice_id": "i1", "segment": None}

    assert assign(Offer(active_version=3), **who).version == 3
    nothing = assign(Offer(active_version=None), **who)
    assert (nothing.version, nothing.why) == (None, "no version of it is active")


def test_a_whole_stage_is_for_everybody():
    everybody = Stage(version=2)

    assert everybody.is_everything
    assert not Stage(version=2, segments=("gold",)).is_everything
    assert all(
        is_in(everybody, tenant="acme", invoice_id=str(n), segment=None) for n in range(1000)
    )


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((20, ()), (10, ()), "has 20 % already and cannot shrink to 10 %"),
        ((20, ("gold", "silver")), (20, ("gold",)), "leave out silver"),
        ((20, ()), (50, ("gold",)), "leave out other segments"),
    ],
)
def test_a_stage_that_would_shrink_is_refused_with_the_remedy(before, after, words: str):
    old, new = (Stage(version=2, percent=p, segments=s) for p, s in (before, after))

    with pytest.raises(NarrowerError, match=words) as refused:
        check_widens(old, new)

    assert "stop it and start a new one" in str(refused.value)


def test_a_stage_says_whom_it_is_for():
    assert in_words(Stage(version=2, percent=10)) == "10 % of all invoices"
    assert in_words(Stage(version=2, segments=("gold",))) == "100 % of the segment gold"
    assert (
        in_words(Stage(version=2, percent=5, segments=("a", "b"))) == "5 % of the segments a and b"
    )


class TestStopRules:
    RULE = StopRule(after_notices=20, failed_percent=10, disputed_percent=5)

    def test_nothing_is_stopped_before_enough_notices_have_ended(self):
        assert reason_to_stop(self.RULE, Tally(notices=19, failed=19, invoices=19)) is None

    def test_too_many_failures_stop_it(self):
        tally = Tally(notices=20, failed=3, invoices=20)

        assert reason_to_stop(self.RULE, tally) == "3 of 20 notices failed, more than 10 %"

    def test_exactly_the_allowed_share_does_not(self):
        assert reason_to_stop(self.RULE, Tally(notices=20, failed=2, invoices=20)) is None

    def test_too_many_disputes_stop_it(self):
        tally = Tally(notices=20, failed=0, invoices=10, disputed=1)

        assert (
            reason_to_stop(self.RULE, tally)
            == "1 of 10 reminded invoices were disputed, more than 5 %"
        )

    def test_a_share_that_is_not_given_is_not_looked_at(self):
        only_disputes = StopRule(after_notices=1, disputed_percent=50)

        assert reason_to_stop(only_disputes, Tally(notices=9, failed=9, invoices=9)) is None
        assert reason_to_stop(None, Tally(notices=9, failed=9)) is None

    @given(
        notices=st.integers(0, 500), failed=st.integers(0, 500), more=st.integers(0, 50),
        percent=st.integers(0, 99),
    )  # fmt: skip
    def test_more_failures_never_make_a_stage_safer(
        self, notices: int, failed: int, more: int, percent: int
    ):
        rule = StopRule(after_notices=10, failed_percent=percent)
        failed = min(failed, notices)

        if reason_to_stop(rule, Tally(notices=notices, failed=failed)):
            worse = Tally(notices=notices + more, failed=failed + more)
            assert reason_to_stop(rule, worse)

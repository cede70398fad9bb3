"""The decision record: whole, canonical, and good enough to decide again."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from dunning_common.canonical import canonical_json
from dunning_engine.domain.decision import decide
from dunning_engine.domain.plain import from_plain
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.record import RecordError, make_record, recompute, recorded_verdict
from tests.unit.dunning_engine.builders import (
    CALENDARS,
    POLICIES,
    RATES,
    account,
    case,
    hold,
    judged,
    paris,
)


def formal_notice_record(rates=RATES, **facts):
    found = case(**facts)
    for level_no, code in enumerate(["courtesy", "first_reminder", "second_reminder"], start=1):
        found = found.completed(level_no, code, date(2026, 5, 21))
    debtor = account(holds=(hold(invoice_ids=("other",)),))
    now = paris("2026-07-06T09:30")
    decision = decide(debtor, [found], POLICIES, now, CALENDARS["FR"], rates)
    return make_record(debtor, [found], POLICIES, CALENDARS["FR"], rates, decision)


def test_a_record_of_charges_recomputes_from_itself_alone():
    record = formal_notice_record()

    assert recompute(record) == record
    rates = json.loads(record)["inputs"]["rates"]
    assert rates["ecb"] == {"26H1": "2.15", "26H2": "2.40"}


def test_a_record_of_a_missing_rate_recomputes_too():
    record = formal_notice_record(RateBook({"ecb": {"26H1": Decimal("2.15")}}))

    assert recompute(record) == record
    assert recorded_verdict(record, "i1").reason == "missing_rate"


def test_a_record_of_interest_that_amounts_to_nothing_recomputes_too():
    record = formal_notice_record(open_minor=1, compensation_charged=True)

    assert json.loads(record)["outcome"]["notices"]
    assert recompute(record) == record


def test_a_record_is_canonical_json_without_floats():
    record = formal_notice_record()

    def refuse(number):
        raise AssertionError(f"a float: {number}")

    document = json.loads(record, parse_float=refuse)
    assert (
        record
        == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_inputs_that_were_changed_are_found_out():
    record = formal_notice_record().replace(b'"open_minor":100000', b'"open_minor":100001')

    with pytest.raises(RecordError, match="do not match their hash"):
        recompute(record)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"inputs":{},"inputs_sha256":""}', b"\xff"])
def test_bytes_that_are_no_record_are_refused(text):
    with pytest.raises(RecordError):
        recompute(text)


def test_a_record_of_an_unknown_format_is_refused():
    with pytest.raises(RecordError, match="format"):
        recompute(formal_notice_record().replace(b'"format":1', b'"format":2'))


def test_a_recorded_verdict_says_the_same_as_the_fresh_one():
    decision = judged(case(), now=paris("2026-04-02"))
    record = make_record(account(), [case()], POLICIES, CALENDARS["FR"], RATES, decision)

    found = recorded_verdict(record, "i1")

    assert (found.state, found.level, found.at) == (
        "scheduled",
        "courtesy",
        paris("2026-04-27T08:00"),
    )
    assert [step.code for step in found.trace] == ["threshold", "moment"]
    assert recorded_verdict(record, "unknown") is None


def test_only_the_policies_of_the_cases_are_kept():
    inputs = json.loads(formal_notice_record())["inputs"]

    assert [policy["policy_id"] for policy in inputs["policies"]] == ["france-b2b"]


class TestPlainData:
    def test_an_explicit_null_is_nothing(self):
        plain = json.loads(canonical_json(hold()))

        assert from_plain(type(hold()), plain | {"until": None}) == hold()

    def test_unknown_fields_are_refused(self):
        with pytest.raises(ValueError, match="fields of Hold"):
            from_plain(type(hold()), {"hold_id": "h", "colour": "red"})

    def test_a_case_survives_the_way_there_and_back(self):
        full = case().lapsed(1, "courtesy", date(2026, 5, 1)).requested(NOTICE, 2).revoked()

        assert from_plain(type(full), json.loads(canonical_json(full))) == full


NOTICE = judged(case(), now=paris("2026-04-27T09:00")).notices[0].notice_id

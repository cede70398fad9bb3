"""A notice is written as JSON by hand: the contract must read it and write the same."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.dunning import NoticeRequestedV2, NoticeRequestedV3
from dunning_common.events.envelope import Written
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case
from dunning_engine.domain.decision import decide
from dunning_engine.handlers.apply_decision import apply_decision
from dunning_engine.records import Changes, Dossier, StoredCase
from tests.unit.dunning_engine.builders import (
    CALENDARS,
    NO_HOLIDAYS,
    POLICIES,
    RATES,
    account,
    case,
    paris,
)
from tests.unit.dunning_engine.test_decision_properties import DEBTORS, open_cases


def written(debtor: Account, cases: list[Case], now: datetime) -> list[Written]:
    """The notices that a decision asks for, as they lie in the outbox."""
    calendar = CALENDARS.get(debtor.country, NO_HOLIDAYS)
    decision = decide(debtor, cases, POLICIES, now, calendar, RATES)
    stored = [
        StoredCase(
            case=found,
            pinned=True,
            wanted_policy_id=None,
            state="scheduled",
            state_reason=None,
            next_level_no=None,
            next_level=None,
            next_at=None,
        )
        for found in cases
    ]
    dossier = Dossier(
        account=debtor,
        policy_id=None,
        default_policy_id=None,
        cases=tuple(stored),
        now=now,
        time_source="real",
        verdict_hash=None,
    )
    changes = Changes()
    apply_decision(dossier, decision, changes, policies=POLICIES)
    return [event.payload for event in changes.events if isinstance(event.payload, Written)]


@given(st.sampled_from(DEBTORS), open_cases(), st.integers(0, 150), st.integers(6, 20))
def test_the_contract_reads_a_notice_and_writes_the_same(
    debtor: Account, cases: list[Case], days: int, hour: int
) -> None:
    cases = [found for found in cases if found.policy_key in POLICIES]
    due_on = max((found.due_on for found in cases), default=date(2026, 1, 1))
    now = datetime(due_on.year, due_on.month, due_on.day, hour, 5, tzinfo=UTC)

    for notice in written(debtor, cases, now + timedelta(days=days)):
        read = notice.read()
        assert isinstance(read, NoticeRequestedV2)
        assert read.model_dump_json().encode() == notice.json


def test_a_formal_notice_names_its_rate_and_its_charges() -> None:
    late = case()
    for level_no, code in enumerate(["courtesy", "first_reminder", "second_reminder"], start=1):
        late = late.completed(level_no, code, date(2026, 5, 21))

    (notice,) = written(account(), [late], paris("2026-07-06T09:30"))

    read = notice.read()
    assert isinstance(read, NoticeRequestedV2)
    (item,) = read.items
    assert (item.level, item.interest_percent) == ("formal_notice", Decimal("12.40"))
    assert item.interest_minor > 0
    assert item.compensation_minor == 40_00
    assert [(charge.kind, charge.basis) for charge in item.charge_basis] == [
        ("interest", "C. com. L441-10 II"),
        ("compensation", "C. com. L441-10 II, D441-5"),
    ]
    assert read.model_dump_json().encode() == notice.json


def test_a_notice_says_what_the_debtor_is_and_what_it_has_paid_without_an_invoice() -> None:
    debtor = account(kind="public", unallocated_minor=(("EUR", 12_34), ("USD", 0)))

    (notice,) = written(debtor, [case()], paris("2026-06-08T09:30"))

    read = notice.read()
    assert isinstance(read, NoticeRequestedV2)
    assert (read.debtor_kind, read.debtor_country) == ("public", "FR")
    assert [(money.currency, money.amount_minor) for money in read.unallocated] == [("EUR", 12_34)]


def test_a_notice_that_announces_costs_is_told_in_the_third_version_and_others_are_not() -> None:
    debtor = account(country="NL", zone="Europe/Amsterdam", kind="consumer")
    dutch = {"policy_id": "netherlands-consumer", "policy_version": 1}
    reminded = case(**dutch).completed(2, "first_reminder", date(2026, 5, 5))
    coming = case(**dutch, invoice_id="i2", due_on=date(2026, 5, 18))

    (notice,) = written(debtor, [reminded, coming], paris("2026-05-15T09:30"))
    (plain,) = written(account(), [case()], paris("2026-06-08T09:30"))

    read = notice.read()
    assert isinstance(read, NoticeRequestedV3)
    assert [[one.amount_minor for one in item.announced] for item in read.items] == [[15000], []]
    assert read.items[0].announced[0].basis == "art. 6:96 lid 5 en 6 BW, Besluit BIK"
    assert read.items[0].compensation_minor == 0
    assert read.model_dump_json().encode() == notice.json
    assert type(plain.read()) is NoticeRequestedV2

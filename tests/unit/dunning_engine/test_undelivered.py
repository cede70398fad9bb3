"""What did not arrive, as the core sees it: the next try, the dead end, the charges, the wait."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from dunning_common.values import replace
from dunning_engine.domain.case import Case, Served, Undelivered
from dunning_engine.domain.explain import explain_verdict
from dunning_engine.domain.fees import Fee
from dunning_engine.domain.policy import CHANNELS, Level, Policy
from dunning_engine.testing.policies import level, policy
from tests.unit.dunning_engine.builders import case, judged, paris

ON = date(2026, 5, 7)
NOTICE = UUID(int=1)
FORMAL: dict[str, Any] = {"charges": frozenset({"interest", "compensation"})}


def _missed(*channels: str) -> Case:
    """A case whose first level went out on 7 May and came back from these channels."""
    served = case(policy_id="own").requested(NOTICE, 1).completed(1, "level_1", ON)
    return served.bounced(served.served[0], "bounced", *channels)


def _own(*levels: Level, **more: Any) -> Policy:
    return policy(*levels or (level(1, 7, fallback=("letter",)), level(2, 30)), **more)


class TestTheNextTry:
    def test_the_level_is_the_next_one_again_and_goes_by_its_fallback(self) -> None:
        own = _own()

        found = judged(_missed("email"), now=paris("2026-05-11T09:00"), policy=own)

        (item,) = found.items
        assert (item.level, item.channels, item.attempt) == ("level_1", ("letter",), 2)

    def test_it_waits_a_day_at_least(self) -> None:
        own = _own()

        found = judged(_missed("email"), now=paris("2026-05-07T15:00"), policy=own)

        assert found.items == ()
        assert found.next_action_at == paris("2026-05-11T08:00")  # after the eighth, a holiday

    def test_where_every_channel_came_back_only_new_contacts_help(self) -> None:
        own = _own()
        letter = Undelivered(level_no=1, code="level_1", bounced=("letter",))
        lost = _missed("email")
        lost = replace(lost, undelivered=(*lost.undelivered, letter))
        at = paris("2026-05-11T09:00")

        (verdict,) = judged(lost, now=at, policy=own).verdicts
        mended = judged(lost.contacts_changed(), now=at, policy=own)

        assert (verdict.state, verdict.reason) == ("blocked", "bounced")
        said = explain_verdict(verdict, "EUR", "Europe/Paris")
        assert "What was sent by letter came back: mend the contacts to go on." in said
        assert [item.channels for item in mended.items] == [("email",)]

    def test_another_level_may_use_the_channel(self) -> None:
        own = _own(level(1, 7), level(2, 10, gap_days=1))
        later = _missed("email").completed(1, "level_1", ON)

        found = judged(later, now=paris("2026-05-11T09:00"), policy=own)

        assert [item.level for item in found.items] == ["level_2"]

    def test_tries_never_go_back(self) -> None:
        assert _missed("email").tries == 1


class TestCharges:
    def test_a_fee_is_not_charged_again(self) -> None:
        own = _own(level(1, 7, fallback=("letter",), fee=Fee(fixed_minor=(("EUR", 500),))))
        at = paris("2026-05-11T09:00")

        (item,) = judged(_missed("email"), now=at, policy=own).items

        assert item.fee_minor == 0

    def test_interest_of_the_days_since_is_a_charge_of_its_own(self) -> None:
        own = _own(level(1, 7, fallback=("letter",), **FORMAL))
        first = judged(case(policy_id="own"), now=paris("2026-05-07T09:00"), policy=own).items[0]
        charged = replace(_missed("email"), interest_through=ON, compensation_charged=True)

        (again,) = judged(charged, now=paris("2026-05-11T09:00"), policy=own).items

        (interest,) = again.charges
        assert interest.segments[0].first_day == date(2026, 5, 8)
        assert interest.charge_id not in {charge.charge_id for charge in first.charges}


class TestServedWhenDelivered:
    OWN = _own(level(1, 7), level(2, 10, gap_days=1), served_when="delivered", delivery_days=20)

    @pytest.mark.parametrize(
        ("delivered", "day"), [(True, "2026-05-11T08:00"), (False, "2026-05-27T08:00")]
    )
    def test_the_next_level_waits_for_the_report_or_so_many_days(
        self, delivered: bool, day: str
    ) -> None:
        done = Served(level_no=1, code="level_1", on=ON, delivered=delivered)
        sent = replace(case(policy_id="own"), served=(done,))

        found = judged(sent, now=paris("2026-05-08T09:00"), policy=self.OWN)

        assert found.next_action_at == paris(day)


def test_every_channel_of_the_contract_is_one_of_a_policy() -> None:
    assert set(CHANNELS) == {"email", "sms", "letter", "registered_letter", "call", "in_app"}

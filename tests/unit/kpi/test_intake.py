"""Every event that the service hears becomes facts, or at least a date."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import get_args
from uuid import UUID

import pytest

from dunning_common.consumer import Consumed
from dunning_common.events.dunning import (
    CaseHandedOverV1,
    CaseMigratedV1,
    CaseOpenedV1,
    CreditBlockChangedV1,
    HoldInstalment,
    HoldPlacedV1,
    HoldReleasedV1,
)
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.notifications import NotificationsEvent
from dunning_common.events.receivables import InvoiceEvent
from dunning_common.events.registry import EVENT_TYPES, TOPICS
from kpi.bootstrap import TOPICS as HEARD
from kpi.domain.facts import Move, Outcome, Tenant
from kpi.domain.invoice_history import walk
from kpi.handlers.intake import _MOVES, _OUTCOMES, take_in
from kpi.testing import Story

HOLD = UUID(int=1)


def test_the_service_hears_every_topic_but_personal_data_and_what_debtors_say() -> None:
    assert set(HEARD) == set(TOPICS) - {"contacts.v1", "responses.v1"}


def test_every_event_about_an_invoice_or_a_message_is_understood() -> None:
    assert set(_MOVES) == set(get_args(InvoiceEvent))
    assert set(_MOVES.values()) == set(Move)
    assert set(_OUTCOMES) == set(get_args(NotificationsEvent))
    assert set(_OUTCOMES.values()) == set(Outcome)


def test_both_versions_of_a_message_and_of_a_notice_are_the_same_facts() -> None:
    story = Story().issue("I", 1, on=date(2026, 1, 1), due_on=date(2026, 1, 2))
    story.remind(["I"], at=date(2026, 1, 9), outcomes=list(Outcome))
    older = [_first_version(event) for event in story.events]

    assert {event.envelope.type[-2:] for event in older} == {"V1"}
    assert {event.envelope.type[-2:] for event in story.events} == {"V1", "V2"}
    assert take_in(older) == take_in(story.events)


def _first_version(event: Consumed) -> Consumed:
    """The event as it was told before there was a second version."""
    kind = EVENT_TYPES[event.envelope.type.replace("V2", "V1")]
    envelope = event.envelope.model_copy(update={"type": kind.__name__})
    return Consumed(envelope, kind.model_validate(event.payload.model_dump(), extra="ignore"))


LATE = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "event",
    [
        CaseOpenedV1(
            debtor_id="D", invoice_id="I", policy_id="p", policy_version=1, effective_at=LATE
        ),
        CaseMigratedV1(
            debtor_id="D", invoice_id="I", from_policy_id="p", from_policy_version=1,
            policy_id="p", policy_version=2, effective_at=LATE,
        ),
        CaseHandedOverV1(
            debtor_id="D", invoice_id="I", level="hand_over", action="agency", effective_at=LATE
        ),
        CreditBlockChangedV1(debtor_id="D", blocked=True, effective_at=LATE),
        HoldPlacedV1(
            debtor_id="D", hold_id=HOLD, kind="promise", reason="said so", until=None,
            currency="EUR", instalments=(HoldInstalment(on=date(2026, 3, 9), amount_minor=1),),
            effective_at=LATE,
        ),
        HoldReleasedV1(
            debtor_id="D", hold_id=HOLD, kind="promise", outcome="kept", paid_minor=1,
            effective_at=LATE,
        ),
    ],
    ids=lambda event: type(event).__name__,
)  # fmt: skip
def test_an_event_without_figures_still_tells_how_late_it_is(event: Payload) -> None:
    envelope = Envelope(
        type=type(event).__name__, source="dunning-engine", subject="I", tenant="acme",
        key="acme:D", sequence=1, data={},
    )  # fmt: skip

    intake = take_in([Consumed(envelope, event)])

    assert intake.seen["acme"].at == LATE
    assert not intake.facts.invoices


def test_a_charge_that_was_given_up_lowers_the_charges_and_nothing_else() -> None:
    story = Story().issue("I", 10_000, on=date(2026, 1, 1), due_on=date(2026, 1, 2))
    story.charge("I", 500, on=date(2026, 1, 9)).waive("I", 200, on=date(2026, 1, 12))

    changes, settlements = walk(take_in(story.events).facts.invoices)

    assert [(c.move, c.open_minor, c.charges_minor) for c in changes] == [
        (Move.ISSUED, 10_000, 0),
        (Move.CHARGED, 0, 500),
        (Move.WAIVED, 0, -200),
    ]
    assert not settlements


def test_a_payment_of_charges_is_collected_and_settles_nothing() -> None:
    paid, bounced = date(2026, 1, 12), date(2026, 1, 15)
    story = Story().issue("I", 10_000, on=date(2026, 1, 1), due_on=date(2026, 1, 2))
    story.charge("I", 500, on=date(2026, 1, 9)).pay_charge("I", 500, on=paid)
    story.unpay_charge("I", 500, on=bounced, covered_on=paid)

    changes, settlements = walk(take_in(story.events).facts.invoices)

    assert [(c.move, c.open_minor, c.charges_minor) for c in changes[1:]] == [
        (Move.CHARGED, 0, 500),
        (Move.PAID, 0, -500),
        (Move.REVERSED, 0, 500),
    ]
    assert not settlements


def test_a_bounced_message_was_no_contact_but_a_delivered_one_was() -> None:
    story = Story().issue("I", 1, on=date(2026, 1, 1), due_on=date(2026, 1, 2))
    story.remind(["I"], at=date(2026, 1, 9), outcomes=[Outcome.UNKNOWN, Outcome.BOUNCED])
    assert not take_in(story.events).facts.contacts

    story.remind(["I"], at=date(2026, 1, 10), outcomes=[Outcome.DELIVERED])

    assert len(take_in(story.events).facts.contacts) == 1


@pytest.mark.parametrize(
    ("tenant", "expected"),
    [
        (Tenant(tenant="t", zone="Europe/Paris"), date(2026, 4, 1)),
        (Tenant(tenant="t", sandbox=True), date(2026, 3, 31)),
        (Tenant(tenant="t", sandbox=True, sandbox_starts_on=date(2020, 1, 1)), date(2020, 1, 1)),
        (
            Tenant(
                tenant="t", sandbox=True, zone="Europe/Paris",
                latest_on=date(2020, 1, 5), latest_at=datetime(2020, 1, 5, 23, 30, tzinfo=UTC),
            ),
            date(2020, 1, 6),
        ),
    ],
)  # fmt: skip
def test_today_is_the_clocks_day_or_in_a_sandbox_the_latest_that_happened(
    tenant: Tenant, expected: date
) -> None:
    assert tenant.today(datetime(2026, 3, 31, 22, 30, tzinfo=UTC)) == expected

"""News of messages folded into levels: every order, every repetition, one outcome."""

from __future__ import annotations

from datetime import UTC, date, datetime
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.dunning import ChargeAssessedV1, NoticeMessageV2
from dunning_common.events.envelope import Envelope
from dunning_common.events.notifications import NoticeBouncedV1
from dunning_common.events.registry import parse_payload
from dunning_engine.handlers.fold_notifications import (
    RETURNS_MAX,
    Folded,
    News,
    fold_notifications,
)
from dunning_engine.records import AccountKey, ChannelNews, LevelRow
from dunning_engine.testing import Outcome, answer

NOTICE = UUID(int=7)
AT = datetime(2026, 4, 8, 6, tzinfo=UTC)
SENT = {"sent", "unknown"}
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(
    ["sent", "unknown", "failed", "suppressed", "returned"]
)
CHANNELS = ("email", "sms", "letter")


def _row(invoice_id: str = "i1", *channels: str, **more: object) -> LevelRow:
    fields: dict[str, object] = {
        "tenant": "acme",
        "invoice_id": invoice_id,
        "level_no": 2,
        "try_no": 1,
        "debtor_id": "d1",
        "level": "first_reminder",
        "notice_id": NOTICE,
        "decided_at": AT,
        "decided_on": date(2026, 4, 8),
        "outcome": "in_flight",
        "reason": None,
        "served_at": None,
        "channels": {channel: ChannelNews(state="pending") for channel in channels or ("email",)},
        "charges": (),
        "in_flight": True,
        "revoked": False,
        "returns": 0,
        "time_source": "sandbox",
    }
    return LevelRow(**(fields | more))  # type: ignore[arg-type]


def _news(outcome: Outcome, channel: str = "email", *invoices: str) -> News:
    covered = invoices or ("i1",)
    message = NoticeMessageV2(
        channel=channel,  # type: ignore[arg-type]
        template="first_reminder",
        level="first_reminder",
        level_no=2,
        invoice_ids=covered,
    )
    request = Envelope(
        type="NoticeRequestedV2",
        source="dunning-engine",
        subject=str(NOTICE),
        tenant="acme",
        key="acme:d1",
        sequence=1,
        data={
            "notice_id": str(NOTICE),
            "debtor_id": "d1",
            "decided_at": AT.isoformat(),
            "zone": "Europe/Paris",
            "policy_id": "france-b2b",
            "policy_version": 1,
            "decision_id": str(UUID(int=1)),
            "items": [],
            "messages": [],
        },
    )
    envelope = answer(request, message, outcome)
    return News(envelope=envelope, payload=parse_payload(envelope))  # type: ignore[arg-type]


def _outcome(folded: Folded) -> str:
    (row,) = folded.levels
    return row.outcome


@given(
    outcomes=st.lists(OUTCOMES, min_size=3, max_size=3),
    order=st.permutations(range(3)),
    repeated=st.lists(st.integers(0, 2), max_size=6),
)
def test_every_order_and_repetition_of_news_has_the_same_outcome(
    outcomes: list[Outcome], order: list[int], repeated: list[int]
) -> None:
    news = [_news(outcomes[n], CHANNELS[n]) for n in range(3)]

    folded = fold_notifications(
        [_row("i1", *CHANNELS)], [news[n] for n in order] + [news[n] for n in repeated]
    )

    if set(outcomes) & SENT:
        expected = "served"
    else:
        expected = "returned" if "returned" in outcomes else "failed"
    assert _outcome(folded) == expected
    served = [event for event in folded.events if type(event.payload).__name__ == "LevelServedV1"]
    assert len(served) == (expected == "served")


@given(outcomes=st.lists(OUTCOMES, min_size=1, max_size=2))
def test_a_level_waits_until_no_message_is_pending(outcomes: list[Outcome]) -> None:
    news = [_news(outcome, CHANNELS[n]) for n, outcome in enumerate(outcomes)]

    folded = fold_notifications([_row("i1", *CHANNELS)], news)

    assert _outcome(folded) == "in_flight"
    assert folded.finished == ()
    assert folded.settled == ()


@given(outcomes=st.lists(OUTCOMES, min_size=3, max_size=3))
def test_a_revoked_item_is_never_a_failed_try(outcomes: list[Outcome]) -> None:
    news = [_news(outcome, CHANNELS[n]) for n, outcome in enumerate(outcomes)]

    folded = fold_notifications([_row("i1", *CHANNELS, revoked=True)], news)

    assert _outcome(folded) == ("served" if set(outcomes) & SENT else "returned")


def test_a_notice_is_settled_when_all_its_items_are() -> None:
    rows = [_row("i1", "email"), _row("i2", "email", "sms")]

    first = fold_notifications(rows, [_news("sent", "email", "i1", "i2")])
    both = fold_notifications(
        rows, [_news("sent", "email", "i1", "i2"), _news("failed", "sms", "i2")]
    )

    assert first.settled == ()
    assert [row.invoice_id for row in first.finished] == ["i1"]
    assert len(both.settled) == 1


def test_the_ledger_is_asked_only_about_returned_notices() -> None:
    returned = fold_notifications([_row()], [_news("returned")])
    failed = fold_notifications([_row()], [_news("failed")])

    assert returned.returned == (AccountKey("acme", "d1"),)
    assert failed.returned == ()


def test_a_level_that_came_back_too_often_has_failed() -> None:
    often = fold_notifications([_row(returns=RETURNS_MAX - 1)], [_news("returned")])

    assert _outcome(often) == "failed"


def test_the_reason_of_a_failure_is_kept() -> None:
    folded = fold_notifications(
        [_row("i1", "email", "sms")], [_news("suppressed", "sms"), _news("failed", "email")]
    )

    assert folded.levels[0].reason == "no_address"


def test_in_a_sandbox_a_level_is_served_at_the_instant_of_its_decision() -> None:
    sandbox = fold_notifications([_row()], [_news("sent")])
    news = _news("sent")
    real = fold_notifications([_row(time_source="real")], [news])

    assert sandbox.levels[0].served_at == AT
    assert real.levels[0].served_at == news.envelope.time


def test_charges_are_announced_behind_the_level_that_names_them() -> None:
    charge = ChargeAssessedV1(
        debtor_id="d1",
        invoice_id="i1",
        charge_id=UUID(int=9),
        kind="compensation",
        currency="EUR",
        amount_minor=40_00,
        assessed_on=date(2026, 4, 8),
        basis="D441-5",
    )
    row = _row(charges=[charge.model_dump(mode="json")])

    served = fold_notifications([row], [_news("sent")])
    failed = fold_notifications([row], [_news("failed")])

    assert [type(event.payload).__name__ for event in served.events] == [
        "LevelServedV1",
        "ChargeAssessedV1",
    ]
    assert served.events[1].payload == charge
    assert failed.events == ()


def test_news_of_a_stranger_are_set_aside() -> None:
    folded = fold_notifications([], [_news("sent")])

    assert len(folded.strays) == 1
    assert folded.levels == folded.heard == ()


ARRIVING: list[tuple[Outcome, ...]] = [("sent",), ("sent", "delivered"), ("unknown",)]
LOST: list[tuple[Outcome, ...]] = [
    ("sent", "bounced"),
    ("sent", "delivered", "bounced"),
    ("bounced",),
    ("failed",),
    ("suppressed",),
]


@given(
    fates=st.lists(st.sampled_from([*ARRIVING, *LOST]), min_size=3, max_size=3),
    chance=st.randoms(use_true_random=False),
    batches=st.integers(1, 9),
)
def test_a_level_counts_as_served_when_something_of_it_arrived_whatever_came_first(
    fates: list[tuple[Outcome, ...]], chance: Random, batches: int
) -> None:
    news = [_news(o, CHANNELS[n]) for n, outcomes in enumerate(fates) for o in outcomes]
    chance.shuffle(news)
    row = _row("i1", *CHANNELS)

    for number in range(batches):
        part = news[number * len(news) // batches : (number + 1) * len(news) // batches]
        folded = fold_notifications([row], part) if part else None
        row = folded.levels[0] if folded and folded.levels else row

    arrived = any(fate in ARRIVING for fate in fates)
    assert row.outcome == ("served" if arrived else "failed")
    came_back = {CHANNELS[n] for n, fate in enumerate(fates) if "bounced" in fate}
    assert arrived or set(row.bounced or ()) == came_back


def _served(*channels: str, **more: object) -> LevelRow:
    """A level that counted as served, by messages that were sent."""
    sent = {channel: ChannelNews(state="sent") for channel in channels or ("email",)}
    return _row(
        "i1", *channels, **{"outcome": "served", "served_at": AT, "channels": sent,
        "in_flight": False} | more,
    )  # fmt: skip


def test_the_last_bounce_of_a_served_level_takes_it_back_and_says_so() -> None:
    folded = fold_notifications([_served("email", "sms")], [_news("bounced", "email")])
    both = fold_notifications(
        [_served("email", "sms")], [_news("bounced", "email"), _news("bounced", "sms")]
    )

    assert folded.missed == folded.events == ()
    (row,) = both.missed
    assert (row.outcome, row.reason, row.bounced) == ("failed", "bounced", ("email", "sms"))
    assert row.served_at == AT, "that it was served once is kept: its charges are booked"
    assert [type(event.payload).__name__ for event in both.events] == ["LevelUndeliveredV1"]
    assert both.unsent == ((AccountKey("acme", "d1"), date(2026, 4, 8)),)


def test_what_goes_out_and_bounces_in_one_batch_was_never_announced() -> None:
    folded = fold_notifications([_row()], [_news("sent"), _news("bounced")])

    (row,) = folded.finished
    assert (row.outcome, row.served_at, row.bounced) == ("failed", None, ("email",))
    assert folded.missed == folded.events == ()


def test_a_bounce_is_only_kept_when_the_ladder_went_on() -> None:
    folded = fold_notifications([_served(is_last=False)], [_news("bounced")])

    (row,) = folded.levels
    assert row.outcome == "served"
    assert row.channels["email"].state == "bounced"
    assert folded.missed == folded.events == ()


def test_both_versions_of_news_are_understood() -> None:
    news = _news("bounced")
    older = NoticeBouncedV1.model_validate(news.payload.model_dump())

    folded = fold_notifications([_served()], [News(envelope=news.envelope, payload=older)])

    assert _outcome(folded) == "failed"

"""A level that needs a registered letter is not served by its e-mail."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from dunning_common.events.dunning import (
    CaseHandedOverV1,
    ChargeAssessedV1,
    LevelServedV1,
    LevelUndeliveredV1,
    NoticeMessageV2,
    NoticeRequestedV2,
)
from dunning_common.events.envelope import Envelope
from dunning_common.values import replace
from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.adapters.sql_sweep import unpack
from dunning_engine.domain.fees import Fee
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.record import recompute
from dunning_engine.testing import Bench, Outcome
from dunning_engine.testing.policies import level
from tests.integration.dunning_engine.test_bounces import _channels, _open, _reports, _walk
from tests.integration.dunning_engine.test_policy_language import DUE, policy
from tests.integration.dunning_engine.test_retries import failing, work

LETTER_AND_MAIL = ("registered_letter", "email")
FORMAL = level(1, 0, channels=LETTER_AND_MAIL, fee=Fee(fixed_minor=(("EUR", 12_00),)))
AGENCY = level(2, 10, gap_days=10, final="agency", channels=(), template=None)
LADDER = policy(FORMAL, AGENCY, max_attempts=3)
LONG_AFTER = DUE + timedelta(days=40)


def by_channel(bench: Bench, reason: str, **outcomes: Outcome) -> None:
    """From here on each channel ends as said; a channel that is not named gets through."""
    failing(bench, reason)

    def choose(_: Envelope, message: NoticeMessageV2) -> Outcome:
        return outcomes.get(message.channel, "sent")

    bench.postman.choose = choose


@pytest.mark.parametrize("outcome", ["failed", "suppressed"])
async def test_without_its_letter_the_level_is_not_served_and_the_hand_over_waits(
    bench: Bench, api: httpx.AsyncClient, outcome: Outcome
) -> None:
    await _open(bench, LADDER)
    by_channel(bench, "unusable_address: no postcode", registered_letter=outcome)

    await _walk(bench, DUE + timedelta(days=1))
    (item,) = await work(api)
    tries = await _walk(bench, LONG_AFTER)
    (later,) = await work(api)

    assert item["kind"] == later["kind"] == "undeliverable", "listed at once, and to the end"
    assert item["cause"] == "unusable_address: no postcode"
    assert await _channels(bench) == [["email", "registered_letter"]] + [["registered_letter"]] * 2
    assert [result for *_, result in tries] == ["failed"] * 3
    assert await bench.sent(CaseHandedOverV1, LevelServedV1, ChargeAssessedV1) == []


async def test_once_the_address_works_the_letter_goes_out_alone_and_serves_the_level(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _open(bench, LADDER)
    by_channel(bench, "unusable_address", registered_letter="failed")
    await _walk(bench, LONG_AFTER)

    by_channel(bench, "")
    await bench.feed(ledger.contacts())
    tries = await _walk(bench, LONG_AFTER + timedelta(days=20))

    assert (await _channels(bench))[-1] == ["registered_letter"], "not a second e-mail"
    assert tries[-2:] == [
        ("level_1", LONG_AFTER.isoformat(), "served"),
        ("level_2", (LONG_AFTER + timedelta(days=10)).isoformat(), "served"),
    ]
    assert len(await bench.sent(ChargeAssessedV1)) == 1, "the fee is booked once"
    assert [i["kind"] for i in await work(api)] == ["hand_over"]


async def test_a_letter_that_fails_for_a_cause_of_ours_is_tried_every_day_by_itself(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _open(bench, LADDER)
    by_channel(bench, "spool: no space left", registered_letter="failed")

    await _walk(bench, DUE + timedelta(days=6))

    (item,) = await work(api)
    assert (item["kind"], item["cause"]) == ("delayed", "spool: no space left")
    assert (await _channels(bench))[1:] == [["registered_letter"]] * 5


async def test_the_letter_alone_is_enough(bench: Bench) -> None:
    await _open(bench, LADDER)
    by_channel(bench, "no_address", email="suppressed")

    tries = await _walk(bench, LONG_AFTER)

    assert [result for *_, result in tries] == ["served", "served"]


async def test_a_letter_that_comes_back_takes_the_level_back_although_the_e_mail_arrived(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _open(bench, LADDER)
    await _walk(bench, DUE + timedelta(days=3))
    by_channel(bench, "moved away", registered_letter="bounced")
    await _letter_bounces(bench)

    await _walk(bench, LONG_AFTER)
    (item,) = await work(api)
    by_channel(bench, "")
    await bench.feed(ledger.contacts())
    await _walk(bench, LONG_AFTER + timedelta(days=1))

    assert len(await bench.sent(LevelUndeliveredV1)) == 1
    assert (item["kind"], item["cause"]) == ("undeliverable", "bounced")
    assert await _channels(bench) == [["email", "registered_letter"], ["registered_letter"]]


async def _letter_bounces(bench: Bench) -> None:
    """The provider says late that nobody took the letter in."""
    request = (await bench.sent(NoticeRequestedV2))[0]
    reports = _reports(request, "bounced", "moved away")
    await bench.feed(*[one for one in reports if one.data["channel"] == "registered_letter"])


async def test_a_bounced_e_mail_beside_a_posted_letter_changes_nothing(bench: Bench) -> None:
    await _open(bench, LADDER)
    bench.postman.choose = lambda _, m: "bounced" if m.channel == "email" else "sent"

    tries = await _walk(bench, LONG_AFTER)

    assert [result for *_, result in tries] == ["served", "served"]


async def test_a_contact_that_reached_the_debtor_counts_though_the_level_was_not_served(
    bench: Bench,
) -> None:
    await _open(bench, LADDER)
    by_channel(bench, "no_address", registered_letter="suppressed")

    await _walk(bench, DUE + timedelta(days=10))

    (account,) = await bench.rows("SELECT contacted_on FROM account")
    assert account == {"contacted_on": [DUE]}, "one e-mail, and letters that were never made"


async def test_a_policy_may_say_that_any_channel_is_enough(bench: Bench) -> None:
    await _open(bench, policy(replace(FORMAL, must_arrive=()), AGENCY))
    by_channel(bench, "no_address", registered_letter="suppressed")

    tries = await _walk(bench, LONG_AFTER)

    assert [result for *_, result in tries] == ["served", "served"]


async def test_a_policy_may_need_a_plain_letter(bench: Bench) -> None:
    on_paper = level(1, 0, channels=("letter", "email"), must_arrive=("letter",))
    await _open(bench, policy(on_paper, AGENCY))
    by_channel(bench, "no_address", letter="suppressed")

    await _walk(bench, LONG_AFTER)

    assert await _channels(bench) == [["email", "letter"], ["letter"], ["letter"]]


async def test_a_fallback_that_the_policy_names_serves_the_level(bench: Bench) -> None:
    own = policy(replace(FORMAL, fallback=("letter",)), AGENCY)
    await _open(bench, own)
    by_channel(bench, "no_address", registered_letter="suppressed")

    tries = await _walk(bench, LONG_AFTER)

    assert await _channels(bench) == [["email", "registered_letter"], ["letter"]]
    assert [result for *_, result in tries] == ["failed", "served", "served"]


async def test_every_decision_about_a_missing_letter_recomputes(bench: Bench) -> None:
    ledger = await _open(bench, LADDER)
    by_channel(bench, "no_address", registered_letter="suppressed")
    await _walk(bench, LONG_AFTER)
    await bench.feed(ledger.contacts())
    await _walk(bench, LONG_AFTER + timedelta(days=3))

    records = [unpack(row["record"]) for row in await bench.rows("SELECT record FROM decision")]

    assert any(b'"sent":["email"]' in record for record in records)
    assert all(recompute(record) == record for record in records)


def french() -> Policy:
    """The shipped policy, speaking every day so that the days can be counted."""
    every_day: dict[str, Any] = {"weekdays": frozenset(range(7)), "observe_holidays": False}
    return replace(builtin_policies()["france-b2b"], policy_id="own", version=1, **every_day)


async def test_the_french_formal_notice_without_its_letter_never_reaches_the_agency(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _open(bench, french())
    by_channel(bench, "unusable_address: no postcode", registered_letter="failed")

    tries = await _walk(bench, date(2026, 8, 1))

    assert "formal_notice" in [name for name, _, _ in tries]
    assert await bench.sent(CaseHandedOverV1) == []
    assert [i["kind"] for i in await work(api)] == ["undeliverable"]

"""Holds of every kind through the sweep: what they stop, how they end, what comes after."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from dunning_common.events.dunning import (
    HoldPlacedV1,
    HoldReleasedV1,
    NoticeRequestedV2,
    NoticeRevokedV1,
)
from dunning_common.values import replace
from dunning_engine.testing import Bench, Ledger, Running, always_open

START = date(2026, 3, 1)
DUE = date(2026, 4, 1)
COURTESY, FIRST, SECOND = date(2026, 3, 27), date(2026, 4, 8), date(2026, 4, 22)


async def _after_courtesy(
    bench: Bench, *invoices: str, amount_minor: int = 100_00, **terms: Any
) -> Ledger:
    """A sandbox tenant on the first of April; the courtesy e-mails went out in March."""
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor(**terms))
    await bench.feed(
        *(
            ledger.invoice(name, issued_on=START, due_on=DUE, amount_minor=amount_minor)
            for name in invoices or ("i1",)
        )
    )
    async with Running(bench):
        await bench.advance("acme", DUE)
    return ledger


async def _post(api: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _walk(bench: Bench, to: date) -> list[tuple[str, str, date]]:
    """Walk there; tells the levels that were served after the first of April."""
    async with Running(bench):
        await bench.advance("acme", to)
    return [
        (invoice, level, day)
        for invoice, level, day, outcome in await bench.levels()
        if outcome == "served" and day > DUE
    ]


async def _ends(bench: Bench) -> list[tuple[str, str, int | None]]:
    """(kind, outcome, paid) of every hold that ended, in order."""
    return [
        (event.data["kind"], event.data["outcome"], event.data["paid_minor"])
        for event in await bench.sent(HoldReleasedV1)
    ]


@pytest.mark.parametrize("kind", ["manual", "pending_collection", "insolvency", "breathing_space"])
async def test_a_hold_with_an_end_stops_reminders_and_resumes_alone(
    bench: Bench, api: httpx.AsyncClient, kind: str
) -> None:
    await _after_courtesy(bench)

    hold = await _post(
        api, "/v1/holds", debtor_id="d1", kind=kind, reason="x", until="2026-05-11T00:00:00+02:00"
    )
    held = await _walk(bench, date(2026, 5, 10))
    after = await _walk(bench, date(2026, 5, 12))

    assert held == []
    assert after == [("i1", "first_reminder", date(2026, 5, 11))]
    (placed,) = await bench.sent(HoldPlacedV1)
    assert placed.data["kind"] == kind
    assert placed.data["hold_id"] == hold["hold_id"]
    assert await _ends(bench) == [(kind, "ended", None)]
    (row,) = await bench.rows("SELECT outcome, released_at, released_by FROM hold")
    assert row["outcome"] == "ended"
    assert row["released_at"].isoformat() == "2026-05-10T22:00:00+00:00"
    assert row["released_by"] is None


async def test_a_hold_of_some_invoices_lets_the_others_go_on(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench, "i1", "i2", "i3")

    await _post(api, "/v1/holds", debtor_id="d1", invoice_ids=["i1", "i3"], reason="talks")

    assert await _walk(bench, date(2026, 4, 10)) == [("i2", "first_reminder", FIRST)]


async def test_overlapping_holds_stop_until_the_last_one_ends(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench)
    outer = await _post(api, "/v1/holds", debtor_id="d1", reason="talks")
    await _post(
        api, "/v1/holds", debtor_id="d1", invoice_id="i1", reason="debit",
        kind="pending_collection", until="2026-04-20T00:00:00+02:00",
    )  # fmt: skip
    inner_over = await _walk(bench, date(2026, 4, 28))

    await _post(api, f"/v1/holds/{outer['hold_id']}/release")

    assert inner_over == []
    assert await _walk(bench, date(2026, 4, 29)) == [("i1", "first_reminder", date(2026, 4, 28))]
    assert await _ends(bench) == [
        ("pending_collection", "ended", None),
        ("manual", "released", None),
    ]


async def test_after_a_long_hold_the_ladder_goes_on_one_level_at_a_time(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench)
    await _post(api, "/v1/holds", debtor_id="d1", reason="talks", until="2026-09-01T00:00:00+02:00")

    served = await _walk(bench, date(2026, 12, 1))

    assert [(level, day) for _, level, day in served] == [
        ("first_reminder", date(2026, 9, 1)),
        ("second_reminder", date(2026, 9, 15)),
        ("formal_notice", date(2026, 9, 30)),
        ("hand_over", date(2026, 10, 12)),
    ]


@pytest.mark.parametrize("by_hand", [True, False])
async def test_after_a_hold_the_invoice_rests_as_long_as_its_policy_says(
    bench: Bench, api: httpx.AsyncClient, *, by_hand: bool
) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    async with bench.rooms.tenant("acme") as stores:
        policy = replace(always_open("ours"), resume_days=7)
        await stores.policies.add("acme", policy, source="", stored_by="me")
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE, policy_id="ours"))
    end = {} if by_hand else {"until": "2026-04-20T00:00:00+02:00"}
    hold = await _post(api, "/v1/holds", debtor_id="d1", reason="talks", **end)

    await _walk(bench, date(2026, 4, 20))
    if by_hand:
        await _post(api, f"/v1/holds/{hold['hold_id']}/release")

    assert await _walk(bench, date(2026, 4, 26)) == []
    assert await _walk(bench, date(2026, 4, 28)) == [("i1", "level_1", date(2026, 4, 27))]


async def test_a_breathing_space_in_england_ends_after_60_days(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench, country="GB", zone="Europe/London", kind="consumer")

    hold = await _post(api, "/v1/holds", debtor_id="d1", kind="breathing_space", reason="register")

    assert hold["until"] == "2026-05-29T23:00:00Z"  # 31 March in London + 60 days, at 00:00


async def test_an_insolvency_in_france_carries_the_deadline_of_the_claim(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench)

    hold = await _post(
        api, "/v1/holds", debtor_id="d1", kind="insolvency", reason="sauvegarde",
        began_on="2026-03-20", source="BODACC A 123",
    )  # fmt: skip

    assert (hold["jurisdiction"], hold["deadline_on"]) == ("FR", "2026-05-20")
    assert await _walk(bench, date(2026, 7, 1)) == []


async def test_a_promise_that_is_kept_ends_its_hold(bench: Bench, api: httpx.AsyncClient) -> None:
    ledger = await _after_courtesy(bench)
    promise = await _post(api, "/v1/promises", debtor_id="d1", pay_on="2026-04-20", source="phone")

    await _walk(bench, date(2026, 4, 15))
    await bench.feed(ledger.paid(on=date(2026, 4, 15)))
    served = await _walk(bench, date(2026, 5, 20))

    assert served == []
    assert await _ends(bench) == [("promise", "kept", 100_00)]
    (placed,) = await bench.sent(HoldPlacedV1)
    assert placed.data["instalments"] == [{"on": "2026-04-20", "amount_minor": 100_00}]
    assert placed.data["currency"] == "EUR"
    shown = (await api.get(f"/v1/promises/{promise['hold_id']}")).json()
    assert (shown["state"], shown["paid"]) == ("kept", "100.00")


async def test_a_broken_promise_resumes_the_ladder_after_its_grace(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench)
    promise = await _post(
        api, "/v1/promises", debtor_id="d1", pay_on="2026-04-20", source="email", grace_days=2
    )

    running = await _walk(bench, date(2026, 4, 22))
    shown = (await api.get(f"/v1/promises/{promise['hold_id']}")).json()
    served = await _walk(bench, date(2026, 4, 24))

    assert running == []
    assert (shown["state"], shown["broken_if_unpaid_on"]) == ("running", "2026-04-23")
    assert await _ends(bench) == [("promise", "broken", 0)]
    assert served == [("i1", "first_reminder", date(2026, 4, 23))]


async def test_a_promise_paid_in_part_is_partly_kept_and_the_rest_is_asked_for(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _after_courtesy(bench)
    await _post(
        api, "/v1/promises", debtor_id="d1", pay_on="2026-04-20", source="portal", grace_days=0
    )

    await _walk(bench, date(2026, 4, 15))
    await bench.feed(ledger.paid(on=date(2026, 4, 15), amount_minor=40_00))
    await _walk(bench, date(2026, 4, 22))

    assert await _ends(bench) == [("promise", "partly_kept", 40_00)]
    request = (await bench.sent(NoticeRequestedV2))[-1]
    assert [item["open_minor"] for item in request.data["items"]] == [60_00]


async def test_a_promise_of_a_part_is_kept_by_that_part(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _after_courtesy(bench)
    await _post(
        api, "/v1/promises", debtor_id="d1", amount="40.00", pay_on="2026-04-20", source="erp"
    )

    await _walk(bench, date(2026, 4, 15))
    await bench.feed(ledger.paid(on=date(2026, 4, 15), amount_minor=40_00))
    served = await _walk(bench, date(2026, 4, 17))

    assert await _ends(bench) == [("promise", "kept", 40_00)]
    assert served == [("i1", "first_reminder", date(2026, 4, 15))]


async def test_a_plan_runs_while_every_instalment_comes_and_ends_kept(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _after_courtesy(bench, "i1", "i2")
    plan = await _post(
        api, "/v1/plans", debtor_id="d1", instalments=4, starts_on="2026-04-10",
    )  # fmt: skip
    assert [part["amount"] for part in plan["instalments"]] == ["50.00"] * 4

    for month, invoice in ((4, "i1"), (5, "i1"), (6, "i2"), (7, "i2")):
        await _walk(bench, date(2026, month, 9))
        await bench.feed(ledger.paid(invoice, on=date(2026, month, 9), amount_minor=50_00))
        if month == 5:
            half = (await api.get(f"/v1/plans/{plan['plan_id']}")).json()
    served = await _walk(bench, date(2026, 9, 1))

    assert served == []
    assert await _ends(bench) == [("plan", "kept", 200_00)]
    assert (half["state"], half["paid"]) == ("running", "100.00")
    assert [part["state"] for part in half["instalments"]] == ["paid", "paid", "open", "open"]
    done = (await api.get(f"/v1/plans/{plan['plan_id']}")).json()
    assert (done["state"], done["paid"]) == ("kept", "200.00")
    assert {part["state"] for part in done["instalments"]} == {"paid"}


async def test_a_breached_plan_ends_and_reminders_go_on(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _after_courtesy(bench)
    await _post(api, "/v1/plans", debtor_id="d1", instalments=2, starts_on="2026-04-07")

    await _walk(bench, date(2026, 4, 7))
    await bench.feed(ledger.paid(on=date(2026, 4, 7), amount_minor=50_00))
    running = await _walk(bench, date(2026, 5, 10))
    served = await _walk(bench, date(2026, 5, 12))

    assert running == []
    assert await _ends(bench) == [("plan", "partly_kept", 50_00)]
    assert served == [("i1", "first_reminder", date(2026, 5, 11))]  # 7 May, 3 days of grace


async def test_a_disputed_invoice_waits_until_the_dispute_is_resolved(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench)
    dispute = await _post(
        api, "/v1/disputes", debtor_id="d1", invoice_id="i1", reason_code="quality", reason="broken"
    )
    held = await _walk(bench, date(2026, 5, 10))

    resolved = await _post(
        api, f"/v1/disputes/{dispute['dispute_id']}/resolve", resolution="rejected", note="checked"
    )

    assert held == []
    assert resolved["state"] == "resolved"
    assert await _walk(bench, date(2026, 5, 12)) == [("i1", "first_reminder", date(2026, 5, 11))]
    assert await _ends(bench) == [("dispute", "released", None)]


async def test_the_undisputed_part_of_an_invoice_is_asked_for(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench)
    await _post(
        api, "/v1/disputes", debtor_id="d1", invoice_id="i1", amount="30.00", reason_code="price",
        reason="a discount was agreed",
    )  # fmt: skip

    served = await _walk(bench, date(2026, 4, 10))

    assert served == [("i1", "first_reminder", FIRST)]
    (item,) = (await bench.sent(NoticeRequestedV2))[-1].data["items"]
    assert (item["open_minor"], item["disputed_minor"]) == (100_00, 30_00)


async def test_parts_that_are_disputed_one_by_one_stop_the_invoice_together(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench)
    for part, code in (("60.00", "price"), ("40.00", "goods_missing")):
        await _post(
            api, "/v1/disputes", debtor_id="d1", invoice_id="i1", amount=part, reason_code=code,
            reason="x",
        )  # fmt: skip

    assert await _walk(bench, date(2026, 5, 10)) == []


async def test_a_dispute_of_a_part_revokes_the_notice_that_asks_for_everything(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    with pytest.raises(TimeoutError):
        await bench.advance("acme", date(2026, 3, 28), timeout_s=0.5)

    await _post(
        api, "/v1/disputes", debtor_id="d1", invoice_id="i1", amount="30.00", reason_code="price",
        reason="x",
    )  # fmt: skip

    (revoked,) = await bench.sent(NoticeRevokedV1)
    assert revoked.data["invoice_ids"] == ["i1"]


async def test_an_accepted_dispute_may_rest_until_the_credit_note_is_booked(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _after_courtesy(bench)
    dispute = await _post(
        api, "/v1/disputes", debtor_id="d1", invoice_id="i1", reason_code="duplicate", reason="x"
    )
    resolved = await _post(
        api, f"/v1/disputes/{dispute['dispute_id']}/resolve", resolution="accepted",
        note="credit note follows", rest_until="2026-04-20",
    )  # fmt: skip

    await _walk(bench, date(2026, 4, 15))
    await bench.feed(ledger.paid(on=date(2026, 4, 15)))
    served = await _walk(bench, date(2026, 5, 1))

    assert resolved["state"] == "resolved"
    assert resolved["ended_at"] is None
    assert served == []
    assert await _ends(bench) == [("dispute", "ended", None)]


async def test_a_hold_for_an_invoice_on_its_way_asks_the_ledger_first(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    bench.pending = [ledger.invoice(issued_on=START, due_on=DUE)]

    hold = await _post(api, "/v1/holds", debtor_id="d1", invoice_id="i1", reason="talks")

    assert hold["invoice_ids"] == ["i1"]
    assert (("receivables.v1",), None, ("acme:d1",)) in bench.asked


async def test_a_hold_does_not_change_what_was_decided_before(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _after_courtesy(bench)
    before = await _walk(bench, date(2026, 4, 23))
    await _post(api, "/v1/holds", debtor_id="d1", reason="x", until="2026-06-01T00:00:00+02:00")

    after = await _walk(bench, date(2026, 6, 20))

    assert before == [("i1", "first_reminder", FIRST), ("i1", "second_reminder", SECOND)]
    assert after[2:] == [
        ("i1", "formal_notice", date(2026, 6, 1)),
        ("i1", "hand_over", date(2026, 6, 1) + timedelta(days=10)),
    ]

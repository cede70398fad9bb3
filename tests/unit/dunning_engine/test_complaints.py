"""What users of other dunning systems suffered, as tests: repeated, lost and jumped levels; pauses.

Each test bears the project and the number of the complaint. Money, fees, consolidation, calendars
and the end of the ladder are in `test_complaints_of_money`. Complaints that are not about decisions:

- marked as sent although SMTP failed (invoiceninja 9311, 3293, 9140; odoo 195327): what the engine
  makes of it is here, the protocol in `tests/integration/notifier/test_sending.py`.
- bounces nobody finds (invoiceninja 11917, erpnext 4957, OCA/social 1501): reports per message in
  `tests/integration/notifier/test_feedback.py`; a bounce does not yet change the next level.
- opens (invoiceninja 4118): not there, on purpose. SMS with a link (invoiceninja 1638): SMS yes, no
  link to pay. Editable texts (invoiceninja 11118): templates of the notifier.
- why was nothing sent (invoiceninja 5860, OCA 35 and 328): `test_explain.py`.
- killbill 454, killbill-docs 348 (too hard to understand): no test can prove that.
- lago board (individual invoices): every test here is about single invoices.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from dunning_common.values import replace
from dunning_engine.domain.account import Instalment
from dunning_engine.domain.case import Balance
from dunning_engine.domain.notice import outcome_of
from tests.unit.dunning_engine.builders import (
    FRANCE,
    account,
    applied,
    case,
    diary,
    hold,
    judged,
    paris,
)

FROM, UNTIL = paris("2026-04-01"), paris("2027-01-01")
LADDER = ["courtesy", "first_reminder", "second_reminder", "formal_notice", "hand_over"]


def served(*levels, **changes):
    """A case whose levels were served: ("first_reminder", "2026-05-07"), ..."""
    found = case(**changes)
    for code, on in levels:
        level_no = next(level.level_no for level in FRANCE.levels if level.code == code)
        found = found.completed(level_no, code, date.fromisoformat(on))
    return found


def levels_of(days):
    return [level for _, level in days]


def every(step, *, start, until, found, settle=True, **where):
    """Decide at every tick as a scheduler does that fires too often; every notice arrives."""
    sent, now = [], start
    while now < until:
        decision = judged(found, now=now, **where)
        found = applied(found, decision)
        for item in decision.items:
            sent.append((item.level, item.fee_minor))
            if settle:
                found = found.completed(item.level_no, item.level, decision.decided_on)
        now += step
    return sent


class TestTheSameAgainAndAgain:
    """Section a: the worst and most frequent complaint."""

    def test_invoiceninja_553_deciding_every_second_for_a_day_sends_once(self):
        """A reminder was mailed more than a hundred times because cron ran every minute."""
        start = paris("2026-05-07T09:00")
        busy = every(
            timedelta(seconds=1), start=start, until=start + timedelta(hours=1), found=case()
        )
        rest = every(
            timedelta(minutes=1),
            start=start + timedelta(hours=1),
            until=paris("2026-05-08"),
            found=served(("courtesy", "2026-04-27"), ("first_reminder", "2026-05-07")),
        )

        assert [level for level, _ in busy + rest] == ["first_reminder"]

    def test_invoiceninja_1693_while_a_notice_is_under_way_nothing_is_sent_again(self):
        """A reminder went out 22 times in a day: the guard looked at what was written after it."""
        start = paris("2026-05-07T09:00")

        sent = every(
            timedelta(minutes=5),
            start=start,
            until=paris("2026-05-20"),
            found=case(),
            settle=False,
        )

        assert [level for level, _ in sent] == ["first_reminder"]

    def test_invoiceninja_1447_every_hour_of_a_month_sends_each_level_once(self):
        """Reminders came every hour."""
        sent = every(timedelta(hours=1), start=FROM, until=paris("2026-07-01"), found=case())

        assert [level for level, _ in sent] == LADDER[:4]

    @pytest.mark.parametrize("number", [2330, 1921])
    def test_invoiceninja_2330_and_1921_a_charge_is_made_once_however_often_it_is_decided(
        self, number
    ):
        """Late fees were added every hour, or twice when a second cron ran."""
        ripe = served(("second_reminder", "2026-05-21"))
        now = paris("2026-06-05T09:00")
        first = judged(ripe, now=now)
        returned = applied(ripe, first).returned()  # decided again: asked for again, not added
        again = judged(returned, now=now + timedelta(minutes=1))

        ids = [[charge.charge_id for charge in d.items[0].charges] for d in (first, again)]
        charged = replace(
            served(("formal_notice", "2026-06-05")),
            interest_through=date(2026, 6, 5),
            compensation_charged=True,
        )

        assert ids[0] == ids[1]
        assert len(set(ids[0])) == 2
        assert judged(charged, now=paris("2026-06-10T09:00")).items == ()

    def test_invoiceninja_2649_one_decision_asks_for_one_message_per_channel(self):
        """Six to nine copies of the same automatic mail arrived."""
        notice = judged(case(), case(invoice_id="i2"), now=paris("2026-05-07T09:00")).notices[0]

        assert [message.channel for message in notice.messages] == ["email"]

    def test_d365_track_step_after_a_dispute_the_next_level_follows_not_the_last(self):
        """After a dispute the process jumped to its last step, or sent the same letter again."""
        disputed = hold(kind="dispute", invoice_ids=("i1",), until=paris("2026-11-02"))

        days = diary(
            served(("first_reminder", "2026-05-07")),
            start=paris("2026-05-08"),
            until=paris("2027-02-01"),
            debtor=account(holds=(disputed,)),
        )

        assert days == [
            ("2026-11-02", "second_reminder"),
            ("2026-11-17", "formal_notice"),
            ("2026-11-27", "hand_over"),
        ]

    def test_oca_122_what_was_not_sent_makes_no_second_and_higher_line(self):
        """Lines left to do produced a second line of a higher level for the same invoice."""
        asked = applied(case(), judged(case(), now=paris("2026-05-07T09:00")))

        later = judged(asked, now=paris("2026-07-01T09:00"))

        assert later.items == ()
        assert later.verdicts[0].state == "in_flight"


class TestNothingIsLost:
    """Section b: a missed day, or facts that change, cost a level."""

    def test_killbill_2297_a_partial_payment_reanchors_and_skips_no_level(self):
        """After a part payment the warning was left out and the account blocked at once."""
        policy = replace(FRANCE, version=2, quiet_after_payment_days=10)
        reminded = served(("first_reminder", "2026-05-07"), policy_version=2)
        paid_on = date(2026, 6, 30)  # long after the next level was due: the scheduler was down
        part = replace(
            reminded,
            open_minor=40000,
            balances=(
                Balance(since=date(2026, 4, 1), open_minor=100000),
                Balance(since=paid_on + timedelta(days=1), open_minor=40000),
            ),
        )

        days = diary(part, start=paris("2026-06-30T09:00"), until=UNTIL, policy=policy)

        assert days == [
            ("2026-07-10", "second_reminder"),  # ten quiet days, then the next level, not the last
            ("2026-07-27", "formal_notice"),
            ("2026-08-06", "hand_over"),
        ]

    @pytest.mark.parametrize("down_days", [1, 5, 40, 160])
    def test_invoiceninja_637_missed_days_lose_no_level(self, down_days):
        """Whoever missed the one day that matches never caught up: that level was gone."""
        start = paris("2026-05-07T09:00") + timedelta(days=down_days)

        days = diary(case(), start=start, until=start + timedelta(days=100))

        assert [level for level in levels_of(days) if "lapsed" not in level] == LADDER[1:]
        assert len({day for day, level in days if "lapsed" not in level}) == 4

    def test_invoiceninja_2311_a_level_that_was_missed_comes_before_the_next(self):
        """The first reminder was left out, and the second came as though it were the first."""
        late = judged(case(), now=paris("2026-08-03T10:00"))

        assert [item.level for item in late.items] == ["first_reminder"]

    def test_invoiceninja_8665_after_the_hour_of_sending_the_next_opening_takes_over(self):
        """With an hour of sending set, reminders silently stopped."""
        after_hours = judged(case(), now=paris("2026-05-07T20:00"))

        assert after_hours.next_action_at == paris("2026-05-11T08:00")
        assert judged(case(), now=after_hours.next_action_at).items

    def test_invoiceninja_9312_the_gap_counts_from_what_was_really_sent(self):
        """A past-due notice came on the morning after the first mail, which had gone out late."""
        late = served(("first_reminder", "2026-05-20"))  # should have gone on the 7th

        found = judged(late, now=paris("2026-05-21T08:00"))

        assert found.items == ()
        assert found.verdicts[0].at == paris("2026-06-03T08:00")

    def test_dolibarr_25197_after_one_reminder_the_others_follow(self):
        """One reminder came, and then never another."""
        assert levels_of(diary(case(), start=FROM, until=UNTIL)) == LADDER

    def test_dolibarr_30771_before_means_before_and_after_means_after(self):
        """The sign of the number of days was the opposite of its description."""
        days = dict(map(reversed, diary(case(), start=FROM, until=UNTIL)))

        assert days["courtesy"] < "2026-04-30" < days["first_reminder"]

    def test_a_moved_due_date_moves_what_is_to_come_and_repeats_nothing(self):
        """Section b in general: corrected data threw lines out of the schedule."""
        moved = replace(
            served(("courtesy", "2026-04-27"), ("first_reminder", "2026-05-07")),
            due_on=date(2026, 6, 30),
        )

        days = diary(moved, start=paris("2026-05-08"), until=UNTIL)

        assert days[0] == ("2026-07-21", "second_reminder")
        assert levels_of(days) == LADDER[2:]

    def test_lago_no_address_uses_up_no_level(self):
        """Attempts were used up with nothing sent when the customer had no address."""
        stuck = served(("courtesy", "2026-04-27"))
        for day in (7, 11, 12):
            decision = judged(stuck, now=paris(f"2026-05-{day:02d}T09:00"))
            assert [item.level for item in decision.items] == ["first_reminder"]
            stuck = applied(stuck, decision).failed(decision.decided_on, "no_address")

        blocked = judged(stuck, now=paris("2026-06-22T09:00"))
        known = judged(stuck.contacts_changed(), now=paris("2026-06-22T09:00"))

        assert (blocked.verdicts[0].state, blocked.verdicts[0].reason) == ("blocked", "no_address")
        assert [item.level for item in known.items] == ["first_reminder"]


class TestStopThisOne:
    """Section c: stop dunning one invoice, or one customer, and nothing else."""

    def test_invoiceninja_4293_one_invoice_can_be_paused(self):
        """The only way was to pause the whole customer."""
        debtor = account(holds=(hold(invoice_ids=("i1",)),))

        decision = judged(
            case(), case(invoice_id="i2"), now=paris("2026-05-07T09:00"), debtor=debtor
        )

        assert [item.invoice_id for item in decision.items] == ["i2"]

    def test_invoiceninja_1578_a_customer_can_be_paused_until_a_day_and_goes_on_alone(self):
        """A stop for a customer had to be remembered and lifted by hand."""
        debtor = account(holds=(hold(until=paris("2026-06-01T08:00")),))

        days = diary(case(), start=FROM, until=UNTIL, debtor=debtor)

        assert days[:2] == [("2026-06-01", "courtesy lapsed"), ("2026-06-01", "first_reminder")]

    @pytest.mark.parametrize("number", [7840, 2379])
    def test_invoiceninja_7840_and_2379_a_debit_in_flight_holds_reminders_back(self, number):
        """Customers were reminded of what was about to be debited automatically."""
        debit = hold(kind="pending_collection", invoice_ids=("i1",), until=paris("2026-05-12"))

        days = diary(
            served(("courtesy", "2026-04-27")),
            start=paris("2026-05-01"),
            until=UNTIL,
            debtor=account(holds=(debit,)),
        )

        assert days[0] == ("2026-05-12", "first_reminder")

    def test_oca_170_a_disputed_invoice_leaves_the_letter_and_the_others_keep_their_dates(self):
        """A disputed invoice could not be taken out of the customer's letter."""
        debtor = account(holds=(hold(kind="dispute", invoice_ids=("i1",)),))
        others = [case(invoice_id="i2"), case(invoice_id="i3")]
        now = paris("2026-05-07T09:00")

        decision = judged(case(), *others, now=now, debtor=debtor)

        assert [item.invoice_id for item in decision.items] == ["i2", "i3"]
        assert [v.at for v in judged(*others, now=paris("2026-05-01")).verdicts] == [
            v.at
            for v in judged(case(), *others, now=paris("2026-05-01"), debtor=debtor).verdicts[1:]
        ]

    def test_oca_460_holding_one_invoice_does_not_hide_the_others(self):
        """Reminding of one invoice hid all others of the customer."""
        reminded = served(("first_reminder", "2026-05-07"))
        held = case(invoice_id="i2")
        other = case(invoice_id="i3")
        debtor = account(holds=(hold(invoice_ids=("i2",)),))

        decision = judged(reminded, held, other, now=paris("2026-05-07T10:00"), debtor=debtor)

        assert [v.state for v in decision.verdicts] == ["scheduled", "held", "due"]

    def test_bcapps_324_an_invoice_on_hold_is_never_in_the_letter_whatever_else_is_due(self):
        """Entries on hold came or did not come, depending on whether others were due."""
        debtor = account(holds=(hold(invoice_ids=("i1",)),))
        now = paris("2026-05-07T09:00")

        alone = judged(case(), now=now, debtor=debtor)
        joined = judged(case(), case(invoice_id="i2"), now=now, debtor=debtor)

        assert alone.items == ()
        assert "i1" not in {item.invoice_id for item in joined.items}

    @pytest.mark.parametrize(
        ("paid_minor", "outcome", "first_day"),
        [(0, "broken", "2026-05-22"), (30000, "partly_kept", "2026-05-22")],
    )
    def test_a_broken_promise_goes_on_with_the_next_level_by_itself(
        self, paid_minor, outcome, first_day
    ):
        """Nobody resumed after a promise that was not kept (no open source system has promises)."""
        promise = hold(
            kind="promise",
            invoice_ids=("i1",),
            currency="EUR",
            baseline_minor=100000,
            instalments=(Instalment(on=date(2026, 5, 21), amount_minor=100000),),
        )
        owing = served(("courtesy", "2026-04-27"), open_minor=100000 - paid_minor)
        debtor = account(holds=(promise,))

        waiting = judged(owing, now=paris("2026-05-20T09:00"), debtor=debtor)
        over = judged(owing, now=waiting.next_action_at, debtor=debtor)
        after = account()

        assert waiting.items == ()
        assert [end.outcome for end in over.holds_ended] == [outcome]
        days = diary(owing, start=waiting.next_action_at, until=UNTIL, debtor=after)
        assert days[0] == (first_day, "first_reminder")
        assert levels_of(days) == LADDER[1:]


class TestDelivered:
    """Section f, as far as it is decided: a failure never counts as sent."""

    @pytest.mark.parametrize("number", [9311, 3293, 195327])
    def test_invoiceninja_9311_3293_and_odoo_195327_a_failed_mail_is_never_a_served_level(
        self, number
    ):
        """Reminders were marked as sent although the mail server had refused them."""
        failed = applied(case(), judged(case(), now=paris("2026-05-07T09:00"))).failed(
            date(2026, 5, 7), "550"
        )

        assert outcome_of(["failed"]) == "failed"
        assert [done.outcome for done in failed.served] == ["lapsed"]  # the courtesy, too late
        again = judged(failed, now=paris("2026-05-11T08:00"))
        assert [(i.level, i.attempt) for i in again.items] == [("first_reminder", 2)]

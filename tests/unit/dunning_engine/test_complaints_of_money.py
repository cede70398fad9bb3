"""What users of other systems suffered about amounts, letters, calendars and the end of the ladder.

The list of complaints that are no decisions is in `test_complaints`. Beyond the engine:
booking of fees and waivers (adempiere 2359) is the ledger's, in
`tests/integration/invoice_ingest/test_charges.py`; cancelled credit notes (OCA 562), statements
with invoices attached (Repair-Desk 735, 1425) and the letter's own layout (metasfresh 5379) are not
the engine's; credit notes change what is open, and are not shown as lines.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from dunning_common.events.receivables import (
    CreditNoteAllocatedV1,
    InvoiceIssuedV1,
    InvoiceState,
    PaymentAllocatedV1,
    PaymentReversedV1,
)
from dunning_common.values import replace
from dunning_engine.domain.case import Balance
from dunning_engine.domain.fees import Fee
from dunning_engine.domain.interest import InterestTerms, compute_interest
from dunning_engine.domain.policy import FINAL_ACTIONS, Level
from dunning_engine.domain.rates import RateBook
from dunning_engine.handlers.record_facts import fold_invoices
from tests.unit.dunning_engine.builders import (
    CALENDARS,
    FRANCE,
    applied,
    case,
    diary,
    judged,
    paris,
)

NOW = paris("2026-05-07T09:00")
FORMAL = paris("2026-06-05T09:00")
FROM, UNTIL = paris("2026-04-01"), paris("2027-06-01")


def ripe(**changes):
    """A case whose formal notice, with interest and compensation, is due on 5 June 2026."""
    return case(**changes).completed(3, "second_reminder", date(2026, 5, 21))


def charged(decision, kind):
    return sum(
        charge.amount_minor
        for item in decision.items
        for charge in item.charges
        if charge.kind == kind
    )


def state(version, open_minor, **more):
    values = {
        "invoice_id": "i1", "debtor_id": "d1", "number": "i1", "issued_on": date(2026, 4, 1),
        "due_on": date(2026, 4, 30), "currency": "EUR", "amount_minor": 100000,
        "open_minor": open_minor, "status": "open" if open_minor else "paid", "revision": 1,
        "version": version,
    }  # fmt: skip
    return InvoiceState(**values | more)


def folded(*events):
    (row,) = fold_invoices([], [("acme", event) for event in events])
    return row


class TestPartPaymentsAndCreditNotes:
    """Section d."""

    def test_oca_330_a_partly_paid_invoice_is_still_reminded_and_keeps_its_history(self):
        """After a part payment nothing came any more, and the history had vanished."""
        part = replace(case().completed(2, "first_reminder", date(2026, 5, 7)), open_minor=1)

        days = diary(part, start=NOW, until=UNTIL)

        assert [level for _, level in days] == ["second_reminder", "formal_notice", "hand_over"]
        assert [done.code for done in part.served] == ["first_reminder"]

    def test_oca_211_a_credit_note_lowers_what_is_asked_for(self):
        """Credit notes were left out of the letter: it asked for too much."""
        issued = InvoiceIssuedV1(invoice=state(1, 100000), effective_on=date(2026, 4, 1))
        credit = CreditNoteAllocatedV1(
            invoice=state(2, 70000),
            effective_on=date(2026, 5, 2),
            credit_note_id="c1",
            amount_minor=30000,
        )

        row = folded(issued, credit)
        decision = judged(case(open_minor=row.open_minor), now=NOW)

        assert decision.items[0].open_minor == 70000

    @pytest.mark.parametrize("number", [21353, 16440])
    def test_odoo_21353_and_16440_the_letter_lists_what_is_open_and_nothing_paid(self, number):
        """The letter of due payments listed paid items, or ignored part payments."""
        paid = case(invoice_id="i2", status="paid", open_minor=0)
        part = case(invoice_id="i3", open_minor=25000)

        decision = judged(case(), paid, part, now=NOW)

        assert {item.invoice_id: item.open_minor for item in decision.items} == {
            "i1": 100000,
            "i3": 25000,
        }

    def test_erpnext_41752_only_the_paid_invoice_of_a_notice_is_over(self):
        """A dunning counted as resolved while invoices of it were unpaid: the last one decided."""
        found = [case(invoice_id=f"i{n}") for n in (1, 2, 3)]
        asked = [applied(c, judged(*found, now=NOW)) for c in found]
        mixed = [
            replace(c.completed(2, "first_reminder", date(2026, 5, 7)), **paid)
            for c, paid in zip(asked, ({}, {}, {"status": "paid", "open_minor": 0}), strict=True)
        ]

        decision = judged(*mixed, now=paris("2026-05-21T09:00"))

        assert [closing.invoice_id for closing in decision.closings] == ["i3"]
        assert [item.invoice_id for item in decision.items] == ["i1", "i2"]

    @pytest.mark.parametrize("number", [46650, 42605])
    def test_erpnext_46650_and_42605_each_invoice_shows_its_own_outstanding(self, number):
        """With several invoices in a dunning the outstanding amounts were wrong."""
        decision = judged(case(open_minor=11), case(invoice_id="i2", open_minor=2200), now=NOW)

        assert {item.invoice_id: item.open_minor for item in decision.items} == {
            "i1": 11,
            "i2": 2200,
        }

    def test_erpnext_58220_interest_is_of_the_days_on_which_it_was_owed(self):
        """Interest disappeared as soon as the principal was paid down."""
        history = (
            Balance(since=date(2026, 4, 1), open_minor=100000),
            Balance(since=date(2026, 6, 4), open_minor=1000),
        )

        nearly_paid = judged(ripe(open_minor=1000, balances=history), now=FORMAL)
        never_more = judged(ripe(amount_minor=1000), now=FORMAL)

        assert charged(nearly_paid, "interest") > 50 * charged(never_more, "interest")

    def test_a_payment_that_bounced_before_it_counted_never_makes_more_than_the_invoice(self):
        """The same family: a reversal on the day of the payment doubled the debt for that day."""
        issued = InvoiceIssuedV1(invoice=state(1, 100000), effective_on=date(2026, 4, 1))
        paid = PaymentAllocatedV1(
            invoice=state(2, 0), effective_on=date(2026, 5, 10), payment_id="p", amount_minor=100000
        )
        bounced = PaymentReversedV1(
            invoice=state(3, 100000),
            effective_on=date(2026, 5, 9),
            payment_id="p",
            amount_minor=100000,
        )

        row = folded(issued, paid, bounced)

        assert {balance.open_minor for balance in row.balances} == {100000}


class TestFeesAndInterest:
    """Section e: fees and interest that hold up."""

    def test_erpnext_37095_interest_follows_the_rate_through_a_change(self):
        """One rate was used for the whole time: 10 days at 10.62 %, then 62 days at 12.12 %.

        Only the structure is theirs: their two amounts belong to no single principal.
        """
        terms = InterestTerms(series="base", points=Decimal(9), basis="a base rate and nine points")
        rates = RateBook({"base": {"23H1": Decimal("1.62"), "23H2": Decimal("3.12")}})

        found = compute_interest(
            terms,
            balances=(Balance(since=date(2023, 6, 21), open_minor=1_000_000),),
            starts_on=date(2023, 6, 21),
            first_day=date(2023, 6, 21),
            through=date(2023, 8, 31),
            rates=rates,
            earlier_is_unpaid=False,
        )

        assert [(s.days, s.rate_percent) for s in found.segments] == [
            (10, Decimal("10.62")),
            (62, Decimal("12.12")),
        ]
        exact = Decimal(1_000_000) * (10 * Decimal("10.62") + 62 * Decimal("12.12")) / 36500
        assert abs(found.amount_minor - exact) <= 1

    def test_erpnext_49621_interest_is_on_the_balance_that_each_payment_left(self):
        """Interest ran on the full amount although parts had been paid."""
        history = (
            Balance(since=date(2026, 4, 1), open_minor=100000),
            Balance(since=date(2026, 5, 11), open_minor=50000),
        )

        full = charged(judged(ripe(), now=FORMAL), "interest")
        reduced = charged(judged(ripe(open_minor=50000, balances=history), now=FORMAL), "interest")

        assert full / 2 < reduced < full

    def test_invoiceninja_11118_interest_grows_by_the_day_and_the_fixed_sum_follows_the_law(self):
        """The late fee ignored the days, and what the directive grants."""
        early = judged(ripe(), now=FORMAL)
        late = judged(ripe(), now=FORMAL + timedelta(days=60))

        assert charged(late, "interest") > 2 * charged(early, "interest") > 0
        assert charged(early, "compensation") == charged(late, "compensation") == 4000

    def test_invoiceninja_11380_the_notice_itself_names_the_fee(self):
        """The fee was booked and missing from the mail."""
        fee = Fee(fixed_minor=(("EUR", 500),), percent=Decimal(1))
        levels = (replace(FRANCE.levels[1], level_no=1, fee=fee),)
        policy = replace(FRANCE, version=2, levels=levels)

        item = judged(case(policy_version=2), now=NOW, policy=policy).items[0]

        assert item.fee_minor == 500 + 1000
        assert [(c.kind, c.amount_minor) for c in item.charges] == [("fee", 1500)]

    def test_adempiere_1663_daily_interest_runs_from_the_day_after_the_due_date_after_grace(self):
        """With days of grace the interest was lost, or ran from the wrong day."""
        policy = replace(FRANCE, version=2, grace_days=10)

        item = judged(ripe(policy_version=2), now=FORMAL, policy=policy).items[0]
        interest = next(charge for charge in item.charges if charge.kind == "interest")

        assert interest.segments[0].first_day == date(2026, 5, 1)
        assert sum(segment.days for segment in interest.segments) == 36


class TestOneLetter:
    """Section g: one message for everything, and each invoice in its own right."""

    @pytest.mark.parametrize("number", [12429, 5379])
    def test_erpnext_12429_and_metasfresh_5379_one_notice_with_all_overdue_invoices(self, number):
        """A customer got one mail, or one document, for every invoice."""
        found = [case(invoice_id=f"i{n}", due_on=date(2026, 4, 30 - n)) for n in range(9)]

        decision = judged(*found, now=NOW)

        assert len(decision.notices) == 1
        assert len(decision.notices[0].messages) == 1
        assert len(decision.items) == 9

    def test_instalments_are_invoices_of_their_own_dates(self):
        """Only the last due date of an instalment invoice was looked at."""
        first = case(invoice_id="i1/1", number="i1")
        second = case(invoice_id="i1/2", number="i1", due_on=date(2026, 5, 31))

        decision = judged(first, second, now=NOW)

        assert [item.invoice_id for item in decision.items] == ["i1/1"]
        assert [v.state for v in decision.verdicts] == ["due", "scheduled"]


class TestSchedulesAndCalendars:
    """Section h."""

    def test_invoiceninja_2865_there_may_be_more_than_three_reminders(self):
        """Three reminders were the limit."""
        levels = tuple(
            Level(
                code=f"l{n}",
                level_no=n,
                threshold_days=7 * n,
                channels=("email",),
                template="first_reminder",
            )
            for n in range(1, 13)
        )
        policy = replace(FRANCE, version=2, levels=levels)

        days = diary(case(policy_version=2), start=FROM, until=UNTIL, policy=policy)

        assert [level for _, level in days] == [f"l{n}" for n in range(1, 13)]

    @pytest.mark.parametrize("number", [925, 7320])
    def test_invoiceninja_925_and_7320_two_invoices_may_follow_two_schedules(self, number):
        """Every client had to follow one schedule."""
        fast = replace(
            FRANCE, policy_id="fast", levels=(replace(FRANCE.levels[1], threshold_days=1),)
        )

        decision = judged(
            case(), case(invoice_id="i2", policy_id="fast"), now=paris("2026-05-04T09:00"),
            policy=fast,
        )  # fmt: skip

        assert [item.invoice_id for item in decision.items] == ["i2"]

    @pytest.mark.parametrize("number", [2359, 6712, 9538])
    def test_invoiceninja_2359_6712_and_9538_no_holiday_no_weekend_no_night(self, number):
        """Reminders went out at weekends, on holidays and at night, and were not queued."""
        policy = replace(FRANCE, version=2, opens=time(9), closes=time(17))
        moments = []
        for n in range(60):
            found = case(due_on=date(2026, 4, 1) + timedelta(days=n), policy_version=2)
            decision = judged(found, now=paris("2026-03-01"), policy=policy)
            moments.append(decision.next_action_at)
        walls = [moment.astimezone(paris("2026-01-01").tzinfo) for moment in moments]

        assert all(wall.weekday() < 5 for wall in walls)
        assert not {wall.date() for wall in walls} & CALENDARS["FR"].holidays
        assert all(time(6) < wall.time() < time(17) for wall in walls)  # UTC of 9:00 to 17:00
        assert len(moments) == 60, "each of them was put off, none dropped"

    def test_killbill_1978_a_manual_invoice_is_reminded_of_before_its_due_date(self):
        """The answer was a link to documentation."""
        days = diary(case(), start=FROM, until=UNTIL)

        assert days[0] == ("2026-04-27", "courtesy")


class TestTheEnd:
    """Section k: after the last level."""

    @pytest.mark.parametrize("number", [708, 14695])
    @pytest.mark.parametrize("action", FINAL_ACTIONS)
    def test_killbill_708_and_dolibarr_14695_the_last_step_happens_by_itself(self, number, action):
        """Write-off, agency or court at the end of the ladder was handwork without a state."""
        levels = (*FRANCE.levels[:-1], replace(FRANCE.levels[-1], final=action))
        policy = replace(FRANCE, version=2, levels=levels)
        last = case(policy_version=2).completed(4, "formal_notice", date(2026, 6, 5))

        decision = judged(last, now=paris("2026-06-15T08:00"), policy=policy)

        assert [done.reason for done in decision.hand_overs] == [action]
        assert decision.items == ()
        gone = applied(last, decision)
        later = datetime(2027, 6, 1, 9, tzinfo=UTC)
        assert judged(gone, now=later, policy=policy).verdicts[0].reason == "handed_over"

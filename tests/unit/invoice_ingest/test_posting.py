from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_ingest.domain import posting
from invoice_ingest.domain.book import Book
from invoice_ingest.domain.credit import CreditKey
from invoice_ingest.domain.fact import CashChanged, InvoiceAmended, InvoiceCancelled
from invoice_ingest.domain.outcome import Refusal, Status, Why
from tests.unit.invoice_ingest.samples import TODAY, book, credit, draft, invoice, wanted

FEB_5 = date(2026, 2, 5)


def pointers(outcome: object) -> list[str]:
    assert isinstance(outcome, Refusal), outcome
    return [flaw.pointer for flaw in outcome.flaws]


def facts(sheet: Book) -> list[str]:
    return [type(fact).__name__ for fact in sheet.facts]


def cash(sheet: Book) -> int:
    return sheet.cash.get(("d1", "EUR"), 0)


def test_a_new_invoice_is_issued_on_its_own_date() -> None:
    sheet = book()

    assert posting.put_invoice(sheet, draft()) is Status.CREATED
    assert facts(sheet) == ["InvoiceIssued"]
    assert sheet.facts[0].effective_on == date(2026, 1, 1)


def test_an_invoice_of_an_unknown_debtor_is_refused_at_the_field() -> None:
    assert pointers(posting.put_invoice(book(), draft(debtor_id="d9"))) == ["/debtor_id"]


def test_an_erased_debtor_gets_no_new_invoices_but_old_ones_can_still_be_paid() -> None:
    sheet = book(invoice(), d1=True)

    refused = posting.put_invoice(sheet, draft("i2"))
    paid = posting.put_credit(sheet, credit())

    assert isinstance(refused, Refusal)
    assert refused.slug == "debtor-erased"
    assert paid is Status.CREATED


def test_an_invoice_due_before_it_is_issued_is_refused_at_the_field() -> None:
    outcome = posting.put_invoice(book(), draft(due_on=date(2025, 12, 31)))

    assert pointers(outcome) == ["/due_on"]


def test_an_older_revision_is_stale_and_changes_nothing() -> None:
    sheet = book(invoice(revision=3))

    assert posting.put_invoice(sheet, draft(revision=2, amount_minor=1)) is Status.STALE
    assert sheet.facts == []


def test_an_equal_revision_with_other_content_is_a_conflict() -> None:
    outcome = posting.put_invoice(book(invoice(revision=3)), draft(revision=3, amount_minor=1))

    assert isinstance(outcome, Refusal)
    assert outcome.why is Why.CONFLICT


def test_an_amendment_takes_effect_today_unless_it_says_otherwise() -> None:
    sheet = book(invoice(), invoice("i2"))

    posting.put_invoice(sheet, draft(amount_minor=1))
    posting.put_invoice(sheet, draft("i2", amount_minor=1, effective_on=FEB_5))

    assert [fact.effective_on for fact in sheet.facts] == [TODAY, FEB_5]


def test_an_invoice_keeps_its_debtor_and_its_currency() -> None:
    sheet = book(invoice())

    assert pointers(posting.put_invoice(sheet, draft(debtor_id="d2"))) == ["/debtor_id"]
    assert pointers(posting.put_invoice(sheet, draft(currency="USD"))) == ["/currency"]


def test_a_cancelled_invoice_does_not_come_back() -> None:
    sheet = book(invoice())
    posting.cancel_invoice(sheet, "i1", reason="mistake", on=None)

    outcome = posting.put_invoice(sheet, draft(revision=2, amount_minor=1))

    assert isinstance(outcome, Refusal)
    assert outcome.slug == "invoice-cancelled"


def test_the_same_key_twice_in_a_batch_is_handled_in_order() -> None:
    sheet = book()

    first = posting.put_invoice(sheet, draft(revision=1))
    second = posting.put_invoice(sheet, draft(revision=2, amount_minor=5))
    third = posting.put_invoice(sheet, draft(revision=1))

    assert [first, second, third] == [Status.CREATED, Status.UPDATED, Status.STALE]
    assert sheet.invoices["i1"].amount_minor == 5


def test_one_payment_covers_many_invoices_and_the_rest_is_cash() -> None:
    sheet = book(invoice("i1"), invoice("i2"))

    posting.put_credit(sheet, credit(amount_minor=25_000, wanted=wanted(i1=10_000, i2=15_000)))

    assert [sheet.invoices[i].status for i in ("i1", "i2")] == ["paid", "paid"]
    assert cash(sheet) == 5_000
    assert facts(sheet) == ["CreditAllocated", "CreditAllocated", "CashChanged"]


def test_two_payments_in_a_batch_do_not_cover_the_same_money_twice() -> None:
    sheet = book(invoice("i1"))

    posting.put_credit(sheet, credit("p1", amount_minor=8_000))
    posting.put_credit(sheet, credit("p2", amount_minor=8_000))

    assert sheet.invoices["i1"].status == "paid"
    assert cash(sheet) == 6_000


def test_automatic_allocation_leaves_other_currencies_and_debtors_alone() -> None:
    sheet = book(invoice("usd", currency="USD"), invoice("other", debtor_id="d2"))

    posting.put_credit(sheet, credit())

    assert all(i.status == "open" for i in sheet.invoices.values())
    assert cash(sheet) == 10_000


def test_an_allocation_names_what_is_wrong_with_each_invoice() -> None:
    sheet = book(invoice("other", debtor_id="d2"), invoice("usd", currency="USD"), invoice("i1"))

    outcome = posting.put_credit(
        sheet,
        credit(wanted=(*wanted(other=1, usd=1, nope=1, i1=1), *wanted(i1=1))),
    )

    assert pointers(outcome) == [f"/allocations/{n}/invoice_id" for n in (0, 1, 2, 4)]
    assert sheet.facts == []


def test_more_allocated_than_paid_is_refused() -> None:
    outcome = posting.put_credit(book(invoice()), credit(amount_minor=5, wanted=wanted(i1=6)))

    assert pointers(outcome) == ["/allocations"]


def test_a_payment_sent_again_is_unchanged_and_with_other_content_a_conflict() -> None:
    sheet = book(invoice())
    posting.put_credit(sheet, credit())

    again = posting.put_credit(sheet, credit())
    other = posting.put_credit(sheet, credit(amount_minor=1, dated_on=TODAY))

    assert again is Status.UNCHANGED
    assert isinstance(other, Refusal)
    assert pointers(other) == ["/amount", "/value_date"]


def test_a_payment_and_a_credit_note_may_have_the_same_id() -> None:
    sheet = book(invoice())

    assert posting.put_credit(sheet, credit("x", amount_minor=1)) is Status.CREATED
    assert posting.put_credit(sheet, credit("x", "credit_note", amount_minor=2)) is Status.CREATED


def test_a_reversed_payment_is_owed_again_and_its_cash_is_gone() -> None:
    sheet = book(invoice())
    posting.put_credit(sheet, credit(amount_minor=12_000))

    outcome = posting.reverse_payment(sheet, "p1", reason="bounced", on=None)

    assert outcome is Status.UPDATED
    assert sheet.invoices["i1"].open_minor == 10_000
    assert cash(sheet) == 0
    assert facts(sheet)[-2:] == ["PaymentReversed", "CashChanged"]
    assert posting.reverse_payment(sheet, "p1", reason="again", on=None) is Status.UNCHANGED


def test_a_reversal_keeps_the_other_payment_as_the_last_day_of_cover() -> None:
    sheet = book(invoice())
    posting.put_credit(sheet, credit("p1", amount_minor=4_000, dated_on=FEB_5))
    posting.put_credit(sheet, credit("p2", amount_minor=6_000, dated_on=TODAY))

    posting.reverse_payment(sheet, "p2", reason="bounced", on=None)

    assert sheet.invoices["i1"].covered_on == FEB_5


def test_lowering_an_invoice_below_what_was_paid_makes_cash_of_the_latest_payment() -> None:
    sheet = book(invoice())
    posting.put_credit(sheet, credit("p1", amount_minor=4_000, dated_on=FEB_5))
    posting.put_credit(sheet, credit("p2", amount_minor=6_000, dated_on=TODAY))

    posting.put_invoice(sheet, draft(amount_minor=7_000))

    assert sheet.invoices["i1"].status == "paid"
    assert cash(sheet) == 3_000
    assert sheet.credits[CreditKey("payment", "p2")].unallocated_minor == 3_000
    assert isinstance(sheet.facts[-2], InvoiceAmended)
    assert isinstance(sheet.facts[-1], CashChanged)


def test_a_payment_gives_way_before_a_credit_note() -> None:
    sheet = book(invoice())
    posting.put_credit(sheet, credit("n1", "credit_note", amount_minor=4_000, dated_on=TODAY))
    posting.put_credit(sheet, credit("p1", amount_minor=6_000, dated_on=FEB_5))

    posting.put_invoice(sheet, draft(amount_minor=9_000))

    assert sheet.credits[CreditKey("payment", "p1")].unallocated_minor == 1_000
    assert sheet.credits[CreditKey("credit_note", "n1")].unallocated_minor == 0


def test_cancelling_a_paid_invoice_makes_cash_of_the_payment() -> None:
    sheet = book(invoice())
    posting.put_credit(sheet, credit())

    posting.cancel_invoice(sheet, "i1", reason="wrong", on=FEB_5)

    assert cash(sheet) == 10_000
    assert isinstance(sheet.facts[-2], InvoiceCancelled)
    assert posting.cancel_invoice(sheet, "i1", reason="wrong", on=None) is Status.UNCHANGED


def test_only_what_is_open_can_be_written_off() -> None:
    sheet = book(invoice("open"), invoice("paid"), invoice("gone"))
    posting.put_credit(sheet, credit(wanted=wanted(paid=10_000)))
    posting.cancel_invoice(sheet, "gone", reason="x", on=None)

    outcomes = {
        i: posting.write_off_invoice(sheet, i, reason="x", on=None)
        for i in ("open", "paid", "gone", "nope")
    }

    assert outcomes["open"] is Status.UPDATED
    assert [getattr(outcomes[i], "slug", None) for i in ("paid", "gone", "nope")] == [
        "invoice-paid",
        "invoice-cancelled",
        "unknown-invoice",
    ]
    assert posting.write_off_invoice(sheet, "open", reason="x", on=None) is Status.UNCHANGED


def test_money_that_came_before_its_invoice_covers_it_when_asked() -> None:
    sheet = book()
    posting.put_credit(sheet, credit("p2", amount_minor=7_000, dated_on=TODAY))
    posting.put_credit(sheet, credit("p1", amount_minor=8_000, dated_on=FEB_5))
    posting.put_invoice(sheet, draft())
    assert sheet.invoices["i1"].open_minor == 10_000

    outcome = posting.allocate_cash(sheet, "d1", on=None)

    assert outcome is Status.UPDATED
    assert sheet.invoices["i1"].status == "paid"
    assert sheet.credits[CreditKey("payment", "p1")].unallocated_minor == 0
    assert sheet.credits[CreditKey("payment", "p2")].unallocated_minor == cash(sheet) == 5_000
    assert posting.allocate_cash(sheet, "d1", on=None) is Status.UNCHANGED


def test_a_payment_that_covers_an_invoice_in_two_steps_bounces_as_a_whole() -> None:
    sheet = book(invoice(amount_minor=6_000))
    posting.put_credit(sheet, credit())
    posting.put_invoice(sheet, draft(amount_minor=9_000))
    posting.allocate_cash(sheet, "d1", on=None)
    assert cash(sheet) == 1_000

    posting.reverse_payment(sheet, "p1", reason="bounced", on=None)

    assert sheet.invoices["i1"].open_minor == 9_000
    assert cash(sheet) == 0


def test_going_back_to_a_mark_leaves_no_trace() -> None:
    sheet = book(invoice())
    mark = sheet.mark()

    posting.put_invoice(sheet, draft("i2"))
    posting.put_credit(sheet, credit(amount_minor=30_000))
    sheet.back_to(mark)

    assert sheet.facts == []
    assert sheet.new_invoices() == sheet.changed_invoices() == []
    assert sheet.changed_credits() == sheet.changed_covers() == sheet.changed_cash() == []
    assert posting.put_credit(sheet, credit(amount_minor=10_000)) is Status.CREATED
    assert [c.invoice_id for c in sheet.covers_by(CreditKey("payment", "p1"))] == ["i1"]


ids = st.sampled_from(["a", "b", "c"])
minor = st.integers(1, 500)
days = st.dates(date(2026, 1, 1), date(2026, 6, 30))
orders = st.one_of(
    st.tuples(st.just("invoice"), ids, st.integers(0, 500), days),
    st.tuples(st.just("payment"), st.text("pqrst", min_size=1, max_size=2), minor, days),
    st.tuples(st.just("allocated"), st.text("xyz", min_size=1, max_size=2), minor, days, ids),
    st.tuples(st.just("note"), st.text("mn", min_size=1, max_size=2), minor, days),
    st.tuples(st.just("reverse"), st.text("pqrst", min_size=1, max_size=2), days),
    st.tuples(st.just("cancel"), ids, days),
    st.tuples(st.just("write_off"), ids, days),
    st.tuples(st.just("cash"), st.just("d1"), days),
)


def post(sheet: Book, order: tuple[object, ...]) -> object:
    match order:
        case ("invoice", str(i), int(amount), date() as on):
            return posting.put_invoice(sheet, draft(i, amount_minor=amount, effective_on=on))
        case ("payment", str(i), int(amount), date() as on):
            return posting.put_credit(sheet, credit(i, amount_minor=amount, dated_on=on))
        case ("allocated", str(i), int(amount), date() as on, str(target)):
            wants = wanted(**{target: amount})
            return posting.put_credit(
                sheet, credit(i, amount_minor=amount, dated_on=on, wanted=wants)
            )
        case ("note", str(i), int(amount), date() as on):
            return posting.put_credit(
                sheet, credit(i, "credit_note", amount_minor=amount, dated_on=on)
            )
        case ("reverse", str(i), date() as on):
            return posting.reverse_payment(sheet, i, reason="r", on=on)
        case ("cancel", str(i), date() as on):
            return posting.cancel_invoice(sheet, i, reason="r", on=on)
        case ("write_off", str(i), date() as on):
            return posting.write_off_invoice(sheet, i, reason="r", on=on)
        case ("cash", str(i), date() as on):
            return posting.allocate_cash(sheet, i, on=on)
        case _:
            raise AssertionError(order)


@settings(max_examples=200)
@given(st.lists(orders, max_size=25))
def test_money_is_conserved_whatever_is_posted(given_orders: list[tuple[object, ...]]) -> None:
    sheet = book()
    for order in given_orders:
        facts_before = len(sheet.facts)
        outcome = post(sheet, order)

        assert isinstance(outcome, Status | Refusal)
        assert outcome in (Status.CREATED, Status.UPDATED) or len(sheet.facts) == facts_before
        live = [c for c in sheet.credits.values() if c.reversed_on is None]
        covered = sum(cover.amount_minor for cover in sheet.covers.values())
        assert sum(c.draft.amount_minor for c in live) == covered + cash(sheet)
        assert sum(c.unallocated_minor for c in live) == cash(sheet)
        for known in sheet.invoices.values():
            covers = sheet.covers_of(known.invoice_id)
            assert known.covered_minor == sum(cover.amount_minor for cover in covers)
            assert known.open_minor >= 0


@settings(max_examples=100)
@given(st.lists(orders, max_size=25))
def test_sending_everything_again_changes_nothing(given_orders: list[tuple[object, ...]]) -> None:
    resendable = [o for o in given_orders if o[0] in ("payment", "allocated", "note")]
    sheet = book(*(invoice(i) for i in "abc"))
    taken = [order for order in resendable if post(sheet, order) is Status.CREATED]
    facts_before = len(sheet.facts)

    assert all(post(sheet, order) is Status.UNCHANGED for order in taken)
    assert len(sheet.facts) == facts_before

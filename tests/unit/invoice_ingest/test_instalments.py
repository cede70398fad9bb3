from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_ingest.domain import documents, posting
from invoice_ingest.domain.instalments import (
    INSTALMENTS_MAX,
    as_document,
    current,
    flaws_of_plan,
    instalment_id,
    ordinal_of,
    parts_of,
)
from invoice_ingest.domain.invoice import Instalment, InvoiceDraft
from invoice_ingest.domain.outcome import Outcome, Refusal, Status
from tests.unit.invoice_ingest.samples import book, charge, charged, credit, draft, wanted

FEB, MAR, APR = date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)


def plan(*amounts: int, first: date = FEB) -> tuple[Instalment, ...]:
    return tuple(
        Instalment(due_on=first + timedelta(days=30 * n), amount_minor=minor)
        for n, minor in enumerate(amounts)
    )


def document(*amounts: int, first: date = FEB, **changes: Any) -> InvoiceDraft:
    parts = plan(*amounts, first=first)
    given_ = {
        "instalments": parts,
        "amount_minor": sum(amounts),
        "due_on": parts[-1].due_on,
        "revision": 1,
    }
    return draft(**given_ | changes)


def slug(outcome: Outcome) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.slug


def pointers(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Refusal), outcome
    return [flaw.pointer for flaw in outcome.flaws]


sums = st.lists(st.integers(1, 10**12), min_size=2, max_size=INSTALMENTS_MAX)
few = st.lists(st.integers(1, 10**6), min_size=2, max_size=6)


@given(sums)
def test_the_instalments_conserve_the_sum_and_keep_their_order(amounts: list[int]) -> None:
    sheet = book()

    assert documents.put_invoice(sheet, document(*amounts)) is Status.CREATED

    parts = current(sheet.instalments_of("i1"))
    assert [p.amount_minor for p in parts] == amounts
    assert all(before.due_on < after.due_on for before, after in pairwise(parts))
    assert [ordinal_of(p) for p in parts] == list(range(1, len(amounts) + 1))
    whole = as_document(parts)
    assert whole.amount_minor == whole.open_minor == sum(amounts)
    assert (whole.invoice_id, whole.number, whole.due_on) == ("i1", "i1", parts[-1].due_on)


@given(st.lists(few, min_size=1, max_size=6))
def test_after_any_revisions_the_document_is_the_last_plan(plans: list[list[int]]) -> None:
    sheet = book()

    for revision, amounts in enumerate(plans, start=1):
        outcome = documents.put_invoice(sheet, document(*amounts, revision=revision))
        assert not isinstance(outcome, Refusal)

    stored = sheet.instalments_of("i1")
    parts = current(stored)
    assert [p.amount_minor for p in parts] == plans[-1]
    assert sum(i.open_minor for i in stored) == sum(plans[-1])
    assert all(i.cancelled for i in stored if i not in parts)
    assert documents.put_invoice(sheet, document(*plans[-1], revision=None)) is Status.UNCHANGED


@given(few, st.integers(1, 10**7))
def test_money_for_the_document_covers_the_oldest_due_first(amounts: list[int], paid: int) -> None:
    sheet = book()
    documents.put_invoice(sheet, document(*amounts))

    taken = posting.put_credit(sheet, credit(amount_minor=paid, wanted=wanted(i1=paid)))

    assert taken is Status.CREATED
    covered = [p.covered_minor for p in current(sheet.instalments_of("i1"))]
    rest = paid
    for minor, amount in zip(covered, amounts, strict=True):
        assert minor == min(rest, amount)
        rest -= minor
    assert sheet.cash.get(("d1", "EUR"), 0) == rest


@given(few, few, st.integers(1, 10**7))
def test_a_new_plan_loses_no_money(before: list[int], after: list[int], paid: int) -> None:
    sheet = book()
    documents.put_invoice(sheet, document(*before))
    posting.put_credit(sheet, credit(amount_minor=paid, wanted=wanted(i1=paid)))
    facts = list(sheet.facts)

    outcome = documents.put_invoice(sheet, document(*after, revision=2))

    stored = sheet.instalments_of("i1")
    if isinstance(outcome, Refusal):
        assert outcome.slug == "instalment-paid"
        assert sheet.facts == facts
        assert [p.amount_minor for p in current(stored)] == before
    assert sum(i.covered_minor for i in stored) + sheet.cash.get(("d1", "EUR"), 0) == paid


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"amount_minor": 601}, "/instalments"),
        ({"due_on": APR}, "/due_on"),
        ({"issued_on": MAR}, "/instalments/0/due_on"),
        ({"invoice_id": "x" * 96}, "/invoice_id"),
        (
            {
                "instalments": (
                    Instalment(due_on=FEB, amount_minor=300),
                    Instalment(due_on=FEB, amount_minor=300),
                ),
                "due_on": FEB,
            },
            "/instalments/1/due_on",
        ),
        (
            {
                "instalments": (
                    Instalment(due_on=FEB, amount_minor=600),
                    Instalment(due_on=MAR, amount_minor=0),
                ),
                "due_on": MAR,
            },
            "/instalments/1/amount",
        ),
    ],
)
def test_a_plan_that_does_not_fit_its_document_is_refused(
    changes: dict[str, Any], pointer: str
) -> None:
    wrong = document(100, 200, 300, **changes)

    assert pointers(documents.put_invoice(book(), wrong)) == [pointer]
    assert [flaw.pointer for flaw in flaws_of_plan(wrong)] == [pointer]


def test_the_id_of_a_cancelled_instalment_is_never_used_again() -> None:
    sheet = book()
    for revision, amounts in enumerate([(1, 2, 3), (1, 2), (1, 2, 3)], start=1):
        documents.put_invoice(sheet, document(*amounts, revision=revision))

    assert [p.invoice_id for p in current(sheet.instalments_of("i1"))] == ["i1~1", "i1~2", "i1~4"]
    assert sheet.invoices["i1~3"].cancelled
    assert sheet.invoices["i1~4"].number == "i1 (3/3)"


def test_parts_carry_the_revision_of_their_document() -> None:
    parts = parts_of(document(1, 2), [], revision=7)

    assert [(p.invoice_id, p.revision) for p in parts] == [
        (instalment_id("i1", 1), 7),
        (instalment_id("i1", 2), 7),
    ]


def test_the_charges_of_a_document_wait_for_all_its_principals() -> None:
    sheet = book()
    documents.put_invoice(sheet, document(100, 200))
    charged(sheet, charge(invoice_id="i1~1", amount_minor=50))

    posting.put_credit(sheet, credit(amount_minor=310, wanted=wanted(i1=300)))

    assert [p.open_minor for p in current(sheet.instalments_of("i1"))] == [0, 0]
    assert sheet.charges["c1"].open_minor == 40


def test_a_charge_takes_what_the_debtor_paid_too_much_for_the_document() -> None:
    sheet = book()
    documents.put_invoice(sheet, document(100, 200))
    posting.put_credit(sheet, credit(amount_minor=310, wanted=wanted(i1=310)))

    charged(sheet, charge(invoice_id="i1~1", amount_minor=50))

    assert sheet.charges["c1"].open_minor == 40
    assert sheet.cash["d1", "EUR"] == 0


def test_an_instalment_that_was_paid_stays_in_the_plan() -> None:
    sheet = book()
    documents.put_invoice(sheet, document(100, 200, 300))
    posting.put_credit(sheet, credit(amount_minor=1, wanted=(*wanted(**{"i1~3": 1}),)))

    refused = documents.put_invoice(sheet, document(100, 500, revision=2))

    assert (slug(refused), pointers(refused)) == ("instalment-paid", ["/instalments"])
    assert [p.amount_minor for p in current(sheet.instalments_of("i1"))] == [100, 200, 300]


def test_an_instalment_whose_charge_was_paid_stays_in_the_plan() -> None:
    sheet = book()
    documents.put_invoice(sheet, document(100, 200, 300))
    charged(sheet, charge(invoice_id="i1~3", amount_minor=5))
    paid = credit(amount_minor=5, wanted=wanted("charges", **{"i1~3": 5}))
    posting.put_credit(sheet, paid)

    assert slug(documents.put_invoice(sheet, document(100, 500, revision=2))) == "instalment-paid"


def test_a_document_never_takes_the_id_of_another_invoice() -> None:
    sheet = book()
    documents.put_invoice(sheet, draft("i1~2"))

    refused = documents.put_invoice(sheet, document(100, 200))

    assert (slug(refused), pointers(refused)) == ("invoice-id-taken", ["/invoice_id"])
    assert set(sheet.invoices) == {"i1~2"}


def test_a_document_of_an_unknown_debtor_leaves_nothing_behind() -> None:
    sheet = book()

    assert pointers(documents.put_invoice(sheet, document(1, 2, debtor_id="x"))) == ["/debtor_id"]
    assert sheet.instalments_of("i1") == []


def test_a_document_without_a_plan_has_no_sum() -> None:
    with pytest.raises(ValueError, match="instalments"):
        as_document([])

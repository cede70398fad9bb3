"""Sections and totals: every invoice once, every cent accounted for."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.dunning import NoticeItem
from notifier.content.samples import DECIDED_AT, sample_request
from notifier.content.summary import UnknownInvoiceError, summarise, totals_of

MINOR = st.integers(0, 10**13)


@st.composite
def items(draw: st.DrawFn) -> list[NoticeItem]:
    count = draw(st.integers(1, 30))
    found = []
    for place in range(count):
        days_late = draw(st.integers(-10, 60))
        open_minor = draw(MINOR)
        found.append(
            NoticeItem(
                invoice_id=f"I{place}",
                number=draw(st.text("AB1", max_size=3)),
                level="x",
                level_no=1,
                issued_on=DECIDED_AT.date(),
                due_on=DECIDED_AT.date() - timedelta(days=days_late),
                days_late=days_late,
                currency=draw(st.sampled_from(("EUR", "USD", "JPY"))),
                amount_minor=draw(MINOR),
                open_minor=open_minor,
                charges_open_minor=draw(MINOR),
                disputed_minor=draw(st.integers(0, open_minor)),
                fee_minor=draw(MINOR),
                interest_minor=draw(MINOR),
                compensation_minor=draw(st.sampled_from((0, 4000, 7000))),
                version=1,
            )
        )
    return draw(st.permutations(found))


@given(items())
def test_totals_are_conserved_per_currency(invoices: list[NoticeItem]) -> None:
    request = sample_request("first_reminder", "email", "en", invoices=1)
    notice = request.notice.model_copy(update={"items": tuple(invoices)})
    ids = tuple(item.invoice_id for item in invoices)

    summary = summarise(notice, request.message.model_copy(update={"invoice_ids": ids + ids}))

    both = (*summary.overdue.items, *summary.coming_due.items)
    assert sorted(item.invoice_id for item in both) == sorted(ids)
    assert {item.days_late > 0 for item in summary.overdue.items} <= {True}
    assert {item.days_late > 0 for item in summary.coming_due.items} <= {False}
    for currency in ("EUR", "USD", "JPY"):
        of_it = [item for item in invoices if item.currency == currency]
        parts = [
            total
            for section in (summary.overdue, summary.coming_due)
            for total in section.totals
            if total.currency == currency
        ]
        assert sum(total.open_minor + total.disputed_minor for total in parts) == sum(
            item.open_minor for item in of_it
        )
        assert sum(total.due_minor for total in parts) == sum(
            item.open_minor
            - item.disputed_minor
            + item.charges_open_minor
            + item.interest_minor
            + item.compensation_minor
            + item.fee_minor
            for item in of_it
        )
        assert sum(total.count for total in parts) == len(of_it)


@given(items(), st.randoms())
def test_the_order_of_the_invoices_does_not_matter(
    invoices: list[NoticeItem], random: object
) -> None:
    shuffled = list(invoices)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert totals_of(shuffled) == totals_of(invoices)


def test_the_oldest_invoice_comes_first() -> None:
    request = sample_request("first_reminder", "email", "en", invoices=5)
    notice = request.notice.model_copy(update={"items": request.notice.items[::-1]})

    summary = summarise(notice, request.message)

    dates = [item.due_on for item in summary.everything.items]
    assert dates == sorted(dates)
    assert summary.demanded == summary.overdue


def test_an_invoice_due_today_is_not_overdue() -> None:
    request = sample_request("courtesy", "email", "en", invoices=1)
    item = request.notice.items[0].model_copy(update={"days_late": 0})

    summary = summarise(request.notice.model_copy(update={"items": (item,)}), request.message)

    assert summary.overdue.items == ()
    assert summary.demanded == summary.coming_due


def test_one_fixed_sum_per_invoice_is_shown_only_where_it_is_one() -> None:
    request = sample_request("formal_notice", "email", "en", invoices=2)
    first, second = request.notice.items
    other = second.model_copy(update={"compensation_minor": 7000})
    none = second.model_copy(update={"compensation_minor": 0})

    assert [t.compensation_each_minor for t in totals_of((first, second))] == [4000]
    assert [t.compensation_each_minor for t in totals_of((first, other))] == [None]
    assert [t.compensation_count for t in totals_of((first, none))] == [1]


def test_an_invoice_that_the_notice_does_not_hold_is_refused() -> None:
    request = sample_request("courtesy", "email", "en")
    message = request.message.model_copy(update={"invoice_ids": ("INV-0001", "INV-9")})

    with pytest.raises(UnknownInvoiceError, match="INV-9"):
        summarise(request.notice, message)


def test_a_rate_is_named_only_where_interest_is_charged() -> None:
    request = sample_request("formal_notice", "email", "fr", invoices=3)
    first, second, coming = request.notice.items
    other = second.model_copy(update={"interest_percent": Decimal("4.125")})
    idle = coming.model_copy(update={"interest_percent": Decimal(99)})

    (total,) = totals_of([first, other, first, idle])

    assert total.interest_percents == (Decimal("4.125"), Decimal("12.4"))

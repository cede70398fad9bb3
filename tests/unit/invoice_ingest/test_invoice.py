from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_ingest.domain.invoice import (
    Invoice,
    amend,
    cancel,
    charge,
    cover,
    uncover,
    write_off,
)
from tests.unit.invoice_ingest.samples import TODAY, draft, invoice

FEB_5 = date(2026, 2, 5)
FEB_9 = date(2026, 2, 9)


def test_a_new_invoice_owes_its_amount() -> None:
    new = invoice()

    assert (new.status, new.open_minor, new.version, new.revision) == ("open", 10_000, 1, 1)
    assert new.settled_on is None


def test_an_invoice_over_nothing_is_paid_on_the_day_it_is_issued() -> None:
    new = invoice(amount_minor=0)

    assert (new.status, new.settled_on) == ("paid", new.issued_on)


def test_a_partial_payment_leaves_the_invoice_open() -> None:
    partly = cover(invoice(), 4_000, on=FEB_5)

    assert (partly.status, partly.open_minor, partly.version) == ("open", 6_000, 2)


def test_the_last_payment_settles_the_invoice_on_its_value_date() -> None:
    paid = cover(cover(invoice(), 4_000, on=FEB_5), 6_000, on=FEB_9)

    assert (paid.status, paid.settled_on) == ("paid", FEB_9)


def test_payments_told_out_of_order_settle_on_the_latest_value_date() -> None:
    paid = cover(cover(invoice(), 4_000, on=FEB_9), 6_000, on=FEB_5)

    assert paid.settled_on == FEB_9


def test_a_bounced_payment_opens_the_invoice_again() -> None:
    paid = cover(invoice(), 10_000, on=FEB_5)

    again = uncover(paid, 10_000, covered_on=None)

    assert (again.status, again.open_minor, again.settled_on, again.version) == (
        "open", 10_000, None, 3,
    )  # fmt: skip


def test_an_amendment_below_what_was_paid_frees_the_surplus() -> None:
    partly = cover(invoice(), 6_000, on=FEB_5)

    amended, surplus = amend(partly, draft(amount_minor=5_000, revision=2), on=TODAY)

    assert (amended.status, amended.covered_minor, surplus) == ("paid", 5_000, 1_000)
    assert amended.settled_on == TODAY


def test_an_amendment_above_what_was_paid_opens_the_invoice_again() -> None:
    paid = cover(invoice(), 10_000, on=FEB_5)

    amended, surplus = amend(paid, draft(amount_minor=12_000, revision=2), on=TODAY)

    assert (amended.status, amended.open_minor, amended.settled_on, surplus) == (
        "open", 2_000, None, 0,
    )  # fmt: skip


def test_an_amendment_of_other_things_keeps_the_day_of_settlement() -> None:
    paid = cover(invoice(), 10_000, on=FEB_5)

    amended, _ = amend(paid, draft(number="other", revision=2), on=TODAY)

    assert (amended.status, amended.settled_on) == ("paid", FEB_5)


def test_a_cancelled_invoice_owes_nothing_and_gives_back_what_was_paid() -> None:
    partly = charge(cover(invoice(), 6_000, on=FEB_5), 500)

    cancelled, surplus = cancel(partly, on=TODAY)

    assert (cancelled.status, cancelled.open_minor, cancelled.charges_open_minor) == (
        "cancelled", 0, 0,
    )  # fmt: skip
    assert surplus == 6_000


def test_a_written_off_invoice_is_closed_and_still_remembers_what_was_paid() -> None:
    partly = cover(invoice(), 6_000, on=FEB_5)

    gone = write_off(partly, on=TODAY)

    assert (gone.status, gone.written_off_minor, gone.covered_minor) == (
        "written_off",
        4_000,
        6_000,
    )


def test_a_payment_that_bounces_after_a_write_off_is_owed_again() -> None:
    gone = write_off(cover(invoice(), 6_000, on=FEB_5), on=TODAY)

    again = uncover(gone, 6_000, covered_on=None)

    assert (again.status, again.open_minor, again.written_off_minor) == ("open", 6_000, 4_000)


def test_a_charge_stays_beside_the_principal() -> None:
    charged = charge(invoice(), 4_000)

    assert (charged.open_minor, charged.charges_open_minor, charged.version) == (10_000, 4_000, 2)


def test_a_charge_does_not_open_a_paid_invoice() -> None:
    charged = charge(cover(invoice(), 10_000, on=FEB_5), 4_000)

    assert (charged.status, charged.settled_on) == ("paid", FEB_5)


@pytest.mark.parametrize("amount_minor", [0, -1, 10_001])
def test_more_than_is_open_cannot_be_covered(amount_minor: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        cover(invoice(), amount_minor, on=FEB_5)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["cover", "uncover", "amend", "write_off", "charge", "cancel"]),
            st.integers(0, 20_000),
            st.dates(date(2026, 1, 1), date(2026, 12, 31)),
        ),
        max_size=12,
    )
)
def test_whatever_happens_the_amounts_add_up_and_versions_grow(
    steps: list[tuple[str, int, date]],
) -> None:
    now = invoice()
    for what, amount, on in steps:
        before = now
        now = _step(now, what, amount, on)

        assert now is before or now.version == before.version + 1
        assert now.open_minor >= 0
        assert now.cancelled or now.amount_minor == (
            now.open_minor + now.covered_minor + now.written_off_minor
        )
        assert (now.status == "paid") == (now.settled_on is not None)
        assert (now.status == "open") == (now.open_minor > 0)


def _step(now: Invoice, what: str, amount: int, on: date) -> Invoice:
    match what:
        case "cover" if min(amount, now.open_minor) > 0:
            return cover(now, min(amount, now.open_minor), on=on)
        case "uncover" if min(amount, now.covered_minor) > 0:
            part = min(amount, now.covered_minor)
            rest = now.covered_on if part < now.covered_minor else None
            return uncover(now, part, covered_on=rest)
        case "amend" if not now.cancelled:
            return amend(now, draft(amount_minor=amount), on=on)[0]
        case "write_off" if now.status == "open":
            return write_off(now, on=on)
        case "charge":
            return charge(now, amount)
        case "cancel" if not now.cancelled:
            return cancel(now, on=on)[0]
        case _:
            return now

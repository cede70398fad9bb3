"""Invoices folded from the ledger's events: the last version wins, and the principal adds up."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.envelope import Envelope
from dunning_common.events.receivables import InvoiceEvent
from dunning_common.events.registry import parse_payload
from dunning_engine.handlers.record_facts import fold_invoices
from dunning_engine.records import InvoiceFacts
from dunning_engine.testing import Ledger

ISSUED, DUE = date(2026, 3, 1), date(2026, 4, 1)


def _events(*envelopes: Envelope) -> list[tuple[str, InvoiceEvent]]:
    return [(envelope.tenant, parse_payload(envelope)) for envelope in envelopes]  # type: ignore[misc]


@st.composite
def _histories(draw: st.DrawFn) -> list[Envelope]:
    """An invoice with payments, reversals and amendments on any days."""
    ledger = Ledger()
    history = [ledger.invoice(issued_on=ISSUED, due_on=DUE, amount_minor=1_000)]
    for _ in range(draw(st.integers(0, 8))):
        on = ISSUED + timedelta(days=draw(st.integers(-10, 100)))
        open_minor = ledger.invoices["i1"].open_minor
        match draw(st.sampled_from(["pay", "reverse", "amend"])):
            case "pay" if open_minor:
                history.append(ledger.paid(on=on, amount_minor=draw(st.integers(1, open_minor))))
            case "reverse":
                history.append(ledger.reversed(on=on))
            case "amend":
                history.append(ledger.amended(on=on, due_on=DUE + timedelta(days=5)))
    return history


def _fold(history: list[Envelope]) -> InvoiceFacts:
    (row,) = fold_invoices([], _events(*history))
    return row


@given(history=_histories(), cuts=st.lists(st.integers(0, 9), max_size=4))
def test_batches_of_any_size_end_in_the_same_invoice(
    history: list[Envelope], cuts: list[int]
) -> None:
    known: list[InvoiceFacts] = []
    start = 0
    for cut in [*sorted(cuts), len(history)]:
        known = fold_invoices(known, _events(*history[start:cut])) or known
        start = max(start, cut)

    assert known == [_fold(history)]


@given(history=_histories(), repeated=st.lists(st.integers(0, 8), max_size=6))
def test_repeated_and_late_events_change_nothing(
    history: list[Envelope], repeated: list[int]
) -> None:
    row = _fold(history)

    again = fold_invoices([row], _events(*(history[n] for n in repeated if n < len(history))))

    assert again == []


@given(history=_histories())
def test_the_history_of_the_principal_is_ordered_and_ends_at_what_is_open(
    history: list[Envelope],
) -> None:
    row = _fold(history)

    since = [balance.since for balance in row.balances]
    assert since == sorted(set(since))
    assert all(balance.open_minor >= 0 for balance in row.balances)
    if row.balances:
        assert row.balances[0].since == ISSUED
        assert row.balances[-1].open_minor == row.open_minor


def test_a_payment_of_charges_moves_nothing_of_the_principal() -> None:
    ledger = Ledger()
    row = _fold(
        [
            ledger.invoice(issued_on=ISSUED, due_on=DUE, amount_minor=1_000),
            ledger.paid(on=date(2026, 4, 5), amount_minor=400),
            ledger.amended(on=DUE, charges_open_minor=50),
            ledger.charge_paid(on=date(2026, 4, 9), amount_minor=30),
            ledger.charge_unpaid(
                on=date(2026, 4, 12), covered_on=date(2026, 4, 9), amount_minor=10
            ),
        ]
    )

    assert (row.open_minor, row.charges_open_minor, row.status) == (600, 30, "open")
    assert [(balance.since, balance.open_minor) for balance in row.balances] == [
        (ISSUED, 1_000),
        (date(2026, 4, 6), 600),
    ]


def test_a_payment_counts_from_the_day_after_its_value_date() -> None:
    ledger = Ledger()
    row = _fold(
        [
            ledger.invoice(issued_on=ISSUED, due_on=DUE, amount_minor=1_000),
            ledger.paid(on=date(2026, 4, 10), amount_minor=300),
            ledger.paid(on=date(2026, 4, 5), amount_minor=100),
        ]
    )

    assert [(balance.since, balance.open_minor) for balance in row.balances] == [
        (ISSUED, 1_000),
        (date(2026, 4, 6), 900),
        (date(2026, 4, 11), 600),
    ]


def test_a_payment_that_bounced_by_its_value_date_never_counted() -> None:
    ledger = Ledger()
    row = _fold(
        [
            ledger.invoice(issued_on=ISSUED, due_on=DUE, amount_minor=1_000),
            ledger.paid(on=date(2026, 4, 5), amount_minor=1_000),
            ledger.reversed(on=date(2026, 4, 3), covered_on=date(2026, 4, 5)),
        ]
    )

    assert {balance.open_minor for balance in row.balances} == {1_000}


def test_a_bounced_payment_is_owed_again_from_that_day_on() -> None:
    ledger = Ledger()
    row = _fold(
        [
            ledger.invoice(issued_on=ISSUED, due_on=DUE, amount_minor=1_000),
            ledger.paid(on=date(2026, 4, 10)),
            ledger.reversed(on=date(2026, 4, 20)),
        ]
    )

    assert [(balance.since, balance.open_minor) for balance in row.balances] == [
        (ISSUED, 1_000),
        (date(2026, 4, 11), 0),
        (date(2026, 4, 20), 1_000),
    ]


def test_an_amended_amount_was_owed_from_the_first_day_on() -> None:
    ledger = Ledger()
    row = _fold(
        [
            ledger.invoice(issued_on=ISSUED, due_on=DUE, amount_minor=1_000),
            ledger.paid(on=date(2026, 4, 10), amount_minor=300),
            ledger.amended(on=date(2026, 4, 12), amount_minor=1_200, open_minor=900),
        ]
    )

    assert [(balance.since, balance.open_minor) for balance in row.balances] == [
        (ISSUED, 1_200),
        (date(2026, 4, 11), 900),
    ]

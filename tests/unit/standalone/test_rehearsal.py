"""The plan and the report of a rehearsal."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from invoice_ingest.domain.csv_file import Row, RowError, read_rows
from invoice_ingest.domain.mapping import parse_mapping
from standalone.rehearsal import fictional
from standalone.rehearsal.plan import EmptyFileError, Plan, plan_of
from standalone.rehearsal.report import report_of

MAPPING = Path(__file__).resolve().parents[3] / "examples/mappings/ibm-late-payment.yaml"


def row(invoice_id: str = "1", settled_on: str | None = "2026-02-20") -> Row:
    payment = None
    if settled_on:
        payment = {
            "payment_id": f"settlement-{invoice_id}",
            "debtor_id": "d",
            "currency": "EUR",
            "amount": "10.00",
            "value_date": settled_on,
            "allocations": [{"invoice_id": invoice_id, "amount": "10.00"}],
        }
    return Row(
        line=2,
        debtor={
            "debtor_id": "d",
            "name": "d",
            "kind": "business",
            "country": "FR",
            "contacts": {"emails": ["real.person@customer.fr"]},
        },
        invoice={
            "invoice_id": invoice_id,
            "debtor_id": "d",
            "issued_on": "2026-01-01",
            "due_on": "2026-02-01",
            "currency": "EUR",
            "amount": "10.00",
        },
        payment=payment,
    )


def level(invoice_id: str, on: str, code: str = "courtesy", outcome: str = "served") -> dict:
    return {
        "invoice_id": invoice_id, "debtor_id": "d", "level": code, "on": on, "outcome": outcome,
    }  # fmt: skip


def report(plan: Plan, levels: list[dict]) -> dict:
    return report_of(plan, tenant="t", policy="p", levels=levels, messages=[])


def test_each_fact_arrives_on_its_own_day() -> None:
    plan = plan_of([row()])

    assert [(day.on, sorted(day.items)) for day in plan.days] == [
        (date(2026, 1, 1), ["debtors", "invoices"]),
        (date(2026, 2, 20), ["payments"]),
    ]


def test_a_payment_dated_before_its_invoice_arrives_with_the_invoice() -> None:
    plan = plan_of([row(settled_on="2025-12-24")])

    assert [day.on for day in plan.days] == [date(2026, 1, 1)]


def test_a_rehearsal_never_uses_the_addresses_of_the_file() -> None:
    plan = plan_of([row()])

    (debtor,) = plan.days[0].items["debtors"]
    assert debtor["contacts"]["emails"] == ["d@rehearsal.example"]


def test_phone_numbers_are_from_a_range_kept_for_fiction() -> None:
    found = fictional.contacts("x", number=12_345, country="FR")

    assert found["phones"] == ["+33639982345"]


def test_unpaid_invoices_are_played_on_for_months() -> None:
    paid, unpaid = plan_of([row()]), plan_of([row(), row("2", settled_on=None)])

    assert (unpaid.ends_on - paid.ends_on).days == 120


def test_a_file_without_an_invoice_is_refused() -> None:
    with pytest.raises(EmptyFileError):
        plan_of([RowError(line=2, column="a", reason="it is empty, but required")])


def test_a_notice_on_the_day_of_settlement_is_reported_as_a_broken_promise() -> None:
    plan = plan_of([row()])

    kept = report(plan, [level("1", "2026-02-19")])
    broken = report(plan, [level("1", "2026-02-20")])

    assert kept["checks"]["after_settlement"] == []
    assert broken["checks"]["after_settlement"] == ["1"]


def test_the_same_level_twice_is_reported_as_a_broken_promise() -> None:
    plan = plan_of([row()])

    twice = [level("1", "2026-02-08"), level("1", "2026-02-09")]

    assert report(plan, twice)["checks"]["twice"] == ["1"]
    assert report(plan, [twice[0], level("1", "2026-02-09", outcome="lapsed")])["checks"] == {
        "after_settlement": [],
        "twice": [],
    }


def test_the_sample_file_is_read_to_the_cent(shared: Path) -> None:
    folder = shared / "data/ibm_late_payment"
    mapping = parse_mapping(yaml.safe_load(MAPPING.read_text()))

    plan = plan_of(
        read_rows((folder / "WA_Fn-UseC_-Accounts-Receivable.csv").read_bytes(), mapping)
    )

    assert (plan.invoices, plan.debtors, plan.settled_late) == (2_466, 100, 877)
    assert plan.totals_minor == {"EUR": 14_770_318}
    assert plan.bad_rows == ()


def test_of_the_dirty_sample_file_every_bad_row_is_named_and_every_good_one_taken(
    shared: Path,
) -> None:
    folder = shared / "data/ibm_late_payment"
    mapping = parse_mapping(yaml.safe_load(MAPPING.read_text()))
    raw = (folder / "WA_Fn-UseC_-Accounts-Receivable_with_missing.csv").read_bytes()
    lines = raw.decode().splitlines()

    plan = plan_of(read_rows(raw, mapping))

    holes = [number for number, line in enumerate(lines, 1) if ",," in line]
    assert [bad.line for bad in plan.bad_rows] == holes
    assert len(holes) == 120
    assert all("required" in bad.reason for bad in plan.bad_rows)
    assert plan.invoices == len(lines) - 1 - len(holes)

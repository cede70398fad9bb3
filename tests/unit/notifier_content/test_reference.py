"""References on transfers: which kind, with which check digits."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.account import is_qr_iban, is_swiss_iban
from notifier.content.reference import (
    Reference,
    ReferenceKind,
    notice_reference,
    payment_reference,
    reference_of,
    swiss_reference,
)

NOTICE = "DN-5D7C1C392F"
FRENCH = "FR7630006000011234567890189"
BELGIAN = "BE68539007547034"
SWISS = "CH9300762011623852957"
SWISS_QR = "CH4431999123000889012"


@pytest.mark.parametrize(
    ("number", "value"),
    [
        # ISO 11649; the first is the standard's own example.
        ("RF18539007547034", "RF18539007547034"),
        ("RF18 5390 0754 7034", "RF18539007547034"),
        ("RF10INV2026001", "RF10INV2026001"),
        ("RF68FA20260118", "RF68FA20260118"),
        ("RF741", "RF741"),
        ("RF47" + 21 * "A", "RF47" + 21 * "A"),
    ],
)
def test_a_number_that_is_a_creditor_reference_is_quoted_as_one(number: str, value: str) -> None:
    found = reference_of([number], NOTICE, FRENCH)

    assert (found.kind, found.value) == (ReferenceKind.CREDITOR, value)
    assert found.shown.replace(" ", "") == value
    assert all(len(group) <= 4 for group in found.shown.split())


@pytest.mark.parametrize(
    "number", ["RF18539007547035", "RF187035", "RF-18-539007547034", "RF20260001", "F-2026-0001"]
)
def test_a_number_without_right_check_digits_stays_words(number: str) -> None:
    found = reference_of([number], NOTICE, FRENCH)

    assert found == Reference(kind=ReferenceKind.TEXT, value=number, shown=number)


@pytest.mark.parametrize("number", ["090933755493", "+++090/9337/55493+++", "***090/9337/55493***"])
def test_a_belgian_structured_communication_is_written_with_its_crosses(number: str) -> None:
    found = reference_of([number], NOTICE, BELGIAN)

    assert found.kind is ReferenceKind.BELGIAN
    assert (found.value, found.shown) == ("090933755493", "+++090/9337/55493+++")


def test_a_belgian_number_means_nothing_elsewhere_and_a_wrong_one_nothing_there() -> None:
    assert reference_of(["090933755493"], NOTICE, FRENCH).kind is ReferenceKind.TEXT
    assert reference_of(["090933755494"], NOTICE, BELGIAN).kind is ReferenceKind.TEXT
    assert reference_of(["090933755493", "F-2"], NOTICE, BELGIAN).kind is ReferenceKind.TEXT


def test_only_qr_ibans_ask_for_qr_references() -> None:
    assert is_qr_iban(SWISS_QR)
    assert is_qr_iban("CH44 3199 9123 0008 8901 2")
    assert not is_qr_iban(SWISS)
    assert not is_qr_iban("CH4431999123000889013")
    assert is_swiss_iban("LI21 0881 0000 2324 013A A")
    assert not is_swiss_iban(FRENCH)


def test_a_qr_iban_takes_the_invoices_own_qr_reference() -> None:
    number = "210000000003139471430009017"

    found = reference_of([number], NOTICE, SWISS_QR)

    assert (found.kind, found.value) == (ReferenceKind.SWISS, number)
    assert found.shown == "21 00000 00003 13947 14300 09017"
    assert reference_of([found.shown], NOTICE, SWISS_QR) == found


def test_a_qr_iban_takes_the_notices_reference_in_digits_where_the_invoice_has_none() -> None:
    found = reference_of(["F-2026-0001"], NOTICE, SWISS_QR)

    assert found.kind is ReferenceKind.SWISS
    assert found.value == swiss_reference(NOTICE)
    assert int(found.value[:-1]) == int("5D7C1C392F", 16)


@given(st.uuids())
def test_any_notice_has_a_qr_reference_of_27_digits_that_leads_back_to_it(notice_id: UUID) -> None:
    notice = notice_reference(notice_id)

    digits = swiss_reference(notice)

    assert len(digits) == 27
    assert f"DN-{int(digits[:-1]):010X}" == notice
    assert reference_of([digits], notice, SWISS_QR).value == digits


@given(st.uuids(), st.integers(0, 25), st.integers(1, 9))
def test_one_wrong_digit_in_a_qr_reference_is_seen(notice_id: UUID, place: int, more: int) -> None:
    digits = swiss_reference(notice_reference(notice_id))
    wrong = digits[:place] + str((int(digits[place]) + more) % 10) + digits[place + 1 :]

    # Not taken for the invoice's own reference: the notice's stands in.
    assert reference_of([wrong], NOTICE, SWISS_QR).value == swiss_reference(NOTICE)


def test_many_numbers_become_the_notices_reference() -> None:
    assert payment_reference(["x" * 140], NOTICE) == "x" * 140
    assert payment_reference(["x" * 141], NOTICE) == NOTICE
    assert payment_reference([], NOTICE) == NOTICE
    assert payment_reference(["F-1", "F-2"], NOTICE, FRENCH) == "F-1, F-2"

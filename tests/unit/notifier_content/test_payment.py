"""How to pay: accounts, references and the EPC code."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.tenants import BankDetails
from notifier.content.account import british_account, is_iban
from notifier.content.payment import epc_payload, payment_code
from notifier.content.qr import qr_code, svg_of
from notifier.content.reference import (
    Reference,
    ReferenceKind,
    notice_reference,
    reference_of,
)
from notifier.content.render import Renderer
from notifier.content.samples import sample_request
from notifier.content.summary import summarise

from .conftest import words_of

BANK = BankDetails(
    holder="Ateliers Durand SAS", iban="FR76 3000 6000 0112 3456 7890 189", bic="agrifrpp"
)


def words(text: str) -> Reference:
    return Reference(kind=ReferenceKind.TEXT, value=text, shown=text)


def test_the_code_follows_the_epc_guideline_line_by_line() -> None:
    payload = epc_payload(BANK, 262_433, words("F-1, F-2"))

    assert payload is not None
    assert payload.decode().split("\n") == [
        *("BCD", "002", "1", "SCT", "AGRIFRPP", "Ateliers Durand SAS"),
        *("FR7630006000011234567890189", "EUR2624.33", "", "", "F-1, F-2"),
    ]


@pytest.mark.parametrize(
    ("change", "cents", "reference"),
    [
        ({"iban": "FR7630006000011234567890188"}, 100, "a"),
        ({"iban": ""}, 100, "a"),
        ({"iban": "not an iban at all"}, 100, "a"),
        ({"iban": "CH4431999123000889012"}, 100, "a"),  # a QR-IBAN takes no SEPA transfer
        ({"holder": "  "}, 100, "a"),
        ({}, 0, "a"),
        ({}, 100_000_000_000, "a"),
        ({}, 100, " "),
    ],
)
def test_a_code_that_could_not_be_right_is_left_out(
    change: dict[str, str], cents: int, reference: str
) -> None:
    assert epc_payload(BANK.model_copy(update=change), cents, words(reference)) is None


def test_an_unknown_bic_is_left_out_and_the_code_stays() -> None:
    payload = epc_payload(BANK.model_copy(update={"bic": "X"}), 100, words("a"))

    assert payload is not None
    assert payload.decode().split("\n")[4] == ""


@given(holder=st.text(max_size=200), reference=st.text(max_size=400), cents=st.integers(-5, 10**12))
def test_any_payload_fits_the_largest_code(holder: str, reference: str, cents: int) -> None:
    payload = epc_payload(BANK.model_copy(update={"holder": holder}), cents, words(reference))

    if payload is not None:
        lines = payload.decode().split("\n")
        assert len(payload) <= 331
        assert len(lines) == 11
        assert 1 <= len(lines[5]) <= 70
        assert 1 <= len(lines[10]) <= 140


def test_a_creditor_reference_takes_the_structured_line_and_leaves_no_text() -> None:
    reference = reference_of(["RF18539007547034"], "DN-1", BANK.iban)

    payload = epc_payload(BANK, 1_230, reference)

    assert payload is not None
    assert payload.decode().split("\n")[7:] == ["EUR12.30", "", "RF18539007547034"]


def test_a_belgian_reference_goes_into_the_text_with_its_crosses() -> None:
    bank = BankDetails(holder="Atelier SRL", iban="BE68 5390 0754 7034")
    reference = reference_of(["090933755493"], "DN-1", bank.iban)

    payload = epc_payload(bank, 1_230, reference)

    assert payload is not None
    assert payload.decode().split("\n")[8:] == ["", "", "+++090/9337/55493+++"]


@given(st.binary(min_size=1, max_size=331))
def test_the_largest_payload_fits_version_13_of_level_m(payload: bytes) -> None:
    code = qr_code(payload)

    assert code.error == "M"
    assert int(str(code.version)) <= 13


def test_a_letter_in_euros_carries_the_code_and_one_in_pounds_does_not(renderer: Renderer) -> None:
    euros = sample_request("final_demand", "letter", "fr")
    pounds = sample_request("final_demand", "letter", "fr", currencies=("GBP",))

    def code(pdf: bytes | None) -> bool:
        return "Virement par code QR" in words_of(pdf or b"")

    assert code(renderer.render(euros).pdf)
    assert not code(renderer.render(pounds).pdf)


def test_a_code_in_two_currencies_asks_for_the_euros_alone() -> None:
    request = sample_request("final_demand", "letter", "fr", currencies=("EUR", "USD"))
    demanded = summarise(request.notice, request.message).demanded

    code = payment_code(BANK, demanded, words("F-1"))

    assert code is not None
    assert code.error == "M"
    assert int(str(code.version)) <= 13
    assert svg_of(code).startswith("<svg")


def test_the_code_asks_for_the_fee_and_not_for_the_disputed_part() -> None:
    request = sample_request("second_reminder", "letter", "fr", invoices=1, extras=True)
    demanded = summarise(request.notice, request.message).demanded

    code = payment_code(BANK, demanded, words("F-1"))

    assert code is not None
    asked = epc_payload(BANK, 124_050 - 24_050 + 731 + 1_250, words("F-1"))
    assert asked is not None
    assert code.mode == "byte"
    assert code == segno.make_qr(asked, error="m", boost_error=False, mode="byte", mask=code.mask)


def test_many_invoice_numbers_become_the_notices_reference(renderer: Renderer) -> None:
    few = sample_request("second_reminder", "email", "en", invoices=3)
    many = sample_request("second_reminder", "email", "en", invoices=40)

    assert "Payment reference: F-2026-0001, F-2026-0002\n" in str(renderer.render(few).text)
    assert "Payment reference: DN-5D7C1C392F\n" in str(renderer.render(many).text)


def test_a_british_account_is_shown_as_people_there_type_it() -> None:
    assert british_account("GB29 NWBK 6016 1331 9268 19") == ("60-16-13", "31926819")
    assert british_account("GB28NWBK60161331926819") is None
    assert british_account(BANK.iban) is None


@pytest.mark.parametrize("iban", ["DE89370400440532013000", "FR7630006000011234567890189"])
@given(place=st.integers(4, 19), digit=st.sampled_from("0123456789"))
def test_one_wrong_digit_in_an_iban_is_seen(iban: str, place: int, digit: str) -> None:
    changed = iban[:place] + digit + iban[place + 1 :]

    assert is_iban(iban)
    assert is_iban(changed) == (changed == iban)


def test_the_reference_is_the_notices_on_every_channel(renderer: Renderer) -> None:
    request = sample_request("formal_notice", "email", "fr")
    other = replace(request, message_id=UUID(int=1))

    assert notice_reference(request.notice.notice_id) == "DN-5D7C1C392F"
    assert renderer.render(request) == renderer.render(other)

"""Payment codes as a scanner reads them from the printed sheet, and the slips around the Swiss one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.content.render import Renderer
from notifier.content.samples import sample_request
from notifier.content.summary import summarise
from notifier.content.swiss_words import words_of

from .paper import Box, Sheet
from .swiss import IBAN, LANGUAGES, QR_IBAN, swiss_request

FOOT_MM = 297.0 - 105.0
"""Where the slips begin."""


@pytest.mark.parametrize("language", ["fr", "de"])
def test_the_epc_code_on_the_letter_says_what_the_letter_says(
    renderer: Renderer, language: str
) -> None:
    request = sample_request("final_demand", "letter", language)
    bank = request.tenant.bank
    (total,) = summarise(request.notice, request.message).demanded.totals
    demanded = total.due_minor

    sheet = Sheet(renderer.render(request).pdf or b"", scan=True)
    (code,) = sheet.codes()

    found = code.content.decode().split("\n")
    assert code.level == "M"
    assert found[:4] == ["BCD", "002", "1", "SCT"]
    assert found[4:7] == [bank.bic, bank.holder, bank.iban]
    assert found[7] == f"EUR{demanded / 100:.2f}"
    assert f"{demanded // 100 % 1000},{demanded % 100:02} €" in sheet.text
    assert found[8:] == ["", "", "F-2026-0001, F-2026-0002"]


@pytest.mark.parametrize("window", ["din-5008-a", "fr-right-window", "uk", "us-10"])
def test_the_epc_code_is_large_enough_with_white_around_it(window: str) -> None:
    request = sample_request("first_reminder", "letter", "fr")
    renderer = Renderer(windows={request.tenant.tenant_id: window})

    sheet = Sheet(renderer.render(request).pdf or b"", scan=True)
    (code,) = sheet.codes()

    # The guideline asks for 2 cm at the least; a quiet zone is four modules, here 2.5 mm.
    assert 20 < code.box.width == pytest.approx(26, abs=0.3)
    assert code.box.height == pytest.approx(26, abs=0.3)
    quiet = Box(
        code.box.left - 2.5,
        code.box.top - 2.5,
        code.box.right + 2.5,
        code.box.top + code.box.height,
    )
    assert sheet.inside(quiet) == ""


def test_nothing_to_pay_or_no_euros_print_no_code(renderer: Renderer) -> None:
    paid = sample_request("first_reminder", "letter", "fr", invoices=1)
    (item,) = paid.notice.items
    item = item.model_copy(update={"disputed_minor": item.open_minor})
    paid = replace(paid, notice=paid.notice.model_copy(update={"items": (item,)}))
    pounds = sample_request("first_reminder", "letter", "fr", currencies=("GBP",))

    for request in (paid, pounds):
        assert Sheet(renderer.render(request).pdf or b"", scan=True).codes() == []


def test_of_several_currencies_the_code_pays_the_euros_and_says_so(renderer: Renderer) -> None:
    request = sample_request("first_reminder", "letter", "fr", currencies=("USD", "EUR"))

    sheet = Sheet(renderer.render(request).pdf or b"", scan=True)
    (code,) = sheet.codes()

    assert b"EUR1273.67" in code.content
    assert "Virement par code QR (1 273,67 €)" in sheet.text


@pytest.mark.parametrize("window", ["ch-right-window", "ch-left-window", "din-5008-b"])
def test_the_swiss_code_lies_where_the_style_guide_puts_it(window: str) -> None:
    renderer = Renderer(windows={"feinwerk": window})

    sheet = Sheet(renderer.render(swiss_request()).pdf or b"", page=-1, scan=True)
    (code,) = sheet.codes()

    assert code.level == "M"
    assert code.box.left == pytest.approx(67, abs=0.2)
    assert code.box.top == pytest.approx(FOOT_MM + 17, abs=0.2)
    assert code.box.width == pytest.approx(46, abs=0.2)
    assert code.box.height == pytest.approx(46, abs=0.2)


def test_the_swiss_code_says_what_the_slips_say(renderer: Renderer) -> None:
    sheet = Sheet(renderer.render(swiss_request()).pdf or b"", page=-1, scan=True)
    (code,) = sheet.codes()
    receipt = sheet.inside(Box(0, FOOT_MM, 62, 297))
    part = sheet.inside(Box(62, FOOT_MM, 210, 297))

    assert code.content.decode().split("\n") == [
        *("SPC", "0200", "1", IBAN),
        *("S", "Feinwerk Zürich AG", "Bahnhofstrasse", "12", "8001", "Zürich", "CH"),
        *("", "", "", "", "", "", ""),
        *("2514.17", "CHF"),
        *("S", "Möbelhaus Krüger AG", "Grosse Marktgasse", "28a", "9400", "Rorschach", "CH"),
        *("NON", "", "F-2026-0001, F-2026-0002", "EPD"),
    ]
    for slip in (receipt, part):
        assert "CH93 0076 2011 6238 5295 7" in slip
        assert "Feinwerk Zürich AG Bahnhofstrasse 12 8001 Zürich" in slip
        assert "Möbelhaus Krüger AG Grosse Marktgasse 28a 9400 Rorschach" in slip
        assert "CHF 2 514.17" in slip
    assert "F-2026-0001, F-2026-0002" in part


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_slips_have_their_headings_and_lines(renderer: Renderer, language: str) -> None:
    words = words_of(language)

    sheet = Sheet(renderer.render(swiss_request(language)).pdf or b"", page=-1)

    receipt, part = Box(0, FOOT_MM, 62, 297), Box(62, FOOT_MM, 210, 297)
    assert sheet.inside(receipt).startswith(words["receipt"])
    for name in ("account", "payable_by", "currency", "amount", "acceptance_point"):
        assert words[name] in sheet.inside(receipt)
    for name in ("payment_part", "account", "message", "payable_by", "currency", "amount"):
        assert words[name] in sheet.inside(part)
    assert words["separate"] in sheet.inside(Box(0, FOOT_MM - 5, 210, FOOT_MM))
    assert sheet.box_of(words["payment_part"]).left == pytest.approx(67, abs=0.5)
    across = [line for line in sheet.lines() if line.width > 205]
    down = [line for line in sheet.lines() if line.height > 100]
    assert [line.top for line in across] == pytest.approx([FOOT_MM], abs=0.3)
    assert [line.left for line in down] == pytest.approx([62], abs=0.3)


@pytest.mark.parametrize("invoices", [1, 2, 8, 30, 60])
def test_the_text_of_the_letter_never_runs_into_the_slips(
    renderer: Renderer, invoices: int
) -> None:
    pdf = renderer.render(swiss_request(invoices=invoices)).pdf or b""
    last = Sheet(pdf, page=-1, scan=True)

    above = last.inside(Box(0, FOOT_MM - 21, 210, FOOT_MM))
    assert len(last.codes()) == 1
    assert f"Seite {last.pages} von {last.pages}" in above or last.pages == 1
    assert "Feinwerk Zürich AG" in above
    assert "Mit freundlichen" not in above
    for page in range(last.pages - 1):
        assert "Empfangsschein" not in Sheet(pdf, page).text


def test_a_qr_iban_prints_the_qr_reference_in_its_groups(renderer: Renderer) -> None:
    request = swiss_request(iban=QR_IBAN, invoices=1, number="21000000000313947143000")
    sheet = Sheet(renderer.render(request).pdf or b"", page=-1, scan=True)
    (code,) = sheet.codes()

    kind, reference, message, end = code.content.decode().split("\n")[27:]
    shown = f"{reference[:2]} " + " ".join(reference[at : at + 5] for at in range(2, 27, 5))
    assert (kind, message, end) == ("QRR", "DN-5D7C1C392F", "EPD")
    assert sheet.text.count(shown) == 2


def test_a_debtor_in_other_letters_finds_empty_fields_with_corners(renderer: Renderer) -> None:
    greek = Contacts(
        name="Παπαδόπουλος",
        language="de",
        address=PostalAddress(lines=("Weg 1",), postcode="9400", city="Rorschach", country="CH"),
    )

    sheet = Sheet(renderer.render(swiss_request(contacts=greek)).pdf or b"", page=-1, scan=True)
    (code,) = sheet.codes()

    assert code.content.decode().split("\n")[20:27] == [""] * 7
    assert sheet.text.count("Zahlbar durch (Name/Adresse)") == 2
    corners = [line for line in sheet.lines() if 2.5 < max(line.width, line.height) < 4]
    assert len(corners) == 16


def test_without_a_swiss_account_the_letter_goes_without_slips_and_says_why(
    renderer: Renderer,
) -> None:
    francs = renderer.render(swiss_request(iban="DE89370400440532013000"))
    euros = renderer.render(swiss_request(iban="DE89370400440532013000", currencies=("EUR",)))

    assert francs.remarks == (
        "no QR-bill: bank.iban: is of DE; a QR-bill needs an account in CH or LI",
    )
    assert Sheet(francs.pdf or b"", scan=True).codes() == []
    (code,) = Sheet(euros.pdf or b"", scan=True).codes()
    assert code.content.startswith(b"BCD\n002\n1\nSCT\n")

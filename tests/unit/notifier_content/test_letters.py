"""Letters as documents: pages, archive format, and debtors that are hard to write to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from dunning_common.events.contacts import PostalAddress
from notifier.content.model import TemplateError
from notifier.content.render import Renderer
from notifier.content.samples import DEBTORS, TENANTS, sample_request

from .conftest import plain, words_of
from .paper import Box, Sheet
from .swiss import swiss_request


@pytest.mark.parametrize("language", ["fr", "de", "en"])
def test_a_letter_is_an_archive_file_that_says_what_it_is(
    renderer: Renderer, language: str
) -> None:
    rendered = renderer.render(sample_request("formal_notice", "letter", language))
    reader = PdfReader(BytesIO(rendered.pdf or b""))
    xmp, metadata = reader.xmp_metadata, reader.metadata

    assert xmp is not None
    assert (xmp.pdfaid_part, xmp.pdfaid_conformance) == ("2", "A")
    assert str(root(reader)["/Lang"]).lower().startswith(language)
    assert metadata is not None
    assert metadata.title == rendered.subject
    assert metadata.author == TENANTS[language].legal.legal_name
    assert str(metadata.creation_date).startswith("2026-03-10 07:30")


@pytest.mark.parametrize("kind", ["EPC code", "QR-bill", "no code"])
def test_an_archive_file_carries_all_it_needs_and_nothing_else(
    renderer: Renderer, kind: str
) -> None:
    """What PDF/A-2a asks for (ISO 19005-2), as far as it can be seen without a validator."""
    request = {
        "EPC code": sample_request("formal_notice", "letter", "fr"),
        "QR-bill": swiss_request(),
        "no code": sample_request("formal_notice", "letter", "en"),
    }[kind]
    pdf = renderer.render(request).pdf or b""
    reader = PdfReader(BytesIO(pdf))

    assert pdf.startswith(b"%PDF-1.7")
    (intent,) = (each.get_object() for each in root(reader)["/OutputIntents"])
    assert intent["/S"] == "/GTS_PDFA1"
    assert "/DestOutputProfile" in intent
    assert root(reader)["/MarkInfo"]["/Marked"]
    assert not reader.is_encrypted
    assert "/ID" in reader.trailer
    kinds = set(tags(root(reader)["/StructTreeRoot"]))
    assert {"/Document", "/P", "/Table", "/TH", "/TR", "/TD"} <= kinds
    assert ("/Figure" in kinds) == (kind != "no code")
    for word in (b"/JavaScript", b"/Launch", b"/EmbeddedFile", b"/Encrypt", b"/AcroForm"):
        assert word not in pdf
    fonts = [font for page in reader.pages for font in fonts_of(page)]
    assert fonts
    assert all("/ToUnicode" in font for font in fonts)
    assert all(is_embedded(font) for font in fonts)


def root(reader: PdfReader) -> Any:
    return reader.trailer["/Root"]


def tags(element: Any) -> Iterator[str]:
    """The kinds of all elements of the structure tree."""
    element = element.get_object() if hasattr(element, "get_object") else element
    if isinstance(element, list):
        for each in element:
            yield from tags(each)
    elif isinstance(element, dict):
        if "/S" in element:
            yield str(element["/S"])
        yield from tags(element.get("/K", []))


def fonts_of(page: Any) -> list[Any]:
    return [font.get_object() for font in page["/Resources"].get("/Font", {}).values()]


def is_embedded(font: Any) -> bool:
    below = [each.get_object() for each in font.get("/DescendantFonts", [font])]
    return all(
        {"/FontFile", "/FontFile2", "/FontFile3"} & set(each["/FontDescriptor"]) for each in below
    )


def test_a_thousand_invoices_of_three_currencies_are_all_listed(renderer: Renderer) -> None:
    request = sample_request(
        "formal_notice", "letter", "fr", invoices=1000, currencies=("EUR", "USD", "GBP")
    )
    pdf = renderer.render(request).pdf or b""
    first = Sheet(pdf)
    pages = [Sheet(pdf, page) for page in range(first.pages)]

    assert 20 <= len(pages) <= 40
    everything = " ".join(page.text for page in pages)
    assert all(f"F-2026-{place + 1:04}" in everything for place in range(1000))
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} sur {len(pages)}" in page.text
    for page in pages[1:-2]:
        assert "Facture Date Échéance Retard (j)" in page.text
        assert page.box_of("Facture").top < 40
    assert "DN-5D7C1C392F" in pages[-1].text
    margins = Box(19.9, 0, 190.5, 297)
    assert all(margins.holds(ink.box) for page in pages for ink in page.inks if ink.sign.strip())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"postcode": " "}, "the postcode is missing"),
        ({"city": ""}, "the city is missing"),
        (None, "there is none"),
    ],
)
def test_an_address_that_no_post_delivers_to_is_refused_with_what_is_missing(
    renderer: Renderer, change: dict[str, str] | None, reason: str
) -> None:
    request = sample_request("first_reminder", "letter", "fr")
    address = request.contacts.address
    assert address is not None
    changed = None if change is None else address.model_copy(update=change)
    contacts = request.contacts.model_copy(update={"address": changed})

    with pytest.raises(TemplateError, match="the debtor's address") as caught:
        renderer.render(replace(request, contacts=contacts))

    assert caught.value.reason == (
        f"{reason}; correct the debtor's contacts, the next attempt uses them"
    )


def test_countries_without_postcodes_need_none(renderer: Renderer) -> None:
    request = sample_request("first_reminder", "letter", "fr")
    address = PostalAddress(lines=("88 Queensway",), city="Hong Kong", country="HK")
    contacts = request.contacts.model_copy(update={"address": address})

    sheet = Sheet(renderer.render(replace(request, contacts=contacts)).pdf or b"")

    shown = sheet.inside(Box(112, 55, 190, 78))
    assert shown.startswith("Menuiserie Lefèvre & Fils 88 Queensway Hong Kong ")
    assert "HONG KONG" in shown


def test_a_name_that_no_font_can_show_is_refused_with_the_letters(renderer: Renderer) -> None:
    request = sample_request("first_reminder", "letter", "en", debtor_name="株式会社 Nippon")

    with pytest.raises(TemplateError, match="no font can show") as caught:
        renderer.render(request)

    assert "株" in caught.value.reason
    assert "add a font" in caught.value.reason


def test_two_hundred_invoices_fill_numbered_pages_with_heads(renderer: Renderer) -> None:
    rendered = renderer.render(sample_request("formal_notice", "letter", "fr", invoices=200))
    pages = [plain(page.extract_text()) for page in PdfReader(BytesIO(rendered.pdf or b"")).pages]

    assert 5 <= len(pages) <= 9
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} sur {len(pages)}" in text
        assert "RCS Lyon 123 456 789" in text
    for text in pages[1:]:
        assert "Notre référence DN-5D7C1C392F · 10 mars 2026" in text
    for text in pages[1:-2]:
        assert "Échéance Retard (j) Niveau Principal" in text
    everything = " ".join(pages)
    assert all(f"F-2026-{place + 1:04}" in everything for place in range(200))


def test_a_short_letter_is_one_page_without_a_number(renderer: Renderer) -> None:
    rendered = renderer.render(sample_request("courtesy", "letter", "en", invoices=1))

    assert len(PdfReader(BytesIO(rendered.pdf or b"")).pages) == 1
    assert "Page 1" not in words_of(rendered.pdf or b"")


def test_an_endless_invoice_number_breaks_inside_its_column(renderer: Renderer) -> None:
    request = sample_request("formal_notice", "letter", "fr", number="X" * 120 + "-")

    sheet = Sheet(renderer.render(request).pdf or b"")

    signs = [ink.box for ink in sheet.inks if ink.sign == "X"]
    assert len(signs) > 120
    assert max(box.right for box in signs) < 190


def test_a_letter_from_anywhere_has_a_window(renderer: Renderer) -> None:
    for country in ("US", "AT", "IE", "XX", ""):
        request = sample_request("final_demand", "letter", "en")
        tenant = request.tenant.model_copy(update={"country": country})

        assert renderer.render(replace(request, tenant=tenant)).pdf


def test_a_letter_without_phone_or_email_has_no_empty_lines_for_them(renderer: Renderer) -> None:
    request = sample_request("final_demand", "letter", "de")
    legal = request.tenant.legal.model_copy(update={"phone": "", "email": ""})
    tenant = request.tenant.model_copy(update={"legal": legal})

    text = words_of(renderer.render(replace(request, tenant=tenant)).pdf or b"")

    assert "Telefon" not in text
    assert "E-Mail" not in text
    assert DEBTORS["de"].name in text

"""Letters as sheets of paper: windows, pages, archive format."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from pypdf import PdfReader

from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.content.model import RenderRequest
from notifier.content.render import Renderer
from notifier.content.samples import DEBTORS, TENANTS, sample_request

from .conftest import placed_on_first_page, plain, words_of

WINDOWS = {
    # What shows in the envelope's window, in mm: left, top, right, bottom.
    "FR": (112.0, 55.0, 190.0, 78.0),
    "DE": (20.0, 62.7, 105.0, 90.0),
    "GB": (20.0, 42.0, 110.0, 77.0),
}
LONG = Contacts(
    name="Société Anonyme des Établissements Lefèvre, Fils, Petits-Fils et Compagnie de l’Ouest",
    language="fr",
    address=PostalAddress(
        lines=(
            "À l’attention du service de la comptabilité fournisseurs",
            "Bâtiment C, escalier 4, troisième étage, porte gauche",
            "Zone industrielle des Grands Champs de la Vieille-Église",
            "1234 avenue du Général-de-Gaulle prolongée",
            "Lieu-dit Saint-Rémy-en-Bouzemont-Saint-Genest-et-Isson",
        ),
        postcode="51290",
        city="Saint-Rémy-en-Bouzemont-Saint-Genest-et-Isson",
        country="FR",
    ),
)


def letter_from(country: str, contacts: Contacts | None = None) -> RenderRequest:
    language = {"FR": "fr", "DE": "de", "GB": "en"}[country]
    request = sample_request("formal_notice", "registered_letter", language)
    return replace(request, contacts=contacts or request.contacts)


@pytest.mark.parametrize("country", WINDOWS)
@pytest.mark.parametrize("which", ["short", "long", "one word"])
def test_the_address_stands_in_the_envelopes_window(
    renderer: Renderer, country: str, which: str
) -> None:
    long = LONG if which == "long" else LONG.model_copy(update={"name": "W" * 200})
    request = letter_from(country, None if which == "short" else long)
    left, top, right, bottom = WINDOWS[country]

    placed = placed_on_first_page(renderer.render(request).pdf or b"")
    name = request.contacts.name.split()[0][:8]
    shown = [piece for piece in placed if left <= piece.x_mm < right and top <= piece.y_mm < bottom]

    assert shown
    assert "".join(piece.text for piece in shown).startswith(name)
    address = request.contacts.address
    assert address is not None
    together = " ".join(piece.text for piece in shown).upper()
    assert address.city.upper()[:12] in together
    assert all(line.upper()[:12] in together for line in address.lines)
    assert all(piece.y_mm < bottom - 0.8 for piece in shown)
    assert shown[0].y_mm > top + 1


@pytest.mark.parametrize("country", WINDOWS)
def test_nothing_but_the_address_shows_in_the_window(renderer: Renderer, country: str) -> None:
    request = letter_from(country)
    left, top, right, bottom = WINDOWS[country]
    address = request.contacts.address
    assert address is not None
    expected = (
        f"{request.contacts.name} {' '.join(address.lines)} {address.postcode} {address.city}"
    )

    placed = placed_on_first_page(renderer.render(request).pdf or b"")
    shown = " ".join(p.text for p in placed if left <= p.x_mm < right and top <= p.y_mm < bottom)

    assert sorted(plain(shown).upper().split()) == sorted(expected.upper().split())


def test_the_din_return_line_stands_above_the_address_zone(renderer: Renderer) -> None:
    placed = placed_on_first_page(renderer.render(letter_from("DE")).pdf or b"")

    (line,) = [p for p in placed if p.text.startswith("Bergmann Feintechnik GmbH · Linden")][:1]

    assert line.x_mm == pytest.approx(25, abs=0.5)
    assert 57 < line.y_mm < 62.7


@pytest.mark.parametrize(("country", "top_mm"), [("FR", 98), ("DE", 98), ("GB", 92)])
def test_the_text_begins_below_the_window(renderer: Renderer, country: str, top_mm: int) -> None:
    request = letter_from(country)
    rendered = renderer.render(request)

    placed = placed_on_first_page(rendered.pdf or b"")
    subject = next(p for p in placed if plain(rendered.subject or "")[:12] in plain(p.text))

    assert top_mm < subject.y_mm < top_mm + 20


@pytest.mark.parametrize("language", ["fr", "de", "en"])
def test_a_letter_is_an_archive_file_with_structure_and_language(
    renderer: Renderer, language: str
) -> None:
    rendered = renderer.render(sample_request("formal_notice", "letter", language))
    reader = PdfReader(BytesIO(rendered.pdf or b""))
    xmp = reader.xmp_metadata

    assert xmp is not None
    assert xmp.pdfaid_part == "2"
    assert xmp.pdfaid_conformance == "A"
    assert str(reader.trailer["/Root"]["/Lang"]).lower().startswith(language)  # type: ignore[index]
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]  # type: ignore[index]
    metadata = reader.metadata
    assert metadata is not None
    assert metadata.title == rendered.subject
    assert metadata.author == TENANTS[language].legal.legal_name
    assert str(metadata.creation_date).startswith("2026-03-10 07:30")


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

    placed = placed_on_first_page(renderer.render(request).pdf or b"")

    assert all(piece.text.count("X") < 100 for piece in placed)


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

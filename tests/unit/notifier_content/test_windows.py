"""Where things lie on the sheet, measured in the finished PDF against the envelopes' standards.

The measures are those of the standards and of the envelope makers, not of our templates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.content.model import TemplateError
from notifier.content.render import Renderer
from notifier.content.samples import sample_request

from .paper import Box, Sheet


class Print(Protocol):
    """Prints the sample letter in a window layout and measures a page of it."""

    def __call__(
        self,
        window: str,
        contacts: Contacts | None = None,
        *,
        channel: Literal["letter", "registered_letter"] = "letter",
        invoices: int = 2,
        page: int = 0,
    ) -> Sheet: ...


A4 = (210.0, 297.0)
LETTER = (215.9, 279.4)


@dataclass(frozen=True)
class Layout:
    """What a window layout promises.

    `window` shows in the envelope; the address must lie in `zone` of it, which is what stays visible
    wherever the sheet slides, and nothing else may show there. `folds` and `hole` are mm from the
    top.
    """

    window: Box
    zone: Box
    folds: tuple[float, float]
    hole: float | None = None
    paper: tuple[float, float] = A4

    @property
    def marks(self) -> list[float]:
        return sorted([*self.folds, *([self.hole] if self.hole else [])])


LAYOUTS = {
    # DIN 5008: field of 85 x 45 mm, of which 17.7 mm are return line and remarks.
    "din-5008-a": Layout(Box(20, 27, 105, 72), Box(25, 44.7, 105, 72), (87, 192), 148.5),
    "din-5008-b": Layout(Box(20, 45, 105, 90), Box(25, 62.7, 105, 90), (105, 210), 148.5),
    # What DL and C5 windows on the right have in common (NF Z 11-001 habits).
    "fr-right-window": Layout(Box(105, 45, 195, 80), Box(112, 55, 190, 78), (99, 198)),
    # Windows 90 mm wide, 20 mm in: C5 shows y 42 to 86, DL at the least y 57 to 81.
    "uk": Layout(Box(20, 42, 110, 86), Box(20, 57, 110, 81), (99, 198)),
    "ch-right-window": Layout(Box(112, 45, 202, 90), Box(112, 54, 202, 90), (105, 210)),
    "ch-left-window": Layout(Box(20, 35.5, 120, 80.5), Box(20, 44.5, 120, 80.5), (105, 210)),
    "us-10": Layout(
        Box(17.5, 55.6, 131.8, 84.2), Box(17.5, 55.6, 131.8, 84.2), (95.3, 187.3), None, LETTER
    ),
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
NINE_LINES = LONG.model_copy(
    update={
        "address": PostalAddress(
            lines=tuple(f"Line {number} of nine" for number in range(1, 10)),
            postcode="44000",
            city="Nantes",
            country="FR",
        )
    }
)
CONTACTS = {
    "short": Contacts(
        name="Ilse Maier",
        language="de",
        address=PostalAddress(lines=("Weg 1",), postcode="8001", city="Ulm", country="DE"),
    ),
    "long": LONG,
    "nine lines": NINE_LINES,
    "one endless word": LONG.model_copy(update={"name": "W" * 200}),
    "Greek": LONG.model_copy(update={"name": "Αφοί Παπαδόπουλοι Ο.Ε."}),
    "Cyrillic": LONG.model_copy(update={"name": "Торговый дом «Північ»"}),
}


@pytest.fixture(scope="module")
def printed() -> Print:
    """Prints letters of a tenant that has the window; the tenant's name is the window's."""
    renderer = Renderer(windows={window: window for window in LAYOUTS})

    def print_(
        window: str,
        contacts: Contacts | None = None,
        *,
        channel: Literal["letter", "registered_letter"] = "letter",
        invoices: int = 2,
        page: int = 0,
    ) -> Sheet:
        language = "de" if window.startswith("din") else "fr"
        request = sample_request("first_reminder", channel, language, invoices=invoices)
        tenant = request.tenant.model_copy(update={"tenant_id": window})
        contacts = contacts or request.contacts
        rendered = renderer.render(replace(request, tenant=tenant, contacts=contacts))
        return Sheet(rendered.pdf or b"", page)

    return print_


def squeezed(text: str) -> str:
    """Without spaces: where a line breaks does not matter."""
    return "".join(text.split())


def test_every_layout_is_measured(renderer: Renderer) -> None:
    assert set(renderer.windows) == set(LAYOUTS)


@pytest.mark.parametrize("window", LAYOUTS)
@pytest.mark.parametrize("which", CONTACTS)
def test_the_whole_address_stands_in_the_window(printed: Print, window: str, which: str) -> None:
    contacts, zone = CONTACTS[which], LAYOUTS[window].zone
    address = contacts.address
    assert address is not None

    sheet = printed(window, contacts)
    shown = squeezed(sheet.inside(zone)).upper()

    assert squeezed(contacts.name[:70]).upper() in shown
    for part in (*address.lines[-2:], address.postcode, address.city):
        assert squeezed(part).upper() in shown
    inks = [ink for ink in sheet.inks if ink.box.meets(zone) and not ink.sign.isspace()]
    assert [ink for ink in inks if not zone.holds(ink.box)] == []


@pytest.mark.parametrize("window", LAYOUTS)
def test_nothing_but_the_address_shows_in_the_window(printed: Print, window: str) -> None:
    layout = LAYOUTS[window]
    sheet = printed(window, CONTACTS["short"])
    seat = {"din": "Bergmann Feintechnik GmbH · Lindenstraße 12 · 80331 München"}
    swiss = "Ateliers Durand · 14 rue des Tanneurs · 69005 LYON"
    expected = {"ch": swiss, **seat}.get(window[:3].rstrip("-"), "")

    above = Box(layout.window.left, layout.window.top, layout.window.right, layout.zone.top)

    country = "" if window.startswith("din") else " ALLEMAGNE"
    assert sheet.inside(layout.zone) == f"Ilse Maier Weg 1 8001 Ulm{country}"
    assert sheet.inside(above) == expected


@pytest.mark.parametrize("window", LAYOUTS)
def test_the_sheet_folds_where_the_envelope_wants_it(printed: Print, window: str) -> None:
    layout = LAYOUTS[window]

    sheet = printed(window)

    assert (sheet.width, sheet.height) == pytest.approx(layout.paper, abs=0.05)
    assert sheet.fold_marks() == pytest.approx(layout.marks, abs=0.1)


@pytest.mark.parametrize("window", LAYOUTS)
def test_a_second_page_has_no_fold_marks(printed: Print, window: str) -> None:
    sheet = printed(window, invoices=60, page=1)

    assert sheet.fold_marks() == []


@pytest.mark.parametrize("window", LAYOUTS)
def test_the_text_begins_below_the_window_and_the_fold(printed: Print, window: str) -> None:
    layout = LAYOUTS[window]
    subject = "Zahlungserinnerung" if window.startswith("din") else "Objet"

    box = printed(window).box_of(subject)

    assert layout.window.bottom < box.top < layout.window.bottom + 30


@pytest.mark.parametrize(("window", "top"), [("din-5008-a", 27.0), ("din-5008-b", 45.0)])
def test_din_text_starts_at_25_mm_with_the_return_line_in_its_zone(
    printed: Print, window: str, top: float
) -> None:
    sheet = printed(window, CONTACTS["short"], channel="registered_letter")
    zone = Box(20, top, 105, top + 17.7)

    assert sheet.box_of("Ilse Maier").left == pytest.approx(25.2, abs=0.4)
    assert zone.holds(sheet.box_of("Bergmann Feintechnik GmbH · Lindenstraße 12"))
    remark = sheet.box_of("Einschreiben")
    assert zone.holds(remark)
    assert remark.top > sheet.box_of("Lindenstraße 12 · 80331").bottom
    assert sheet.box_of("Unser Zeichen").left == pytest.approx(125, abs=0.5)


def test_the_french_window_leaves_room_for_the_registered_bar_code(printed: Print) -> None:
    sheet = printed("fr-right-window", LONG, channel="registered_letter")

    assert sheet.inside(Box(105, 35, 210, 55)) == ""


@settings(max_examples=25)
@given(
    name=st.text(st.characters(max_codepoint=0x17F, exclude_categories=["C"]), min_size=1),
    lines=st.lists(st.text("ABCdefgh 123-,’é", max_size=120), max_size=12),
    city=st.text("ABCDefgé -", min_size=1, max_size=200).filter(str.strip),
)
@pytest.mark.parametrize("window", ["fr-right-window", "us-10"])
def test_no_address_runs_out_of_its_window(
    printed: Print, window: str, name: str, lines: list[str], city: str
) -> None:
    address = PostalAddress(lines=tuple(lines), postcode="1", city=city, country="FR")
    contacts = Contacts(name=name, language="fr", address=address)
    zone = LAYOUTS[window].zone

    sheet = printed(window, contacts)

    inks = [ink for ink in sheet.inks if ink.box.meets(zone) and not ink.sign.isspace()]
    assert [ink for ink in inks if not zone.holds(ink.box, tolerance=0.01)] == []


def test_the_window_follows_the_creditors_country_unless_the_tenant_has_its_own(
    renderer: Renderer,
) -> None:
    request = sample_request("first_reminder", "letter", "fr")
    own = Renderer(windows={"ateliers-durand": "din-5008-a"})

    by_country = Sheet(renderer.render(request).pdf or b"")
    by_tenant = Sheet(own.render(request).pdf or b"")

    assert by_country.fold_marks() == [99.0, 198.0]
    assert by_tenant.fold_marks() == [87.0, 148.5, 192.0]


def test_a_window_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(TemplateError, match=r"tenant acme: no such window; use ch-left-window, "):
        Renderer(windows={"acme": "din-5008-c"})


@pytest.mark.parametrize(
    ("country", "window"),
    [("US", "us-10"), ("CH", "ch-right-window"), ("LI", "ch-right-window"), ("IE", "uk")],
)
def test_other_countries_have_their_windows(renderer: Renderer, country: str, window: str) -> None:
    request = sample_request("first_reminder", "letter", "en")
    tenant = request.tenant.model_copy(update={"country": country})

    sheet = Sheet(renderer.render(replace(request, tenant=tenant)).pdf or b"")

    assert sheet.fold_marks() == pytest.approx(LAYOUTS[window].marks, abs=0.1)

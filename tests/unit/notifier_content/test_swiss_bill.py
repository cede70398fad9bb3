"""The Swiss QR-bill: the text of its code, by the implementation guidelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.contacts import PostalAddress
from dunning_common.events.tenants import BankDetails
from notifier.content.qr import qr_code
from notifier.content.reference import Reference, ReferenceKind, reference_of
from notifier.content.samples import sample_request
from notifier.content.summary import Section, Total, summarise
from notifier.content.swiss_bill import NoSwissBillError, SwissBill, latin, party_of, swiss_bill
from notifier.content.swiss_words import LANGUAGES, words_of

IBAN, QR_IBAN = "CH93 0076 2011 6238 5295 7", "CH44 3199 9123 0008 8901 2"
SEAT = PostalAddress(lines=("Rue du Lac 1268",), postcode="2501", city="Biel", country="CH")
DEBTOR = PostalAddress(
    lines=("Buchhaltung", "Grosse Marktgasse 28a"), postcode="9400", city="Rorschach", country="CH"
)
WORDS = Reference(kind=ReferenceKind.TEXT, value="F-1, F-2", shown="F-1, F-2")


def owed(*sums: tuple[str, int]) -> Section:
    return Section(items=(), totals=tuple(total(currency, minor) for currency, minor in sums))


def total(currency: str, minor: int) -> Total:
    request = sample_request("first_reminder", "letter", "de", invoices=1)
    (one,) = summarise(request.notice, request.message).demanded.totals
    return replace(one, currency=currency, open_minor=minor)


def bill(
    *,
    iban: str = IBAN,
    holder: str = "Robert Schneider AG",
    seat: PostalAddress = SEAT,
    debtor: tuple[str, PostalAddress | None] = ("Pia-Maria Rutschmann-Schnyder", DEBTOR),
    demanded: Sequence[tuple[str, int]] = (("CHF", 194_975),),
    reference: Reference = WORDS,
    message: str = "",
) -> SwissBill:
    bank = BankDetails(holder=holder, iban=iban)
    return swiss_bill(bank, seat, debtor, owed(*demanded), reference, message)


def lines(made: SwissBill) -> list[str]:
    return made.payload.decode().split("\n")


def test_the_code_has_its_31_elements_in_their_order() -> None:
    assert lines(bill()) == [
        *("SPC", "0200", "1", "CH9300762011623852957"),
        *("S", "Robert Schneider AG", "Rue du Lac", "1268", "2501", "Biel", "CH"),
        *("", "", "", "", "", "", ""),
        *("1949.75", "CHF"),
        *("S", "Pia-Maria Rutschmann-Schnyder", "Grosse Marktgasse", "28a"),
        *("9400", "Rorschach", "CH"),
        *("NON", "", "F-1, F-2", "EPD"),
    ]


def test_a_qr_iban_comes_with_a_qr_reference() -> None:
    number = "210000000003139471430009017"
    reference = reference_of([number], "DN-1", QR_IBAN)

    made = bill(iban=QR_IBAN, reference=reference, message="DN-5D7C1C392F")

    assert lines(made)[27:] == ["QRR", number, "DN-5D7C1C392F", "EPD"]


def test_another_iban_comes_with_a_creditor_reference_where_there_is_one() -> None:
    made = bill(reference=reference_of(["RF18539007547034"], "DN-1", IBAN), message="DN-1")

    assert lines(made)[27:] == ["SCOR", "RF18539007547034", "DN-1", "EPD"]


@pytest.mark.parametrize(
    ("iban", "reference"),
    [(QR_IBAN, WORDS), (IBAN, reference_of(["F-1"], "DN-5D7C1C392F", QR_IBAN))],
)
def test_account_and_reference_of_different_kinds_are_refused(
    iban: str, reference: Reference
) -> None:
    with pytest.raises(NoSwissBillError, match="reference: a QR-IBAN goes with a QR reference"):
        bill(iban=iban, reference=reference)


@pytest.mark.parametrize(
    ("iban", "reason"),
    [
        ("DE89 3704 0044 0532 0130 00", "is of DE; a QR-bill needs an account in CH or LI"),
        ("CH93 0076 2011 6238 5295 8", "its check digits are wrong"),
        ("", "its check digits are wrong"),
    ],
)
def test_an_account_elsewhere_is_refused_by_name(iban: str, reason: str) -> None:
    with pytest.raises(NoSwissBillError, match=f"bank.iban: {reason}") as caught:
        bill(iban=iban)

    assert caught.value.field == "bank.iban"


@pytest.mark.parametrize(
    "change",
    [
        {"postcode": ""},
        {"city": " "},
        {"country": "Switzerland"},
        {"city": "Αθήνα"},
    ],
)
def test_a_creditor_without_a_structured_address_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(NoSwissBillError, match=r"legal\.address: name, postcode, city and country"):
        bill(seat=SEAT.model_copy(update=change))


@pytest.mark.parametrize(
    "debtor",
    [
        ("Pia", None),
        ("Pia", DEBTOR.model_copy(update={"postcode": ""})),
        ("Παπαδόπουλος", DEBTOR),
        ("", DEBTOR),
    ],
)
def test_a_debtor_that_cannot_be_written_is_left_to_fill_in(
    debtor: tuple[str, PostalAddress | None],
) -> None:
    made = bill(debtor=debtor)

    assert made.debtor is None
    assert lines(made)[20:27] == [""] * 7


@pytest.mark.parametrize(
    ("demanded", "currency", "amount"),
    [
        ([("EUR", 100), ("CHF", 5)], "CHF", "0.05"),
        ([("USD", 100), ("EUR", 250)], "EUR", "2.50"),
        ([("CHF", 0), ("EUR", 99_999_999_999)], "EUR", "999999999.99"),
    ],
)
def test_francs_are_asked_for_before_euros(
    demanded: list[tuple[str, int]], currency: str, amount: str
) -> None:
    made = bill(demanded=demanded)

    assert lines(made)[18:20] == [amount, currency]


@pytest.mark.parametrize("demanded", [[], [("CHF", 0)], [("USD", 5)], [("CHF", 10**11)]])
def test_nothing_payable_is_refused(demanded: list[tuple[str, int]]) -> None:
    with pytest.raises(NoSwissBillError, match=r"amount: a QR-bill asks for 0\.01 to"):
        bill(demanded=demanded)


@pytest.mark.parametrize(
    ("street", "parts"),
    [
        ("Bahnhofstrasse 12", ("Bahnhofstrasse", "12")),
        ("Bahnhofstrasse 12 b", ("Bahnhofstrasse", "12 b")),
        ("Rue des Alpes 3-5", ("Rue des Alpes", "3-5")),
        ("Postfach", ("Postfach", "")),
        ("14 rue des Tanneurs", ("14 rue des Tanneurs", "")),
        ("Strasse des 17. Juni 135", ("Strasse des 17. Juni", "135")),
    ],
)
def test_the_house_number_stands_apart_where_it_can_be_told(
    street: str, parts: tuple[str, str]
) -> None:
    party = party_of("A", DEBTOR.model_copy(update={"lines": ("c/o Muster", street)}))

    assert party is not None
    assert (party.street, party.number) == parts


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Zürich – “Löwen”", 'Zürich - "Löwen"'),
        ("l’Été…", "l'Été..."),
        ("Mihai Șerban €", "Mihai Șerban €"),
        ("Nguyễn", "Nguyen"),
        ("Торговый", None),
        ("株式会社", None),
    ],
)
def test_only_the_letters_of_the_guidelines_are_used(text: str, written: str | None) -> None:
    assert latin(text) == written


@given(
    name=st.text(max_size=200),
    street=st.text(max_size=200),
    postcode=st.text(max_size=40),
    city=st.text(max_size=100),
    message=st.text(max_size=400),
    minor=st.integers(1, 99_999_999_999),
)
def test_any_bill_keeps_to_the_limits_of_its_elements(
    name: str, street: str, postcode: str, city: str, message: str, minor: int
) -> None:
    address = PostalAddress(lines=(street,), postcode=postcode, city=city, country="CH")
    reference = Reference(kind=ReferenceKind.TEXT, value=message, shown=message)

    made = bill(debtor=(name, address), demanded=[("CHF", minor)], reference=reference)
    found = lines(made)

    assert len(found) == 31
    assert len(made.payload.decode()) <= 997
    limits = [1, 70, 70, 16, 16, 35, 2]
    assert all(len(text) <= limit for text, limit in zip(found[20:27], limits, strict=True))
    assert len(found[29]) <= 140
    assert found[30] == "EPD"
    assert not any(ord(char) > 0x20AC for char in made.payload.decode())


@given(st.binary(min_size=1, max_size=997))
def test_the_longest_bill_fits_version_25_of_level_m(payload: bytes) -> None:
    assert int(str(qr_code(payload).version)) <= 25


def test_the_slips_speak_the_four_languages_of_the_style_guide() -> None:
    assert LANGUAGES == ("de", "fr", "it", "en")
    assert {words_of(language)["receipt"] for language in LANGUAGES} == {
        "Empfangsschein",
        "Récépissé",
        "Ricevuta",
        "Receipt",
    }
    assert words_of("pl") == words_of("en")

"""What the law wants in a message, and what it forbids, over everything that can be sent."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dunning_common.events.receivables import DebtorKind
from dunning_common.legal_identity import IDENTITIES, legal_form, missing_identity
from notifier.content.library import CHANNELS
from notifier.content.model import RenderRequest, TemplateError
from notifier.content.prepared import prepare
from notifier.content.render import Renderer
from notifier.content.samples import TENANTS, sample_request
from notifier.content.variables import Data

from .conftest import plain, words_of

FAMILIES = (
    "courtesy",
    "first_reminder",
    "second_reminder",
    "consumer_notice",
    "final_demand",
    "formal_notice",
    "letter_before_action",
)
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl", "pt")
COUNTRIES = ("AT", "BE", "DE", "ES", "FR", "GB", "IE", "IT", "NL", "PL", "PT", "US")
OF_BUSINESSES = re.compile(
    r"40[.,]00|441-10|441-5|Late Payment|handelsrente|transakcjach handlowych|231/2002|Ley 3/2004|62/2013"
    r"|neun Prozent|9 Prozent|10 points|plus 10|nine percent|tasso della Banca|Banco Central Europeo"
    r"|juros comerciais|fixed compensation|fixed sum|forfait|indennizzo|vaste vergoeding|rekompensat"
    r"|Pauschale|Verzugspauschale|indemnización|indemnização|pénalité",
    re.IGNORECASE,
)
"""The fixed sum, and the laws and rates that only businesses are under."""

THREATS = re.compile(
    r"pénalit|indemnit|mise en demeure|justice|procédure|penalt|legal action|court\b|compensation"
    r"|Zinsen|Pauschale|Inkasso|gerichtlich|Verzug\b|Mahn"
    r"|intereses|indemniz|judicial|tribunal|requerimiento"
    r"|interessi|diffida|mora\b|giudi|legale\b(?!:)"
    r"|\brente\b|incasso|dagvaard|ingebreke|aanmaning|rechter"
    r"|odsetki|rekompensat|\bsąd(?!owy)|\bwezwani|upominawcz"
    r"|\bjuros|indemniza|judicia|interpela|injun",
    re.IGNORECASE,
)
"""Words that a friendly message has no use for, in any language."""

MARKERS = {
    "de": r"\b(Rechnung|fällig|bitte|Betrag)\b",
    "en": r"\b(invoice|payment|please|overdue)\b",
    "es": r"\b(factura|pago|vencimiento|importe)\b",
    "fr": r"\b(facture|règlement|échéance|virement)\b",
    "it": r"\b(fattura|pagamento|scadenza|fatture)\b",
    "nl": r"\b(factuur|facturen|betaling|bedrag)\b",
    "pl": r"\b(faktura|faktury|zapłaty|płatności)\b",
    "pt": r"\b(fatura|faturas|pagamento|vencimento)\b",
}
"""Everyday words of a language that its neighbours do not share, or share as told in `SHARED`."""

SHARED = {("it", "pt"), ("pt", "it"), ("es", "pt"), ("pt", "es")}


def asked(
    family: str,
    channel: str,
    language: str,
    *,
    kind: DebtorKind | None,
    country: str | None = None,
    invoices: int = 2,
    name: str | None = None,
) -> RenderRequest:
    """A message under the law of a country, by a policy of the tenant's own."""
    request = sample_request(
        family,
        channel,  # type: ignore[arg-type]
        language,
        invoices=invoices,
        charges=True,
        extras=True,
        kind=kind,
        debtor_name=name,
    )
    if country is None:
        return request
    notice = request.notice.model_copy(update={"policy_id": "own", "debtor_country": country})
    return replace(request, notice=notice)


def words(renderer: Renderer, request: RenderRequest) -> str:
    """All that the reader of a message sees; of a letter what is given to the typesetter."""
    if request.channel not in {"letter", "registered_letter"}:
        rendered = renderer.render(request)
        return plain(" ".join(filter(None, (rendered.subject, rendered.text))))
    prepared = prepare(renderer._library, request)
    parts = [prepared.line(name) for name in ("subject", "greeting", "sign_off")]
    for name in ("opening", "closing"):
        parts += [paragraph.text for paragraph in prepared.paragraphs(name)]
    parts += [note.text for note in prepared.notes()]
    parts += [str(cell) for table in prepared.tables(None) for cell in _cells(table)]
    return plain(" ".join([*parts, prepared.imprint]))


def _cells(table: Data) -> list[object]:
    rows = table["rows"]
    assert isinstance(rows, list)
    return [table["title"], *(value for row in rows for value in row.values())]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    family=st.sampled_from(FAMILIES),
    channel=st.sampled_from(CHANNELS),
    language=st.sampled_from(LANGUAGES),
    country=st.sampled_from(COUNTRIES),
    kind=st.sampled_from(("consumer", None)),
    invoices=st.integers(1, 4),
)
def test_a_consumer_and_an_unknown_debtor_see_nothing_of_what_businesses_owe(
    renderer: Renderer,
    family: str,
    channel: str,
    language: str,
    country: str,
    kind: DebtorKind | None,
    invoices: int,
) -> None:
    request = asked(
        family, channel, language, kind=kind, country=country, invoices=invoices, name="Jo Doe"
    )

    assert not OF_BUSINESSES.search(words(renderer, request))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_business_is_told_of_the_fixed_sum_it_owes(renderer: Renderer, language: str) -> None:
    request = asked("formal_notice", "email", language, kind="business")

    assert OF_BUSINESSES.search(words(renderer, request))


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_consumer_charged_with_the_fixed_sum_is_not_written_to_at_all(
    renderer: Renderer, channel: str
) -> None:
    request = asked("second_reminder", channel, "fr", kind="business")
    notice = request.notice.model_copy(update={"debtor_kind": "consumer"})

    with pytest.raises(TemplateError, match="consumer and is charged the fixed compensation"):
        renderer.render(replace(request, notice=notice))


def test_a_notice_of_the_first_version_that_charges_it_goes_to_a_business(
    renderer: Renderer,
) -> None:
    request = asked("formal_notice", "email", "fr", kind="business")
    notice = request.notice.model_copy(update={"debtor_kind": None})

    assert "L. 441-10" in words(renderer, replace(request, notice=notice))


@pytest.mark.parametrize(
    ("family", "channel", "language", "kind"),
    [*product(("courtesy", "first_reminder"), CHANNELS, LANGUAGES, ("business", "consumer"))],
)
def test_a_first_message_threatens_nobody(
    renderer: Renderer, family: str, channel: str, language: str, kind: DebtorKind
) -> None:
    request = sample_request(family, channel, language, invoices=2, kind=kind)  # type: ignore[arg-type]

    found = THREATS.search(
        words(renderer, request).partition(TENANTS[language].legal.legal_name)[0]
    )

    assert found is None, found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    family=st.sampled_from(FAMILIES),
    channel=st.sampled_from(CHANNELS),
    language=st.sampled_from(LANGUAGES),
    country=st.sampled_from(COUNTRIES),
    kind=st.sampled_from(("business", "consumer")),
    invoices=st.integers(1, 4),
)
def test_every_message_is_whole_and_in_one_language(
    renderer: Renderer,
    family: str,
    channel: str,
    language: str,
    country: str,
    kind: DebtorKind,
    invoices: int,
) -> None:
    request = asked(family, channel, language, kind=kind, country=country, invoices=invoices)
    prepared = prepare(renderer._library, request)
    texts = [prepared.line(name) for name in prepared.script.blocks]
    for name in prepared.script.blocks:
        texts += [paragraph.text for paragraph in prepared.paragraphs(name)]
    texts += [note.text for note in prepared.notes()]

    for text in texts:
        assert not re.search(r"\{\{|\{%|%\}|\}\}|\*\*|[\ue000-\uf8ff]|\bNone\b", text), text
        assert not re.search(r"[ \u00a0]{2,}| [.,](?= |$)|\.\.|,,|\( | \)|\(\)|^\s|\s$", text), text
    told = " ".join(texts)
    for other, marker in MARKERS.items():
        if other != language and (other, language) not in SHARED:
            assert not re.search(marker, told), (other, told)


@pytest.mark.parametrize(
    ("language", "amount", "day"),
    [
        ("de", "2.514,17 €", "18. März 2026"),
        ("en", "£2,514.17", "18 March 2026"),
        ("es", "2.514,17 €", "18 de marzo de 2026"),
        ("fr", "2 514,17 €", "18 mars 2026"),
        ("it", "2.514,17 €", "18 marzo 2026"),
        ("nl", "€ 2.514,17", "18 maart 2026"),
        ("pl", "2 514,17 zł", "18 marca 2026"),
        ("pt", "2 514,17 €", "18 de março de 2026"),
    ],
)
def test_money_and_dates_are_written_as_the_language_does(
    renderer: Renderer, language: str, amount: str, day: str
) -> None:
    text = words(renderer, sample_request("second_reminder", "email", language, invoices=2))

    assert amount in text
    assert day in text


@pytest.mark.parametrize(
    ("count", "words_for"),
    [
        (2, "2 nieopłacone faktury"),
        (5, "5 nieopłaconych faktur"),
        (22, "22 nieopłacone faktury"),
        (25, "25 nieopłaconych faktur"),
    ],
)
def test_polish_counts_in_three_ways(renderer: Renderer, count: int, words_for: str) -> None:
    request = sample_request("final_demand", "email", "pl", invoices=count)
    items = tuple(item.model_copy(update={"days_late": 28}) for item in request.notice.items)
    notice = request.notice.model_copy(update={"items": items})

    assert words_for in words(renderer, replace(request, notice=notice))


FORMAL_NOTICE = {
    "the words": "MISE EN DEMEURE DE PAYER",
    "the demand": "nous vous mettons en demeure",
    "name and form": "Ateliers Durand, SAS",
    "capital": "au capital de 50 000 €",
    "seat": "Siège social : 14 rue des Tanneurs, 69005 LYON",
    "register": "RCS Lyon 123 456 789",
    "debtor": "Menuiserie Lefèvre & Fils",
    "place and date": "Lyon, le 10 mars 2026",
    "invoice number": "F-2026-0001",
    "its date": "03/01/2026",
    "its due date": "02/02/2026",
    "days late": "36",
    "principal": "2 514,17 €",
    "penalties": "30,16 €",
    "their rate": "Taux annuel des pénalités de retard : 12,40 %",
    "the fixed sum": "2 × 40,00 € = 80,00 €",
    "the total": "2 624,33 €",
    "means of payment": "FR76 3000 6000 0112 3456 7890 189",
    "deadline": "18 mars 2026, soit dans un délai de 8 jours",
    "what follows": "injonction de payer",
    "civil code": "articles 1231-6 et 1344 du Code civil",
    "commercial code": "articles L. 441-10, II et D. 441-5 du Code de commerce",
    "signature": "Ateliers Durand",
}


@pytest.mark.parametrize("mention", FORMAL_NOTICE)
def test_a_french_formal_notice_names(formal: str, mention: str) -> None:
    assert FORMAL_NOTICE[mention] in formal


@pytest.fixture(scope="module")
def formal(renderer: Renderer) -> str:
    pdf = renderer.render(sample_request("formal_notice", "registered_letter", "fr")).pdf
    assert pdf is not None
    return words_of(pdf)


def test_a_french_formal_notice_to_a_consumer_starts_interest_without_the_commercial_code(
    renderer: Renderer,
) -> None:
    text = words(renderer, asked("formal_notice", "registered_letter", "fr", kind="consumer"))

    assert "nous vous mettons en demeure" in text
    assert "articles 1231-6 et 1344 du Code civil" in text
    assert "taux de l’intérêt légal" in text
    assert "441" not in text


MISSING = [
    ("fr", "formal_notice", "form", "legal.form must stand on it (C. com. R123-237"),
    ("fr", "formal_notice", "register_entry", "legal.register_entry must stand on it"),
    ("fr", "formal_notice", "capital", "legal.capital must stand on it"),
    (
        "de",
        "formal_notice",
        "directors",
        "legal.directors must stand on it (HGB § 37a, GmbHG § 35a",
    ),
    ("de", "letter_before_action", "register_entry", "legal.register_entry must stand on it"),
    ("en", "letter_before_action", "register_entry", "Companies Act 2006"),
    ("it", "formal_notice", "capital", "c.c. art. 2250"),
    ("es", "formal_notice", "register_entry", "C. Com. art. 24"),
    ("nl", "formal_notice", "register_entry", "Handelsregisterwet 2007"),
    ("pt", "formal_notice", "capital", "CSC art. 171"),
    ("pl", "formal_notice", "register_entry", "KSH art. 206"),
]


@pytest.mark.parametrize("channel", ["email", "letter", "registered_letter"])
@pytest.mark.parametrize(("language", "family", "field", "message"), MISSING)
def test_a_formal_letter_that_cannot_name_its_sender_is_refused(
    renderer: Renderer, language: str, family: str, field: str, message: str, channel: str
) -> None:
    request = sample_request(family, channel, language)  # type: ignore[arg-type]
    empty: object = () if field == "directors" else ""
    legal = request.tenant.legal.model_copy(update={field: empty})
    tenant = request.tenant.model_copy(update={"legal": legal})

    with pytest.raises(TemplateError, match=re.escape(message)):
        renderer.render(replace(request, tenant=tenant))

    assert missing_identity(tenant, IDENTITIES) == (field,)
    friendly = sample_request("first_reminder", channel, language)  # type: ignore[arg-type]
    (remark,) = renderer.render(replace(friendly, tenant=tenant)).remarks
    assert message in remark


def test_a_sole_trader_needs_no_capital_and_no_directors(renderer: Renderer) -> None:
    for language, form in (("fr", "EI"), ("de", "Einzelkaufmann")):
        request = sample_request("formal_notice", "email", language)
        legal = request.tenant.legal.model_copy(
            update={"form": form, "capital": "", "directors": ()}
        )
        tenant = request.tenant.model_copy(update={"legal": legal})

        assert renderer.render(replace(request, tenant=tenant)).text


@pytest.mark.parametrize(
    ("written", "form"),
    [("S.A.S.", "SAS"), ("sp. z o.o.", "SPZOO"), ("GmbH & Co. KG", "GMBHCOKG"), ("", "")],
)
def test_a_legal_form_is_known_however_it_is_written(written: str, form: str) -> None:
    assert legal_form(written) == form


IMPRINTS = {
    "de": "Rechtsform: GmbH · Sitz: München · Registergericht: Amtsgericht München, HRB 123456 ·"
    " Geschäftsführung: Dr. Anna Bergmann, Jörg Weiß",
    "en": "company number 01234567, registered in England and Wales · Registered office: 7 Mill Lane",
    "es": "Papelera Duero S.L. · Domicilio social: Calle del Río 8, 47001 Valladolid · Registro"
    " Mercantil: Valladolid, tomo 1234, folio 56, hoja VA-7890 · NIF ESB12345674",
    "it": "Sede legale: Via dei Mulini 5, 50122 FIRENZE · Capitale sociale 20.000 € i.v. · Registro"
    " delle imprese: Firenze 01234567890",
    "nl": "KvK 12345678",
    "pl": "KRS 0000123456, Sąd Rejonowy dla Krakowa-Śródmieścia · Kapitał zakładowy 50 000 zł",
    "pt": "Sede: Rua dos Moinhos 21, 1100-001 Lisboa · Capital social 5.000 €",
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("language", IMPRINTS)
def test_letters_and_emails_carry_the_register_data_of_their_country(
    renderer: Renderer, language: str, family: str
) -> None:
    for channel in ("email", "letter", "registered_letter"):
        request = sample_request(family, channel, language)

        assert IMPRINTS[language] in words(renderer, request)


def claim(
    renderer: Renderer, *, pay_by: date | None = None, postcode: str = "", **changes: object
) -> tuple[str, list[Data]]:
    request = asked(
        "letter_before_action",
        "registered_letter",
        "en",
        **{"kind": "business", **changes},  # type: ignore[arg-type]
    )
    if pay_by:
        notice = request.notice.model_copy(update={"pay_by": pay_by})
        request = replace(request, notice=notice)
    if postcode:
        address = request.contacts.address
        assert address is not None
        moved = address.model_copy(update={"postcode": postcode})
        request = replace(request, contacts=request.contacts.model_copy(update={"address": moved}))
    return words(renderer, request), prepare(renderer._library, request).annexes()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("business", "Jane Roe Plumbing"), ("consumer", "Jane Roe"), (None, "Jane Roe Limited")],
)
def test_a_british_letter_of_claim_to_a_person_follows_the_protocol(
    renderer: Renderer, kind: DebtorKind | None, name: str
) -> None:
    text, annexes = claim(renderer, kind=kind, name=name)

    for part in (
        "Letter of Claim under the Pre-Action Protocol for Debt Claims",
        "within 30 days of the date of this letter, that is by 9 April 2026",
        "Interest continues to be added until payment",
        "you can ask us for a copy of it",
        "Harrow Paper Limited, 7 Mill Lane, HARROW, HA1 2AB",
        "we will not start them until 30 days after you have received it",
        "www.justice.gov.uk",
    ):
        assert part in text, part
    assert [annex["title"] for annex in annexes] == [
        "Statement of Account",
        "Information Sheet",
        "Reply Form",
        "Financial Statement",
    ]


@pytest.mark.parametrize("name", ["Whitby Ltd", "Whitby LIMITED", "Whitby plc", "Whitby LLP"])
def test_a_british_company_has_fourteen_days_and_no_forms(renderer: Renderer, name: str) -> None:
    text, annexes = claim(renderer, name=name, pay_by=date(2026, 3, 24))

    assert "within 14 days of the date of this letter, that is by 24 March 2026" in text
    assert "Pre-Action Protocol" not in text
    assert annexes == []


@pytest.mark.parametrize(
    ("name", "left", "least"), [("Jane Roe Plumbing", 29, 30), ("Whitby Ltd", 13, 14)]
)
def test_a_letter_of_claim_that_leaves_less_time_than_the_law_is_refused(
    renderer: Renderer, name: str, left: int, least: int
) -> None:
    """The policy would hand the case over before the time that the letter gives is over."""
    with pytest.raises(TemplateError, match=f"leaves {left} days.* leaves {least} at least"):
        claim(renderer, name=name, pay_by=date(2026, 3, 10) + timedelta(days=left))


@pytest.mark.parametrize(
    ("postcode", "said", "never"),
    [
        ("EH1 1YZ", "under the Simple Procedure where the claim is for £5,000 or less", "small cl"),
        ("BT1 5GS", "in the small claims court where the claim is for £5,000 or less", "Simple"),
    ],
)
def test_a_person_in_scotland_or_northern_ireland_reads_of_its_own_courts_and_gets_no_forms(
    renderer: Renderer, postcode: str, said: str, never: str
) -> None:
    text, annexes = claim(renderer, name="Jane Roe Plumbing", postcode=postcode)

    assert said in text
    assert "Advice on debt costs nothing" in text
    assert annexes == []
    for wrong in ("Protocol", "Letter of Claim", "Breathing Space", never):
        assert wrong not in text


def test_a_scottish_company_is_not_told_where_it_will_be_sued(renderer: Renderer) -> None:
    text, annexes = claim(renderer, name="Ness Joinery Ltd", postcode="IV2 3BW")

    assert "we intend to issue court proceedings without further notice" in text
    assert annexes == []


def test_the_forms_are_printed_after_the_letter(renderer: Renderer) -> None:
    request = asked(
        "letter_before_action",
        "registered_letter",
        "en",
        kind="business",
        name="Jane Roe",
        invoices=4,
    )
    pdf = renderer.render(request).pdf
    assert pdf is not None
    text = words_of(pdf)

    order = [text.rindex(part) for part in ("Yours faithfully", "Paid or credited", "Free and")]
    assert order == sorted(order)
    assert "I agree that I owe the debt." in text
    assert "Left over a month:" in text


def test_a_letter_of_claim_to_a_person_is_not_sent_by_email_alone(renderer: Renderer) -> None:
    request = asked("letter_before_action", "email", "en", kind="business", name="Jane Roe")
    alone = request.notice.model_copy(update={"messages": (request.message,)})

    assert "with the letter that we are posting to you" in words(renderer, request)
    with pytest.raises(TemplateError, match="has to be posted with the forms"):
        renderer.render(replace(request, notice=alone))


def test_money_that_pays_no_invoice_yet_is_spoken_of(renderer: Renderer) -> None:
    for channel in ("email", "letter"):
        request = asked("second_reminder", channel, "en", kind="business")

        assert "also received £77.00 from you" in words(renderer, request)


def test_what_was_paid_is_shown_with_what_was_invoiced(renderer: Renderer) -> None:
    request = sample_request("second_reminder", "email", "en", invoices=4, charges=True)
    items = tuple(item.model_copy(update={"days_late": 21}) for item in request.notice.items)
    notice = request.notice.model_copy(update={"items": items})

    text = renderer.render(replace(request, notice=notice)).text

    assert (
        "21 days late: £1,106.84\n    Amount: £1,306.84\n    Paid or credited: \u2212£200.00\n"
        "    Interest (12.40%): £9.14\n    Compensation: £40.00\n    Total: £1,155.98\n"
    ) in str(text)


def test_a_link_that_is_no_web_address_is_refused(renderer: Renderer) -> None:
    request = sample_request("first_reminder", "email", "en")

    with pytest.raises(TemplateError, match="a link: is no web address"):
        renderer.render(replace(request, portal_url="javascript:alert(1)"))

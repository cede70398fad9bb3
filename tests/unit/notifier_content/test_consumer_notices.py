"""The free notice to consumers in Belgium and the Netherlands, and what later charges rest on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dunning_common.events.dunning import AnnouncedCharge, Channel, ChargeBasis
from notifier.content.grounds import announced_of, grounds_of
from notifier.content.model import RenderRequest, TemplateError
from notifier.content.render import Renderer
from notifier.content.samples import sample_request

from .conftest import plain, words_of

DUTCH_LAW = "art. 6:96 lid 5 en 6 BW, Besluit BIK"
BELGIAN_LAW = "CDE XIX.4"
MONEY = re.compile(r"\d[\d., ]*[.,]\d\d(?![\d.])")
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl", "pt")


def asked(
    language: str,
    country: str,
    *,
    channel: Channel = "email",
    template: str = "consumer_notice",
    announced_minor: int = 0,
    charged_minor: int = 0,
    law: str = "",
    kind: str = "consumer",
    invoices: int = 1,
) -> RenderRequest:
    """A notice to a consumer of that country, by a creditor of the sample's."""
    sample = sample_request(
        template,
        channel,
        language,
        invoices=invoices,
        charges=False,
        kind=kind,  # type: ignore[arg-type]
    )
    announced = (
        (AnnouncedCharge(kind="compensation", amount_minor=announced_minor, basis=law),)
        if announced_minor
        else ()
    )
    basis = (ChargeBasis(kind="compensation", basis=law),) if charged_minor else ()
    items = tuple(
        item.model_copy(
            update={
                "announced": announced,
                "compensation_minor": charged_minor,
                "charge_basis": basis,
            }
        )
        for item in sample.notice.items
    )
    notice = sample.notice.model_copy(
        update={"items": items, "policy_id": "of-our-own", "debtor_country": country}
    )
    return replace(sample, notice=notice)


def said(renderer: Renderer, request: RenderRequest) -> str:
    found = renderer.render(request)
    return plain(found.text or "") if found.text else words_of(found.pdf or b"")


@pytest.mark.parametrize("channel", ["email", "letter"])
def test_the_dutch_letter_gives_fifteen_days_after_delivery_and_names_the_exact_sum(
    renderer: Renderer, channel: Channel
) -> None:
    request = asked("nl", "NL", channel=channel, announced_minor=18_608, law=DUTCH_LAW)

    text = said(renderer, request)

    for part in (
        "zonder extra kosten",
        "binnen vijftien dagen nadat deze aanmaning bij u is bezorgd",
        "uiterlijk op 30 maart 2026",
        "buitengerechtelijke incassokosten van € 186,08",
        "art. 6:96 lid 5 en 6 BW",
        "F-2026-0001",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("language", "parts"),
    [
        (
            "nl",
            (
                "Deze eerste herinnering is kosteloos (art. XIX.2",
                "14 kalenderdagen",
                "derde werkdag na de verzending per post",
                "kalenderdag na de verzending per e-mail",
                "ondernemingsnummer",
                "opeisbaar sinds 23 februari 2026",
                "schadebeding uit onze overeenkomst: € 65,05",
            ),
        ),
        (
            "fr",
            (
                "Ce premier rappel est gratuit (article XIX.2",
                "14 jours calendrier",
                "troisième jour ouvrable qui suit l’envoi par la poste",
                "jour calendrier qui suit l’envoi par e-mail",
                "numéro d’entreprise",
                "exigible depuis le 23 février 2026",
                "clause indemnitaire de notre contrat : 65,05 €",
            ),
        ),
        (
            "de",
            (
                "Diese erste Mahnung ist kostenlos (Artikel XIX.2",
                "14 Kalendertage",
                "dritten Werktag nach dem Versand per Post",
                "Kalendertag nach dem Versand per E-Mail",
                "Unternehmensnummer",
                "seit dem 23. Februar 2026 fällig",
                "Entschädigungsklausel unseres Vertrags: 65,05 €",
            ),
        ),
    ],
)
def test_the_belgian_first_reminder_has_every_mention_of_the_law(
    renderer: Renderer, language: str, parts: tuple[str, ...]
) -> None:
    request = asked(language, "BE", announced_minor=6_505, law=BELGIAN_LAW)

    text = said(renderer, request)

    sender = request.tenant.legal
    for part in (*parts, sender.legal_name, sender.register_entry, "F-2026-0001"):
        assert part in text, part


@pytest.mark.parametrize("country", ["BE", "NL"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sum_is_named_where_the_decision_announces_none(
    renderer: Renderer, language: str, country: str
) -> None:
    for channel in ("email", "letter", "sms"):
        text = said(renderer, asked(language, country, channel=channel))

        assert "XIX.4" not in text
        assert "6:96" not in text
        assert MONEY.findall(text), "the principal is there"
        assert {re.sub(r"[., ]", "", amount) for amount in MONEY.findall(text)} == {"124050"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_every_language_a_consumer_reads_the_sum_its_law_and_the_day(
    renderer: Renderer, language: str
) -> None:
    request = asked(language, "LU", announced_minor=4_800, law=DUTCH_LAW)

    text = said(renderer, request)

    assert "48,00" in text or "48.00" in text
    assert DUTCH_LAW in text
    assert "14" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_business_is_told_nothing_of_the_rights_of_consumers(
    renderer: Renderer, language: str
) -> None:
    for country in ("BE", "NL"):
        request = asked(language, country, announced_minor=4_800, law=DUTCH_LAW, kind="business")

        text = said(renderer, request)

        assert "XIX" not in text
        assert "6:96" not in text


def test_a_creditor_without_its_number_sends_no_belgian_first_reminder(renderer: Renderer) -> None:
    request = asked("fr", "BE", law=BELGIAN_LAW, announced_minor=2_000)
    legal = request.tenant.legal.model_copy(update={"register_entry": ""})
    bare = request.tenant.model_copy(update={"country": "BE", "legal": legal})

    with pytest.raises(TemplateError, match=r"legal\.register_entry must stand on it"):
        renderer.render(replace(request, tenant=bare))


@pytest.mark.parametrize(
    ("language", "country", "law", "words"),
    [
        ("nl", "NL", DUTCH_LAW, "aangekondigd in onze eerdere aanmaning"),
        ("nl", "BE", BELGIAN_LAW, "Het bedrag van het schadebeding uit onze overeenkomst"),
        ("fr", "BE", BELGIAN_LAW, "clause indemnitaire de notre contrat, annoncée"),
        ("de", "BE", BELGIAN_LAW, "Entschädigungsklausel unseres Vertrags, den"),
    ],
)
def test_what_was_announced_may_be_charged_to_a_consumer_where_its_law_is_cited(
    renderer: Renderer, language: str, country: str, law: str, words: str
) -> None:
    request = asked(
        language, country, channel="letter", template="formal_notice", charged_minor=4_800, law=law
    )

    assert words in said(renderer, request)


@pytest.mark.parametrize(
    ("country", "law"),
    [("FR", "C. com. L441-10 II, D441-5"), ("NL", BELGIAN_LAW), ("BE", ""), ("DE", DUTCH_LAW)],
)
def test_a_fixed_sum_that_no_law_of_the_country_lets_a_consumer_owe_is_refused(
    renderer: Renderer, country: str, law: str
) -> None:
    request = asked("fr", country, template="formal_notice", charged_minor=4_000, law=law)

    with pytest.raises(TemplateError, match="is charged the fixed compensation"):
        renderer.render(request)


GROUNDS = {
    "de": ("Rechtsgrund der Nebenforderungen:", "Ihr Vertrag mit uns"),
    "en": ("What the charges rest on:", "your contract with us"),
    "es": ("Fundamento de los cargos:", "el contrato celebrado con nosotros"),
    "fr": ("Fondement des sommes ajoutées :", "le contrat conclu avec nous"),
    "it": ("Titolo delle somme aggiunte:", "il contratto concluso con noi"),
    "nl": ("Grondslag van de bijkomende bedragen:", "de overeenkomst met ons"),
    "pl": ("Podstawa naliczonych kwot:", "umowa zawarta z nami"),
    "pt": ("Fundamento dos valores acrescidos:", "o contrato celebrado connosco"),
}


@pytest.mark.parametrize("channel", ["email", "letter"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_below_the_table_stands_on_what_each_charge_rests(
    renderer: Renderer, language: str, channel: Channel
) -> None:
    request = sample_request("final_demand", channel, language, extras=True)

    text = said(renderer, request)

    lead, contract = GROUNDS[language]
    laws = {ground.basis for item in request.notice.items for ground in item.charge_basis}
    assert lead in text
    assert contract in text
    assert all(law in text for law in laws if not law.startswith("policy "))
    assert "policy of-our-own" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_without_charges_says_nothing_of_their_ground(
    renderer: Renderer, language: str
) -> None:
    text = said(renderer, sample_request("second_reminder", "email", language))

    assert GROUNDS[language][0] not in text


def test_the_same_ground_of_many_invoices_is_named_once_and_fees_rest_on_the_contract() -> None:
    items = sample_request("final_demand", "email", "fr", invoices=6, extras=True).notice.items

    assert grounds_of(items) == [
        {"kind": "interest", "law": "C. com. L441-10 II", "agreed": False},
        {"kind": "compensation", "law": "C. com. L441-10 II, D441-5", "agreed": False},
        {"kind": "fee", "law": "", "agreed": True},
    ]


def test_what_several_invoices_announce_is_added_up_by_currency() -> None:
    items = sample_request("consumer_notice", "email", "fr", invoices=2).notice.items
    charge = AnnouncedCharge(kind="compensation", amount_minor=2_000, basis=BELGIAN_LAW)
    both = tuple(item.model_copy(update={"announced": (charge,)}) for item in items)

    found = announced_of(both)

    assert found["law"] == BELGIAN_LAW
    (amount,) = found["amount"]  # type: ignore[misc]
    assert (str(amount["amount"]), amount["currency"]) == ("40.00", "EUR")
    assert announced_of(items)["any"] is False

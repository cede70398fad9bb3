"""What every template says, on every channel and in every language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import product as all_pairs

import pytest

from dunning_common.events.contacts import PostalAddress
from dunning_common.money import to_decimal
from notifier.content.formats import formats_for
from notifier.content.model import Rendered, RenderRequest, TemplateError
from notifier.content.render import Renderer
from notifier.content.samples import DEBTORS, TENANTS, sample_request
from notifier.content.sms import gsm_text, segments
from notifier.content.summary import summarise

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
HOSTILE = (
    "<script>alert(1)</script> & \"Söhne\" '**bold**' {{ sender.name }} {% raw %}",
    "شركة النور للتجارة",
    "Dupont \u202egnp.exe\u202c \x00\x07\r\nBcc: x@example.org",
    "Café 😀 ☃ 👩‍👩‍👧‍👦 ✓",
    '#import "x"; #read("/etc/passwd") $x^2$ @label <tag> \\',
    "Z̷̡͔̗a̵l̶g̴o̶" * 5,
    "W" * 290,
)


def pairs(*choices: Sequence[str]) -> list[tuple[str, ...]]:
    return list(all_pairs(*choices))


def words(rendered: Rendered) -> str:
    """Everything a reader sees, on one line."""
    if rendered.pdf is not None:
        return words_of(rendered.pdf)
    return plain(rendered.text or "")


def due(request: RenderRequest, language: str) -> str:
    """What the message has to ask for, as the language writes it."""
    formats = formats_for({"en": "en_GB"}.get(language, f"{language}_{language.upper()}"))
    demanded = summarise(request.notice, request.message).demanded
    (total,) = demanded.totals
    asked = plain(formats.money(to_decimal(total.due_minor, total.currency), total.currency))
    return plain(gsm_text(asked)) if request.channel == "sms" else asked


def test_all_families_channels_and_languages_are_there(renderer: Renderer) -> None:
    assert renderer.families == FAMILIES
    assert set(renderer.languages) == set(LANGUAGES)
    assert set(renderer.channels) == {"email", "sms", "letter", "registered_letter"}


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize(("family", "language"), pairs(FAMILIES, LANGUAGES))
def test_an_email_names_every_invoice_and_the_total(
    renderer: Renderer, family: str, language: str, count: int
) -> None:
    request = sample_request(family, "email", language, invoices=count)
    rendered = renderer.render(request)

    assert rendered.media_type == "multipart/alternative"
    assert rendered.subject
    assert rendered.text
    assert rendered.html
    demanded = count if family == "courtesy" or count < 3 else count - 1
    assert ("F-2026-0001" if demanded == 1 else str(demanded)) in rendered.subject
    for place in range(count):
        assert f"F-2026-{place + 1:04}" in rendered.text
        assert f"F-2026-{place + 1:04}" in rendered.html
    assert due(request, language) in plain(rendered.text)
    assert due(request, language) in plain(rendered.html)
    for part in (rendered.subject, rendered.text, rendered.html):
        assert not re.search(r"\{\{|\{%|[\ue000-\uf8ff]|\bNone\b|\*\*", part)
    for part in (rendered.subject, plain(rendered.text)):
        assert not re.search(r" [.,]( |$)|\(\)|\.\.", part), part


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize(("family", "language"), pairs(FAMILIES, LANGUAGES))
def test_an_sms_says_sender_and_total_in_two_segments(
    renderer: Renderer, family: str, language: str, count: int
) -> None:
    request = sample_request(family, "sms", language, invoices=count)

    rendered = renderer.render(request)

    assert rendered.text is not None
    assert rendered.text.startswith(gsm_text(TENANTS[language].name))
    assert due(request, language) in rendered.text
    assert segments(rendered.text) <= 2
    assert rendered.subject is None
    assert rendered.html is None


@pytest.mark.parametrize("channel", ["letter", "registered_letter"])
@pytest.mark.parametrize(("family", "language"), pairs(FAMILIES, LANGUAGES))
def test_a_letter_names_every_invoice_the_account_and_the_reference(
    renderer: Renderer, family: str, language: str, channel: str
) -> None:
    count = 1 if channel == "letter" else 3
    request = sample_request(family, channel, language, invoices=count)  # type: ignore[arg-type]

    rendered = renderer.render(request)

    assert rendered.media_type == "application/pdf"
    assert rendered.pdf is not None
    text = words(rendered)
    for place in range(count):
        assert f"F-2026-{place + 1:04}" in text
    iban = TENANTS[language].bank.iban
    assert " ".join(iban[i : i + 4] for i in range(0, len(iban), 4)) in text
    assert due(request, language) in text
    assert "DN-5D7C1C392F" in text
    assert plain(str(rendered.subject)) in text
    assert "None" not in text


@pytest.mark.parametrize("channel", ["email", "sms", "letter"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_two_currencies_are_never_added_up(renderer: Renderer, language: str, channel: str) -> None:
    request = sample_request(
        "second_reminder",
        channel,  # type: ignore[arg-type]
        language,
        invoices=2,
        currencies=("EUR", "USD"),
    )

    text = words(renderer.render(request))

    digits = re.sub(r"[.,\s]", "", text)
    assert "124050" in digits
    assert "127367" in digits
    assert "251417" not in digits


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_name(renderer: Renderer, name: str) -> None:
    for channel in ("email", "sms", "letter"):
        request = sample_request(
            "first_reminder",
            channel,  # type: ignore[arg-type]
            "fr",
            invoices=1,
            debtor_name=name,
            number=name[:60],
        )
        tenant = request.tenant.model_copy(update={"name": name})
        rendered = renderer.render(replace(request, tenant=tenant))

        assert "<script" not in (rendered.html or "")
        for part in (rendered.subject, rendered.text, rendered.html):
            assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ue000-\uf8ff]", part or "")
        assert "\n" not in (rendered.subject or "")
        assert "Ateliers Durand, SAS" in words(rendered) or channel == "sms"


def test_markup_in_a_name_is_escaped_in_the_page(renderer: Renderer) -> None:
    request = sample_request("courtesy", "email", "en", number="<b>&'\"")

    rendered = renderer.render(request)

    assert rendered.html is not None
    assert "&lt;b&gt;&amp;&#39;&#34;0001" in rendered.html
    assert "<b>&" not in rendered.html
    assert "<b>&'\"0001" in str(rendered.text)


def test_a_name_that_looks_like_typst_is_printed_as_it_is(renderer: Renderer) -> None:
    request = sample_request(
        "final_demand", "letter", "en", debtor_name='#read("x") *strong* $x$ @a <b>'
    )

    assert '#read("x") *strong* $x$ @a <b>' in words(renderer.render(request))


def test_a_letter_leaves_out_pictures_but_refuses_unknown_script(renderer: Renderer) -> None:
    smiling = sample_request("final_demand", "letter", "en", debtor_name="Smile 😀 Ltd")
    chinese = sample_request("final_demand", "letter", "en", debtor_name="北京 Ltd")

    assert "Smile Ltd" in words(renderer.render(smiling))
    with pytest.raises(TemplateError, match="no font can show 京 北; add a font"):
        renderer.render(chinese)


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [
        ("fr", "et 1 autre facture Total", "et 41 autres factures Total"),
        ("en", "and 1 more invoice Total", "and 41 more invoices Total"),
        ("de", "und 1 weitere Rechnung Gesamt", "und 41 weitere Rechnungen Gesamt"),
    ],
)
def test_an_email_lists_fifty_invoices_and_counts_the_rest(
    renderer: Renderer, language: str, one: str, many: str
) -> None:
    def shown(count: int) -> str:
        return words(renderer.render(sample_request("courtesy", "email", language, invoices=count)))

    assert one in shown(51)
    assert many in shown(91)
    assert "F-2026-0050" in shown(91)
    assert "- F-2026-0051" not in shown(91)


@pytest.mark.parametrize(("family", "channel"), pairs(FAMILIES, ("email", "sms", "letter")))
def test_one_invoice_is_spoken_of_in_the_singular(
    renderer: Renderer, family: str, channel: str
) -> None:
    plurals = {
        "fr": r"\b(1 factures|factures arrivent|demeurent|restent)\b",
        "en": r"\b(1 invoices|invoices are|invoices remain|remain unpaid)\b",
        "de": r"\b(1 Rechnungen|Rechnungen sind|Rechnungen werden|sind die)\b",
        "es": r"\b(1 facturas|facturas vencidas|siguen impagadas|vencen)\b",
        "it": r"\b(1 fatture|fatture scadute|risultano|scadono)\b",
        "nl": r"\b(1 facturen|facturen zijn|facturen vervallen|staan nog open)\b",
        "pl": r"\b(1 faktur|faktur|1 faktury)\b",
        "pt": r"\b(1 faturas|faturas vencidas|continuam em|vencem-se em)\b",
    }
    for language, pattern in plurals.items():
        single = words(renderer.render(sample_request(family, channel, language, invoices=1)))  # type: ignore[arg-type]
        assert not re.search(pattern, single), (language, single)


@pytest.mark.parametrize(("channel", "language"), pairs(("email", "sms", "letter"), LANGUAGES))
@pytest.mark.parametrize("family", ["courtesy", "first_reminder"])
def test_a_gentle_message_threatens_nothing(
    renderer: Renderer, family: str, channel: str, language: str
) -> None:
    threats = (
        r"pénalit|indemnit|mise en demeure|justice|procédure|intérêt|penalt|interest|compensation|court"
        r"|legal action|Zinsen|Pauschale|Inkasso|gerichtlich|Verzug\b|40[.,]00"
    )
    rendered = renderer.render(sample_request(family, channel, language, invoices=2))  # type: ignore[arg-type]

    assert not re.search(threats, words(rendered), re.IGNORECASE)


@pytest.mark.parametrize("channel", ["email", "letter"])
def test_what_is_overdue_and_what_is_coming_due_stand_apart(
    renderer: Renderer, channel: str
) -> None:
    request = sample_request("first_reminder", channel, "en", invoices=3)  # type: ignore[arg-type]

    text = words(renderer.render(request))

    overdue, coming = text.upper().rindex("OVERDUE"), text.upper().rindex("COMING DUE")
    assert overdue < text.rindex("F-2026-0002", 0, coming) < coming
    assert coming < text.index("F-2026-0003", coming)
    assert "£2,514.17" in text
    assert "£1,106.84" in text
    assert "£3,621.01" not in text
    assert "this is not part of the amount requested" in text


def test_the_french_formal_notice_holds_all_that_the_law_wants(renderer: Renderer) -> None:
    text = words(renderer.render(sample_request("formal_notice", "registered_letter", "fr")))

    for part in (
        "Lettre recommandée avec accusé de réception",
        "MISE EN DEMEURE DE PAYER",
        "nous vous mettons en demeure",
        "Lyon, le 10 mars 2026",
        "Ateliers Durand, SAS au capital de 50 000 €",
        "Siège social : 14 rue des Tanneurs, 69005 LYON",
        "RCS Lyon 123 456 789",
        "Menuiserie Lefèvre & Fils Service comptabilité 3 allée des Érables 44000 NANTES",
        "F-2026-0001 03/01/2026 02/02/2026 36 Mise en demeure 1 240,50 € 14,88 € 40,00 € 1 295,38 €",
        "Total 2 514,17 € 30,16 € 80,00 € 2 624,33 €",
        "au plus tard le 18 mars 2026, soit dans un délai de 8 jours",
        "2 × 40,00 € = 80,00 €",
        "L. 441-10",
        "D. 441-5",
        "articles 1231-6 et 1344 du Code civil",
        "majoré de 10 points",
        "injonction de payer",
        "FR76 3000 6000 0112 3456 7890 189",
    ):
        assert part in text, part


def test_the_german_final_demand_names_the_law_and_the_register(renderer: Renderer) -> None:
    text = words(renderer.render(sample_request("final_demand", "letter", "de")))

    for part in (
        "Letzte Mahnung",
        "§§ 286, 288 BGB",
        "§ 288 Abs. 5 BGB",
        "Sitz: München",
        "Registergericht: Amtsgericht München, HRB 123456",
        "Geschäftsführung: Dr. Anna Bergmann, Jörg Weiß",
        "Rechtsform: GmbH",
        "20. März 2026",
        "Mahnverfahren",
    ):
        assert part in text, part


def test_the_british_letter_before_action_gives_fourteen_days(renderer: Renderer) -> None:
    request = sample_request("letter_before_action", "registered_letter", "en")
    for pay_by in (date(2026, 3, 24), None):
        notice = request.notice.model_copy(update={"pay_by": pay_by})
        text = words(renderer.render(replace(request, notice=notice)))

        for part in (
            "LETTER BEFORE ACTION",
            "within 14 days of the date of this letter, that is by 24 March 2026",
            "Late Payment of Commercial Debts (Interest) Act 1998",
            "court proceedings",
            "company number 01234567, registered in England and Wales",
            "Registered office: 7 Mill Lane",
            "Sort code 60-16-13",
            "Account number 31926819",
            "£2,629.36",
        ):
            assert part in text, part


NOT_CLAIMED = {
    "fr": "pas réclamée ici",
    "en": "not claimed here",
    "de": "nicht ge(?:ltend gemacht|fordert)",
    "es": "no se reclama aqu[ií]",
    "it": "non è richiesta qui",
    "nl": "hier niet gevorderd",
    "pl": "nie jest tu dochodzona",
    "pt": "não é aqui reclamada|nao é aqui reclamada",
}
EXTRA_AMOUNTS = {  # asked for, the fee, and what is disputed, as each language writes them
    "fr": ("1 019,81 €", "12,50 €", "240,50 €"),
    "en": ("£1,019.81", "£12.50", "£240.50"),
    "de": ("1.019,81 €", "12,50 €", "240,50 €"),
    "es": ("1.019,81 €", "12,50 €", "240,50 €"),
    "it": ("1.019,81 €", "12,50 €", "240,50 €"),
    "nl": ("€ 1.019,81", "€ 12,50", "€ 240,50"),
    "pl": ("1 019,81 zł", "12,50 zł", "240,50 zł"),
    "pt": ("1 019,81 €", "12,50 €", "240,50 €"),
}


@pytest.mark.parametrize("channel", ["email", "sms", "letter"])
@pytest.mark.parametrize(("family", "language"), pairs(FAMILIES, LANGUAGES))
def test_a_fee_is_asked_for_and_a_disputed_part_is_not(
    renderer: Renderer, family: str, language: str, channel: str
) -> None:
    request = sample_request(
        family,
        channel,  # type: ignore[arg-type]
        language,
        invoices=1,
        charges=False,
        extras=True,
    )

    rendered = renderer.render(request)

    said = gsm_text if channel == "sms" else str
    asked, fee, disputed = (said(amount) for amount in EXTRA_AMOUNTS[language])
    for text in filter(None, (words(rendered), plain(rendered.html or ""))):
        assert asked in text
        assert fee in text
        assert disputed in text
        assert len(re.findall(NOT_CLAIMED[language], text)) == 1
    assert due(request, language) == asked
    assert rendered.text is None or channel == "email" or segments(rendered.text) <= 3


@pytest.mark.parametrize("channel", ["email", "sms", "letter"])
@pytest.mark.parametrize(("family", "language"), pairs(FAMILIES, LANGUAGES))
def test_the_yearly_rate_is_named_where_interest_is_charged_and_nowhere_else(
    renderer: Renderer, family: str, language: str, channel: str
) -> None:
    def text(*, charges: bool) -> str:
        request = sample_request(family, channel, language, invoices=2, charges=charges)  # type: ignore[arg-type]
        interest = {
            "interest_minor": 1_234 if charges else 0,
            "interest_percent": Decimal("12.4"),
        }
        items = tuple(item.model_copy(update=interest) for item in request.notice.items)
        notice = request.notice.model_copy(update={"items": items})
        return words(renderer.render(replace(request, notice=notice)))

    rate = {"en": "12.40%"}.get(language, "12,40 %" if language in {"de", "es", "fr"} else "12,40%")
    assert rate in text(charges=True)
    assert rate not in text(charges=False)


def test_rates_that_differ_are_both_named(renderer: Renderer) -> None:
    request = sample_request("formal_notice", "email", "en", invoices=2)
    first, second = request.notice.items
    other = second.model_copy(update={"interest_percent": Decimal("8.5")})
    notice = request.notice.model_copy(update={"items": (first, other)})

    text = words(renderer.render(replace(request, notice=notice)))

    assert "Yearly rate of interest: 8.50% and 12.40%, depending on the invoice." in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_has_a_column_for_each_kind_of_charge_and_no_other(
    renderer: Renderer, language: str
) -> None:
    heads = {
        "fr": ("Intérêts", "Indemnité", "Frais", "Déjà réclamé"),
        "en": ("Interest", "Compensation", "Fees", "Charged before"),
        "de": ("Zinsen", "Pauschale", "Gebühren", "Bereits berechnet"),
        "es": ("Intereses", "Indemnización", "Gastos", "Ya reclamado"),
        "it": ("Interessi", "Indennizzo", "Spese", "Già richiesto"),
        "nl": ("Rente", "Vergoeding", "Kosten", "Eerder berekend"),
        "pl": ("Odsetki", "Rekompensata", "Opłaty", "Naliczone wcześniej"),
        "pt": ("Juros", "Indemnização", "Despesas", "Já reclamado"),
    }[language]

    def shown(*, charges: bool, extras: bool) -> list[bool]:
        request = sample_request(
            "second_reminder", "letter", language, invoices=1, charges=charges, extras=extras
        )
        text = words(renderer.render(request))
        return [head in text for head in heads]

    assert shown(charges=False, extras=False) == [False, False, False, False]
    assert shown(charges=True, extras=False) == [True, True, False, False]
    assert shown(charges=False, extras=True) == [False, False, True, True]
    assert shown(charges=True, extras=True) == [True, True, True, True]


@pytest.mark.parametrize(("channel", "language"), pairs(("email", "letter"), LANGUAGES))
@pytest.mark.parametrize("family", ["final_demand", "formal_notice", "letter_before_action"])
def test_without_charges_no_interest_and_no_fixed_sum_is_spoken_of(
    renderer: Renderer, family: str, channel: str, language: str
) -> None:
    request = sample_request(family, channel, language, charges=False)  # type: ignore[arg-type]

    text = words(renderer.render(request))

    assert not re.search(
        r"40[.,]00|441-10|441-5|288|forfaitaire|fixed compensation|pauschale", text
    )


@pytest.mark.parametrize(
    ("policy", "debtor", "creditor", "law"),
    [
        ("france-b2b", "DE", "DE", "L. 441-10"),
        ("germany-b2b", "FR", "FR", "§ 288 du Code civil allemand"),
        ("italy-b2b", "FR", "FR", "taux légal applicable"),
        ("our-own", "DE", "FR", "§ 288 du Code civil allemand"),
        ("our-own", "GB", "FR", "Late Payment"),
        ("our-own", "ES", "FR", "taux légal applicable"),
        ("our-own", None, "FR", "L. 441-10"),
    ],
)
def test_the_law_is_the_policys_else_the_debtors_else_the_creditors(
    renderer: Renderer, policy: str, debtor: str | None, creditor: str, law: str
) -> None:
    request = sample_request("formal_notice", "email", "fr")
    address = PostalAddress(lines=("1",), country=debtor) if debtor else None
    request = replace(
        request,
        notice=request.notice.model_copy(update={"policy_id": policy}),
        contacts=request.contacts.model_copy(update={"address": address}),
        tenant=request.tenant.model_copy(update={"country": creditor}),
    )

    assert law in words(renderer.render(request))


@pytest.mark.parametrize(
    ("language", "tenant_language", "greeting"),
    [
        ("fr", "de", "Bonjour,"),
        ("fr-CA", "de", "Bonjour,"),
        ("de_AT", "fr", "Sehr geehrte"),
        ("sv", "de", "Sehr geehrte"),
        ("sv", "xx", "Hello,"),
    ],
)
def test_the_language_is_the_debtors_else_the_tenants_else_english(
    renderer: Renderer, language: str, tenant_language: str, greeting: str
) -> None:
    request = sample_request("courtesy", "email", "fr")
    tenant = request.tenant.model_copy(update={"language": tenant_language})

    rendered = renderer.render(replace(request, language=language, tenant=tenant))

    assert str(rendered.text).startswith(greeting)


def test_a_region_writes_amounts_its_own_way(renderer: Renderer) -> None:
    request = sample_request("courtesy", "email", "en", invoices=1, currencies=("USD",))

    british = words(renderer.render(request))
    american = words(renderer.render(replace(request, language="en-US")))

    assert "US$1,240.50" in british
    assert "US$" not in american
    assert "$1,240.50" in american
    assert "March 15, 2026" in american


def test_a_level_of_the_policys_own_making_is_called_by_its_number(renderer: Renderer) -> None:
    request = sample_request("second_reminder", "email", "fr", invoices=1)
    item = request.notice.items[0].model_copy(update={"level": "rappel_bis", "level_no": 7})
    notice = request.notice.model_copy(update={"items": (item,)})

    assert "(Niveau 7)" in words(renderer.render(replace(request, notice=notice)))


def test_an_email_says_so_when_a_registered_letter_follows(renderer: Renderer) -> None:
    request = sample_request("formal_notice", "email", "fr")
    letter = request.message.model_copy(update={"channel": "registered_letter"})
    notice = request.notice.model_copy(update={"messages": (request.message, letter)})
    said = "également adressée par lettre recommandée"

    assert said not in words(renderer.render(request))
    assert said in words(renderer.render(replace(request, notice=notice)))


def test_a_message_covers_only_its_own_invoices(renderer: Renderer) -> None:
    request = sample_request("first_reminder", "email", "en", invoices=2)
    message = request.message.model_copy(update={"invoice_ids": ("INV-0002", "INV-0002")})

    text = words(renderer.render(replace(request, message=message)))

    assert "F-2026-0002" in text
    assert "F-2026-0001" not in text
    assert "£1,273.67" in text


def _broken(name: str) -> RenderRequest:
    request = sample_request("first_reminder", "email", "en")
    match name:
        case "family":
            return replace(request, template="nagging")
        case "invoice":
            message = request.message.model_copy(update={"invoice_ids": ("gone",)})
            return replace(request, message=message)
        case "nothing":
            return replace(request, message=request.message.model_copy(update={"invoice_ids": ()}))
        case "zone":
            notice = request.notice.model_copy(update={"zone": "Mars/Olympus"})
            return replace(request, notice=notice)
        case _:
            item = request.notice.items[0].model_copy(update={"currency": "XXZ"})
            notice = request.notice.model_copy(update={"items": (item, request.notice.items[1])})
            return replace(request, notice=notice)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("family", "nagging, email: no such template; there are courtesy"),
        ("invoice", "the notice: the message covers gone"),
        ("nothing", "no invoice at all"),
        ("zone", "Mars/Olympus"),
        ("currency", "XXZ"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_place(
    renderer: Renderer, name: str, message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        renderer.render(_broken(name))


def test_the_preview_shows_any_template_and_refuses_unknown_ones(renderer: Renderer) -> None:
    assert "Whitby" in words(renderer.preview("formal_notice", "letter", "en"))
    for template, channel, language in (
        ("nagging", "email", "fr"),
        ("courtesy", "pigeon", "fr"),
        ("courtesy", "email", "xx"),
    ):
        with pytest.raises(TemplateError, match="no such"):
            renderer.preview(template, channel, language)  # type: ignore[arg-type]


def test_the_same_request_gives_the_same_bytes_in_every_thread(renderer: Renderer) -> None:
    requests = [
        sample_request("formal_notice", channel, language)  # type: ignore[arg-type]
        for channel, language in pairs(("email", "sms", "letter"), LANGUAGES)
    ]
    once = [renderer.render(request) for request in requests]

    with ThreadPoolExecutor(4) as threads:
        again = list(threads.map(renderer.render, requests * 3))

    assert again == once * 3


def test_the_check_of_all_templates_passes(renderer: Renderer) -> None:
    renderer.check()


def test_mail_that_crosses_a_border_names_the_country(renderer: Renderer) -> None:
    request = replace(sample_request("final_demand", "letter", "fr"), contacts=DEBTORS["de"])

    assert "Große Straße 45 20095 Hamburg ALLEMAGNE" in words(renderer.render(request))


def test_a_letter_to_a_debtor_without_an_address_is_refused(renderer: Renderer) -> None:
    request = sample_request("final_demand", "letter", "fr")
    contacts = request.contacts.model_copy(update={"address": None})

    with pytest.raises(TemplateError, match="the debtor's address"):
        renderer.render(replace(request, contacts=contacts))

"""Made-up creditors, debtors and notices: for previews and for checking templates when they load.

Nobody here exists; the IBANs are the published examples of their countries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from dunning_common.events.contacts import Contacts, PostalAddress
from dunning_common.events.dunning import (
    AnnouncedCharge,
    Channel,
    ChargeBasis,
    NoticeItemV3,
    NoticeMessageV2,
    NoticeRequestedV2,
    UnallocatedMoney,
)
from dunning_common.events.receivables import ChargeKind
from dunning_common.events.tenants import BankDetails, LegalIdentity, TenantRegisteredV1
from notifier.content.model import OwnText, RenderRequest
from notifier.content.sample_places import PERSON, SampleKind, SamplePlace

DECIDED_AT = datetime(2026, 3, 10, 7, 30, tzinfo=UTC)
NOTICE_ID = UUID("5d7c1c39-2f6b-5a4e-9d0a-8f2f1d3b6a71")
DECISION_ID = UUID("0f8a3c52-7d5e-5b1c-8a29-4be0f1c2d3e4")
MESSAGE_ID = UUID("019c0b7e-9b1f-7c3d-8e5a-2f4b6c8d0e1f")

LADDER: dict[str, tuple[int, int]] = {
    "courtesy": (1, -5),
    "first_reminder": (2, 7),
    "second_reminder": (3, 21),
    "consumer_notice": (3, 15),
    "final_demand": (4, 28),
    "formal_notice": (4, 36),
    "letter_before_action": (5, 42),
}
"""Level number and days late at which the samples are in each family."""

DAYS_TO_PAY = {
    "courtesy": 0,
    "first_reminder": 7,
    "second_reminder": 8,
    "consumer_notice": 20,
    "final_demand": 10,
    "formal_notice": 8,
    "letter_before_action": 30,
}
"""Days until the date that the sample notices name; none for those that are not due yet."""

POLICIES = {
    "fr": "france-b2b",
    "de": "germany-b2b",
    "es": "spain-b2b",
    "it": "italy-b2b",
    "nl": "netherlands-b2b",
    "pt": "of-our-own",
    "pl": "of-our-own",
}
LAWS = {
    "fr": ("C. com. L441-10 II", "C. com. L441-10 II, D441-5", "C. civ. 1231-6"),
    "de": ("BGB §288 Abs. 2", "BGB §288 Abs. 5", "BGB §288 Abs. 1"),
    "es": ("Ley 3/2004, art. 7", "Ley 3/2004, art. 8", "C. civil art. 1100, 1108"),
    "it": ("D.lgs. 231/2002, art. 5", "D.lgs. 231/2002, art. 6", "art. 1284 c.c."),
    "nl": ("art. 6:119a, 6:119b BW", "art. 6:96 lid 4 en 5 BW, Besluit BIK", "art. 6:119 BW"),
    "pt": ("DL 62/2013; C. com. art. 102 §5", "DL 62/2013, art. 7", "C. civil art. 559"),
    "pl": ("Ustawa z 8 marca 2013, art. 7", "Ustawa z 8 marca 2013, art. 10", "KC art. 481"),
    "be": ("Loi du 2 août 2002, art. 5", "Loi du 2 août 2002, art. 6", "C. civ. 5.240; CDE XIX.4"),
}
"""What the samples' charges rest on: a business's interest and fixed sum, a consumer's interest."""
CONSUMER_SUMS = {"BE": "CDE XIX.4", "NL": "art. 6:96 lid 5 en 6 BW, Besluit BIK"}
"""Where a sample consumer who lives there is charged a fixed sum, and on what that rests."""
ELSEWHERE = ("statutory interest", "Directive 2011/7/EU, art. 6", "statutory interest")
"""What charges rest on in any other country."""
CHARGED = frozenset({"final_demand", "formal_notice", "letter_before_action"})
BRITISH = tuple(
    f"Late Payment of Commercial Debts (Interest) Act 1998, {section}"
    for section in ("s.6", "s.5A")
)
EXTRAS = {
    "fee_minor": 1_250,
    "charges_open_minor": 731,
    "disputed_minor": 24_050,
    "announced": (AnnouncedCharge(kind="compensation", amount_minor=4_800, basis="CDE XIX.4"),),
}
"""What `extras` puts on the first invoice, amounts in minor units."""


def sample_request(
    template: str,
    channel: Channel,
    language: str,
    *,
    invoices: int = 2,
    currencies: tuple[str, ...] = (),
    charges: bool | None = None,
    extras: bool = False,
    with_deadline: bool = True,
    debtor_name: str | None = None,
    number: str = "F-2026-",
    own: Mapping[tuple[str, str], OwnText] | None = None,
    kind: SampleKind | None = "business",
    place: SamplePlace | None = None,
) -> RenderRequest:
    """A message as it could come from the engine.

    Args:
        template: the family.
        channel: the channel.
        language: `fr`, `de` or other; chooses the creditor and the debtor.
        invoices: how many the message covers; of more than two, the last is only coming due.
        currencies: taken in turn by the invoices; by default the creditor's own.
        charges: whether interest and compensation were assessed; by default from `CHARGED`.
        extras: whether there are also a fee, charges of earlier notices, and a disputed part.
        with_deadline: whether the notice names a date to pay by (`DAYS_TO_PAY`).
        debtor_name: instead of the sample debtor's name.
        number: what the invoice numbers begin with.
        own: the tenant's own texts.
        kind: what the debtor is; None: unknown. A consumer is charged a fixed sum in the `place`s
            alone where the law lets it owe one.
        place: where the debtor lives; with it, who is no company has a person's name.
    """
    code = language.replace("_", "-").split("-")[0]
    tenant, country = TENANTS.get(code, TENANTS["en"]), place.law if place else ""
    with_charges = template in CHARGED if charges is None else charges
    money = currencies or (tenant.base_currency,)
    items = tuple(
        _item(template, index, invoices, money, with_charges, number) for index in range(invoices)
    )
    if extras:
        items = (items[0].model_copy(update=EXTRAS), *items[1:])
    bases = _bases(code, kind, country)
    items = tuple(_with_grounds(item, bases) for item in items)
    days = DAYS_TO_PAY.get(template, 7) if with_deadline else 0
    level_no, _ = LADDER.get(template, (3, 21))
    message = NoticeMessageV2(
        channel=channel,
        template=template,
        level=template,
        level_no=level_no,
        invoice_ids=tuple(item.invoice_id for item in items),
    )
    # A letter of claim is always posted, whatever else goes with it.
    posted = template == "letter_before_action" and channel in {"email", "sms"}
    also = (message.model_copy(update={"channel": "registered_letter"}),) if posted else ()
    notice = NoticeRequestedV2(
        notice_id=NOTICE_ID,
        debtor_id="D-1001",
        debtor_kind="business" if kind == "person" else kind,
        debtor_country=country or None,
        decided_at=DECIDED_AT,
        zone="Europe/Paris",
        policy_id="of-our-own" if country else POLICIES.get(code, "uk-b2b"),
        policy_version=1,
        decision_id=DECISION_ID,
        pay_by=DECIDED_AT.date() + timedelta(days=days) if days else None,
        items=items,
        messages=(message, *also),
        unallocated=(UnallocatedMoney(currency=tenant.base_currency, amount_minor=7_700),)
        if extras
        else (),
    )
    return RenderRequest(
        channel=channel,
        template=template,
        language=language,
        notice=notice,
        message=message,
        tenant=tenant,
        contacts=_contacts(code, kind, place, debtor_name),
        message_id=MESSAGE_ID,
        own=own or {},
    )


def _contacts(
    code: str, kind: SampleKind | None, place: SamplePlace | None, name: str | None
) -> Contacts:
    contacts = DEBTORS.get(code, DEBTORS["en"])
    if place is not None:
        contacts = place.home(contacts)
        if kind in {"consumer", "person"}:
            contacts = contacts.model_copy(update={"name": PERSON})
    return contacts if name is None else contacts.model_copy(update={"name": name})


def _bases(code: str, kind: SampleKind | None, country: str) -> Mapping[ChargeKind, str]:
    """What each kind of charge rests on; a fixed sum that rests on nothing is not charged."""
    others = ELSEWHERE if country not in {"", "GB"} else (*BRITISH, "")
    interest, fixed, of_consumers = LAWS.get(country.lower() or code, others)
    fee = "policy of-our-own, version 1, level sample"
    if kind in {"consumer", None}:
        sums = CONSUMER_SUMS.get(country, "") if kind else ""
        return {"interest": of_consumers, "compensation": sums, "fee": fee}
    return {"interest": interest, "compensation": fixed, "fee": fee}


def _with_grounds(item: NoticeItemV3, bases: Mapping[ChargeKind, str]) -> NoticeItemV3:
    """The item, its charges with what they rest on."""
    if not bases["compensation"]:
        item = item.model_copy(update={"compensation_minor": 0})
    minors: dict[ChargeKind, int] = {
        "interest": item.interest_minor,
        "compensation": item.compensation_minor,
        "fee": item.fee_minor,
    }
    found = tuple(
        ChargeBasis(kind=kind, basis=law) for kind, law in bases.items() if minors[kind] and law
    )
    return item.model_copy(update={"charge_basis": found})


def _item(
    template: str, index: int, count: int, currencies: tuple[str, ...], charges: bool, number: str
) -> NoticeItemV3:
    level_no, late = LADDER.get(template, (3, 21))
    coming = template != "courtesy" and count > 2 and index == count - 1
    level, days_late = ("courtesy", -5) if coming else (template, late)
    amount = 124_050 + index * 3_317
    due_on = DECIDED_AT.date() - timedelta(days=days_late)
    assessed = charges and days_late > 0
    return NoticeItemV3(
        invoice_id=f"INV-{index + 1:04}",
        number=f"{number}{index + 1:04}",
        level=level,
        level_no=1 if coming else level_no,
        issued_on=due_on - timedelta(days=30),
        due_on=due_on,
        days_late=days_late,
        currency=currencies[index % len(currencies)],
        amount_minor=amount,
        open_minor=amount - (20_000 if index % 3 == 2 else 0),
        interest_minor=amount * late // 3000 if assessed else 0,
        interest_percent=Decimal("12.4") if assessed else None,
        compensation_minor=4_000 if assessed else 0,
        version=1,
    )


TENANTS = {
    "fr": TenantRegisteredV1(
        tenant_id="ateliers-durand",
        name="Ateliers Durand",
        country="FR",
        zone="Europe/Paris",
        language="fr",
        base_currency="EUR",
        legal=LegalIdentity(
            legal_name="Ateliers Durand",
            form="SAS",
            capital="50 000 €",
            register_entry="RCS Lyon 123 456 789",
            vat_id="FR83 123456789",
            address=PostalAddress(
                lines=("14 rue des Tanneurs",), postcode="69005", city="Lyon", country="FR"
            ),
            email="comptabilite@ateliers-durand.example",
            phone="+33 4 72 00 00 00",
        ),
        bank=BankDetails(
            holder="Ateliers Durand SAS", iban="FR7630006000011234567890189", bic="AGRIFRPP"
        ),
        email_from="comptabilite@ateliers-durand.example",
    ),
    "de": TenantRegisteredV1(
        tenant_id="bergmann",
        name="Bergmann Feintechnik",
        country="DE",
        zone="Europe/Berlin",
        language="de",
        base_currency="EUR",
        legal=LegalIdentity(
            legal_name="Bergmann Feintechnik GmbH",
            form="GmbH",
            register_entry="Amtsgericht München, HRB 123456",
            vat_id="DE123456789",
            directors=("Dr. Anna Bergmann", "Jörg Weiß"),
            address=PostalAddress(
                lines=("Lindenstraße 12",), postcode="80331", city="München", country="DE"
            ),
            email="buchhaltung@bergmann.example",
            phone="+49 89 000000",
        ),
        bank=BankDetails(
            holder="Bergmann Feintechnik GmbH", iban="DE89370400440532013000", bic="COBADEFFXXX"
        ),
        email_from="buchhaltung@bergmann.example",
    ),
    "en": TenantRegisteredV1(
        tenant_id="harrow-paper",
        name="Harrow Paper",
        country="GB",
        zone="Europe/London",
        language="en",
        base_currency="GBP",
        legal=LegalIdentity(
            legal_name="Harrow Paper Limited",
            form="Limited",
            register_entry="company number 01234567, registered in England and Wales",
            vat_id="GB123456789",
            address=PostalAddress(
                lines=("7 Mill Lane",), postcode="HA1 2AB", city="Harrow", country="GB"
            ),
            email="accounts@harrow-paper.example",
            phone="+44 20 7946 0000",
        ),
        bank=BankDetails(
            holder="Harrow Paper Limited", iban="GB29NWBK60161331926819", bic="NWBKGB2L"
        ),
        email_from="accounts@harrow-paper.example",
    ),
    "es": TenantRegisteredV1(
        tenant_id="papelera-duero",
        name="Papelera Duero",
        country="ES",
        zone="Europe/Madrid",
        language="es",
        base_currency="EUR",
        legal=LegalIdentity(
            legal_name="Papelera Duero S.L.",
            form="S.L.",
            register_entry="Valladolid, tomo 1234, folio 56, hoja VA-7890",
            vat_id="ESB12345674",
            address=PostalAddress(
                lines=("Calle del Río 8",), postcode="47001", city="Valladolid", country="ES"
            ),
            email="cobros@papelera-duero.example",
            phone="+34 983 000 000",
        ),
        bank=BankDetails(
            holder="Papelera Duero S.L.", iban="ES9121000418450200051332", bic="CAIXESBBXXX"
        ),
        email_from="cobros@papelera-duero.example",
    ),
    "it": TenantRegisteredV1(
        tenant_id="tipografia-arno",
        name="Tipografia Arno",
        country="IT",
        zone="Europe/Rome",
        language="it",
        base_currency="EUR",
        legal=LegalIdentity(
            legal_name="Tipografia Arno S.r.l.",
            form="S.r.l.",
            capital="20.000 € i.v.",
            register_entry="Firenze 01234567890, REA FI-123456",
            vat_id="IT01234567890",
            address=PostalAddress(
                lines=("Via dei Mulini 5",), postcode="50122", city="Firenze", country="IT"
            ),
            email="crediti@tipografia-arno.example",
            phone="+39 055 000000",
        ),
        bank=BankDetails(
            holder="Tipografia Arno S.r.l.", iban="IT60X0542811101000000123456", bic="BCITITMMXXX"
        ),
        email_from="crediti@tipografia-arno.example",
    ),
    "nl": TenantRegisteredV1(
        tenant_id="drukkerij-vecht",
        name="Drukkerij Vecht",
        country="NL",
        zone="Europe/Amsterdam",
        language="nl",
        base_currency="EUR",
        legal=LegalIdentity(
            legal_name="Drukkerij Vecht B.V.",
            form="B.V.",
            register_entry="12345678",
            vat_id="NL123456789B01",
            address=PostalAddress(
                lines=("Molenkade 3",), postcode="3581 AB", city="Utrecht", country="NL"
            ),
            email="debiteuren@drukkerij-vecht.example",
            phone="+31 30 000 0000",
        ),
        bank=BankDetails(holder="Drukkerij Vecht B.V.", iban="NL91ABNA0417164300", bic="ABNANL2A"),
        email_from="debiteuren@drukkerij-vecht.example",
    ),
    "pt": TenantRegisteredV1(
        tenant_id="graficas-tejo",
        name="Gráficas Tejo",
        country="PT",
        zone="Europe/Lisbon",
        language="pt",
        base_currency="EUR",
        legal=LegalIdentity(
            legal_name="Gráficas Tejo, Lda.",
            form="Lda.",
            capital="5.000 €",
            register_entry="Lisboa, matrícula 501234560",
            vat_id="PT501234560",
            address=PostalAddress(
                lines=("Rua dos Moinhos 21",), postcode="1100-001", city="Lisboa", country="PT"
            ),
            email="cobrancas@graficas-tejo.example",
            phone="+351 210 000 000",
        ),
        bank=BankDetails(
            holder="Gráficas Tejo, Lda.", iban="PT50000201231234567890154", bic="CGDIPTPL"
        ),
        email_from="cobrancas@graficas-tejo.example",
    ),
    "pl": TenantRegisteredV1(
        tenant_id="papier-wisla",
        name="Papier Wisła",
        country="PL",
        zone="Europe/Warsaw",
        language="pl",
        base_currency="PLN",
        legal=LegalIdentity(
            legal_name="Papier Wisła sp. z o.o.",
            form="sp. z o.o.",
            capital="50 000 zł",
            register_entry="KRS 0000123456, Sąd Rejonowy dla Krakowa-Śródmieścia",
            vat_id="PL1234563218",
            address=PostalAddress(
                lines=("ul. Młyńska 7",), postcode="30-001", city="Kraków", country="PL"
            ),
            email="naleznosci@papier-wisla.example",
            phone="+48 12 000 00 00",
        ),
        bank=BankDetails(
            holder="Papier Wisła sp. z o.o.", iban="PL61109010140000071219812874", bic="WBKPPLPP"
        ),
        email_from="naleznosci@papier-wisla.example",
    ),
}

DEBTORS = {
    "fr": Contacts(
        name="Menuiserie Lefèvre & Fils",
        language="fr",
        emails=("contact@menuiserie-lefevre.example",),
        phones=("+33612345678",),
        address=PostalAddress(
            lines=("Service comptabilité", "3 allée des Érables"),
            postcode="44000",
            city="Nantes",
            country="FR",
        ),
    ),
    "de": Contacts(
        name="Möbelhaus Krüger OHG",
        language="de",
        emails=("rechnung@krueger.example",),
        phones=("+4915112345678",),
        address=PostalAddress(
            lines=("Buchhaltung", "Große Straße 45"), postcode="20095", city="Hamburg", country="DE"
        ),
    ),
    "en": Contacts(
        name="Whitby & Sons Stationers Ltd",
        language="en",
        emails=("accounts@whitby-stationers.example",),
        phones=("+447700900123",),
        address=PostalAddress(
            lines=("Accounts Payable", "22 Harbour Road"),
            postcode="YO21 1AA",
            city="Whitby",
            country="GB",
        ),
    ),
    "es": Contacts(
        name="Muebles García e Hijos, S.L.",
        language="es",
        emails=("facturas@muebles-garcia.example",),
        phones=("+34612345678",),
        address=PostalAddress(
            lines=("Administración", "Avenida de la Estación 14"),
            postcode="28001",
            city="Madrid",
            country="ES",
        ),
    ),
    "it": Contacts(
        name="Falegnameria Bianchi S.n.c.",
        language="it",
        emails=("fatture@falegnameria-bianchi.example",),
        phones=("+393401234567",),
        address=PostalAddress(
            lines=("Ufficio contabilità", "Corso della Libertà 9"),
            postcode="20121",
            city="Milano",
            country="IT",
        ),
    ),
    "nl": Contacts(
        name="Meubelhuis De Jong B.V.",
        language="nl",
        emails=("facturen@meubelhuis-dejong.example",),
        phones=("+31612345678",),
        address=PostalAddress(
            lines=("Crediteurenadministratie", "Stationsweg 12"),
            postcode="9711 AA",
            city="Groningen",
            country="NL",
        ),
    ),
    "pt": Contacts(
        name="Móveis São João, Lda.",
        language="pt",
        emails=("faturas@moveis-saojoao.example",),
        phones=("+351912345678",),
        address=PostalAddress(
            lines=("Contabilidade", "Avenida da República 33"),
            postcode="4000-001",
            city="Porto",
            country="PT",
        ),
    ),
    "pl": Contacts(
        name="Meble Dąbrowski sp. j.",
        language="pl",
        emails=("faktury@meble-dabrowski.example",),
        phones=("+48601234567",),
        address=PostalAddress(
            lines=("Księgowość", "ul. Główna 18"), postcode="50-001", city="Wrocław", country="PL"
        ),
    ),
}

"""A Swiss creditor and a Swiss debtor for letters with a QR-bill."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dunning_common.events.contacts import Contacts, PostalAddress
from dunning_common.events.tenants import BankDetails
from notifier.content.model import RenderRequest
from notifier.content.samples import sample_request

IBAN, QR_IBAN = "CH9300762011623852957", "CH4431999123000889012"
LANGUAGES = ("de", "fr", "it", "en")


def swiss_request(
    language: str = "de",
    *,
    iban: str = IBAN,
    template: str = "first_reminder",
    currencies: tuple[str, ...] = ("CHF",),
    contacts: Contacts | None = None,
    **sample: Any,
) -> RenderRequest:
    """A letter of a creditor in Zurich to a debtor in Rorschach."""
    request = sample_request(template, "letter", language, currencies=currencies, **sample)
    legal = request.tenant.legal.model_copy(
        update={
            "legal_name": "Feinwerk Zürich AG",
            "form": "AG",
            "register_entry": "CHE-123.456.789",
            "address": PostalAddress(
                lines=("Bahnhofstrasse 12",), postcode="8001", city="Zürich", country="CH"
            ),
        }
    )
    tenant = request.tenant.model_copy(
        update={
            "tenant_id": "feinwerk",
            "name": "Feinwerk Zürich",
            "country": "CH",
            "base_currency": "CHF",
            "legal": legal,
            "bank": BankDetails(holder="Feinwerk Zürich AG", iban=iban),
        }
    )
    debtor = Contacts(
        name="Möbelhaus Krüger AG",
        language=language,
        address=PostalAddress(
            lines=("Buchhaltung", "Grosse Marktgasse 28a"),
            postcode="9400",
            city="Rorschach",
            country="CH",
        ),
    )
    return replace(request, tenant=tenant, contacts=contacts or debtor)

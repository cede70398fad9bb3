"""Where made-up debtors live, for the countries and courts that texts tell apart. Pure data.

Nobody lives at these addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from dunning_common.events.contacts import Contacts, PostalAddress
from dunning_common.events.receivables import DebtorKind
from notifier.content.jurisdiction import Jurisdiction

SampleKind = DebtorKind | Literal["person"]
"""What a made-up debtor is; a `person` is a business without a company: a sole trader."""

PERSON = "Alex Martin"
"""A name that belongs to no company."""

ADDRESSES: Mapping[str, PostalAddress] = MappingProxyType(
    {
        country: PostalAddress(lines=(line,), postcode=postcode, city=city, country=country)
        for country, line, postcode, city in (
            ("BE", "Rue des Lilas 8", "4000", "Liège"),
            ("DE", "Große Straße 45", "20095", "Hamburg"),
            ("ES", "Avenida de la Estación 14", "28001", "Madrid"),
            ("FR", "3 allée des Érables", "44000", "Nantes"),
            ("GB", "22 Harbour Road", "YO21 1AA", "Whitby"),
            ("IT", "Corso della Libertà 9", "20121", "Milano"),
            ("NL", "Stationsweg 12", "9711 AA", "Groningen"),
            ("PL", "ul. Główna 18", "50-001", "Wrocław"),
            ("PT", "Avenida da República 33", "4000-001", "Porto"),
        )
    }
)
"""By country. Of others: the street and the city of the language's own debtor."""

COURTS: Mapping[Jurisdiction, tuple[str, str]] = MappingProxyType(
    {
        "england_wales": ("YO21 1AA", "Whitby"),
        "scotland": ("EH1 1AA", "Edinburgh"),
        "northern_ireland": ("BT1 1AA", "Belfast"),
    }
)
"""A postcode and a city in each part of the United Kingdom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlace:
    """Where a made-up debtor lives.

    `country` is ISO 3166-1 alpha-2, empty for the language's own; `jurisdiction` a part of the
    United Kingdom, whose country is then GB. `address` says what is known of it.
    """

    country: str = ""
    jurisdiction: Jurisdiction | Literal[""] = ""
    address: Literal["whole", "no_postcode", "none"] = "whole"

    @property
    def law(self) -> str:
        """The country whose law its notices are under; empty: that of the language's policy."""
        return "GB" if self.jurisdiction else self.country

    def home(self, contacts: Contacts) -> Contacts:
        """Somebody's contacts, who has moved here."""
        address = contacts.address
        if self.address == "none" or address is None:
            return contacts.model_copy(update={"address": None})
        if self.law:
            address = ADDRESSES.get(self.law, address.model_copy(update={"country": self.law}))
        if self.jurisdiction:
            postcode, city = COURTS[self.jurisdiction]
            address = address.model_copy(update={"postcode": postcode, "city": city})
        if self.address == "no_postcode":
            address = address.model_copy(update={"postcode": ""})
        return contacts.model_copy(update={"address": address})

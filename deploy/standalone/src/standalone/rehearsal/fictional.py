"""Contacts that reach nobody: a rehearsal never writes to a real person, whatever the file says.

E-mail addresses end in `.example` (RFC 2606); phone numbers come from ranges that the regulators
keep for fiction (Arcep 06 39 98, Ofcom 07700 900, Bundesnetzagentur 0171 39200).
"""

from __future__ import annotations

import re
from typing import Any

_PHONES = {"FR": ("+3363998", 4), "GB": ("+447700900", 3), "DE": ("+4917139200", 2)}
_CITIES = {"FR": ("75001", "PARIS"), "GB": ("EC1A 1AA", "LONDON"), "DE": ("10115", "Berlin")}
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


def contacts(debtor_id: str, *, number: int, country: str) -> dict[str, Any]:
    """Contacts of a debtor as the ledger's `contacts` object.

    Args:
        debtor_id: makes the e-mail address recognisable.
        number: the debtor's place in the file; spreads the phone numbers.
        country: ISO 3166-1 alpha-2; countries without a fictional range get no phone.
    """
    postcode, city = _CITIES.get(country, ("00000", "Exampletown"))
    found: dict[str, Any] = {
        "emails": [f"{_NOT_PLAIN.sub('-', debtor_id.lower()).strip('-')}@rehearsal.example"],
        "phones": [],
        "address": {
            "lines": [f"{number + 1} Example Street"],
            "postcode": postcode,
            "city": city,
            "country": country,
        },
    }
    if country in _PHONES:
        prefix, digits = _PHONES[country]
        found["phones"] = [f"{prefix}{number % 10**digits:0{digits}d}"]
    return found

"""Which numbers a text may go to, and what it may be sent from.

Ranges of numbers are those of `phonenumbers` (Google's libphonenumber), rules for senders those of
`sms_senders.yaml`.
Pure: reads its table once, sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import phonenumbers
import yaml
from phonenumbers import PhoneNumberType

_TABLE = yaml.safe_load((Path(__file__).parent / "sms_senders.yaml").read_text())
NUMBER_ONLY = frozenset(_TABLE["number_only"])
"""Countries whose carriers take texts from numbers only."""

_SERVICE_ID = re.compile(r"MG[0-9a-fA-F]{32}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")
_COSTLY = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)
_WITHOUT_TEXTS = {
    PhoneNumberType.FIXED_LINE: "landline",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.VOICEMAIL: "voicemail",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsReach:
    """Where texts may go: `countries`, beside the tenant's own. Empty: everywhere.

    A country is that of the number, not of the debtor.
    """

    countries: frozenset[str] = frozenset()

    def allows(self, region: str, *, home: str) -> bool:
        """Whether texts may go to numbers of this country."""
        return not self.countries or region in self.countries or region == home.upper()


def obstacle(number: str, *, reach: SmsReach, home: str) -> str | None:
    """Why no text may go to an E.164 number; None when one may.

    A number of an unknown range may be tried: tables lag behind the regulators.
    """
    parsed = phonenumbers.parse(number)
    kind = phonenumbers.number_type(parsed)
    if kind in _COSTLY:
        return "no_address: the number costs the caller extra"
    if kind in _WITHOUT_TEXTS:
        return f"no_address: the number takes no texts ({_WITHOUT_TEXTS[kind]})"
    region = country_of(number)
    if region is None or not reach.allows(region, home=home):
        return f"no_address: texts to {region or 'an unknown country'} are not allowed"
    return None


def country_of(number: str) -> str | None:
    """The country of an E.164 number; None for numbers of no country."""
    parsed = phonenumbers.parse(number)
    region = phonenumbers.region_code_for_number(parsed)
    if region is None and parsed.country_code is not None:
        region = phonenumbers.region_code_for_country_code(parsed.country_code)
    return None if region in (None, "001", "ZZ") else region


def sender_obstacle(sender: str, *, to: str) -> str | None:
    """Why a text cannot be sent from this sender to this number; None when it can."""
    if not sender:
        return "no_sms_sender: set sms_from of the tenant"
    if is_service(sender) or is_number(sender):
        return None
    if not _NAME.fullmatch(sender):
        return "bad_sms_sender: a name has 1 to 11 letters, digits and spaces; change sms_from"
    country = country_of(to)
    if country in NUMBER_ONLY:
        return f"bad_sms_sender: {country} takes texts from numbers only; change sms_from"
    return None


def takes_replies(sender: str) -> bool:
    """Whether the recipient can answer; to a name nobody can."""
    return is_service(sender) or is_number(sender)


def is_service(sender: str) -> bool:
    """Whether it is the id of a messaging service of Twilio's."""
    return bool(_SERVICE_ID.fullmatch(sender))


def is_number(sender: str) -> bool:
    """Whether it is a number: a long one or a short code."""
    return bool(_NUMBER.fullmatch(sender))


def reach_of(countries: Collection[str]) -> SmsReach:
    """The reach of a list of country codes."""
    return SmsReach(countries=frozenset(country.upper() for country in countries))

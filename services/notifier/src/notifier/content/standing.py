"""What the law makes of a debtor and a creditor: consumer or business, and what a letter must name.

Pure: facts of the request and rows of `countries.yaml` in, verdicts out. Who is not known to be a
business is treated as a consumer. No amounts are computed and none are changed here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from dunning_common.events.dunning import NoticeRequestedV2
from dunning_common.events.tenants import LegalIdentity, TenantRegisteredV1

Stage = Literal["amicable", "formal", "claim"]
"""How far a family goes: asks; puts into default; announces proceedings."""

STAGES: tuple[Stage, ...] = get_args(Stage)

PROTOCOL_COUNTRIES = frozenset({"GB"})
"""Where a letter of claim to a person needs the forms of a protocol (England and Wales, CPR)."""

_BRITISH_COMPANY = re.compile(
    r"\b(ltd|limited|plc|public limited company|llp|cic|cyf|cyfyngedig|ccc)\b\.?\s*(\(.*\))?$",
    re.IGNORECASE,
)


class ConsumerChargedError(ValueError):
    """A consumer would be asked for the fixed sum, which only businesses owe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the debtor stands under the law that the message speaks of.

    `business` is false for consumers and for everybody who is not known to be a business.
    `protocol` says that a letter of claim goes to a person (a sole trader is one) in a country
    whose protocol wants forms with it. `least_days` is how long such a letter has to leave.
    """

    business: bool
    protocol: bool = False
    least_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a creditor of a country has to say of itself on its letters, and where that is written.

    `always` names fields of the legal identity; `of_companies` those that only the legal forms in
    `forms` have to state as well.
    """

    source: str
    always: tuple[str, ...]
    of_companies: tuple[str, ...]
    forms: frozenset[str]

    def missing(self, legal: LegalIdentity) -> tuple[str, ...]:
        """Fields that are empty though they have to be stated."""
        wanted = [*self.always]
        if legal_form(legal.form) in self.forms:
            wanted += self.of_companies
        return tuple(name for name in wanted if not getattr(legal, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastDays:
    """How long a letter of claim has to leave: to a company, and to a person."""

    company: int
    person: int


def legal_form(form: str) -> str:
    """A legal form without dots, spaces and accents: `S.A.S.` and `SAS` are the same."""
    plain = unicodedata.normalize("NFKD", form)
    return "".join(char for char in plain if char.isalnum()).upper()


def names_its_form(legal: LegalIdentity) -> bool:
    """Whether the legal name already ends with the legal form, as in `Weber GmbH`."""
    form = legal_form(legal.form)
    return bool(form) and legal_form(legal.legal_name).endswith(form)


def is_business(notice: NoticeRequestedV2) -> bool:
    """Whether the debtor is known to be a business or a public body.

    A notice of the first version names no kind; where it charges the fixed sum the decision found a
    business, and where it charges none the debtor is treated as a consumer.

    Raises:
        ConsumerChargedError: the debtor is a consumer, and the notice charges the fixed sum.
    """
    charged = any(item.compensation_minor for item in notice.items)
    if notice.debtor_kind is None:
        return charged
    if notice.debtor_kind == "consumer" and charged:
        raise ConsumerChargedError(
            "the debtor is a consumer and is charged the fixed compensation; correct the debtor's "
            "kind or the policy's charges"
        )
    return notice.debtor_kind != "consumer"


def standing_of(
    notice: NoticeRequestedV2,
    *,
    country: str,
    stage: Stage,
    debtor_name: str,
    least_days: Mapping[str, LeastDays],
) -> Standing:
    """Where the debtor stands.

    Args:
        notice: kind of debtor and charges.
        country: whose law the message is under.
        stage: the family's.
        debtor_name: tells a British company from a sole trader, who is a person.
        least_days: by country.

    Raises:
        ConsumerChargedError: the debtor is a consumer, and the notice charges the fixed sum.
    """
    business = is_business(notice)
    if stage != "claim":
        return Standing(business=business)
    person = not business or (
        notice.debtor_kind != "public" and not _BRITISH_COMPANY.search(debtor_name.strip())
    )
    protocol = country in PROTOCOL_COUNTRIES and person
    days = least_days.get(country)
    if days is None:
        return Standing(business=business, protocol=protocol)
    return Standing(
        business=business,
        protocol=protocol,
        least_days=days.person if protocol else days.company,
    )


def missing_identity(
    tenant: TenantRegisteredV1, identities: Mapping[str, Identity]
) -> tuple[str, ...]:
    """What the tenant would have to state on its letters and has not told us, as field names."""
    identity = identities.get(tenant.country.upper())
    return identity.missing(tenant.legal) if identity else ()

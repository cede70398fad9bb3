"""What the law makes of a debtor: consumer or business, person or company, and where it is sued.

Pure: facts of the request and rows of `countries.yaml` in, verdicts out. Who is not known to be a
business is treated as a consumer. No amounts are computed and none are changed here, and no date: a
notice that leaves less time than the law is refused, since whoever decided it goes by its date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from dunning_common.events.dunning import NoticeItemV2, NoticeRequestedV2
from dunning_common.events.tenants import LegalIdentity
from dunning_common.legal_identity import legal_form
from notifier.content.jurisdiction import Jurisdiction, british_jurisdiction

Stage = Literal["amicable", "formal", "claim"]
"""How far a family goes: asks; puts into default; announces proceedings."""

STAGES: tuple[Stage, ...] = get_args(Stage)

PROTOCOL_COUNTRIES = frozenset({"GB"})
"""Where a letter of claim to a person needs the forms of a protocol: in England and Wales (CPR)."""

CONSUMER_SUMS = {"BE": "CDE XIX.", "NL": "art. 6:96 "}
"""Where a consumer may owe a fixed sum after a free notice, and how its law is cited."""

_BRITISH_COMPANY = re.compile(
    r"\b(ltd|limited|plc|public limited company|llp|cic|cyf|cyfyngedig|ccc)\b\.?\s*(\(.*\))?$",
    re.IGNORECASE,
)


class StandingError(ValueError):
    """The law forbids the notice to this debtor; says why, and the remedy."""


class TooSoonError(StandingError):
    """The notice names an earlier day to pay by than the law allows."""


class ConsumerChargedError(StandingError):
    """A consumer would be asked for the fixed sum, which only businesses owe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the debtor stands under the law that the message speaks of.

    `business` is false for consumers and for everybody who is not known to be a business.
    `protocol` says that a letter of claim goes to a person (a sole trader is one) in a country
    whose protocol wants forms with it. `least_days` is how long such a letter has to leave.
    `jurisdiction` is where in the United Kingdom a person would be sued; empty for companies.
    """

    business: bool
    protocol: bool = False
    least_days: int = 0
    jurisdiction: Jurisdiction | Literal[""] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastDays:
    """How long a letter of claim has to leave: to a company, and to a person."""

    company: int
    person: int


def names_its_form(legal: LegalIdentity) -> bool:
    """Whether the legal name already ends with the legal form, as in `Weber GmbH`."""
    form = legal_form(legal.form)
    return bool(form) and legal_form(legal.legal_name).endswith(form)


def is_business(notice: NoticeRequestedV2, country: str = "") -> bool:
    """Whether the debtor is known to be a business or a public body.

    A notice of the first version names no kind; where it charges the fixed sum the decision found a
    business, and where it charges none the debtor is treated as a consumer.

    Args:
        notice: kind of debtor and charges.
        country: whose law the message is under.

    Raises:
        ConsumerChargedError: the debtor is a consumer, and the notice charges the fixed sum without
            citing the law that lets a consumer owe one in that country.
    """
    charged = [item for item in notice.items if item.compensation_minor]
    if notice.debtor_kind is None:
        return bool(charged)
    if notice.debtor_kind == "consumer" and not all(_consumer_owes(i, country) for i in charged):
        raise ConsumerChargedError(
            "the debtor is a consumer and is charged the fixed compensation; correct the debtor's "
            "kind, or correct the policy's charges and waive what was charged"
        )
    return notice.debtor_kind != "consumer"


def _consumer_owes(item: NoticeItemV2, country: str) -> bool:
    law = CONSUMER_SUMS.get(country)
    return law is not None and any(
        basis.kind == "compensation" and basis.basis.startswith(law) for basis in item.charge_basis
    )


def standing_of(
    notice: NoticeRequestedV2,
    *,
    country: str,
    stage: Stage,
    debtor_name: str,
    postcode: str = "",
    least_days: Mapping[str, LeastDays],
) -> Standing:
    """Where the debtor stands.

    Args:
        notice: kind of debtor and charges.
        country: whose law the message is under.
        stage: the family's.
        debtor_name: tells a British company from a sole trader, who is a person.
        postcode: the debtor's; tells Scotland and Northern Ireland from England and Wales.
        least_days: by country.

    Raises:
        ConsumerChargedError: the debtor is a consumer, and the notice charges the fixed sum.
        TooSoonError: the day to pay by is earlier than the law allows.
    """
    business = is_business(notice, country)
    if stage != "claim":
        return Standing(business=business)
    person = not business or (
        notice.debtor_kind != "public" and not _BRITISH_COMPANY.search(debtor_name.strip())
    )
    where = british_jurisdiction(postcode) if country == "GB" and person else ""
    protocol = country in PROTOCOL_COUNTRIES and where == "england_wales"
    days = least_days.get(country)
    least = 0 if days is None else days.person if protocol else days.company
    _check_time(notice, least, person=protocol)
    return Standing(business=business, protocol=protocol, least_days=least, jurisdiction=where)


def _check_time(notice: NoticeRequestedV2, least_days: int, *, person: bool) -> None:
    """Whoever decided the notice acts on its day to pay by: the letter cannot name a later one."""
    if notice.pay_by is None:
        return
    today = notice.decided_at.astimezone(ZoneInfo(notice.zone)).date()
    left = (notice.pay_by - today).days
    if notice.pay_by < today + timedelta(days=least_days):
        whom = "a person (a sole trader is one)" if person else "a company"
        raise TooSoonError(
            f"it leaves {left} days, and a letter of claim to {whom} leaves {least_days} at least; "
            f"set pay_within_days of the policy's level to {least_days} or more, and the gap_days "
            "of the level after it above that, or tag the debtor for the level that fits it"
        )

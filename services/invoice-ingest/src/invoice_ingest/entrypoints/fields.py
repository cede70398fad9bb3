"""Field types of the REST interface: what an id, a date, a text, a phone number may be.

Syntax only: what a field means together with others is the core's business. No message repeats what
was sent, because it may be personal data.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, TypeVar

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from stdnum import iban
from stdnum.exceptions import ValidationError as StdnumError

from dunning_common.money import MoneyError, exponent
from invoice_ingest.adapters import territory

T = TypeVar("T")

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)
MAX_COUNT = 2**53 - 1
"""Largest whole number that every JSON reader keeps exact."""

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})


def _wrong(detail: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", detail)


def _id(value: str) -> str:
    if not value.isprintable() or value != value.strip() or value in (".", ".."):
        raise _wrong("an id is visible characters, without spaces around them")
    if "/" in value or "\\" in value:
        raise _wrong("an id has no slash or backslash: it must fit into a URL")
    return value


def _text(value: str) -> str:
    text = value.strip()
    if not text:
        raise _wrong("this may not be blank")
    if not text.isprintable() and any(
        unicodedata.category(char) in _BREAKS or char in _BIDI for char in text
    ):
        raise _wrong("this is one line of text, without control or direction characters")
    return text


def _date(value: Any) -> date:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value):
        raise _wrong('a date is written like "2026-01-31"')
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise _wrong("there is no such day in the calendar") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise _wrong(f"dates lie between {FIRST_DAY} and {LAST_DAY}")
    return day


def _country(value: str) -> str:
    if value not in territory.countries():
        raise _wrong("a country is two capital letters of ISO 3166-1, such as FR, DE or GB")
    return value


def _zone(value: str) -> str:
    if value not in territory.zones():
        raise _wrong("a zone is an IANA time zone name, such as Europe/Paris")
    return value


def _currency(value: str) -> str:
    try:
        exponent(value)
    except MoneyError:
        raise _wrong("a currency is three capital letters of ISO 4217, such as EUR") from None
    return value


def _email(value: str) -> str:
    try:
        checked = validate_email(
            value, check_deliverability=False, test_environment=True, allow_smtputf8=True
        )
    except EmailNotValidError:
        raise _wrong("this is not an e-mail address such as accounts@example.com") from None
    return checked.normalized


def _iban(value: str) -> str:
    try:
        return iban.validate(value, check_country=False)
    except StdnumError:
        raise _wrong("this is not an IBAN: its check digits do not fit") from None


def _unique(values: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


Id = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="The ERP's own id: visible characters, no slash or backslash.",
        examples=["FA-2026-0001"],
    ),
    AfterValidator(_id),
]
TenantId = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Small letters, digits and hyphens."),
]
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_text)]
Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_text)]
Label = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_text)]
Tags = Annotated[
    tuple[Label, ...],
    Field(max_length=20),
    AfterValidator(_unique),
]
Day = Annotated[
    date,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-01-31"]}),
]
Count = Annotated[int, Field(strict=True, ge=1, le=MAX_COUNT)]
Country = Annotated[
    str, Field(min_length=2, max_length=2, examples=["FR"]), AfterValidator(_country)
]
Region = Annotated[
    str,
    Field(
        pattern=r"^[A-Z0-9]{1,3}$",
        description="ISO 3166-2 subdivision without the country, such as BY; for holidays.",
    ),
]
Zone = Annotated[str, Field(max_length=60, examples=["Europe/Paris"]), AfterValidator(_zone)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$", examples=["fr"])]
Currency = Annotated[
    str, Field(min_length=3, max_length=3, examples=["EUR"]), AfterValidator(_currency)
]
Amount = Annotated[
    str,
    Field(
        max_length=32,
        description="A decimal string; no more decimals than the currency has.",
        examples=["1234.50"],
    ),
]
Email = Annotated[str, Field(min_length=3, max_length=254), AfterValidator(_email)]
Emails = Annotated[tuple[Email, ...], Field(max_length=10), AfterValidator(_unique)]
Phone = Annotated[str, Field(min_length=3, max_length=40), AfterValidator(_text)]
Phones = Annotated[tuple[Phone, ...], Field(max_length=10)]
Iban = Annotated[str, Field(min_length=5, max_length=42), AfterValidator(_iban)]
Bic = Annotated[str, Field(pattern=r"^([A-Z0-9]{8}([A-Z0-9]{3})?)?$")]

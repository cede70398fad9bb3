"""Reads what people type into a form: dates, amounts, texts, addresses; says what is wrong.

Total and pure: any text is read or answered with a `Fault`, never with another error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat

from dunning_common.money import MAX_MINOR, exponent
from notifier.content.clean import clean

TEXT_MAX = 4000
LINE_MAX = 200

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[./ -](\d{1,2})[./ -](\d{4})", re.ASCII)
_SIGN = r"(?:[A-Za-z]{3}|[A-Z]{0,2}[€£$][A-Z]{0,2}|zł)?"
_AMOUNT = re.compile(rf"{_SIGN}([0-9][0-9.,]*){_SIGN}")
_GAPS = re.compile(r"[\s'’]")
_COUNT = re.compile(r"\d{1,4}", re.ASCII)


class Fault(Exception):  # noqa: N818 - what is wrong with a field, shown beside it
    """What is wrong with what was typed: a word of the portal's languages, and what fills it in."""

    def __init__(self, word: str, **values: object) -> None:
        super().__init__(word)
        self.word = word
        self.values = values


@dataclass(slots=True)
class Faults:
    """What is wrong with a form, by field, in the order in which it was found."""

    found: dict[str, Fault] = field(default_factory=dict)

    def note(self, name: str, fault: Fault) -> None:
        """Remember the first thing that is wrong with a field."""
        self.found.setdefault(name, fault)

    def __bool__(self) -> bool:
        return bool(self.found)


def day_of(text: str) -> date:
    """A date as browsers send it (`2026-03-31`), or as people write it, day first (`31.3.2026`).

    Raises:
        Fault: empty, or no date.
    """
    given = text.strip()
    if not given:
        raise Fault("required")
    if found := _ISO.fullmatch(given):
        year, month, day = found.groups()
    elif found := _DAY_FIRST.fullmatch(given):
        day, month, year = found.groups()
    else:
        raise Fault("date_wrong")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise Fault("date_wrong") from None


def amount_of(text: str, currency: str) -> int:
    """An amount in minor units as people write it in any of the languages: `1 234,50 €`, `1,234.5`.

    The last separator is the decimal one when another kind stands before it, or when it stands
    alone with as many digits behind it as the currency has decimals, or fewer.

    Raises:
        Fault: empty, no amount, or too many decimals.
    """
    if not text.strip():
        raise Fault("required")
    found = _AMOUNT.fullmatch(_GAPS.sub("", text[:40]))
    if found is None:
        raise Fault("amount_wrong")
    whole, decimals = _parts(found.group(1), exponent(currency))
    minor = int(whole + decimals.ljust(exponent(currency), "0"))
    if minor > MAX_MINOR:
        raise Fault("amount_wrong")
    return minor


def _parts(given: str, places: int) -> tuple[str, str]:
    """Digits before and behind the decimal separator."""
    last = max(given.rfind("."), given.rfind(","))
    if last < 0:
        return given, ""
    head, sign, tail = given[:last], given[last], given[last + 1 :]
    other = "." if sign == "," else ","
    alone = sign not in head
    if alone and len(tail) <= places and (tail or other not in head):
        return _ungrouped(head, other), tail
    if other in given or len(tail) != 3:
        raise Fault("amount_wrong")
    return _ungrouped(given, sign), ""


def _ungrouped(digits: str, separator: str) -> str:
    """Digits without thousands separators, which must stand where they belong."""
    head, *groups = digits.split(separator)
    if not head.isdigit() or any(len(group) != 3 for group in groups) or (groups and len(head) > 3):
        raise Fault("amount_wrong")
    joined = head + "".join(groups)
    if not joined.isdigit():
        raise Fault("amount_wrong")
    return joined


def count_of(text: str, *, least: int, most: int) -> int:
    """A whole number between two others.

    Raises:
        Fault: empty, no number, or out of range.
    """
    given = text.strip()
    if not given:
        raise Fault("required")
    if not _COUNT.fullmatch(given) or not least <= int(given) <= most:
        raise Fault("count_wrong", least=least, most=most)
    return int(given)


def line_of(text: str) -> str:
    """One line of printable text; empty when there is none.

    Raises:
        Fault: longer than `LINE_MAX`.
    """
    if len(text.strip()) > LINE_MAX:
        raise Fault("too_long", most=LINE_MAX)
    return clean(text, limit=LINE_MAX)


def text_of(text: str) -> str:
    """Some lines of text without control characters; empty when there is none.

    Raises:
        Fault: longer than `TEXT_MAX`.
    """
    given = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(given) > TEXT_MAX:
        raise Fault("too_long", most=TEXT_MAX)
    return "".join(
        char for char in given if char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"}
    )


def email_of(text: str) -> str:
    """An e-mail address in its normal form; empty when there is none.

    Raises:
        Fault: not an address.
    """
    if not text.strip():
        return ""
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except (EmailNotValidError, ValueError):
        raise Fault("email_wrong") from None


def phone_of(text: str, *, country: str) -> str:
    """A telephone number as E.164; empty when there is none.

    Args:
        text: as typed.
        country: of numbers that are written without a country code.

    Raises:
        Fault: not a number.
    """
    if not text.strip():
        return ""
    try:
        number = phonenumbers.parse(text.strip()[:50], country)
    except NumberParseException:
        raise Fault("phone_wrong") from None
    if not phonenumbers.is_possible_number(number):
        raise Fault("phone_wrong")
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def given(fields: Mapping[str, str], name: str) -> str:
    """What was typed into a field; empty when the field was not sent."""
    return fields.get(name, "")

"""The Swiss QR-bill: what its code says and what its two slips print, as plain values.

Pure: no layout, no input or output. Source: SIX, Swiss Implementation Guidelines QR-bill 2.3
(structured addresses only) and Style Guide QR-bill.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from dunning_common.events.contacts import PostalAddress
from dunning_common.events.tenants import BankDetails
from dunning_common.money import to_decimal_string
from notifier.content.account import compact, is_iban, is_qr_iban, is_swiss_iban
from notifier.content.clean import clean
from notifier.content.reference import Reference, ReferenceKind
from notifier.content.summary import Section, Total

CURRENCIES = ("CHF", "EUR")
"""What a QR-bill can ask for, the one it asks for first before the other."""

_MAX_MINOR = 99_999_999_999
_MAX_NAME, _MAX_STREET, _MAX_NUMBER, _MAX_POSTCODE, _MAX_TOWN = 70, 70, 16, 16, 35
_MAX_MESSAGE = 140
_NO_ADDRESS = ("",) * 7
_NUMBER = re.compile(r"(?P<street>.*\D)\s(?P<number>\d+\s?[A-Za-z]?(?:[-/]\d+\s?[A-Za-z]?)?)")
_EXTRA_LETTERS = frozenset("ȘșȚț€")
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})


class NoSwissBillError(ValueError):
    """There can be no QR-bill; names the field and what to put there.

    Args:
        field: where the value comes from, such as `bank.iban`.
        reason: what is wrong with it and what it has to be.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Creditor or debtor with a structured address (address type S)."""

    name: str
    street: str
    number: str
    postcode: str
    town: str
    country: str

    @property
    def elements(self) -> tuple[str, ...]:
        """The seven lines of the code."""
        return ("S", self.name, self.street, self.number, self.postcode, self.town, self.country)

    @property
    def printed(self) -> list[str]:
        """The lines on the slips, the same data as in the code."""
        street = f"{self.street} {self.number}".strip()
        return [line for line in (self.name, street, f"{self.postcode} {self.town}") if line]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwissBill:
    """A bill that can be paid; `debtor` is None where the payer fills it in by hand.

    `amount` has two decimals and a dot. `reference` is of kind SWISS, CREDITOR or TEXT, and TEXT
    goes into the code as `NON`, its words being the `message`.
    """

    iban: str
    creditor: Party
    debtor: Party | None
    currency: str
    amount: str
    reference: Reference
    message: str

    @property
    def reference_type(self) -> str:
        """QRR, SCOR or NON."""
        kinds = {ReferenceKind.SWISS: "QRR", ReferenceKind.CREDITOR: "SCOR"}
        return kinds.get(self.reference.kind, "NON")

    @property
    def payload(self) -> bytes:
        """The text inside the code: data elements in their order, one a line."""
        is_structured = self.reference_type != "NON"
        elements = (
            *("SPC", "0200", "1", self.iban),
            *self.creditor.elements,
            *_NO_ADDRESS,  # the ultimate creditor, reserved
            *(self.amount, self.currency),
            *(self.debtor.elements if self.debtor else _NO_ADDRESS),
            *(self.reference_type, self.reference.value if is_structured else ""),
            *(self.message, "EPD"),
        )
        return "\n".join(elements).encode()


def swiss_bill(
    bank: BankDetails,
    seat: PostalAddress,
    payer: tuple[str, PostalAddress | None],
    demanded: Section,
    reference: Reference,
    message: str,
) -> SwissBill:
    """The QR-bill for what is demanded in francs, else in euros.

    Args:
        bank: the creditor's account.
        seat: the creditor's address.
        payer: the debtor's name and address; left out of the bill where they cannot be written in
            it, because the payer may also fill them in.
        demanded: what is asked for.
        reference: what to quote.
        message: what the creditor wants to read again, cut to 140 characters; of a TEXT reference
            its own words are taken.

    Raises:
        NoSwissBillError: the account, its holder, the address or the amount does not allow one.
    """
    total = _payable(demanded)
    iban = compact(bank.iban)
    if not is_iban(iban):
        raise NoSwissBillError("bank.iban", "its check digits are wrong; register the right IBAN")
    if not is_swiss_iban(iban):
        raise NoSwissBillError(
            "bank.iban", f"is of {iban[:2]}; a QR-bill needs an account in CH or LI"
        )
    if is_qr_iban(iban) != (reference.kind is ReferenceKind.SWISS):
        raise NoSwissBillError("reference", "a QR-IBAN goes with a QR reference and with no other")
    creditor = party_of(bank.holder, seat)
    if creditor is None:
        raise NoSwissBillError(
            "legal.address",
            "name, postcode, city and country must be there, in Latin letters",
        )
    text = reference.shown if reference.kind is ReferenceKind.TEXT else message
    return SwissBill(
        iban=iban,
        creditor=creditor,
        debtor=party_of(payer[0], payer[1]) if payer[1] else None,
        currency=total.currency,
        amount=to_decimal_string(total.due_minor, total.currency),
        reference=reference,
        message=(latin(text) or "")[:_MAX_MESSAGE].strip(),
    )


def party_of(name: str, address: PostalAddress) -> Party | None:
    """Name and structured address, cut to what the elements hold.

    The street is the last line with a digit in it, else the last line; its house number stands
    apart where it can be told. None where the name, postcode, town or country is missing or not
    written in the letters that a QR-bill takes.
    """
    lines = [line for line in map(clean, address.lines) if line]
    street = next((line for line in reversed(lines) if re.search(r"\d", line)), "".join(lines[-1:]))
    texts = [latin(clean(text)) for text in (name, street, address.postcode, address.city)]
    country = address.country.strip().upper()
    if any(text is None for text in texts) or not re.fullmatch(r"[A-Z]{2}", country, re.ASCII):
        return None
    written, road, postcode, town = (text or "" for text in texts)
    if not (written and postcode and town):
        return None
    parts = _NUMBER.fullmatch(road)
    number = parts["number"] if parts and len(parts["number"]) <= _MAX_NUMBER else ""
    return Party(
        name=_cut(written, _MAX_NAME),
        street=_cut(parts["street"] if parts and number else road, _MAX_STREET),
        number=number,
        postcode=_cut(postcode, _MAX_POSTCODE),
        town=_cut(town, _MAX_TOWN),
        country=country,
    )


def latin(text: str) -> str | None:
    """The text in the letters a QR-bill takes (Latin, Latin-1, Latin Extended-A), else None.

    Typographic quotes and dashes become plain ones, other marks on Latin letters are dropped.
    """
    plain = text.translate(_PLAIN)
    if all(map(_is_taken, plain)):
        return plain
    kept = [char if _is_taken(char) else _base(char) for char in plain]
    return "".join(kept) if all(kept) else None


def _base(char: str) -> str:
    bare = "".join(
        part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part)
    )
    return bare if bare and all(map(_is_taken, bare)) else ""


def _is_taken(char: str) -> bool:
    code = ord(char)
    return 0x20 <= code <= 0x7E or 0xA0 <= code <= 0x17F or char in _EXTRA_LETTERS


def _cut(text: str, limit: int) -> str:
    return text[:limit].strip()


def _payable(demanded: Section) -> Total:
    for currency in CURRENCIES:
        for total in demanded.totals:
            if total.currency == currency and 1 <= total.due_minor <= _MAX_MINOR:
                return total
    raise NoSwissBillError(
        "amount", "a QR-bill asks for 0.01 to 999,999,999.99 francs or euros, and here are none"
    )

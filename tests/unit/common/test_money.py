"""Money is exact: integers inside, plain decimal strings at the edges, nothing else gets in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.money import (
    MAX_MINOR,
    Money,
    MoneyError,
    exponent,
    parse_minor,
    round_half_up,
    to_decimal,
    to_decimal_string,
)

currencies = st.sampled_from(["EUR", "GBP", "USD", "JPY", "KWD", "CHF", "BHD", "ISK"])
minors = st.integers(-MAX_MINOR, MAX_MINOR)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1234.50", "EUR", 123450),
        ("1234.5", "EUR", 123450),
        ("0", "EUR", 0),
        ("-0.01", "EUR", -1),
        ("100", "JPY", 100),
        ("1.234", "KWD", 1234),
        ("1.500000", "EUR", 150),
        ("0007", "EUR", 700),
    ],
)
def test_a_decimal_string_becomes_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse_minor(text, currency) == minor


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "+1", "1e3", "NaN", "Infinity", "-", ".5", "5.", "1,00", "1.2.3", "0x1", "1_0",
     "٣", "１", "1\n", "9" * 19, "10" * 20],
)  # fmt: skip
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        parse_minor(text, "EUR")


@pytest.mark.parametrize("value", [12, 12.5, None, Decimal(1), True, b"1"])
def test_only_text_is_an_amount(value: object) -> None:
    with pytest.raises(MoneyError):
        parse_minor(value, "EUR")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "currency"), [("0.001", "EUR"), ("0.5", "JPY"), ("1.2345", "KWD")]
)
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    with pytest.raises(MoneyError, match="decimals"):
        parse_minor(text, currency)


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "XYZ", "€", "EU"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(MoneyError, match="ISO 4217"):
        exponent(currency)


def test_an_amount_beyond_any_invoice_is_refused() -> None:
    assert parse_minor("10000000000000.00", "EUR") == MAX_MINOR
    with pytest.raises(MoneyError, match="larger"):
        parse_minor("10000000000000.01", "EUR")


@given(minors, currencies)
def test_what_is_written_is_read_back(minor: int, currency: str) -> None:
    assert parse_minor(to_decimal_string(minor, currency), currency) == minor


@given(minors, currencies)
def test_the_decimal_string_has_the_decimals_of_its_currency(minor: int, currency: str) -> None:
    text = to_decimal_string(minor, currency)

    assert len(text.partition(".")[2]) == exponent(currency)
    assert Decimal(text) == to_decimal(minor, currency)


@given(minors, minors, currencies)
def test_adding_and_taking_away_loses_nothing(first: int, second: int, currency: str) -> None:
    one, two = Money(first, currency), Money(second, currency)

    assert one + two - two == one
    assert (one + two).minor == first + second


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(MoneyError, match="EUR with USD"):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(MoneyError):
        Money(1, "EUR") - Money(1, "USD")


def test_money_shows_amount_and_currency() -> None:
    assert str(Money(-1050, "EUR")) == "-10.50 EUR"


@pytest.mark.parametrize(
    ("amount", "minor"), [("0.5", 1), ("1.5", 2), ("2.5", 3), ("-0.5", -1), ("0.4999", 0)]
)
def test_halves_are_rounded_away_from_zero(amount: str, minor: int) -> None:
    assert round_half_up(Decimal(amount)) == minor

"""Money is written as Babel writes it, only sooner."""

from __future__ import annotations

from decimal import Decimal

import pytest
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.formats import formats_for

LOCALES = (
    *("de_DE", "de_AT", "de_CH", "en_GB", "en_IE", "en_US", "en_IN", "es_ES", "fr_FR", "fr_CA"),
    *("fr_CH", "it_IT", "nl_NL", "nl_BE", "pl_PL", "pt_PT", "pt_BR", "sv_SE", "ar_EG", "ja_JP"),
)


@given(
    amount=st.decimals("-1e15", "1e20", places=4),
    tag=st.sampled_from(LOCALES),
    currency=st.sampled_from(("EUR", "GBP", "PLN", "CHF", "USD", "JPY", "TND", "CLF")),
)
def test_an_amount_is_written_as_babel_writes_it(amount: Decimal, tag: str, currency: str) -> None:
    written = formats_for(tag).money(amount, currency)

    assert written == format_currency(amount, currency, locale=tag)


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("de_DE", "1.234,50\u00a0€"),
        ("en_GB", "€1,234.50"),
        ("es_ES", "1.234,50\u00a0€"),
        ("fr_FR", "1\u202f234,50\u00a0€"),
        ("it_IT", "1.234,50\u00a0€"),
        ("nl_NL", "€\u00a01.234,50"),
        ("pl_PL", "1\u00a0234,50\u00a0€"),
        ("pt_PT", "1\u00a0234,50\u00a0€"),
    ],
)
def test_each_language_has_its_own_signs(tag: str, written: str) -> None:
    assert formats_for(tag).money(Decimal("1234.50"), "EUR") == written

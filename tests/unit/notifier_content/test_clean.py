"""Names from outside become safe to print and stay readable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.clean import clean
from notifier.content.prose import BOLD_OFF, BOLD_ON


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Dupont\r\nBcc: x@example.org", "Dupont Bcc: x@example.org"),
        ("  a \t b  ", "a b"),
        ("\u202eevil\u202c", "evil"),
        (f"a{BOLD_ON}b{BOLD_OFF}", "ab"),
        ("e\u0301", "é"),
        ("a" + "\u0301" * 20, "á" + "\u0301" * 4),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("شركة", "شركة"),
        ("👩‍👧", "👩‍👧"),
        ("x" * 400, "x" * 299 + "…"),
        ("\ud800a", "a"),
    ],
)
def test_a_name_is_made_printable(raw: str, text: str) -> None:
    assert clean(raw) == text


@given(st.text(st.characters(), max_size=700))
def test_whatever_comes_in_one_short_line_comes_out(raw: str) -> None:
    text = clean(raw)

    assert len(text) <= 300
    assert text == text.strip()
    assert "  " not in text
    assert clean(text) == text
    for char in text:
        assert unicodedata.category(char) not in {"Cc", "Co", "Cs", "Cn"}
        assert unicodedata.bidirectional(char) not in {"LRO", "RLO", "LRE", "RLE", "LRI", "RLI"}

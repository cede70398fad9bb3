"""Text messages: the GSM alphabet and what they cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.sms import GSM, GSM_EXTENDED, gsm_text, segments


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("bientôt réglé à échéance", "bientot réglé à échéance"),
        ("1\u202f234,50\u00a0€", "1 234,50 €"),
        ("l’œuvre «\u00a0ça\u00a0»", 'l\'oeuvre " ca "'),
        ("Müller & Söhne – Straße…", "Müller & Söhne - Straße..."),
        ("Café 😀 ☃", "Café"),
        ("Łódź", "Lodz"),
        ("a\n\tb", "a b"),
        ("½ ﬁn", "½ fin"),
    ],
)
def test_a_text_is_folded_into_the_gsm_alphabet(text: str, folded: str) -> None:
    assert gsm_text(text) == folded


def test_other_scripts_stay_readable() -> None:
    assert gsm_text("Привет Ολα") == "Привет Ολα"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_segments_are_counted_as_they_are_billed(text: str, count: int) -> None:
    assert segments(text) == count


@given(st.text(st.characters(max_codepoint=0x24F), max_size=300))
def test_latin_text_is_never_sent_as_unicode_unless_it_has_no_plain_form(text: str) -> None:
    folded = gsm_text(text)

    assert gsm_text(folded) == folded
    for char in folded:
        assert char in GSM or char in GSM_EXTENDED or char in text

"""Short texts: paragraphs, lists, bold, unbreakable spaces."""

from __future__ import annotations

import pytest

from notifier.content.model import TemplateError
from notifier.content.prose import Block, Paragraph, Run, Spacing
from notifier.content.shape import Shape

DATA: dict[str, object] = {"locale": "fr_FR", "name": "A ! <b> **x**", "yes": False}
FRENCH = Spacing(before=":;?!»", after="«", words=("n°",))


def block(source: str, spacing: Spacing | None = None) -> Block:
    return Block(
        source, name="fr/x", place="opening", data=Shape.of(DATA), spacing=spacing or Spacing()
    )


def test_blank_lines_part_paragraphs_and_empty_ones_are_left_out() -> None:
    source = "One\ntwo.\n\n{% if yes %}\nNever\n{% endif %}\n\n  \n\nThree  {{ name }}"

    texts = [paragraph.text for paragraph in block(source).paragraphs(DATA)]

    assert texts == ["One two.", "Three A ! <b> **x**"]


def test_blanks_are_worth_one_and_lines_of_blanks_are_blank() -> None:
    loose = block("  A\t b  **c**\n  d \n \t\n\n- e\tf \n").paragraphs(DATA)

    assert loose == block("A b **c**\nd\n\n- e f").paragraphs(DATA)
    assert [part.text for part in loose] == ["A b c d", "e f"]
    assert block(" A \n\n **b**\tc  {{ name }} ").line(DATA) == "A b c A ! <b> **x**"


def test_stars_are_bold_in_the_source_and_plain_in_values() -> None:
    (paragraph,) = block("a **b {{ name }}** c").paragraphs(DATA)

    assert paragraph == Paragraph((Run("a "), Run("b A ! <b> **x**", bold=True), Run(" c")))
    assert paragraph.html == "a <strong>b A ! &lt;b&gt; **x**</strong> c"
    assert block("**a**").line(DATA) == "a"


def test_a_dash_makes_a_list() -> None:
    found = block("Before:\n- one\n  more\n- two\n\nAfter").paragraphs(DATA)

    assert [(part.text, part.entry) for part in found] == [
        ("Before:", False),
        ("one more", True),
        ("two", True),
        ("After", False),
    ]


def test_spaces_become_unbreakable_in_words_but_not_in_values_or_tags() -> None:
    source = "Objet : « {{ name }} » n° 1{% if yes != true %} !{% endif %}"

    assert block(source, FRENCH).line(DATA) == (
        "Objet\u00a0: «\u00a0A ! <b> **x**\u00a0» n°\u00a01\u00a0!"
    )


def test_bold_that_is_not_closed_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"fr/x, opening: .* opens bold text"):
        block("a **b")

"""What is tried before a text is kept: every debtor, every country, long lists, every letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from notifier.content.edge_cases import edge_cases
from notifier.content.letter import LetterPress
from notifier.content.model import OwnText, TemplateError
from notifier.content.render import TEMPLATES, Renderer
from notifier.content.trial import try_own

LISTED = "{% for a in demanded.lines %}{{ a.number }} of {{ a.issued_on | date }}; {% endfor %}"


def draft(family: str = "first_reminder", **texts: Any) -> OwnText:
    """The built-in English text with some texts instead of its own."""
    source = (TEMPLATES / f"languages/en/{family}.yaml").read_text("utf-8")
    table = yaml.safe_load(source)
    for name, text in texts.items():
        table[name] = {**table.get(name, {}), **text} if isinstance(text, dict) else text
    source = yaml.safe_dump(table, allow_unicode=True)
    return OwnText(family=family, language="en", version=0, source=source)


def refusal(renderer: Renderer, text: OwnText, **limits: int) -> str:
    with pytest.raises(TemplateError) as refused:
        try_own(renderer, text, **limits)
    return f"{refused.value.place}: {refused.value.reason}"


@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "it", "nl", "pl", "pt"])
def test_every_built_in_text_passes_what_own_texts_have_to_pass(
    renderer: Renderer, language: str
) -> None:
    for family in renderer.families:
        source = renderer.source_of(family, language)
        try_own(renderer, OwnText(family=family, language=language, version=0, source=source))


def test_a_text_message_that_lists_invoices_is_refused_for_its_parts(renderer: Renderer) -> None:
    said = refusal(renderer, draft(sms={"text": LISTED}))

    assert "sms.text: has " in said
    assert " SMS parts, and 6 are sent at most" in said
    assert "(tried on a business, 60 invoices in EUR and GBP" in said


def test_as_many_parts_are_allowed_as_are_sent(renderer: Renderer) -> None:
    text = draft(sms={"text": "x" * 400})

    try_own(renderer, text, sms_parts_max=3)

    assert "has 3 SMS parts, and 2 are sent" in refusal(renderer, text, sms_parts_max=2)


def test_a_branch_that_only_consumers_see_is_tried(renderer: Renderer) -> None:
    broken = "{% if debtor.business %}Reminder{% else %}{{ debtor.name | date }}{% endif %}"

    said = refusal(renderer, draft(subject=broken))

    assert said.startswith("subject line 1: ")
    assert "(tried on a consumer, 1 invoice, no charges)" in said


@pytest.mark.parametrize(
    ("place", "texts"),
    [
        ("email.subject", {"subject": "{% if debtor.business %}Reminder{% endif %}"}),
        ("email.headline", {"email": {"headline": "{% if debtor.business %}Hello{% endif %}"}}),
        ("email.opening", {"opening": "{% if debtor.business %}Please pay.{% endif %}"}),
        ("sms.text", {"sms": {"text": "{% if debtor.business %}Please pay.{% endif %}"}}),
        ("letter.subject", {"letter": {"subject": "{% if debtor.business %}Pay{% endif %}"}}),
    ],
)
def test_what_says_nothing_to_consumers_is_refused(
    renderer: Renderer, place: str, texts: dict[str, Any]
) -> None:
    said = refusal(renderer, draft(**texts))

    assert said.startswith(f"{place}: comes out empty")
    assert "(tried on a consumer, 1 invoice, no charges)" in said


def test_a_letter_that_no_font_can_show_is_refused(renderer: Renderer) -> None:
    assert "no font can show" in refusal(renderer, draft(opening="กรุณาชำระเงิน"))


def test_a_letter_is_refused_for_signs_that_only_some_debtors_would_see(
    renderer: Renderer,
) -> None:
    hidden = "{% if debtor.business %}Please pay.{% else %}กรุณาชำระเงิน{% endif %}"

    assert "no font can show ก" in refusal(renderer, draft(opening=hidden))


def test_accents_and_other_alphabets_that_fonts_have_are_no_obstacle(renderer: Renderer) -> None:
    try_own(renderer, draft(opening="Zażółć gęślą jaźń. Пожалуйста, оплатите. Παρακαλώ."))


def test_a_panic_of_the_typesetter_refuses_the_letter_and_ends_nobody(tmp_path: Path) -> None:
    (tmp_path / "windows").mkdir()
    layout = tmp_path / "windows" / "bare.typ"
    layout.write_text('#json(bytes(sys.inputs.at("data"))).words', encoding="utf-8")
    press = LetterPress(tmp_path)
    endless = "x" + "\u200b" * 22_000

    with pytest.raises(TemplateError, match="too long to print"):
        press.print("bare", {"words": endless}, timestamp=0, name="a letter")

    assert press.print("bare", {"words": "fine"}, timestamp=0, name="a letter")


@pytest.mark.parametrize(
    ("condition", "case"),
    [
        ("debtor.jurisdiction == 'scotland'", "a sole trader in Scotland"),
        ("debtor.jurisdiction == 'northern_ireland'", "a sole trader in Northern Ireland"),
        ("debtor.name == 'Alex Martin'", "a consumer, 1 invoice, no charges"),
        ("demanded.count > 900", "a business, 1,000 invoices"),
        ("charges.has_earlier", "a business, 3 invoices, charges now and before"),
    ],
)
def test_what_only_few_debtors_get_is_tried(renderer: Renderer, condition: str, case: str) -> None:
    broken = f"{{% if {condition} %}}{{{{ debtor.name | date }}}}{{% else %}}Fine{{% endif %}}"

    assert f"(tried on {case}" in refusal(renderer, draft("letter_before_action", opening=broken))


def test_every_case_is_told_apart_from_the_others_in_words() -> None:
    words = [case.words for case in edge_cases()]

    assert len(set(words)) == len(words)
    for country in ("BE", "NL", "GB", "FR"):
        assert any(f"a consumer in {country}" in each for each in words)

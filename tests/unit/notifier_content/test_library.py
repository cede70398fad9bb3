"""A language or a family is a set of files; a bad file is refused by name when it is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from notifier.content.model import TemplateError
from notifier.content.render import TEMPLATES, Renderer
from notifier.content.samples import sample_request


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the templates with one language, to be changed."""
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    for language in (tmp_path / "templates" / "languages").iterdir():
        if language.name != "en":
            shutil.rmtree(language)
    return tmp_path / "templates"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_language_is_added_by_adding_files(folder: Path) -> None:
    polish = folder / "languages" / "pl"
    shutil.copytree(folder / "languages" / "en", polish)
    edit(polish / "language.yaml", "locale: en_GB", "locale: pl_PL")
    edit(polish / "language.yaml", "greeting: Hello,", "greeting: Dzień dobry,")
    edit(
        polish / "language.yaml",
        '["{n} day late", "{n} days late"]',
        '["{n} dzień", "{n} dni", "{n} dni"]',
    )

    renderer = Renderer(folder)
    text = str(renderer.preview("first_reminder", "email", "pl").text)

    assert set(renderer.languages) == {"en", "pl"}
    assert text.startswith("Dzień dobry,")
    assert "7 dni" in text
    renderer.check()


def test_a_family_is_added_by_adding_files(folder: Path) -> None:
    shutil.copy(
        folder / "languages" / "en" / "first_reminder.yaml",
        folder / "languages" / "en" / "phone_follow_up.yaml",
    )
    with (folder / "families.yaml").open("a") as families:
        families.write('phone_follow_up:\n  accent: "#123456"\n  deadline_days: 5\n')

    rendered = Renderer(folder).preview("phone_follow_up", "email", "en")

    assert rendered.html is not None
    assert "#123456" in rendered.html


Change = Callable[[Path], None]
BROKEN: dict[str, tuple[Change, str]] = {
    "an unknown variable": (
        lambda f: edit(
            f / "languages/en/courtesy.yaml", "demanded.number }}**", "demanded.nr }}**"
        ),
        r"en/courtesy.yaml, opening line 2: demanded.nr does not exist; known are count",
    ),
    "a filter that is not allowed": (
        lambda f: edit(f / "languages/en/courtesy.yaml", "| shorten: 30", "| append: 30"),
        r"en/courtesy.yaml, sms.text line 1: the filter 'append' is not allowed",
    ),
    "a date that may be missing": (
        lambda f: edit(
            f / "languages/en/first_reminder.yaml", "{% if deadline.known %} by", "{% if true %} by"
        ),
        r"en/first_reminder.yaml, opening line \d+: date: needs a date",
    ),
    "a missing text": (
        lambda f: edit(f / "languages/en/courtesy.yaml", "sms:\n  text:", "sms:\n  txt:"),
        r"en/courtesy.yaml, sms: 'txt' is not known here; known: text",
    ),
    "no subject": (
        lambda f: edit(f / "languages/en/courtesy.yaml", "subject: >-", "letter_subject: >-"),
        r"en/courtesy.yaml, the file: 'letter_subject' is not known here",
    ),
    "a missing file": (
        lambda f: (f / "languages/en/final_demand.yaml").unlink(),
        r"en/final_demand.yaml, the file: is missing",
    ),
    "a file too many": (
        lambda f: shutil.copy(f / "languages/en/courtesy.yaml", f / "languages/en/spare.yaml"),
        r"spare.yaml is not in families.yaml",
    ),
    "a missing label": (
        lambda f: edit(f / "languages/en/language.yaml", "  page: Page\n", ""),
        r"en/language.yaml, words: 'page' is missing",
    ),
    "a missing note": (
        lambda f: edit(f / "languages/en/language.yaml", "  disputed: >-", "  in_dispute: >-"),
        r"en/language.yaml, phrases: 'disputed' is missing; the layouts print it",
    ),
    "a bad locale": (
        lambda f: edit(f / "languages/en/language.yaml", "en_GB", "xx_YY"),
        r"en/language.yaml, the file: 'xx_YY' is not a locale",
    ),
    "a law with a sentence missing": (
        lambda f: edit(f / "languages/en/language.yaml", "    effect: >-", "    effects: >-"),
        r"en/language.yaml, law: FR and other must have the same sentences",
    ),
    "broken YAML": (
        lambda f: edit(f / "languages/en/courtesy.yaml", "sms:", "sms: ["),
        r"en/courtesy.yaml, line \d+",
    ),
    "not a table": (
        lambda f: (f / "languages/en/courtesy.yaml").write_text("hello"),
        r"must hold names with texts",
    ),
    "a number for a text": (
        lambda f: edit(f / "languages/en/language.yaml", "due_today: today", "due_today: 1"),
        r"due_today must be a text",
    ),
    "a bad colour": (
        lambda f: edit(f / "families.yaml", "#0f766e", "red;background:url(x)"),
        r"families.yaml, courtesy: accent is a colour",
    ),
    "a bad family name": (
        lambda f: edit(f / "families.yaml", "courtesy:", "../courtesy:"),
        r"a family's name is small letters",
    ),
    "an unknown window": (
        lambda f: edit(f / "countries.yaml", "FR: fr-right-window", "FR: fr-left-window"),
        r"letter/windows/fr-left-window.typ is missing",
    ),
    "no general imprint": (
        lambda f: edit(f / "countries.yaml", "  other: >-", "  others: >-"),
        r"an imprint named 'other' is missing",
    ),
    "broken MJML": (
        lambda f: edit(f / "email/layout.mjml", "<mj-body ", "<mj-corpus "),
        r"email/layout.mjml, the MJML",
    ),
    "an unknown variable in the layout": (
        lambda f: edit(f / "email/layout.mjml", "{{ headline }}", "{{ haedline }}"),
        r"email/layout.mjml, line \d+: haedline does not exist",
    ),
    "no English": (
        lambda f: shutil.move(f / "languages/en", f / "languages/it"),
        r"'en' is missing",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_file_is_refused_by_name(folder: Path, name: str) -> None:
    change, message = BROKEN[name]
    change(folder)

    with pytest.raises(TemplateError, match=message):
        Renderer(folder)


def test_a_registered_letter_may_differ_from_a_letter(folder: Path) -> None:
    with (folder / "languages/en/courtesy.yaml").open("a") as file:
        file.write("registered_letter:\n  subject: Only when registered\n")
    renderer = Renderer(folder)

    registered = renderer.render(sample_request("courtesy", "registered_letter", "en"))
    ordinary = renderer.render(sample_request("courtesy", "letter", "en"))

    assert registered.subject == "Only when registered"
    assert ordinary.subject == "2 invoices are due soon"


def test_all_languages_have_the_same_shared_sentences() -> None:
    renderer = Renderer()
    wordings = renderer._library.wordings.values()

    assert len({frozenset(wording.phrases) for wording in wordings}) == 1
    sentences = {frozenset(law) for wording in wordings for law in wording.law.values()}
    assert len(sentences) == 1
    assert len({frozenset(wording.levels) for wording in wordings}) == 1


def test_a_letter_layout_that_does_not_compile_is_refused_when_it_is_used(folder: Path) -> None:
    edit(folder / "letter/letter.typ", "#let boxed(body) = block(", "#let boxed(body) = blok(")
    renderer = Renderer(folder)
    request = sample_request("courtesy", "letter", "en")

    with pytest.raises(
        TemplateError, match="courtesy/letter/en, window uk: unknown variable: blok"
    ):
        renderer.render(replace(request))

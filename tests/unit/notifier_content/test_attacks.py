"""Attacks on templates: every known way out, and everything that wants too much, as a draft.

They go the way a draft goes that somebody saves: into a process of its own that bounds time and
memory (`notifier.content.trial`), where every message of the draft is written.
"""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy

import pytest
import yaml

from notifier.adapters.trial_process import TrialProcess
from notifier.channels.mime import compose
from notifier.content.model import OwnText, TemplateError
from notifier.content.own import MAX_OWN_CHARS
from notifier.content.render import TEMPLATES, Renderer
from notifier.content.samples import sample_request
from notifier.content.trial import HOSTILE_NAME, try_own
from tests.unit.notifier.test_mime import DRAFT
from tests.unit.notifier_content.attacks import BOMBS, ESCAPES, LITERALS

FAMILY = yaml.safe_load((TEMPLATES / "languages/en/first_reminder.yaml").read_text("utf-8"))
TOO_EXPENSIVE = "1.5 s or 256 MiB"


def draft(opening: str) -> OwnText:
    source = yaml.safe_dump({**FAMILY, "opening": opening}, allow_unicode=True)
    return OwnText(family="first_reminder", language="en", version=0, source=source)


def test_there_are_as_many_as_promised() -> None:
    assert len(set(ESCAPES)) >= 60
    assert len(set(BOMBS)) >= 200


@pytest.mark.parametrize("attack", ESCAPES)
def test_every_known_way_out_is_refused(renderer: Renderer, attack: str) -> None:
    with pytest.raises(TemplateError):
        try_own(renderer, draft(attack))


async def test_every_bomb_is_refused_or_stays_within_its_bounds() -> None:
    verdicts = await TrialProcess().check_all([draft(bomb) for bomb in BOMBS])

    assert len(verdicts) == len(BOMBS)
    ran_out = [
        bomb[:60]
        for bomb, verdict in zip(BOMBS, verdicts, strict=True)
        if verdict is not None and TOO_EXPENSIVE in verdict.reason
    ]
    # The parser and the budgets stop all of them long before the clock does.
    assert ran_out == []
    assert sum(verdict is not None for verdict in verdicts) > len(BOMBS) // 2


@pytest.mark.parametrize("attack", LITERALS)
def test_what_is_not_liquid_stays_what_it_is_and_is_escaped_in_a_page(
    renderer: Renderer, attack: str
) -> None:
    text = draft(attack)
    request = sample_request("first_reminder", "email", "en", own={text.key: text})

    rendered = renderer.render(request)

    assert attack in (rendered.text or "")
    assert "<script>alert" not in (rendered.html or "")
    assert "<img src=x" not in (rendered.html or "")
    assert "<mj-include" not in (rendered.html or "")


YAML_ATTACKS = {
    "a: &a [x, x]\nb: [*a, *a]": "no & and no *",
    "a: &a x\n": "no & and no *",
    "[" * 5_000: "tables stand at most one deep",
    "{a: " * 5_000: "tables stand at most one deep",
    "!!python/object/apply:os.system [id]": "",
    "subject: !!python/name:os.system": "",
    "- a\n- b": "must hold names with texts",
    "subject: a\nsubject: b": "",
    "\x00": "",
    "subject: [": "",
    "x" * (MAX_OWN_CHARS + 1): "at most",
    "": "must hold names with texts",
    "opening: 7": "",
    "sms: text": "",
    "email: {subject: a, stray: b}": "is not known here",
}


@pytest.mark.parametrize("source", YAML_ATTACKS, ids=lambda source: source[:30])
def test_a_file_that_is_no_plain_table_of_texts_is_refused(renderer: Renderer, source: str) -> None:
    text = OwnText(family="courtesy", language="en", version=0, source=source)

    with pytest.raises(TemplateError) as refused:
        try_own(renderer, text)

    assert YAML_ATTACKS[source] in refused.value.reason


async def test_a_bad_draft_does_not_stop_the_next_one() -> None:
    bad, good = draft("{{ self }}"), draft("fine")

    verdicts = await TrialProcess().check_all([bad, good, bad])

    assert [verdict is None for verdict in verdicts] == [False, True, False]


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_a_hostile_name_never_becomes_a_header_or_markup(renderer: Renderer, language: str) -> None:
    request = sample_request("final_demand", "email", language, debtor_name=HOSTILE_NAME)

    rendered = renderer.render(request)
    named = replace(DRAFT.recipient, name=HOSTILE_NAME)
    sender = replace(DRAFT.sender, name=HOSTILE_NAME)
    mail = message_from_bytes(
        compose(replace(DRAFT, rendered=rendered, recipient=named, sender=sender)),
        policy=policy.default,
    )

    assert mail["bcc"] is None
    assert not mail.defects
    assert mail["to"].addresses[0].addr_spec == DRAFT.recipient.address
    assert len(mail["to"].addresses) == 1
    assert "\nBcc:" not in (rendered.text or "")
    assert "<b>Söhne" not in (rendered.html or "")


@pytest.mark.parametrize(
    "subject", ["Hello\r\nBcc: all@example.com", "Hello\nBcc: all@example.com", "a\x00b\x85c"]
)
def test_a_subject_is_one_header_whatever_is_in_it(subject: str) -> None:
    rendered = replace(DRAFT.rendered, subject=subject)

    mail = message_from_bytes(compose(replace(DRAFT, rendered=rendered)), policy=policy.default)

    assert mail["bcc"] is None
    assert mail["subject"].startswith(subject[:1])

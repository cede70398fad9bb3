"""Attacks on templates: every known way out, and everything that wants too much, as a draft.

They go the ways that a draft goes: that of one that somebody saves, where every message of it is
written, and that of one that somebody looks at or sends to themselves. Both lead into a process of
its own that bounds time and memory (`notifier.adapters.trial_process`).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes, policy

import pytest
import yaml

from dunning_common.events.dunning import Channel
from notifier.adapters.trial_process import TrialBrokenError, TrialProcess
from notifier.channels.mime import compose
from notifier.content.edge_cases import HOSTILE_NAME
from notifier.content.model import OwnText, TemplateError
from notifier.content.own import MAX_OWN_CHARS
from notifier.content.render import TEMPLATES, Renderer
from notifier.content.samples import sample_request
from notifier.content.trial import try_own
from tests.unit.notifier.test_mime import DRAFT
from tests.unit.notifier_content.attacks import BOMBS, ESCAPES, LITERALS

FAMILY = yaml.safe_load((TEMPLATES / "languages/en/first_reminder.yaml").read_text("utf-8"))
TOO_EXPENSIVE = "1.5 s or 256 MiB"


def draft(opening: str) -> OwnText:
    return own({**FAMILY, "opening": opening})


def own(texts: dict[str, object]) -> OwnText:
    source = yaml.safe_dump(texts, allow_unicode=True)
    return OwnText(family="first_reminder", language="en", version=0, source=source)


def glutton() -> OwnText:
    """Passes every gate, and takes seconds of processor time for one e-mail of 60 invoices."""
    cheap = "".join(f"{{% assign a{n} = demanded.total | money | upcase %}}" for n in range(90))
    loops = "{% for a in overdue.lines %}{% for b in overdue.lines %}", "{% endfor %}{% endfor %}x"
    greedy = cheap.join(loops)
    letter = dict.fromkeys(("subject", "greeting", "opening", "closing", "sign_off"), greedy)
    email = {**letter, "headline": greedy, "preheader": "x"}
    return own({**FAMILY, "email": email, "letter": letter})


@pytest.fixture
async def trial() -> AsyncIterator[TrialProcess]:
    process = TrialProcess()
    yield process
    await process.close()


def test_there_are_as_many_as_promised() -> None:
    assert len(set(ESCAPES)) >= 60
    assert len(set(BOMBS)) >= 200


@pytest.mark.parametrize("attack", ESCAPES)
def test_every_known_way_out_is_refused(renderer: Renderer, attack: str) -> None:
    with pytest.raises(TemplateError):
        try_own(renderer, draft(attack))


async def test_every_bomb_is_refused_or_stays_within_its_bounds(trial: TrialProcess) -> None:
    verdicts = await trial.check_all([draft(bomb) for bomb in BOMBS])

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
    'subject: "pay \\u202eme"': "holds U+202E, a sign that nobody sees",
    'opening: "\\x00"': "holds U+0000",
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


async def looked_at(trial: TrialProcess, text: OwnText, channel: Channel = "email") -> str:
    """Why nobody gets to see the draft; empty if somebody does."""
    request = sample_request("first_reminder", channel, "en", invoices=60, own={text.key: text})
    try:
        await trial.render(request)
    except TemplateError as error:
        return error.reason
    return ""


async def test_every_known_way_out_is_refused_to_those_who_only_look(trial: TrialProcess) -> None:
    open_ways = [way for way in ESCAPES if not await looked_at(trial, draft(way))]

    assert open_ways == []


async def test_every_bomb_that_is_looked_at_is_refused_or_stays_within_its_bounds(
    trial: TrialProcess,
) -> None:
    some = BOMBS[::5]  # saving them goes through all, by the same doors

    reasons = [await looked_at(trial, draft(bomb)) for bomb in some]

    assert [reason for reason in reasons if TOO_EXPENSIVE in reason] == []
    assert sum(map(bool, reasons)) > len(some) // 2


@pytest.mark.parametrize("channel", ["email", "letter"])
async def test_a_draft_that_takes_seconds_is_stopped_when_it_is_saved_and_when_it_is_looked_at(
    trial: TrialProcess, channel: Channel
) -> None:
    (saved,) = await trial.check_all([glutton()])

    assert saved is not None
    assert TOO_EXPENSIVE in saved.reason
    assert TOO_EXPENSIVE in await looked_at(trial, glutton(), channel)


@pytest.mark.parametrize("sign", ["\u0301", "\u200d"])
async def test_signs_that_keep_the_typesetter_busy_for_minutes_are_refused(
    trial: TrialProcess, sign: str
) -> None:
    (verdict,) = await trial.check_all([own({**FAMILY, "letter": {"opening": sign * 30_000}})])

    assert verdict is not None
    assert TOO_EXPENSIVE in verdict.reason


async def test_what_is_looked_at_is_what_would_be_sent(
    trial: TrialProcess, renderer: Renderer
) -> None:
    text = draft("fine")
    for channel in renderer.channels:
        request = sample_request("first_reminder", channel, "en", own={text.key: text})

        assert await trial.render(request) == renderer.render(request)


async def test_a_bad_draft_does_not_stop_the_next_one(trial: TrialProcess) -> None:
    bad, good = draft("{{ self }}"), draft("fine")

    verdicts = await trial.check_all([bad, glutton(), good, bad])

    assert [verdict is None for verdict in verdicts] == [False, False, True, False]


async def test_a_process_that_died_is_started_again(trial: TrialProcess) -> None:
    await trial.check(draft("fine"))
    assert trial.pid is not None
    os.kill(trial.pid, signal.SIGKILL)

    with pytest.raises(TrialBrokenError):
        await trial.check(draft("fine"))
    await trial.check(draft("fine"))


async def test_who_leaves_while_waiting_takes_no_turn_from_the_next(trial: TrialProcess) -> None:
    left = asyncio.ensure_future(trial.check(draft("fine")))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)

    (verdict,) = await trial.check_all([draft("{{ self }}")])

    assert verdict is not None
    assert "self does not exist" in verdict.reason


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

"""Tries a tenant's own text on every edge case of the sample data.

Pure computing without bounds: who tries a text that nobody has looked at yet does it in a process
that bounds time and memory (`notifier.adapters.trial_process`).
"""

from __future__ import annotations

import yaml

from notifier.content.edge_cases import EdgeCase, edge_cases
from notifier.content.model import OwnText, RenderRequest, TemplateError
from notifier.content.render import Renderer
from notifier.content.sms import gsm_text, segments

NEVER_EMPTY = frozenset({"subject", "headline", "opening", "text"})
"""Texts without which a message says nothing."""

SMS_PARTS_MAX = 6
"""Parts that a text message may have where nobody says otherwise."""

_COMMON_SIGNS = 0x250
"""Latin letters end here; every font of letters has them."""


def try_own(renderer: Renderer, text: OwnText, *, sms_parts_max: int = SMS_PARTS_MAX) -> None:
    """Write every message that the text can be part of, with made-up data, and print a letter.

    Args:
        renderer: with the fonts of the letters that will be sent.
        text: the draft.
        sms_parts_max: parts that a text message may have, with the line on how to stop texts.

    Raises:
        TemplateError: the text is refused, or one of those messages, whose case it names.
    """
    renderer.compile(text)
    signs: set[str] = set()
    for case in edge_cases():
        for channel in renderer.channels:
            request = case.request(text, channel)
            try:
                said = renderer.fill(request)
            except TemplateError as error:
                raise _in_case(error, case) from error
            _look(request, said, case, sms_parts_max)
            if channel in {"letter", "registered_letter"}:
                signs.update(*said.values())
    _print(renderer, text, signs)


def _look(request: RenderRequest, said: dict[str, str], case: EdgeCase, sms_parts_max: int) -> None:
    """Refuse a message that would not be sent, or would say nothing."""
    text = request.own[request.template, request.language]
    for name in NEVER_EMPTY & said.keys():
        if not said[name].strip():
            reason = "comes out empty; write what it says there too"
            raise _in_case(TemplateError(text.name, f"{request.channel}.{name}", reason), case)
    if request.channel == "sms":
        whole = f"{gsm_text(said['text'])}\nSTOP: {request.tenant.email_from}"
        parts = segments(whole)
        if parts > sms_parts_max:
            reason = f"has {parts} SMS parts, and {sms_parts_max} are sent at most; say less"
            raise _in_case(TemplateError(text.name, "sms.text", reason), case)


def _in_case(error: TemplateError, case: EdgeCase) -> TemplateError:
    return TemplateError(error.template, error.place, f"{error.reason} (tried on {case.words})")


def _print(renderer: Renderer, text: OwnText, signs: set[str]) -> None:
    """Print the text as a letter, and its rarer signs of all cases as another.

    Raises:
        TemplateError: no font can show a sign of it.
    """
    case = EdgeCase(words="a business, 3 invoices", invoices=3, charges=True, extras=True)
    renderer.render(case.request(text, "letter"))
    rare = sorted(sign for sign in signs if ord(sign) >= _COMMON_SIGNS and sign.isalnum())
    if rare:
        renderer.render(case.request(_only(text, " ".join(rare)), "letter"))


def _only(text: OwnText, words: str) -> OwnText:
    """The text with its letter's opening replaced by these words."""
    table = yaml.safe_load(text.source)
    letter: dict[str, str] = {**(table.get("letter") or {}), "opening": words}
    source = yaml.safe_dump({**table, "letter": letter}, allow_unicode=True)
    return OwnText(family=text.family, language=text.language, version=text.version, source=source)

"""E-mails: a shared MJML layout around a family's texts, as HTML and as plain text."""

from __future__ import annotations

import re
from pathlib import Path

from notifier.content.mjml import compile_mjml
from notifier.content.model import TemplateError
from notifier.content.prepared import Prepared
from notifier.content.prose import Paragraph
from notifier.content.sandbox import Compiled, Sandbox
from notifier.content.shape import Shape
from notifier.content.tables import amounts
from notifier.content.variables import MAX_LINES, Data

_MAX_PAGE_CHARS = 1_000_000
_WEB = re.compile(r"https?://[^\s<>\"'{}]{1,2000}", re.ASCII)


class EmailLayout:
    """The page and the plain text around the words; MJML is compiled once, here.

    Args:
        folder: holds `layout.mjml` and `layout.txt`.
        sample: the data of an e-mail, to check the names that the layouts use.

    Raises:
        TemplateError: the MJML or the Liquid in it is refused.
    """

    def __init__(self, folder: Path, sample: Data) -> None:
        shape = Shape.of(sample)
        page = compile_mjml(folder / "layout.mjml")
        self._page = _compile(page, "email/layout.mjml", shape, html=True)
        text = (folder / "layout.txt").read_text(encoding="utf-8")
        self._text = _compile(text, "email/layout.txt", shape, html=False)

    @property
    def is_swift(self) -> bool:
        """Whether the Liquid library is needed only for what is unusual."""
        return self._page.is_swift and self._text.is_swift

    def html(self, data: Data) -> str:
        """The page, every value escaped."""
        return self._page.render(data)

    def text(self, data: Data) -> str:
        """The plain text part."""
        lines = (line.rstrip() for line in self._text.render(data).strip().split("\n"))
        return "\n".join(lines) + "\n"


def mail_data(prepared: Prepared) -> Data:
    """What the e-mail layouts print."""
    script, data = prepared.script, prepared.data
    return {
        "language": script.wording.code,
        "accent": script.family.accent,
        "words": script.wording.words,
        "sender": data["sender"],
        "reference": data["reference"],
        "imprint": prepared.imprint,
        "subject": prepared.line("subject"),
        "headline": prepared.line("headline"),
        "preheader": prepared.line("preheader"),
        "greeting": prepared.line("greeting"),
        "sign_off": prepared.line("sign_off"),
        "opening": [_page_part(part) for part in prepared.paragraphs("opening")],
        "closing": [_page_part(part) for part in prepared.paragraphs("closing")],
        "amount_due": amounts(prepared.summary.demanded, prepared.formats),
        "pay_by": prepared.pay_by(),
        "tables": prepared.tables(MAX_LINES, details=True),
        "notes": [_page_part(part) for part in prepared.notes()],
        "accounts": prepared.accounts(),
        "portal_url": web_address(prepared.request.portal_url, script.name),
        "pay_url": web_address(prepared.request.pay_url, script.name),
    }


def web_address(url: str, name: str) -> str:
    """An address that a reader may be asked to open; anything but a web address is refused."""
    if url and not _WEB.fullmatch(url):
        raise TemplateError(name, "a link", "is no web address such as https://pay.example.org/x")
    return url


def _page_part(part: Paragraph) -> Data:
    return {"entry": part.entry, "html": part.html, "text": part.text}


def _compile(source: str, name: str, shape: Shape, *, html: bool) -> Compiled:
    sandbox = Sandbox(html=html, max_output_chars=_MAX_PAGE_CHARS)
    return sandbox.compile(source, name=name, data=shape, long=True)

"""Turns one `RenderRequest` into the finished parts of a message; sends and waits for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from dunning_common.events.dunning import Channel
from notifier.content.letter import LetterPress
from notifier.content.letter_data import letter_data, remarks_of
from notifier.content.library import CHANNELS, Library, base_language
from notifier.content.mail import EmailLayout, mail_data, web_address
from notifier.content.model import (
    NoSuchTextError,
    OwnText,
    Rendered,
    RenderRequest,
    TemplateError,
)
from notifier.content.prepared import Prepared, prepare
from notifier.content.samples import sample_request
from notifier.content.sms import gsm_text, with_link

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
"""The built-in templates."""


class Renderer:
    """Renders messages; made once, safe to use from many threads.

    Args:
        folder: the templates, `notifier/templates` by default.
        fonts: folders with more fonts for letters.
        windows: the window layout of tenants that do not use the one of their country.

    Raises:
        TemplateError: a template is refused.
    """

    def __init__(
        self,
        folder: Path = TEMPLATES,
        *,
        fonts: tuple[Path, ...] = (),
        windows: Mapping[str, str] | None = None,
    ) -> None:
        self._library = Library.load(folder)
        self._press = LetterPress(folder / "letter", fonts=fonts)
        self._windows = self._press.known(windows or {})
        sample = sample_request("formal_notice", "email", "fr", invoices=3, extras=True)
        self._email = EmailLayout(folder / "email", mail_data(prepare(self._library, sample)))
        self._check_texts()

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the template families, gentlest first."""
        return tuple(self._library.families)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages there are texts in."""
        return tuple(self._library.wordings)

    @property
    def windows(self) -> tuple[str, ...]:
        """Names of the window layouts of letters."""
        return self._press.windows

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that can be rendered."""
        return CHANNELS

    def render(self, request: RenderRequest) -> Rendered:
        """Write the message, in the request's language, else the tenant's, else English.

        Raises:
            TemplateError: the template does not exist or cannot say this message.
        """
        prepared = prepare(self._library, request)
        rendered = self._print(prepared)
        own = request.own.get((request.template, prepared.script.wording.code))
        return replace(rendered, template_version=own.version or None) if own else rendered

    def _print(self, prepared: Prepared) -> Rendered:
        match prepared.request.channel:
            case "email":
                return self._render_email(prepared)
            case "sms":
                return self._render_sms(prepared)
            case "letter" | "registered_letter":
                return self._render_letter(prepared)
            case other:
                assert_never(other)

    def fill(self, request: RenderRequest) -> dict[str, str]:
        """Every text of a request, by its name; an e-mail's page is written, no letter printed.

        Raises:
            TemplateError: a text cannot be filled in.
        """
        prepared = prepare(self._library, request)
        if request.channel == "email":
            self._render_email(prepared)
        return {
            name: "\n".join(paragraph.text for paragraph in prepared.paragraphs(name))
            for name in prepared.script.blocks
        }

    def compile(self, text: OwnText) -> None:
        """Read a tenant's own text, and fill in nothing.

        Raises:
            TemplateError: it is refused, whatever the message.
        """
        self._library.own.find(text, "email")

    def source_of(self, family: str, language: str) -> str:
        """The built-in texts of a family in a language, as YAML.

        Raises:
            NoSuchTextError: no such family or language.
        """
        if family not in self._library.families:
            known = ", ".join(self.families)
            raise NoSuchTextError(family, "the name", f"no such template; there are {known}")
        reader = self._library.readers.get(language)
        if reader is None:
            known = ", ".join(self.languages)
            raise NoSuchTextError(family, language, f"no such language; there are {known}")
        return reader.source_of(family)

    def preview(self, template: str, channel: Channel, language: str) -> Rendered:
        """The message a made-up debtor would get.

        Raises:
            TemplateError: no such template, channel or language.
        """
        if channel not in CHANNELS:
            raise TemplateError(template, channel, f"no such channel; use {', '.join(CHANNELS)}")
        if base_language(language) not in self._library.wordings:
            known = ", ".join(self.languages)
            raise TemplateError(template, language, f"no such language; there are {known}")
        return self.render(sample_request(template, channel, language))

    def check(self) -> None:
        """Render every template on a range of samples; for a start-up or a build.

        Raises:
            TemplateError: the first one that cannot be rendered.
        """
        for request in self._samples():
            self.render(request)

    def _check_texts(self) -> None:
        """Fill in every text once; what cannot be filled in is refused when it is loaded."""
        for request in self._samples():
            prepared = prepare(self._library, request)
            for name in prepared.script.blocks:
                prepared.paragraphs(name)

    def _samples(self) -> Iterator[RenderRequest]:
        for family, channel, language in self._library.scripts:
            for count, dated in ((1, True), (3, False)):
                yield sample_request(
                    family, channel, language, invoices=count, with_deadline=dated, extras=dated
                )

    def _render_email(self, prepared: Prepared) -> Rendered:
        data = mail_data(prepared)
        return Rendered(
            media_type="multipart/alternative",
            subject=str(data["subject"]),
            text=self._email.text(data),
            html=self._email.html(data),
            pdf=None,
            remarks=prepared.remarks,
        )

    def _render_sms(self, prepared: Prepared) -> Rendered:
        request = prepared.request
        text, remarks = with_link(
            gsm_text(prepared.line("text")),
            prepared.script.wording.words["portal_sms"],
            web_address(request.portal_url, prepared.script.name),
            parts_max=request.sms_parts_max,
        )
        return Rendered(
            media_type="text/plain", subject=None, text=text, html=None, pdf=None, remarks=remarks
        )

    def _render_letter(self, prepared: Prepared) -> Rendered:
        request, script = prepared.request, prepared.script
        tenant = request.tenant
        own = self._windows.get(tenant.tenant_id)
        window = own or self._library.countries.window(tenant.country)
        data = letter_data(prepared, self._library.countries)
        pdf = self._press.print(
            window,
            data,
            timestamp=int(request.notice.decided_at.timestamp()),
            name=script.name,
        )
        return Rendered(
            media_type="application/pdf",
            subject=str(data["subject"]),
            text=None,
            html=None,
            pdf=pdf,
            remarks=(*prepared.remarks, *remarks_of(data)),
        )

"""Brings together what a message is made of: its texts, its numbers, its language's habits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfoNotFoundError

from dunning_common.money import MoneyError
from notifier.content.formats import Formats, formats_for
from notifier.content.library import Library, Script, base_language
from notifier.content.model import RenderRequest, TemplateError
from notifier.content.prose import Paragraph
from notifier.content.summary import Summary, UnknownInvoiceError, summarise
from notifier.content.tables import accounts_of, tables_of
from notifier.content.variables import Data, gather
from notifier.content.wording import NOTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request with everything that all channels need.

    `data` are the variables of the texts, `imprint` is the creditor's legal line.
    """

    request: RenderRequest
    script: Script
    summary: Summary
    formats: Formats
    data: Data
    imprint: str

    def line(self, name: str) -> str:
        """A text on one line."""
        return self.script.blocks[name].line(self.data)

    def paragraphs(self, name: str) -> tuple[Paragraph, ...]:
        """A text as paragraphs."""
        return self.script.blocks[name].paragraphs(self.data)

    def part(self, name: str) -> Data:
        """A group of variables."""
        value = self.data[name]
        if not isinstance(value, dict):
            raise TypeError(f"{name} is a dict")
        return value

    def tables(self, max_rows: int | None, *, longest_number: int | None = None) -> list[Data]:
        """The invoices in sections, at most `max_rows` in each."""
        return tables_of(
            self.summary,
            self.script.wording,
            self.formats,
            max_rows=max_rows,
            longest_number=longest_number,
        )

    def accounts(self) -> list[Data]:
        """The lines of the payment block."""
        return accounts_of(self.part("payment"), self.script.wording)

    def notes(self) -> tuple[Paragraph, ...]:
        """What has to be said about the tables: rates, and what is not claimed."""
        phrases = self.script.wording.phrases
        return tuple(part for name in NOTES for part in phrases[name].paragraphs(self.data))

    def pay_by(self) -> str:
        """The date to pay by; of a single invoice that is only coming due, its due date."""
        demanded = self.summary.demanded
        if not self.summary.overdue.items:
            return self.formats.day(demanded.items[0].due_on) if len(demanded.items) == 1 else ""
        deadline = self.part("deadline")["date"]
        return self.formats.day(deadline) if isinstance(deadline, date) else ""


def prepare(library: Library, request: RenderRequest) -> Prepared:
    """Find the texts and work out the variables of a request.

    Raises:
        TemplateError: no such family, or the notice does not fit together.
    """
    script = library.find(
        request.template, request.channel, request.language, request.tenant.language
    )
    formats = _formats(request.language, script)
    try:
        summary = summarise(request.notice, request.message)
        data = gather(
            request,
            summary,
            script.wording,
            locale=str(formats.locale),
            deadline_days=script.family.deadline_days,
        )
    except (UnknownInvoiceError, MoneyError, ZoneInfoNotFoundError) as error:
        raise TemplateError(script.name, "the notice", str(error)) from error
    law = script.wording.law
    country = library.countries.law(request)
    sentences = law.get(country, law["other"])
    data["phrases"] = {n: script.wording.phrases[n].marked(data) for n in script.phrases}
    data["law"] = {n: sentences[n].marked(data) for n in script.law}
    imprint = library.countries.imprint(request.tenant.country, data)
    return Prepared(
        request=request,
        script=script,
        summary=summary,
        formats=formats,
        data=data,
        imprint=imprint,
    )


def _formats(language: str, script: Script) -> Formats:
    """The habits of the exact locale asked for (`fr-CA`), where the texts are in that language."""
    tag = language.replace("-", "_")
    if "_" in tag and base_language(tag) == script.wording.code:
        known = _known_locale(tag)
        if known is not None:
            return known
    return formats_for(script.wording.locale)


@lru_cache(maxsize=256)
def _known_locale(tag: str) -> Formats | None:
    try:
        return formats_for(tag)
    except ValueError:
        return None

"""Brings together what a message is made of: its texts, its numbers, its language's habits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfoNotFoundError

from dunning_common.money import MoneyError
from notifier.content.annexes import DEBT_CLAIM, Annex, annex_data
from notifier.content.carried import carried_with, unposted
from notifier.content.formats import Formats, formats_for
from notifier.content.library import FALLBACK_LANGUAGE, Library, Script, base_language
from notifier.content.model import RenderRequest, TemplateError
from notifier.content.prose import Paragraph
from notifier.content.standing import StandingError, standing_of
from notifier.content.summary import Summary, UnknownInvoiceError, summarise
from notifier.content.tables import accounts_of, tables_of
from notifier.content.variables import Data, gather
from notifier.content.wording import NOTES, Wording

LONGEST_NUMBER = 18
"""Invoice numbers of this many signs break anywhere on paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request with everything that all channels need.

    `data` are the variables of the texts, `imprint` is the creditor's legal line, `remarks` say
    what it lacks, `forms` are the annexes of a letter of claim to a person, which are `english`.
    """

    request: RenderRequest
    script: Script
    summary: Summary
    formats: Formats
    data: Data
    imprint: str
    remarks: tuple[str, ...]
    forms: tuple[Annex, ...]
    english: Wording

    def line(self, name: str) -> str:
        """A text on one line."""
        return self.script.blocks[name].line(self.data)

    def paragraphs(self, name: str) -> tuple[Paragraph, ...]:
        """A text as paragraphs."""
        return self.script.blocks[name].paragraphs(self.data)

    def part(self, name: str) -> Data:
        """A group of variables."""
        return _dict(self.data[name])

    def tables(
        self,
        max_rows: int | None,
        *,
        longest_number: int | None = None,
        details: bool = False,
    ) -> list[Data]:
        """The invoices in sections, at most `max_rows` in each."""
        return tables_of(
            self.summary,
            self.script.wording,
            self.formats,
            max_rows=max_rows,
            longest_number=longest_number,
            details=details,
        )

    def accounts(self) -> list[Data]:
        """The lines of the payment block."""
        return accounts_of(self.part("payment"), self.script.wording)

    def notes(self) -> tuple[Paragraph, ...]:
        """What has to be said about the tables: rates, and what is not claimed."""
        phrases = self.script.wording.phrases
        return tuple(part for name in NOTES for part in phrases[name].paragraphs(self.data))

    def annexes(self) -> list[Data]:
        """Forms that go with a letter of claim to a person, in English; of other letters none."""
        if not self.part("debtor")["protocol"]:
            return []
        english, formats = self.english, formats_for(self.english.locale)
        tables = tables_of(
            self.summary, english, formats, max_rows=None, longest_number=LONGEST_NUMBER
        )
        return annex_data(self.forms, self.data, tables, english, formats)

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
        request.template,
        request.channel,
        request.language,
        request.tenant.language,
        own=request.own,
    )
    formats = _formats(request.language, script)
    creditor = library.countries.creditor(request.tenant)
    country = library.countries.law(request)
    stage = script.family.stage
    if creditor.missing and stage != "amicable" and request.channel != "sms":
        # A letter with legal effect must not leave without what the law wants on it.
        raise TemplateError(script.name, "the creditor", creditor.missing)
    try:
        standing = standing_of(
            request.notice,
            country=country,
            stage=stage,
            debtor_name=request.contacts.name,
            postcode=request.contacts.address.postcode if request.contacts.address else "",
            least_days=library.countries.least_days,
        )
        summary = summarise(request.notice, request.message)
        data = gather(
            request,
            summary,
            script.wording,
            locale=formats.tag,
            deadline_days=script.family.deadline_days,
            standing=standing,
            sender=creditor.sender,
            account=creditor.account,
            lists=script.lists,
            others=carried_with(request, library.countries),
        )
    except (UnknownInvoiceError, StandingError, MoneyError, ZoneInfoNotFoundError) as error:
        raise TemplateError(script.name, "the notice", str(error)) from error
    is_claim_by_mail = standing.protocol and request.channel == "email"
    if is_claim_by_mail and (why := unposted(request, library.countries)):
        raise TemplateError(
            script.name,
            "the notice",
            "a letter of claim to a person has to be posted with the forms of the Pre-Action "
            f"Protocol for Debt Claims; {why}",
        )
    law = script.wording.law
    sentences = law.get(country, law["other"])
    data["phrases"] = {n: script.wording.phrases[n].marked(data) for n in script.phrases}
    data["law"] = {n: sentences[n].marked(data) for n in script.law}
    return Prepared(
        request=request,
        script=script,
        summary=summary,
        formats=formats,
        data=data,
        imprint=creditor.imprint,
        remarks=(creditor.missing,) if creditor.missing else (),
        forms=library.annexes[DEBT_CLAIM],
        english=library.wordings[FALLBACK_LANGUAGE],
    )


def _dict(value: object) -> Data:
    if not isinstance(value, dict):
        raise TypeError("a group of variables is a dict")
    return value


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

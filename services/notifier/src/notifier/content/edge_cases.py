"""The messages that a text must be able to write before it is kept, each with its case in words.

Pure data: made-up debtors of every kind and country that texts tell apart, few invoices and many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dunning_common.events.dunning import Channel
from notifier.content.jurisdiction import Jurisdiction
from notifier.content.model import OwnText, RenderRequest
from notifier.content.sample_places import SampleKind, SamplePlace
from notifier.content.samples import sample_request

HOSTILE_NAME = "O'Brien & <b>Söhne</b>\r\nBcc: all@example.com {{ 7 }} =1+1"
"""A debtor whose name tries everything that a name can try."""

COUNTRIES = ("BE", "DE", "ES", "FR", "GB", "IE", "IT", "NL", "PL", "PT")
"""Whose law the texts speak of; IE stands for all of which they speak in general terms."""

COURTS: tuple[tuple[Jurisdiction, str], ...] = (
    ("england_wales", "England"),
    ("scotland", "Scotland"),
    ("northern_ireland", "Northern Ireland"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeCase:
    """A made-up debtor and notice; `words` say which (`a consumer in Belgium, 3 invoices`)."""

    words: str
    invoices: int = 1
    currencies: tuple[str, ...] = ()
    charges: bool | None = None
    extras: bool = False
    dated: bool = True
    name: str | None = None
    kind: SampleKind | None = "business"
    place: SamplePlace = field(default_factory=SamplePlace)

    def request(self, text: OwnText, channel: Channel) -> RenderRequest:
        """What is asked for on a channel, with this text."""
        return sample_request(
            text.family,
            channel,
            text.language,
            invoices=self.invoices,
            currencies=self.currencies,
            charges=self.charges,
            extras=self.extras,
            with_deadline=self.dated,
            debtor_name=self.name,
            own={text.key: text},
            kind=self.kind,
            place=self.place,
        )


def edge_cases() -> tuple[EdgeCase, ...]:
    """All of them, the plainest first."""
    return (*_businesses(), *_others(), *_countries())


def _businesses() -> Iterator[EdgeCase]:
    who = "a business"
    yield EdgeCase(words=f"{who}, 1 invoice")
    yield EdgeCase(
        words=f"{who} with <, {{{{ and line breaks in its name, 1 invoice, no charges, no date",
        charges=False,
        dated=False,
        name=HOSTILE_NAME,
    )
    yield EdgeCase(
        words=f"{who}, 3 invoices, charges now and before, a part disputed",
        invoices=3,
        charges=True,
        extras=True,
    )
    yield EdgeCase(
        words=f"{who}, 60 invoices in EUR and GBP, no charges, no date",
        invoices=60,
        currencies=("EUR", "GBP"),
        charges=False,
        dated=False,
    )
    yield EdgeCase(words=f"{who}, 1,000 invoices, charges", invoices=1_000, charges=True)
    yield EdgeCase(
        words=f"{who} without a postcode, 1 invoice", place=SamplePlace(address="no_postcode")
    )
    yield EdgeCase(words=f"{who} without an address, 1 invoice", place=SamplePlace(address="none"))


def _others() -> Iterator[EdgeCase]:
    kinds: tuple[tuple[SampleKind | None, str], ...] = (
        ("consumer", "a consumer"),
        (None, "a debtor of unknown kind"),
        ("person", "a sole trader"),
        ("public", "a public body"),
    )
    for kind, who in kinds:
        yield EdgeCase(words=f"{who}, 1 invoice, no charges", charges=False, kind=kind)
        yield EdgeCase(
            words=f"{who}, 3 invoices, charges now and before, a part disputed",
            invoices=3,
            charges=True,
            extras=True,
            kind=kind,
        )


def _countries() -> Iterator[EdgeCase]:
    kinds: tuple[tuple[SampleKind, str], ...] = (
        ("business", "a business"),
        ("consumer", "a consumer"),
    )
    for country in COUNTRIES:
        for kind, who in kinds:
            yield EdgeCase(
                words=f"{who} in {country}, 2 invoices, charges",
                invoices=2,
                charges=True,
                kind=kind,
                place=SamplePlace(country=country),
            )
    for court, name in COURTS:
        yield EdgeCase(
            words=f"a sole trader in {name}, 2 invoices, no charges",
            invoices=2,
            charges=False,
            kind="person",
            place=SamplePlace(jurisdiction=court),
        )

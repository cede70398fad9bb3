"""A British letter of claim says one thing about interest, and what is known of earlier charges."""

from __future__ import annotations

import pytest

from notifier.content.jurisdiction import Jurisdiction
from notifier.content.model import RenderRequest
from notifier.content.prepared import prepare
from notifier.content.render import Renderer
from notifier.content.sample_places import SampleKind, SamplePlace
from notifier.content.samples import sample_request
from tests.unit.notifier_content.conftest import plain

NONE = "No interest or other charges are being added"
GOES_ON = ("Interest continues to be added until payment", "Continuing interest under the Late")


def claim(
    kind: SampleKind,
    *,
    charges: bool = False,
    extras: bool = False,
    jurisdiction: Jurisdiction = "england_wales",
) -> RenderRequest:
    return sample_request(
        "letter_before_action",
        "email",
        "en",
        charges=charges,
        extras=extras,
        kind=kind,
        place=SamplePlace(jurisdiction=jurisdiction),
    )


def letter(renderer: Renderer, request: RenderRequest) -> str:
    return plain(str(renderer.render(request).text))


def statement(renderer: Renderer, request: RenderRequest) -> str:
    annex = prepare(renderer._library, request).annexes()[0]
    parts = annex["parts"]
    assert isinstance(parts, list)
    texts = ["".join(run["text"] for run in p["runs"]) for p in parts if p["kind"] == "text"]
    return plain(" ".join(texts))


@pytest.mark.parametrize("charges", [False, True])
@pytest.mark.parametrize("kind", ["person", "consumer"])
def test_the_amount_and_what_will_be_claimed_agree_about_interest(
    renderer: Renderer, kind: SampleKind, *, charges: bool
) -> None:
    text = letter(renderer, claim(kind, charges=charges))

    claimed = "together with continuing interest," in text
    assert claimed is any(sentence in text for sentence in GOES_ON)
    assert claimed is not (NONE in text)
    assert claimed is (charges or kind == "person")


@pytest.mark.parametrize("jurisdiction", ["scotland", "northern_ireland"])
@pytest.mark.parametrize(
    ("kind", "charges", "claimed"),
    [("person", False, True), ("consumer", True, True), ("consumer", False, False)],
)
def test_other_courts_are_asked_for_interest_that_runs_and_for_no_other(
    renderer: Renderer,
    jurisdiction: Jurisdiction,
    kind: SampleKind,
    *,
    charges: bool,
    claimed: bool,
) -> None:
    text = letter(renderer, claim(kind, charges=charges, jurisdiction=jurisdiction))

    assert ("together with continuing interest" in text) is claimed


def test_the_statement_names_each_kind_of_charge_with_its_amount(renderer: Renderer) -> None:
    text = statement(renderer, claim("person", charges=True, extras=True))

    for part in (
        "of interest at 12.40% a year, for the days up to the date above",
        "of compensation under the Late Payment of Commercial Debts (Interest) Act 1998",
        "£12.50 of fees under the agreement",
        "£7.31 that our earlier notices about these invoices charged and that has not been paid",
        "Each of those notices says of what its charges were made",
    ):
        assert part in text, part
    assert "No interest" not in text
    assert "this statement adds none" not in text


@pytest.mark.parametrize("kind", ["person", "consumer"])
def test_a_statement_without_charges_says_so_and_agrees_with_its_letter(
    renderer: Renderer, kind: SampleKind
) -> None:
    text = statement(renderer, claim(kind))

    assert "No interest, fees or other charges have been added to the debt" in text
    assert ("Continuing interest" in text) is (kind == "person")

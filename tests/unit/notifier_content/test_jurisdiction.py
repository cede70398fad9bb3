"""Which courts a British postcode belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.jurisdiction import SCOTTISH_AREAS, british_jurisdiction


@pytest.mark.parametrize(
    ("postcode", "jurisdiction"),
    [
        ("EH1 1YZ", "scotland"),
        ("g2 1dy", "scotland"),
        ("G11AA", "scotland"),
        ("ZE1 0AA", "scotland"),
        ("TD1 1QP", "scotland"),
        ("TD11AA", "scotland"),
        ("TD14 5AA", "scotland"),
        ("BT1 5GS", "northern_ireland"),
        ("bt92", "northern_ireland"),
        ("TD15 1AA", "england_wales"),  # Berwick-upon-Tweed
        ("TD12 4AA", "england_wales"),  # Cornhill-on-Tweed
        ("GL1 1AA", "england_wales"),  # Gloucester begins like Glasgow
        ("PE1 1AA", "england_wales"),
        ("SW1A 1AA", "england_wales"),
        ("CF10 1AA", "england_wales"),
        ("KT1 1AA", "england_wales"),
        ("", "england_wales"),
        ("75001", "england_wales"),
        ("EH1 1YZ, Scotland", "england_wales"),
    ],
)
def test_a_postcode_lies_in_one_jurisdiction(postcode: str, jurisdiction: str) -> None:
    assert british_jurisdiction(postcode) == jurisdiction


@given(
    area=st.sampled_from(sorted(SCOTTISH_AREAS)),
    district=st.integers(1, 99),
    inward=st.from_regex(r"[0-9][A-Z]{2}", fullmatch=True),
)
def test_every_district_of_a_scottish_area_is_scottish_however_it_is_written(
    area: str, district: int, inward: str
) -> None:
    for written in (f"{area}{district} {inward}", f"{area}{district}{inward}".lower()):
        assert british_jurisdiction(written) == "scotland"


@given(st.text(max_size=12))
def test_any_text_gets_an_answer(text: str) -> None:
    assert british_jurisdiction(text) in ("england_wales", "scotland", "northern_ireland")

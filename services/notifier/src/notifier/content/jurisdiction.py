"""Which part of the United Kingdom a debtor lives in, for the courts that a letter may speak of.

Pure: a postcode in, a jurisdiction out. It does not tell persons from companies.
"""

from __future__ import annotations

import re
from typing import Literal

Jurisdiction = Literal["england_wales", "scotland", "northern_ireland"]

SCOTTISH_AREAS = frozenset(
    ("AB", "DD", "DG", "EH", "FK", "G", "HS", "IV", "KA", "KW", "KY", "ML", "PA", "PH", "ZE")
)
"""Postcode areas that lie in Scotland, DG16 with a few farms across the border among them."""

SCOTTISH_TWEED = frozenset({*range(1, 12), 13, 14})
"""Districts of the area TD in Scotland; TD12 and TD15 lie on both sides, mostly in England."""

_POSTCODE = re.compile(r"([A-Z]{1,2})(\d[A-Z\d]?)(?:\d[A-Z]{2})?", re.ASCII)
"""Area, district, and the inward part where it is given; without spaces."""


def british_jurisdiction(postcode: str) -> Jurisdiction:
    """The part of the country that a British postcode, or its first half, lies in.

    Who cannot be placed is taken to be in England and Wales, whose protocol gives a person most.
    """
    found = _POSTCODE.fullmatch("".join(postcode.upper().split()))
    if found is None:
        return "england_wales"
    area, district = found[1], found[2]
    if area == "BT":
        return "northern_ireland"
    if area in SCOTTISH_AREAS:
        return "scotland"
    is_tweed = area == "TD" and district.isdigit() and int(district) in SCOTTISH_TWEED
    return "scotland" if is_tweed else "england_wales"

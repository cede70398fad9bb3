"""What the editor's page offers is what a look can be asked for."""

from __future__ import annotations

import pytest

from notifier.desk.texts import PLACES
from notifier.entrypoints.desk.looks import look_form
from notifier.entrypoints.templates import PreviewBody

KEY = ("first_reminder", "en")


@pytest.mark.parametrize("lives", [value for value, _ in PLACES if value])
def test_every_place_that_is_offered_is_one_where_a_debtor_can_live(lives: str) -> None:
    body = PreviewBody.model_validate(look_form(KEY, {"kind": "consumer", "lives": lives}))

    look = body.look()

    assert look.kind == "consumer"
    assert look.place is not None
    assert lives in (look.place.country, look.place.jurisdiction)


def test_a_debtor_that_nobody_chose_is_the_usual_one() -> None:
    look = PreviewBody.model_validate(look_form(KEY, {"kind": "", "lives": ""})).look()

    assert (look.kind, look.place) == ("business", None)

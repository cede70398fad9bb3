"""The shortcut for plain e-mail addresses says nothing that the library would not say."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from notifier.channels.addresses import deliverable

LABELS = st.text("abz019-_AÉß", min_size=1, max_size=70)
LOCALS = st.text("abZ09.+_-'é \"@", min_size=1, max_size=70)
ENDS = st.sampled_from(["fr", "example", "test", "local", "arpa", "x--y", "c1", "1", "co.uk", "рф"])


def by_the_library(email: str) -> str | None:
    try:
        return validate_email(email, check_deliverability=False).ascii_email
    except EmailNotValidError:
        return None


@given(st.builds("{}@{}.{}".format, LOCALS, LABELS, ENDS))
@example("compta@dupont.example")
@example("a@b.test")
@example("a@ab--cd.fr")
@example("a" * 62 + "@b")
@example("a@" + "b" * 61 + ".fr")
@example("a.@b.fr")
def test_an_address_is_taken_or_refused_as_the_library_does(email: str) -> None:
    assert deliverable(email) == by_the_library(email)


@pytest.mark.parametrize("email", ["compta@dupont.example", "A.b+c@mail.dupont-fils.fr"])
def test_a_plain_address_stays_as_it_is_written(email: str) -> None:
    assert deliverable(email) == email

"""The checker itself: each broken promise is found, and only broken ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest

from tests.faults.checker import Asked, Evidence, Stands, Taken, check

ID = UUID(int=1)
ASKED = Asked(tenant="acme", message_id=ID, channel="email", to="a@b", invoice_ids=("i1", "i2"))
TAKEN = Taken(at=10.0, channel="email", message_id=ID, to="a@b", sha256="x")
SENT = Stands(state="sent", history=(("sending", "w"), ("sent", "w")))
FINE = Evidence(
    asked=(ASKED,), taken=(TAKEN,), acknowledged={("acme", "i1"): 10.5}, book={ID: SENT}
)


def rules(evidence: Evidence) -> list[str]:
    return sorted({violation.rule for violation in check(evidence)})


def test_a_message_taken_once_before_the_payment_is_fine() -> None:
    assert check(FINE) == []


def test_an_unknown_message_that_is_listed_is_fine() -> None:
    unknown = replace(FINE, book={ID: Stands(state="unknown", reason="x")}, listed=frozenset({ID}))

    assert check(unknown) == []
    assert check(replace(unknown, taken=())) == []


@pytest.mark.parametrize(
    ("evidence", "rule"),
    [
        (replace(FINE, taken=(TAKEN, TAKEN)), "twice"),
        (replace(FINE, taken=(TAKEN, replace(TAKEN, message_id=UUID(int=2)))), "twice"),
        (replace(FINE, asked=()), "twice"),
        (replace(FINE, acknowledged={("acme", "i2"): 9.9}), "after a payment"),
        (replace(FINE, book={}), "lost"),
        (replace(FINE, taken=()), "lost"),
        (replace(FINE, book={ID: Stands(state="planned")}, taken=()), "lost"),
        (replace(FINE, book={ID: Stands(state="returned", reason="paid")}), "lost"),
        (replace(FINE, book={ID: Stands(state="failed")}, taken=()), "lost"),
        (replace(FINE, told={UUID(int=9): Counter(Sent=1)}), "lost"),
        (replace(FINE, told={ID: Counter(Sent=2)}), "lost"),
        (replace(FINE, book={ID: Stands(state="unknown", reason="x")}), "unlisted"),
        (replace(FINE, listed=frozenset({ID})), "unlisted"),
    ],
)
def test_each_broken_promise_has_its_name(evidence: Evidence, rule: str) -> None:
    assert rules(evidence) == [rule]


def test_another_tenants_invoice_of_the_same_name_may_be_paid() -> None:
    assert check(replace(FINE, acknowledged={("bolt", "i1"): 1.0})) == []


@pytest.mark.parametrize(
    ("after", "is_fine"),
    [
        (("sent", "provider"), True),
        (("sent", "w"), True),
        (("sent", "person:anna"), True),
        (("failed", "person:anna"), True),
        (("failed", "w"), False),
        (("sending", "w"), False),
        (("planned", "sweeper"), False),
    ],
)
def test_unknown_is_left_by_evidence_or_a_person_only(
    after: tuple[str, str], is_fine: bool
) -> None:
    steps = (("sending", "w"), ("unknown", "sweeper"), ("stale_planned", "w"), after)
    left = replace(FINE, book={ID: replace(SENT, history=steps)})

    assert (rules(left) == []) is is_fine


def test_while_a_run_goes_on_only_what_cannot_be_mended_counts() -> None:
    going_on = replace(FINE, book={}, taken=(TAKEN, TAKEN), is_over=False)

    assert rules(going_on) == ["twice"]

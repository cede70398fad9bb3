"""Which of a debtor's phone numbers a text goes to."""

from __future__ import annotations

from dunning_common.events.contacts import Contacts
from notifier.channels.addresses import phone_recipient


def chosen(*phones: str) -> str | None:
    contacts = Contacts(name="X", language="fr", phones=phones)
    recipient = phone_recipient(contacts, tenant="acme", country="FR")
    return recipient.address if recipient else None


def test_a_number_of_a_range_that_the_tables_do_not_know_is_still_tried() -> None:
    assert chosen("+33 6 39 98 12 34") == "+33639981234"


def test_a_number_of_a_known_range_comes_before_one_of_an_unknown_range() -> None:
    assert chosen("+33 6 39 98 12 34", "01 42 68 53 00") == "+33142685300"


def test_what_is_too_short_to_be_a_number_is_passed_over() -> None:
    assert chosen("06 12") is None

"""What a debtor can answer: read whole, or every fault is named and nothing typed is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.portal.account import Account, Owed, Statement, statement_of
from notifier.portal.answers import (
    INVOICES_LISTED_MAX,
    ContactProposed,
    Disputed,
    Ground,
    PaymentClaimed,
    PlanAsked,
    Promised,
    SmsStopped,
    Wrote,
    read_answer,
)
from notifier.portal.fields import Faults
from notifier.portal.files import Upload
from notifier.portal.forms import form_of
from notifier.portal.link import Link
from notifier.portal.paging import INVOICES_A_PAGE, page_of
from notifier.portal.rules import OPEN, ArrangementRules
from notifier.portal.settings import ACTIONS, Action, PortalSettings
from notifier.portal.words import Dictionary

TODAY = date(2026, 3, 16)
WORDS = Dictionary.load()
LINK = Link(tenant="t", link_id=UUID(int=1), debtor_id="d", invoice_ids=None)


STRICT = ArrangementRules(
    max_months=4,
    min_first_percent=Decimal(20),
    min_instalment_minor=(("EUR", 2_000),),
    refuse=frozenset({"max_months", "min_first_percent", "min_instalment"}),
)


def owed(invoice_id: str, minor: int, currency: str = "EUR", charges: int = 0) -> Owed:
    return Owed(
        invoice_id=invoice_id,
        number=f"F-{invoice_id}",
        issued_on=date(2026, 1, 1),
        due_on=date(2026, 2, 1),
        currency=currency,
        amount_minor=minor,
        open_minor=minor,
        charges_minor=charges,
    )


def statement(*items: Owed) -> Statement:
    contacts = Contacts(name="D", language="en")
    return statement_of(Account(contacts=contacts, owed=items), LINK, {})


def ground(*items: Owed, rules: ArrangementRules = OPEN, **more: Any) -> Ground:
    contacts = more.pop(
        "contacts",
        Contacts(name="D", language="en", emails=("a@b.example",), phones=("+33639981234",)),
    )
    return Ground(
        statement=statement(*(items or (owed("1", 10_000), owed("2", 5_000, charges=100)))),
        settings=PortalSettings(**more),
        contacts=contacts,
        country="FR",
        today=TODAY,
        rules=rules,
    )


def faults_of(action: Action, fields: dict[str, str], where: Ground, **more: Any) -> dict[str, str]:
    answer = read_answer(action, fields, more.get("upload"), where)
    assert isinstance(answer, Faults), answer
    return {name: fault.word for name, fault in answer.found.items()}


def test_a_payment_is_claimed_for_all_that_is_owed_in_its_currency() -> None:
    fields = {"amount": "151,00", "paid_on": "2026-03-10", "reference": " F-1 \n F-2 "}

    assert read_answer("paid", fields, None, ground()) == PaymentClaimed(
        invoice_ids=("1", "2"),
        currency="EUR",
        amount_minor=15_100,
        paid_on=date(2026, 3, 10),
        reference="F-1 F-2",
    )


def test_a_payment_in_the_future_is_none() -> None:
    fields = {"amount": "0", "paid_on": "2026-03-17"}

    assert faults_of("paid", fields, ground()) == {
        "amount": "amount_zero",
        "paid_on": "date_between",
    }


def test_the_whole_amount_can_be_promised_until_the_tenants_last_day() -> None:
    where = ground(rules=ArrangementRules(promise_days_max=10))
    last = (TODAY + timedelta(days=10)).isoformat()

    answer = read_answer("promise", {"extent": "whole", "on": last, "amount": "7"}, None, where)

    assert isinstance(answer, Promised)
    assert answer.amount_minor == 15_100
    late = (TODAY + timedelta(days=11)).isoformat()
    assert faults_of("promise", {"extent": "whole", "on": late}, where) == {"on": "date_between"}


def test_no_more_than_is_owed_can_be_promised() -> None:
    fields = {"extent": "part", "amount": "151,01", "on": TODAY.isoformat()}

    assert faults_of("promise", fields, ground()) == {"amount": "amount_above"}


def test_two_currencies_are_never_added_up() -> None:
    where = ground(owed("1", 10_000), owed("2", 900, "JPY"))
    fields = {"extent": "whole", "on": TODAY.isoformat()}

    assert faults_of("promise", fields, where) == {"currency": "choose"}
    answer = read_answer("promise", fields | {"currency": "JPY"}, None, where)
    assert isinstance(answer, Promised)
    assert (answer.invoice_ids, answer.amount_minor) == (("2",), 900)


def test_instalments_are_asked_for_within_the_rules() -> None:
    where = ground(rules=STRICT)
    fields = {
        "first": "31",
        "first_on": "2026-03-20",
        "count": "4",
        "interval": "monthly",
        "text": "",
    }

    answer = read_answer("plan", fields, None, where)

    assert isinstance(answer, PlanAsked)
    assert [part.amount_minor for part in answer.parts] == [3_100, 4_000, 4_000, 4_000]
    assert [part.on.isoformat() for part in answer.parts] == [
        "2026-03-20",
        "2026-04-20",
        "2026-05-20",
        "2026-06-20",
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"first": "30"}, {"first": "amount_below"}),
        ({"first": "151"}, {"first": "amount_above"}),
        ({"count": "13"}, {"count": "count_wrong"}),
        ({"count": "12"}, {"count": "parts_small"}),
        ({"count": "6", "interval": "monthly"}, {"count": "count_fewer"}),
        ({"interval": "yearly"}, {"interval": "choose"}),
        ({"first_on": "2026-03-15"}, {"first_on": "date_between"}),
        (
            {"first": "", "count": "", "first_on": "", "interval": ""},
            {
                "first": "required",
                "count": "required",
                "first_on": "required",
                "interval": "choose",
            },
        ),
    ],
)
def test_a_plan_outside_the_rules_names_the_field(
    change: dict[str, str], fault: dict[str, str]
) -> None:
    where = ground(rules=STRICT)
    fields = {"first": "40", "first_on": "2026-03-20", "count": "4", "interval": "weekly"}

    assert faults_of("plan", fields | change, where) == fault


def test_what_the_engine_leaves_to_a_person_may_be_asked_for_and_the_form_says_what_is_easy() -> (
    None
):
    where = ground(rules=replace(STRICT, refuse=frozenset({"max_open_plans"})))
    fields = {"first": "1", "first_on": "2026-03-20", "count": "12", "interval": "monthly"}

    assert isinstance(read_answer("plan", fields, None, where), PlanAsked)
    form, held = form_of("plan", WORDS.choose("en"), where), ground(rules=STRICT)
    assert form.rules == ("At most 12 instalments.",)
    assert form.easy == (
        "First payment of at least €30.20.",
        "Each instalment at least €20.00.",
        "All paid by 16\u00a0July\u00a02026.",
    )
    assert form_of("plan", WORDS.choose("en"), held).rules == (*form.rules, *form.easy)


def test_without_the_engines_rules_every_promise_and_plan_may_be_made() -> None:
    promise = {"extent": "whole", "on": (TODAY + timedelta(days=366)).isoformat()}
    plan = {"first": "0.01", "first_on": "2026-03-20", "count": "12", "interval": "monthly"}

    assert isinstance(read_answer("promise", promise, None, ground()), Promised)
    assert isinstance(read_answer("plan", plan, None, ground()), PlanAsked)
    assert form_of("plan", WORDS.choose("en"), ground()).easy == ()


def test_a_part_of_an_invoice_can_be_disputed_with_a_document() -> None:
    upload = Upload(name="photo.png", content=b"\x89PNG\r\n\x1a\nx")
    fields = {
        "invoice": "2",
        "reason": "quality",
        "extent": "part",
        "amount": "12.50",
        "text": "Broken.",
    }

    answer = read_answer("dispute", fields, upload, ground())

    assert isinstance(answer, Disputed)
    assert (answer.invoice_id, answer.disputed_minor, answer.upload) == ("2", 1_250, upload)


def test_an_invoice_that_the_link_does_not_open_cannot_be_disputed() -> None:
    fields = {"invoice": "99", "reason": "price", "extent": "whole", "text": "Too much"}

    assert faults_of("dispute", fields, ground()) == {"invoice": "choose"}


def test_of_very_many_invoices_the_disputed_one_is_named_and_not_looked_for_in_a_list() -> None:
    many = tuple(owed(str(number), 1_000) for number in range(INVOICES_LISTED_MAX + 1))
    fields = {"invoice": " f-17 ", "reason": "price", "extent": "whole", "text": "Too much"}

    answer = read_answer("dispute", fields, None, ground(*many))
    listed = form_of("dispute", WORDS.choose("en"), ground(*many[:-1])).fields[0]
    typed = form_of("dispute", WORDS.choose("en"), ground(*many)).fields[0]

    assert isinstance(answer, Disputed)
    assert answer.invoice_id == "17"
    assert (len(listed.options), typed.options, typed.kind) == (INVOICES_LISTED_MAX, (), "text")
    for named, fault in (("F-999", "invoice_unknown"), ("", "required")):
        assert faults_of("dispute", fields | {"invoice": named}, ground(*many)) == {
            "invoice": fault
        }


@given(st.integers(1, 200), st.integers(1, 30))
def test_the_pages_of_a_list_hold_each_invoice_once_and_in_order(count: int, asked: int) -> None:
    items = tuple(owed(str(number), 100) for number in range(count))
    pages = [page_of(items, str(number + 1)) for number in range(page_of(items, "").pages)]

    assert tuple(item for page in pages for item in page.items) == items
    assert all(len(page.items) <= INVOICES_A_PAGE for page in pages)
    assert [page.first for page in pages[1:]] == [page.last + 1 for page in pages[:-1]]
    assert page_of(items, str(asked)) == pages[min(asked, len(pages)) - 1]


@pytest.mark.parametrize("asked", ["", "0", "-1", "two", "²", "9" * 20])
def test_a_page_that_is_none_is_the_first(asked: str) -> None:
    items = tuple(owed(str(number), 100) for number in range(50))

    assert page_of(items, asked).number == 1


def test_contacts_are_corrected_only_where_something_was_typed() -> None:
    fields = {"email": " New@Example.com ", "phone": "06 39 98 12 34", "country": "FR"}

    answer = read_answer("contact", fields, None, ground())

    assert answer == ContactProposed(
        correction={"emails": ["New@example.com"], "phones": ["+33639981234"]}
    )
    assert faults_of("contact", {"country": "FR"}, ground()) == {"email": "nothing_changed"}


def test_half_an_address_is_none() -> None:
    fields = {"postcode": "69001", "email": "broken@"}

    assert faults_of("contact", fields, ground()) == {
        "email": "email_wrong",
        "street": "required",
        "city": "required",
    }


def test_texts_can_only_be_stopped_where_another_way_is_left() -> None:
    phone_only = Contacts(name="D", language="en", phones=("+33639981234",))
    by_post = PostalAddress(lines=("x",), city="y", country="FR")

    assert "sms" not in ground(contacts=phone_only).allowed
    assert faults_of("sms", {}, ground(contacts=phone_only)) == {"form": "keep_one_way"}
    with_post = phone_only.model_copy(update={"address": by_post})
    assert read_answer("sms", {}, None, ground(contacts=with_post)) == SmsStopped()


def test_a_message_needs_words() -> None:
    assert read_answer("message", {"text": "Hello"}, None, ground()) == Wrote(
        text="Hello", upload=None
    )
    assert faults_of("message", {"text": " \n"}, ground()) == {"text": "required"}


@given(
    st.sampled_from(ACTIONS),
    st.dictionaries(
        st.sampled_from(
            [
                "amount",
                "paid_on",
                "reference",
                "extent",
                "on",
                "currency",
                "first",
                "first_on",
                "count",
                "interval",
                "text",
                "invoice",
                "reason",
                "name",
                "email",
                "phone",
                "street",
                "postcode",
                "city",
                "country",
            ]
        ),
        st.text(max_size=25)
        | st.sampled_from(["whole", "part", "2026-03-20", "10", "1", "monthly", "price"]),
    ),
    st.sampled_from(sorted(WORDS.languages)),
)
def test_whatever_is_typed_is_an_answer_or_comes_back_with_a_word_for_every_fault(
    action: Action, fields: dict[str, str], language: str
) -> None:
    where = ground()
    answer = read_answer(action, fields, None, where)
    if not isinstance(answer, Faults):
        return
    assert answer

    form = form_of(action, WORDS.choose(language), where, fields, answer)

    assert form.fault or form.wrong
    assert {one.name: one.value for one in form.fields if one.name in fields} == {
        name: text for name, text in fields.items() if name in {one.name for one in form.fields}
    }


@pytest.mark.parametrize("language", sorted(WORDS.languages))
@pytest.mark.parametrize("action", ACTIONS)
def test_every_form_can_be_shown_in_every_language(language: str, action: Action) -> None:
    form = form_of(action, WORDS.choose(language), ground())

    assert form.title
    assert form.submit
    assert all(one.label for one in form.fields)


def test_the_eight_languages_are_there_and_tags_find_them() -> None:
    assert sorted(WORDS.languages) == ["de", "en", "es", "fr", "it", "nl", "pl", "pt"]
    assert WORDS.choose("", "fr-CA", "de").code == "fr"
    assert WORDS.choose("xx", "").code == "en"
    assert WORDS.accepted("tlh;q=0.9, pl-PL;q=0.8, en").code == "pl"


def test_a_link_shows_its_own_invoices_only_and_names_those_that_are_settled() -> None:
    account = Account(
        contacts=Contacts(name="D", language="en"),
        owed=(owed("1", 100), owed("2", 0), owed("3", 0, charges=7)),
        unallocated=(("EUR", 5), ("USD", 9)),
    )
    link = Link(tenant="t", link_id=LINK.link_id, debtor_id="d", invoice_ids=("2", "3", "4"))

    shown = statement_of(account, link, {"2": "F-2", "4": "F-4"})

    assert [item.invoice_id for item in shown.owed] == ["3"]
    assert shown.settled == ("F-2", "F-4")
    assert shown.total_of("EUR") == 7
    assert shown.unallocated == (("EUR", 5),)
    assert not shown.is_settled

"""What the operators' pages say: every state and reason has a remedy, every filter is forgiving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.desk import answers, calls, issues, messages, suppressions, texts, view, words
from notifier.domain.calls import CallOutcome
from notifier.domain.feedback import Stage
from notifier.domain.issues import IssueKind
from notifier.domain.message import State
from notifier.domain.suppression import Cause
from notifier.ports.attention import COUNTED_MAX, Attention
from notifier.ports.responses import Kind, ResponseView

AT = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_remedy_even_for_a_reason_that_nobody_foresaw(state: State) -> None:
    assert words.remedy_of(state, None) == words.STATES[state]
    assert words.remedy_of(state, "something new") == words.STATES[state]


@pytest.mark.parametrize(
    ("state", "reason", "says"),
    [
        (State.FAILED, "recipient_refused", "Correct it in the ERP"),
        (State.FAILED, "content: email: no such thing", "under Texts"),
        (State.FAILED, "not_connected: timed out", "dunning doctor"),
        (State.FAILED, "call: wrong_number", "Correct it in the ERP"),
        (State.FAILED, "call: no_answer, 3 calls", "goes on by its policy"),
        (State.FAILED, "resolved_by_person: not there", "nothing more"),
        (State.SUPPRESSED, "opted_out", "Suppressed"),
        (State.SUPPRESSED, "revoked", "nothing has to be done"),
        (State.SUPPRESSED, "channel_not_configured", "out of the policy"),
        (State.RETURNED, "permit_refused: paid", "decides again"),
        (State.UNKNOWN, "lease_expired", "never sent again by itself"),
        (State.PLANNED, "on_call_list", "see Calls"),
        (State.UNKNOWN, "may_be_posted: it was put into the spool", "whether it was posted"),
        (State.FAILED, "contacts_unreadable: the key does not open them", "work retry"),
        (State.FAILED, "not_connected: timed out", "POST /v1/work/{item}/retry"),
        (State.FAILED, "no_sms_sender: set sms_from of the tenant", "Give it one (sms_from)"),
        (State.FAILED, "bad_sms_sender: US takes texts from numbers only", "another one"),
        (State.FAILED, "sms_number_limit: 2 texts", "raise the limit"),
        (State.FAILED, "550 5.1.1 no such user", "Correct the address in the ERP"),
        (State.FAILED, "550 no such user here", "Correct the address in the ERP"),
        (State.FAILED, "550 5.7.1 message refused by policy", "SPF, DKIM"),
    ],
)
def test_a_reason_names_what_a_person_can_do(state: State, reason: str, says: str) -> None:
    assert says in words.remedy_of(state, reason)


def test_no_remedy_promises_that_the_engine_tries_again_by_itself() -> None:
    reasons = ("contacts_unreadable", "not_connected", "content:", "550 5.1.1 x", "anything", None)

    said = [words.remedy_of(State.FAILED, reason) for reason in reasons]

    assert [text for text in said if "engine tries" in text] == []


def test_what_was_sent_and_came_back_is_not_called_fine() -> None:
    assert words.remedy_of(State.SENT, None, Stage.BOUNCED) == words.BOUNCED


def test_every_kind_and_cause_and_outcome_has_its_words() -> None:
    assert set(words.ISSUES) == set(IssueKind)
    assert set(suppressions.CAUSES) == set(Cause)
    assert set(calls.OUTCOMES) == set(CallOutcome)
    for kind in get_args(Kind):
        assert answers.Row.of(answer(kind)).next_step


def answer(kind: Kind, **facts: object) -> ResponseView:
    return ResponseView(
        seq=1,
        tenant="acme",
        response_id=uuid4(),
        debtor_id="d1",
        kind=kind,
        source="portal",
        state="received",
        invoice_ids=(),
        notice_id=None,
        link_id=None,
        channel=None,
        facts=facts,
        note=None,
        effective_at=AT,
        received_at=AT,
    )


def test_facts_are_said_with_their_currency_and_without_our_own_ids() -> None:
    said = answers.facts_in_words(
        {
            "inbound_id": "x",
            "currency": "EUR",
            "amount_minor": 12050,
            "on": None,
            "instalments": [{"on": "2026-04-01", "amount_minor": 100}],
            "fields": ["name", "postal_address"],
        }
    )

    assert said == (
        ("amount", "120.50 EUR"),
        ("instalment 1", "1.00 EUR on 2026-04-01"),
        ("fields", "name, postal address"),
    )


@given(
    st.dictionaries(
        st.sampled_from(["currency", "amount_minor", "on", "reason_code", "x", "fields"]),
        st.none() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_facts_of_any_shape_are_said(facts: dict[str, object]) -> None:
    assert all(isinstance(value, str) for _, value in answers.facts_in_words(facts))


def test_a_correction_is_said_field_by_field_and_lines_stay_apart() -> None:
    note = {
        "correction": {"name": "Dupont", "address": {"lines": ["1 rue", "2e étage"], "city": ""}},
        "file_name": "x.pdf",
        "text": "",
    }

    assert answers.note_in_words(note) == (("name", "Dupont"), ("address", "1 rue\n2e étage"))


PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["state", "kind", "invoice_id", "notice_id", "debtor_id", "channel", "recipient_hash",
         "closed", "cursor"]
    ),
    st.text() | st.sampled_from([*State, *IssueKind, "proposed", "email", "yes"]),
)  # fmt: skip


@given(PARAMETERS)
def test_no_query_breaks_a_list_and_asking_again_asks_the_same(query: dict[str, str]) -> None:
    for asked in (messages.Asked, answers.Asked, issues.Asked, suppressions.Asked):
        once = asked.of(query)
        assert asked.of(once.query | {"state": once.query.get("state", "")}) == once
        assert all(value.isprintable() for value in once.query.values())


def test_without_a_question_the_lists_show_what_waits() -> None:
    assert messages.Asked.of({}).state is State.UNKNOWN
    assert messages.Asked.of({"invoice_id": "i1"}).state is None
    assert messages.Asked.of({"state": ""}).state is None
    assert answers.Asked.of({}).state == "proposed"
    assert answers.Asked.of({"debtor_id": "d1"}).state is None


@pytest.mark.parametrize(
    ("state", "newest_first"),
    [("unknown", False), ("planned", False), ("failed", True), ("sent", True), ("", True)],
)
def test_what_waits_is_listed_from_its_beginning_what_is_done_from_its_end(
    state: str, newest_first: bool
) -> None:
    wanted = messages.Asked.of({"state": state}).filter(after=0, limit=10)

    assert wanted.newest_first is newest_first


@pytest.mark.parametrize(
    ("state", "newest_first"), [("proposed", False), ("accepted", True), ("", True)]
)
def test_proposals_are_listed_from_their_beginning_and_other_answers_from_their_end(
    state: str, newest_first: bool
) -> None:
    wanted = answers.Asked.of({"state": state}).filter(after=0, limit=10)

    assert wanted.newest_first is newest_first


def test_a_proposal_stands_part_by_part_beside_what_is_known_now() -> None:
    present = Contacts(
        name="Dupont",
        language="fr",
        emails=("a@dupont.example", "b@dupont.example"),
        address=PostalAddress(lines=("1 rue",), postcode="75002", city="Paris", country="FR"),
    )
    note = {
        "correction": {
            "emails": ["new@example.com"],
            "phones": ["+33612345678"],
            "address": {"lines": ["2 rue"], "postcode": "69001", "city": "Lyon", "country": "FR"},
        }
    }

    assert answers.changes_of(note, present) == (
        answers.Change("emails", "a@dupont.example\nb@dupont.example", "new@example.com"),
        answers.Change("phones", "", "+33612345678"),
        answers.Change("address", "1 rue\n75002\nParis\nFR", "2 rue\n69001\nLyon\nFR"),
    )
    assert answers.changes_of(note, None) == ()
    assert answers.changes_of({"text": "Bonjour"}, present) == ()


def test_a_page_shows_fifty_and_leads_on_only_when_there_is_more() -> None:
    full = view.page_of(list(range(50)), {"cursor": "c"}, {"state": "a&b"})
    more = view.page_of(list(range(51)), {"cursor": "c"}, {"state": "a&b"})

    assert (len(full.rows), full.more) == (50, "")
    assert (len(more.rows), more.more) == (50, "state=a%26b&cursor=c")


def test_counts_end_where_nothing_was_counted_any_more() -> None:
    counts = Attention(
        unknown=COUNTED_MAX, failed=0, proposals=COUNTED_MAX - 1, calls=1, batches=2, issues=3
    )

    assert [due.figure for due in view.due_list(counts)] == ["999+", "0", "999", "1", "2", "3"]
    assert [due.path.split("?")[0] for due in view.due_list(counts)] == [
        "/desk/messages", "/desk/messages", "/desk/answers", "/desk/calls", "/desk/post",
        "/desk/issues",
    ]  # fmt: skip


def test_a_section_is_marked_on_its_own_pages_only() -> None:
    def at(path: str) -> list[str]:
        return [section.label for section in view.SECTIONS if section.is_at(path)]

    assert at("/desk") == ["Overview"]
    assert at("/desk/messages/1/proofs") == ["Messages"]
    assert at("/desk/messagesx") == []


def test_a_refused_field_is_told_its_remedy_and_keeps_what_was_typed() -> None:
    wrong = view.remedies(
        [(("note",), "too short"), (("promise", "amount"), "odd"), ((), "Value error, odd pair")]
    )
    form = view.Form(typed={"note": "x", "amount": "lots"}, errors=wrong)

    assert form.value("note") == "x"
    assert "3 characters" in form.error("note")
    assert "120.00" in form.error("amount")
    assert form.error("form") == "odd pair"
    assert form.error("currency") == ""


def test_a_diff_counts_the_lines_of_both_texts() -> None:
    unified = "--- a\n+++ b\n@@ -3,3 +3,3 @@\n same\n-old\n+new\n+more\n last\n"

    lines = texts.diff_lines(unified)

    assert [(line.kind, line.before, line.after, line.sign + line.text) for line in lines[1:]] == [
        ("same", 3, 3, " same"),
        ("removed", 4, None, "-old"),
        ("added", None, 4, "+new"),
        ("added", None, 5, "+more"),
        ("same", 5, 6, " last"),
    ]
    assert texts.diff_lines("") == []


def test_what_looks_like_a_hash_is_one() -> None:
    def named(address: str) -> dict[str, str]:
        return suppressions.address_form({"channel": "sms", "address": address, "note": "why"})

    assert named("0123456789abcdef")["recipient_hash"] == "0123456789abcdef"
    assert named("0612345678")["address"] == "0612345678"
    assert "debtor_id" not in named("x")


@pytest.mark.parametrize("channel", ["sms", "call"])
def test_digits_alone_are_a_number_where_the_channel_is_a_phone(channel: str) -> None:
    digits = "3363998123456789"

    phone = suppressions.address_form({"channel": channel, "address": digits})
    email = suppressions.address_form({"channel": "email", "address": digits})

    assert (phone.get("address"), phone.get("recipient_hash")) == (digits, None)
    assert email.get("recipient_hash") == digits


def test_a_promise_goes_with_its_outcome_alone() -> None:
    fields = {"outcome": "promised", "amount": " 5.00 ", "currency": "eur", "on": "2026-04-01"}

    assert calls.outcome_of(fields)["promise"] == {
        "amount": "5.00", "currency": "EUR", "on": "2026-04-01"
    }  # fmt: skip
    assert "promise" not in calls.outcome_of({**fields, "outcome": "reached"})


def test_moments_are_said_in_one_zone_and_sizes_in_words() -> None:
    east = AT.astimezone(timezone(timedelta(hours=9)))

    assert words.moment(east) == "2026-03-16 09:30 UTC"
    assert words.moment(None) == ""
    assert (words.size(5), words.size(2048), words.size(None)) == ("5 bytes", "2 kB", "")


def test_exact_bytes_are_saved_under_a_name_that_says_what_they_are() -> None:
    message_id = uuid4()

    assert messages.file_name_of(message_id, "message/rfc822", AT) == f"2026-03-16-{message_id}.eml"
    assert messages.file_name_of(message_id, None, AT).endswith(".bin")

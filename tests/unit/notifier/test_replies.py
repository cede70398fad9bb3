"""What an answer means: one word to stop or to start, or words that only propose."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.proposals import Proposal, ProposalKind, propose
from notifier.domain.replies import STOP_WORDS, Intent, fresh_text, intent_of

TODAY = date(2026, 3, 10)


@pytest.mark.parametrize("language", sorted(STOP_WORDS))
def test_each_stop_word_stops_however_it_is_typed(language: str) -> None:
    for word in STOP_WORDS[language]:
        for typed in (word, word.upper(), f"  {word.title()} \n", f"{word}.", f"« {word} ! »"):
            assert intent_of(typed) is Intent.STOP, typed


@pytest.mark.parametrize("typed", ["ARRÊT", "arrêt", "ARRET", "Désabonner", "DESABONNER",
                                   "Rezygnuję", "STOPP", "BAJA", "sair", "Afmelden"])  # fmt: skip
def test_accents_and_case_make_no_difference(typed: str) -> None:
    assert intent_of(typed) is Intent.STOP


def test_start_and_help_are_words_of_their_own() -> None:
    assert [intent_of(word) for word in ("START", "unstop", "Yes")] == [Intent.START] * 3
    assert [intent_of(word) for word in ("help", "INFO", "Aide ?")] == [Intent.HELP] * 3


@pytest.mark.parametrize(
    "text",
    ["please stop", "I will stop by tomorrow", "the end of the month", "non-stop", "", "🙂",
     "STOP it, I paid", "cancel the order"],
)  # fmt: skip
def test_a_word_inside_a_sentence_does_nothing_by_itself(text: str) -> None:
    assert intent_of(text) is Intent.WORDS


def test_of_an_answer_by_mail_only_what_is_new_counts() -> None:
    quoted = "> Dear customer,\n> please pay\n"
    for head in (
        "On Mon, 2 Mar 2026 at 09:00, Acme <a@acme.example> wrote:",
        "On Mon, 2 Mar 2026 at 09:00, Acme Fournitures <facturation@acme.example>\nwrote:",
        "Le lun. 2 mars 2026 à 09:00, Acme <a@acme.example> a écrit :",
        "Am 02.03.2026 um 09:00 schrieb Acme <a@acme.example>:",
        "El lun, 2 mar 2026, Acme <a@acme.example> escribió:",
        "-----Original Message-----",
        "________________________________",
    ):
        assert fresh_text(f"STOP\r\n\r\n{head}\r\n{quoted}") == "STOP", head
    assert fresh_text("Paid yesterday.\n-- \nJane Doe\nCFO") == "Paid yesterday."
    assert fresh_text("first line\nlast line") == "first line\nlast line"


@given(st.text(max_size=400))
def test_whatever_somebody_writes_can_be_read(text: str) -> None:
    assert intent_of(text) in Intent
    propose(fresh_text(text), today=TODAY)


@pytest.mark.parametrize(
    ("text", "kind", "on"),
    [
        ("I paid on 3 March", "payment_claimed", date(2026, 3, 3)),
        ("We have already paid on 03.03.2026.", "payment_claimed", date(2026, 3, 3)),
        ("Facture déjà payée le 2 mars", "payment_claimed", date(2026, 3, 2)),
        ("Bereits überwiesen am 1.3.", "payment_claimed", date(2026, 3, 1)),
        ("Ya está pagada", "payment_claimed", None),
        ("Ho già pagato il 5 marzo", "payment_claimed", date(2026, 3, 5)),
        ("Ik heb het betaald op 3 maart", "payment_claimed", date(2026, 3, 3)),
        ("Já foi pago", "payment_claimed", None),
        ("Zapłaciłem 3 marca", "payment_claimed", date(2026, 3, 3)),
        ("I'll pay on 2026-03-20", "promise", date(2026, 3, 20)),
        ("Wir werden am 15.3. überweisen", "promise", date(2026, 3, 15)),
        ("Je paierai vendredi", "promise", None),
        ("Can I pay in instalments?", "plan", None),
        ("We dispute this invoice, although we paid the first", "dispute", None),
        ("Ich habe das nie bestellt", "dispute", None),
        ("Please stop texting me", "opt_out", None),
        ("Wrong number!", "wrong_recipient", None),
    ],
)
def test_words_seem_to_say_something(text: str, kind: str, on: date | None) -> None:
    assert propose(text, today=TODAY) == Proposal(kind=ProposalKind(kind), on=on)


@pytest.mark.parametrize(
    "text",
    ["I have not paid", "We haven't paid yet", "Je n'ai pas encore payé", "noch nicht bezahlt",
     "Hello, who are you?", "Merci", "unpaid"],
)  # fmt: skip
def test_who_says_no_payment_claims_none(text: str) -> None:
    assert propose(text, today=TODAY) is None


@given(st.dates(date(2000, 1, 2), date(2090, 1, 1)), st.integers(0, 360))
def test_without_a_year_a_payment_was_and_a_promise_will_be(today: date, days: int) -> None:
    past, future = today - timedelta(days=days), today + timedelta(days=days)

    paid = propose(f"I paid on {past.day}.{past.month}.", today=today)
    promised = propose(f"I will pay on {future.day}.{future.month}.", today=today)

    if (2, 29) not in ((past.month, past.day), (future.month, future.day)):
        assert paid == Proposal(kind=ProposalKind.PAYMENT_CLAIMED, on=past)
        assert promised == Proposal(kind=ProposalKind.PROMISE, on=future)


def test_a_day_that_does_not_exist_is_no_date() -> None:
    assert propose("I paid on 31.02.2026", today=TODAY) == Proposal(
        kind=ProposalKind.PAYMENT_CLAIMED
    )

from dataclasses import replace

from invoice_ingest.domain.debtor import Contact, Debtor, Terms, erase, keep
from invoice_ingest.domain.outcome import Refusal, Status

PETIT = Debtor(
    debtor_id="d1",
    terms=Terms(kind="business", country="FR", zone="Europe/Paris", language="fr", tags=("vip",)),
    contact=Contact(name="Petit", emails=("a@example.com",)),
)
MOVED = replace(PETIT, contact=replace(PETIT.contact, emails=("b@example.com",)))
IN_GERMAN = replace(PETIT, terms=replace(PETIT.terms, language="de"))


def test_a_new_debtor_is_told_with_terms_and_contacts() -> None:
    kept = keep([PETIT], {})

    assert kept.outcomes == (Status.CREATED,)
    assert kept.created == kept.retold_terms == kept.retold_contacts == {"d1"}


def test_what_did_not_change_is_not_told() -> None:
    kept = keep([PETIT], {"d1": PETIT})

    assert kept.outcomes == (Status.UNCHANGED,)
    assert kept.debtors == ()


def test_new_contacts_are_told_without_the_terms() -> None:
    kept = keep([MOVED], {"d1": PETIT})

    assert (kept.retold_terms, kept.retold_contacts) == (frozenset(), {"d1"})


def test_the_language_belongs_to_both() -> None:
    kept = keep([IN_GERMAN], {"d1": PETIT})

    assert kept.retold_terms == kept.retold_contacts == {"d1"}


def test_of_two_tellings_in_a_batch_the_last_wins() -> None:
    kept = keep([MOVED, PETIT], {})

    assert kept.outcomes == (Status.CREATED, Status.UPDATED)
    assert kept.debtors == (PETIT,)


def test_a_change_taken_back_in_the_same_batch_is_not_told() -> None:
    kept = keep([MOVED, PETIT], {"d1": PETIT})

    assert kept.outcomes == (Status.UPDATED, Status.UPDATED)
    assert kept.debtors == ()


def test_an_erased_debtor_does_not_come_back() -> None:
    kept = keep([PETIT], {"d1": erase(PETIT)})

    assert isinstance(kept.outcomes[0], Refusal)
    assert kept.debtors == ()


def test_erasure_takes_the_person_and_leaves_the_account() -> None:
    gone = erase(PETIT)

    assert gone.is_erased
    assert gone.terms.tags == ()
    assert (gone.debtor_id, gone.terms.country) == ("d1", "FR")

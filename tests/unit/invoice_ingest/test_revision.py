from hypothesis import given
from hypothesis import strategies as st

from invoice_ingest.domain.revision import Verdict, judge
from tests.unit.invoice_ingest.samples import draft, invoice


def test_an_unknown_invoice_is_new() -> None:
    assert judge(None, draft()) is Verdict.NEW


@given(stored=st.integers(1, 100), sent=st.integers(1, 100), same=st.booleans())
def test_the_revision_decides(stored: int, sent: int, same: bool) -> None:
    known = invoice(revision=stored)

    verdict = judge(known, draft(revision=sent, amount_minor=10_000 if same else 10_001))

    if sent < stored:
        assert verdict is Verdict.OLDER
    elif sent > stored:
        assert verdict is Verdict.NEWER
    else:
        assert verdict is (Verdict.SAME if same else Verdict.CONTRADICTION)


def test_without_a_revision_the_last_one_sent_wins() -> None:
    known = invoice(revision=7)

    assert judge(known, draft()) is Verdict.SAME
    assert judge(known, draft(amount_minor=1)) is Verdict.NEWER


def test_every_word_of_the_content_counts() -> None:
    known = invoice(revision=1)

    for change in (
        {"debtor_id": "d2"},
        {"number": "n"},
        {"issued_on": draft().due_on},
        {"due_on": draft().issued_on},
        {"currency": "USD"},
        {"amount_minor": 1},
        {"policy_id": "p"},
        {"tags": ("t",)},
    ):
        assert judge(known, draft(revision=1, **change)) is Verdict.CONTRADICTION, change

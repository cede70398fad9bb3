"""What becomes an exhibit of evidence, where it stands in time, and which volume it is in."""

from __future__ import annotations

import zlib
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.vault import new_key, seal
from notifier.adapters.evidence_spool import SealedSpool
from notifier.domain.claim import Claim, NoSuchVolumeError, left_at, of_debtor
from notifier.domain.feedback import Stage
from notifier.domain.message import Message, State
from notifier.handlers.evidence_exhibits import Binder
from notifier.handlers.proofs import proof_context
from notifier.handlers.take_response import file_context, note_context
from notifier.ports.evidence import KeptFile, KeptMessage, KeptPaper
from notifier.ports.proofs import ProofKind, ProofView
from notifier.ports.reading import MessageView
from notifier.ports.responses import ResponseView

DECIDED = datetime(2026, 3, 2, 8, tzinfo=UTC)
SENT = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
KEY = new_key()
MESSAGE_ID = UUID(int=1)
RESPONSE_ID = UUID(int=2)

LETTER = MessageView(
    message=Message(
        tenant="acme",
        message_id=MESSAGE_ID,
        notice_id=UUID(int=3),
        debtor_id="d1",
        channel="registered_letter",
        template="formal_notice",
        level="formal notice",
        level_no=3,
        invoice_ids=("i1",),
        effective_at=DECIDED,
        state=State.SENT,
        fence=1,
        attempts=1,
    ),
    seq=1,
    reason=None,
    planned_at=DECIDED,
    not_before=DECIDED,
    sent_at=SENT,
    settled_at=SENT,
    provider_ref=None,
    cost_minor=None,
    stage=Stage.ACCEPTED,
    sha256=None,
    media_type="application/pdf",
    size_bytes=3,
    template_version=None,
)
ANSWER = ResponseView(
    seq=1,
    tenant="acme",
    response_id=RESPONSE_ID,
    debtor_id="d1",
    kind="dispute",
    source="portal",
    state="received",
    invoice_ids=("i1",),
    notice_id=None,
    link_id=None,
    channel=None,
    facts={},
    note=None,
    effective_at=DECIDED,
    received_at=SENT,
    files=((1, "image/jpeg", 3),),
)


def paper(on: date) -> KeptPaper:
    return KeptPaper(
        view=ProofView(
            proof_id=UUID(int=4),
            message_id=MESSAGE_ID,
            kind=ProofKind.RECEIPT,
            happened_on=on,
            reference="RR123",
            file_name="scan.pdf",
            media_type="application/pdf",
            sha256="",
            size_bytes=4,
            given_by="jane",
            given_at=SENT + timedelta(days=30),
        ),
        content=seal(KEY, zlib.compress(b"scan"), context=proof_context(LETTER.message)),
    )


def binder(*, key: bytes | None = KEY, has_own_clock: bool = False) -> Binder:
    made = Binder(SealedSpool(), key=key, has_own_clock=has_own_clock)
    made.message(KeptMessage(view=LETTER, notice={}, content=None), (), ())
    return made


@pytest.mark.parametrize(
    ("on", "has_own_clock", "stands_at"),
    [
        (date(2026, 3, 7), False, datetime(2026, 3, 7, tzinfo=UTC)),
        (SENT.date(), False, SENT),
        (date(2026, 3, 7), True, DECIDED),
    ],
)
def test_a_paper_stands_at_its_own_day_and_never_before_its_letter(
    on: date, has_own_clock: bool, stands_at: datetime
) -> None:
    bound = binder(has_own_clock=has_own_clock)

    bound.paper(paper(on), LETTER)

    scan = bound.exhibits[-1]
    assert scan.happened_at == stands_at
    assert scan.day_only is (stands_at.time() == time.min)
    assert scan.content.read() == b"scan"
    assert scan.name == f"registered_letter-level-3-{MESSAGE_ID}.receipt.pdf"
    assert scan.says == f"proof of receipt of {on}, reference 'RR123', filed 2026-04-04"


@pytest.mark.parametrize(("has_own_clock", "stands_at"), [(False, SENT), (True, DECIDED)])
def test_an_answer_comes_with_its_words_and_its_files(
    has_own_clock: bool, stands_at: datetime
) -> None:
    bound = binder(has_own_clock=has_own_clock)
    words = seal(KEY, b'"damaged"', context=note_context(ANSWER, RESPONSE_ID))
    photo = seal(KEY, b"jpg", context=file_context(ANSWER, RESPONSE_ID, 1))

    bound.response(ResponseView(**{**vars_of(ANSWER), "note": words}))
    bound.file(KeptFile(response=ANSWER, file_no=1, media_type="image/jpeg", content=photo))

    said, shown = bound.exhibits[-2:]
    assert b'"note": "damaged"' in said.content.read()
    assert shown.content.read() == b"jpg"
    assert shown.name == f"dispute-{RESPONSE_ID}.1.jpg"
    assert {said.happened_at, shown.happened_at} == {stands_at}


def vars_of(view: ResponseView) -> dict[str, object]:
    return {name: getattr(view, name) for name in view.__dataclass_fields__}


def test_what_does_not_open_is_named_and_left_out() -> None:
    for key, why in ((None, "erased"), (new_key(), "does not open")):
        bound = binder(key=key)
        before = len(bound.exhibits)

        bound.paper(paper(date(2026, 3, 7)), LETTER)
        bound.file(KeptFile(response=ANSWER, file_no=1, media_type="image/jpeg", content=b"?"))

        assert len(bound.exhibits) == before
        assert len(bound.missing) == 2
        assert all(why in each for each in bound.missing)


def phase(day: int, name: str) -> tuple[datetime, str]:
    return DECIDED + timedelta(days=day), name


@pytest.mark.parametrize(
    ("phases", "sent_day", "settled_day", "day"),
    [
        ([phase(1, "sending"), phase(1, "sent")], 1, 1, 1),
        # A letter waits in the spool for days; it left with its batch.
        ([phase(0, "sending"), phase(0, "planned"), phase(4, "sent")], 4, 4, 4),
        # In doubt, and found out about after three days.
        ([phase(1, "sending"), phase(1, "unknown"), phase(4, "sent")], 4, 4, 1),
        # In doubt, proved not to have left, and sent again.
        (
            [phase(1, "sending"), phase(1, "unknown"), phase(2, "sending"), phase(2, "sent")],
            2,
            2,
            2,
        ),
        ([phase(1, "sending"), phase(1, "failed")], None, 1, 1),
        ([phase(3, "suppressed")], None, 3, 3),
        ([], None, None, 0),
    ],
)
def test_a_message_stands_where_it_left(
    phases: list[tuple[datetime, str]], sent_day: int | None, settled_day: int | None, day: int
) -> None:
    def at(days: int | None) -> datetime | None:
        return None if days is None else DECIDED + timedelta(days=days)

    found = left_at(phases, sent_at=at(sent_day), settled_at=at(settled_day), planned_at=DECIDED)

    assert found == at(day)


@given(
    invoices=st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, unique=True),
    invoices_max=st.integers(1, 5),
    about=st.lists(st.text("abcd", min_size=1, max_size=3), max_size=4),
)
def test_every_invoice_is_in_one_volume_and_everything_else_in_one_at_least(
    invoices: list[str], invoices_max: int, about: list[str]
) -> None:
    total = -(-len(invoices) // invoices_max)
    volumes = [
        of_debtor("acme", "d1", invoices, volume=number, invoices_max=invoices_max)
        for number in range(1, total + 1)
    ]

    assert [one for volume in volumes for one in volume.invoice_ids] == invoices
    holding = [volume for volume in volumes if volume.holds(about)]
    assert holding
    if set(about) & set(invoices):
        assert all(set(about) & set(volume.invoice_ids) for volume in holding)
    for outside in (0, total + 1):
        with pytest.raises(NoSuchVolumeError):
            of_debtor("acme", "d1", invoices, volume=outside, invoices_max=invoices_max)


def test_an_archive_about_an_invoice_holds_nothing_about_others() -> None:
    claim = Claim(tenant="acme", debtor_id="d1", volumes=(("i1",),))

    assert claim.holds(("i0", "i1"))
    assert claim.holds(())
    assert not claim.holds(("i0",))

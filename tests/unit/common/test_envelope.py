"""The envelope: whatever writes its bytes, they read and are written the same."""

from __future__ import annotations

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.dunning import NoticeRevokedV1
from dunning_common.events.envelope import Envelope, seal
from dunning_common.ids import new_id

WORDS = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    words=st.lists(WORDS, min_size=5, max_size=5),
    causation=st.none() | st.uuids(),
    traceparent=st.none() | WORDS,
    sequence=st.integers(min_value=1, max_value=2**63 - 1),
)
def test_a_sealed_event_is_the_envelope_to_the_byte(
    words: list[str], causation: UUID | None, traceparent: str | None, sequence: int
) -> None:
    source, subject, tenant, key, said = words
    payload = NoticeRevokedV1(notice_id=uuid4(), debtor_id=said, invoice_ids=(said,), reason="paid")

    raw = seal(
        payload, event_id=new_id(), source=source, subject=subject, tenant=tenant, key=key,
        sequence=sequence, causation=causation, traceparent=traceparent,
    )  # fmt: skip

    envelope = Envelope.from_bytes(raw)
    assert envelope.to_bytes() == raw
    assert envelope.data == payload.model_dump(mode="json")
    assert (envelope.source, envelope.subject, envelope.tenant) == (source, subject, tenant)
    assert (envelope.key, envelope.sequence) == (key, sequence)
    assert (envelope.causation, envelope.traceparent) == (causation, traceparent)

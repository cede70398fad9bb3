"""Decision records lie in the table as zlib streams, whoever packed them."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.adapters.sql_sweep import pack, unpack

RECORDS = st.binary() | st.text().map(lambda text: (text * 50).encode())


@given(RECORDS)
def test_a_packed_record_is_read_by_any_zlib(record: bytes) -> None:
    stored = pack(record)

    assert unpack(stored) == zlib.decompress(stored) == record


@given(RECORDS, st.integers(0, 9))
def test_records_that_zlib_packed_are_read(record: bytes, level: int) -> None:
    assert unpack(zlib.compress(record, level)) == record


def test_a_record_takes_less_room_packed() -> None:
    record = b'{"invoice_id":"i1","level":"first_reminder"}' * 40

    assert len(pack(record)) < len(record) / 5


@pytest.mark.parametrize("damage", [lambda stored: stored[:-1], lambda stored: stored[:-1] + b"\0"])
def test_a_damaged_record_is_no_record(damage) -> None:
    stored = pack(b'{"format":1}')

    with pytest.raises(zlib.error):
        unpack(damage(stored))

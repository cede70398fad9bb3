"""Bodies that are read directly are those that the models read, and say the same."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from invoice_ingest.entrypoints.bodies import (
    Body,
    DebtorKeysBody,
    OriginalsBody,
    PermitReturnBody,
    PermitsBody,
)
from invoice_ingest.entrypoints.direct import READERS
from invoice_ingest.entrypoints.fields import MAX_COUNT

PERMIT = {
    "permit_id": "0198c1f2-7a3e-5d6c-9a53-3f4d3a0d5b11",
    "tenant": "acme",
    "invoices": [{"invoice_id": "FA-2026-0001", "version": 3}, {"invoice_id": "x_1", "version": 1}],
}
GOOD: list[tuple[type[Body], dict[str, Any]]] = [
    (PermitsBody, {"lease_s": 60.0, "requests": [PERMIT, PERMIT | {"permit_id": "p2"}]}),
    (PermitsBody, {"lease_s": 5, "requests": []}),
    (PermitReturnBody, {"permit_ids": [PERMIT["permit_id"], "p2"]}),
    (DebtorKeysBody, {"debtors": [{"tenant": "acme", "debtor_id": "D00001"}]}),
    (
        OriginalsBody,
        {"invoices": [{"tenant": "acme", "invoice_id": "F0000001"}], "bytes_max": 1024},
    ),
]

ids = st.one_of(
    st.sampled_from(["acme", "D-1", "F0000001", "a:b.c_d"]),
    st.sampled_from(["", ".", "..", " a", "a ", "a/b", "é", "a\n", "a\x00", "a" * 100, "a" * 101]),
    st.text(max_size=5),
)
numbers = st.one_of(
    st.integers(-1, 3),
    st.sampled_from([MAX_COUNT, MAX_COUNT + 1, 600, 601, 64 * 1024 * 1024 + 1, 10**30]),
    st.floats(allow_nan=False, allow_infinity=False),
)
strange: st.SearchStrategy[Any] = st.one_of(st.none(), st.booleans(), st.just("1"), st.just([]))
whole = numbers | strange


def record(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with these fields, now and then without one or with one too many."""
    return st.one_of(
        st.fixed_dictionaries(fields),
        st.fixed_dictionaries({}, optional=fields | {"more": st.just(1)}),
    )


BODIES: dict[type[Body], st.SearchStrategy[dict[str, Any]]] = {
    PermitsBody: record(
        lease_s=whole,
        requests=st.lists(
            record(
                permit_id=ids,
                tenant=ids,
                invoices=st.lists(record(invoice_id=ids, version=whole), max_size=2),
            ),
            max_size=2,
        ),
    ),
    PermitReturnBody: record(permit_ids=st.lists(ids | strange, max_size=3)),
    DebtorKeysBody: record(debtors=st.lists(record(tenant=ids, debtor_id=ids), max_size=3)),
    OriginalsBody: record(
        invoices=st.lists(record(tenant=ids, invoice_id=ids), max_size=3), bytes_max=whole
    ),
}


@pytest.mark.parametrize(("model", "document"), GOOD)
def test_what_services_usually_ask_is_read_directly(
    model: type[Body], document: dict[str, Any]
) -> None:
    read = READERS[model].decode(orjson.dumps(document))

    assert msgspec.to_builtins(read) == model.model_validate(document).model_dump()


@pytest.mark.parametrize("model", BODIES)
@given(data=st.data())
def test_what_is_read_directly_is_what_the_model_reads(
    model: type[Body], data: st.DataObject
) -> None:
    document = data.draw(BODIES[model])
    try:
        raw = msgspec.json.encode(document)
    except UnicodeEncodeError:  # half a surrogate pair: no JSON
        return
    try:
        read = READERS[model].decode(raw)
    except ValueError:
        return

    assert msgspec.to_builtins(read) == model.model_validate(document).model_dump()


@pytest.mark.parametrize(("model", "document"), GOOD)
def test_a_field_too_many_goes_the_usual_way_and_is_refused_there(
    model: type[Body], document: dict[str, Any]
) -> None:
    more = document | {"more": 1}

    with pytest.raises(msgspec.ValidationError):
        READERS[model].decode(orjson.dumps(more))
    with pytest.raises(ValidationError):
        model.model_validate(more)


@pytest.mark.parametrize("strange_id", ["ü-1", "a b", "(1)", "#7"])
def test_an_id_out_of_the_ordinary_goes_the_usual_way_and_is_taken_there(strange_id: str) -> None:
    document = {"permit_ids": [strange_id]}

    with pytest.raises(msgspec.ValidationError):
        READERS[PermitReturnBody].decode(orjson.dumps(document))
    assert PermitReturnBody.model_validate(document).permit_ids == (strange_id,)

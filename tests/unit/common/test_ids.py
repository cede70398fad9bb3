"""Identifiers: unique and ordered where they are made, equal where the same input must agree."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.ids import account_key, name_id, new_id, short_hash

parts = st.lists(st.text(max_size=8), min_size=1, max_size=4)


def test_new_ids_are_version_7_and_sorted_by_age() -> None:
    made = [new_id() for _ in range(1_000)]

    assert len(set(made)) == len(made)
    assert made == sorted(made)
    assert {identifier.version for identifier in made} == {7}


@given(parts)
def test_the_same_parts_always_give_the_same_id(names: list[str]) -> None:
    assert name_id(*names) == name_id(*names)
    assert short_hash(*names) == short_hash(*names)


def test_a_name_based_id_is_the_same_on_every_machine_for_ever() -> None:
    assert str(name_id("acme", "debtor-1")) == "fa9d24d0-a77c-5b07-8734-7decfbf91f11"
    assert short_hash("acme", "debtor-1") == "ac8896391e371ec2"


@given(parts)
def test_a_name_based_id_is_a_uuid_of_version_5(names: list[str]) -> None:
    namespace = uuid.UUID("6f2c7c0e-6f0a-5d6c-9a53-3f4d3a0d5b11")

    assert name_id(*names) == uuid.uuid5(namespace, "\x1f".join(names))


@given(parts, parts)
def test_other_parts_give_another_id(first: list[str], second: list[str]) -> None:
    if "\x1f".join(first) != "\x1f".join(second):
        assert name_id(*first) != name_id(*second)


def test_where_a_part_ends_matters() -> None:
    assert name_id("a", "bc") != name_id("ab", "c")


def test_an_account_is_keyed_by_tenant_and_debtor() -> None:
    assert account_key("acme", "d:1") == "acme:d:1"

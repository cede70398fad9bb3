"""Values as canonical JSON bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg.pgproto.pgproto
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.canonical import canonical_json
from dunning_common.values import Value, fields_of, replace

whole = st.integers(min_value=-(2**63), max_value=2**63 - 1)
plain = st.recursive(
    st.none() | st.booleans() | whole | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Part(Value, frozen=True, kw_only=True):
    name: str
    nick: str | None = None
    count: int = 0


class Every(Value, frozen=True, kw_only=True):
    word: str
    flag: bool
    pairs: tuple[tuple[str, int | None], ...]
    maybe: int | None
    kind: Literal["a", "b"]
    days: tuple[date, ...]
    what: str | int | bool | None
    names: frozenset[str]
    rate: Decimal
    who: UUID
    by_name: dict[str, object]
    parts: tuple[Part, ...] = ()


EVERY = Every(
    word='"\u20ac\n', flag=True, pairs=(("a", 1), ("b", None)), maybe=None, kind="b",
    days=(date(2026, 4, 2),), what=True, names=frozenset({"y", "x"}), rate=Decimal("2.40"),
    who=UUID(int=7), by_name={"b": 1, "a": ()}, parts=(Part(name="x", count=2),),
)  # fmt: skip


@given(plain)
def test_plain_data_are_written_as_json_writes_them_sorted_and_without_spaces(data: Any) -> None:
    expected = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert canonical_json(data) == expected.encode()


def test_every_kind_of_field_is_written() -> None:
    assert json.loads(canonical_json(EVERY)) == {
        "word": '"\u20ac\n', "flag": True, "pairs": [["a", 1], ["b", None]], "maybe": None,
        "kind": "b", "days": ["2026-04-02"], "what": True, "names": ["x", "y"], "rate": "2.40",
        "who": "00000000-0000-0000-0000-000000000007", "by_name": {"a": [], "b": 1},
        "parts": [{"name": "x", "count": 2}],
    }  # fmt: skip


def test_an_id_is_written_alike_wherever_it_was_read() -> None:
    here = UUID("9bdfa3eb-5557-54b1-960d-0edd78c04931")
    from_the_database = asyncpg.pgproto.pgproto.UUID(str(here))

    assert canonical_json([from_the_database]) == canonical_json([here])


def test_the_fields_come_in_the_order_of_their_names() -> None:
    assert list(json.loads(canonical_json(EVERY))) == sorted(name for name, _ in fields_of(Every))


@given(st.text(), st.none() | st.text(), st.integers(0, 9))
def test_equal_values_give_equal_bytes(name: str, nick: str | None, count: int) -> None:
    made = Part(name=name, nick=nick, count=count)

    assert canonical_json(made) == canonical_json(replace(Part(name=""), **vars_of(made)))


def vars_of(part: Part) -> dict[str, object]:
    """The fields, as texts and numbers that are equal and not the same objects."""
    return {
        "name": "".join(list(part.name)),
        "nick": part.nick and "".join(list(part.nick)),
        "count": int(str(part.count)),
    }


def test_a_field_at_its_default_is_left_out() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Old:
        name: str

    assert canonical_json(Old(name="x")) == canonical_json(Part(name="x", nick=None, count=0))


def test_equal_instants_of_two_zones_keep_their_own_text() -> None:
    in_utc = datetime(2026, 4, 2, 7, tzinfo=UTC)
    there = in_utc.astimezone(ZoneInfo("Europe/Paris"))

    assert there == in_utc
    assert canonical_json([in_utc, there]) == (
        b'["2026-04-02T07:00:00+00:00","2026-04-02T09:00:00+02:00"]'
    )


@pytest.mark.parametrize("value", [{1: "a"}, {"a": b"bytes"}, 2**64, {"what": object()}])
def test_what_json_cannot_hold_exactly_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_a_field_for_floats_is_refused_whatever_it_holds() -> None:
    class Rough(Value, frozen=True):
        share: float | None

    with pytest.raises(TypeError, match=r"Rough\.share may be a float"):
        canonical_json(Rough(None))

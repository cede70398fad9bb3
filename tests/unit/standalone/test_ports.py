"""Ports: the usual ones, those of last time, or the next that are free."""

from __future__ import annotations

import socket
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from standalone import ports
from standalone.embedded import child


def test_on_a_quiet_machine_the_usual_ports_are_taken() -> None:
    assert ports.choose({}, is_free=lambda _: True) == ports.USUAL


def test_a_taken_port_gives_way_to_the_next_free_one() -> None:
    chosen = ports.choose({}, is_free=lambda port: port not in (8040, 8041))

    assert chosen["kpi"] == 8042
    assert chosen["ingest"] == 8010


def test_the_ports_of_last_time_are_kept_so_that_bookmarks_stay_valid() -> None:
    assert ports.choose({"kpi": 9001}, is_free=lambda _: True)["kpi"] == 9001


def test_a_remembered_port_that_somebody_else_has_now_is_given_up() -> None:
    assert ports.choose({"kpi": 9001}, is_free=lambda port: port != 9001)["kpi"] == 8040


def test_two_launchers_never_claim_the_same_port(tmp_path: Path) -> None:
    one, other = ports.Claims(tmp_path), ports.Claims(tmp_path)
    port = child.free_port()

    assert one.take(port)
    assert not other.take(port)
    one.release()
    assert other.take(port)
    other.release()


def test_a_port_that_somebody_listens_on_cannot_be_claimed(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        assert not ports.Claims(tmp_path).take(taken.getsockname()[1])


remembered = st.dictionaries(
    st.sampled_from(sorted(ports.USUAL)), st.one_of(st.integers(-5, 70_000), st.text(), st.none())
)


@given(remembered, st.sets(st.integers(8000, 8100)))
def test_whatever_is_remembered_or_taken_all_ports_are_free_and_different(
    before: dict[str, object], taken: set[int]
) -> None:
    chosen = ports.choose(before, is_free=lambda port: port not in taken)

    assert set(chosen) == set(ports.USUAL)
    assert len(set(chosen.values())) == len(chosen)
    assert not set(chosen.values()) & taken

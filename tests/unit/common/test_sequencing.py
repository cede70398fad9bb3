"""Which of the received events come next: whatever a broker does, each stream is applied 1..n."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dunning_common.sequencing import Stream, plan

A = Stream("receivables.v1", "acme:a")
B = Stream("receivables.v1", "acme:b")


@dataclass(frozen=True)
class Event:
    stream: Stream
    sequence: int


def events(stream: Stream, *sequences: int) -> list[Event]:
    return [Event(stream, sequence) for sequence in sequences]


def test_what_comes_next_is_applied_in_order() -> None:
    planned = plan(events(A, 4, 5), positions={A: 3})

    assert planned.apply == tuple(events(A, 4, 5))
    assert planned.positions == {A: 5}
    assert not planned.gaps


def test_a_new_stream_begins_at_one() -> None:
    planned = plan(events(A, 1), positions={})

    assert planned.positions == {A: 1}


def test_what_was_received_before_is_dropped() -> None:
    planned = plan(events(A, 1, 2, 2, 3, 3), positions={A: 2})

    assert planned.apply == tuple(events(A, 3))
    assert planned.duplicates == 4


def test_a_jump_is_a_gap_and_nothing_behind_it_is_applied() -> None:
    planned = plan(events(A, 3, 5, 6), positions={A: 2})

    assert planned.apply == tuple(events(A, 3))
    assert planned.gaps == {A: 3}
    assert planned.positions == {A: 3}


def test_a_gap_in_one_stream_does_not_hold_another() -> None:
    planned = plan(events(A, 2) + events(B, 1), positions={})

    assert planned.apply == tuple(events(B, 1))
    assert planned.gaps == {A: 0}
    assert planned.positions == {B: 1}


def test_disorder_inside_a_batch_is_put_right() -> None:
    planned = plan(events(A, 3, 1, 2), positions={})

    assert planned.apply == tuple(events(A, 1, 2, 3))


def test_streams_keep_the_order_in_which_they_arrived() -> None:
    planned = plan([Event(B, 1), Event(A, 1), Event(B, 2)], positions={})

    assert planned.apply == (Event(B, 1), Event(A, 1), Event(B, 2))


def test_events_of_a_parked_stream_wait_and_count_as_received() -> None:
    planned = plan(events(A, 3, 4) + events(B, 1), positions={A: 2}, parked={A})

    assert planned.park == tuple(events(A, 3, 4))
    assert planned.apply == tuple(events(B, 1))
    assert planned.positions == {A: 4, B: 1}


streams = st.sampled_from([Stream(topic, key) for topic in ("x", "y") for key in ("a", "b", "c")])
received = st.lists(st.builds(Event, streams, st.integers(1, 12)), max_size=60)
known = st.dictionaries(streams, st.integers(0, 8))


@given(received, known, st.frozensets(streams))
def test_every_event_is_applied_parked_dropped_or_behind_a_gap(
    batch: list[Event], positions: dict[Stream, int], parked: frozenset[Stream]
) -> None:
    planned = plan(batch, positions=positions, parked=parked)

    taken = planned.apply + planned.park
    behind_gap = {
        event
        for event in batch
        if event.stream in planned.gaps and event.sequence > planned.gaps[event.stream]
    }
    assert len(taken) == len(set(taken))
    assert len(batch) == len(taken) + len(behind_gap) + planned.duplicates
    assert all(event.stream in parked for event in planned.park)
    assert not any(event.stream in parked for event in planned.apply)


@given(received, known)
def test_positions_move_exactly_over_what_was_taken(
    batch: list[Event], positions: dict[Stream, int]
) -> None:
    planned = plan(batch, positions=positions)

    moved = dict(positions)
    for event in planned.apply:
        assert event.sequence == moved.get(event.stream, 0) + 1
        moved[event.stream] = event.sequence
    assert planned.positions == {
        stream: moved[stream] for stream in {event.stream for event in planned.apply}
    }


@given(received, known)
def test_a_gap_is_reported_where_something_is_ahead(
    batch: list[Event], positions: dict[Stream, int]
) -> None:
    planned = plan(batch, positions=positions)

    for stream in {event.stream for event in batch}:
        position = planned.positions.get(stream, positions.get(stream, 0))
        ahead = any(e.stream == stream and e.sequence > position for e in batch)
        assert (planned.gaps.get(stream) == position) if ahead else (stream not in planned.gaps)


class Flow(RuleBasedStateMachine):
    """A producer, a broker that shuffles, repeats, loses and forgets, and a feed that has it all."""

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[Stream, int] = {}
        self.broker: list[Event] = []
        self.positions: dict[Stream, int] = {}
        self.applied: dict[Stream, list[int]] = {}
        self.lot: dict[Stream, list[int]] = {}
        self.random = random.Random(0)

    @initialize(seed=st.integers(0, 2**32))
    def seed(self, seed: int) -> None:
        self.random = random.Random(seed)

    @rule(stream=streams, count=st.integers(1, 5), lost=st.booleans())
    def write(self, stream: Stream, count: int, lost: bool) -> None:
        start = self.written.get(stream, 0)
        self.written[stream] = start + count
        if not lost:
            self.broker += events(stream, *range(start + 1, start + count + 1))

    @rule()
    def shuffle(self) -> None:
        self.random.shuffle(self.broker)

    @rule()
    def publish_again(self) -> None:
        self.broker += self.broker[: self.random.randint(0, len(self.broker))]

    @rule()
    def lose_everything(self) -> None:
        self.broker.clear()

    @rule(count=st.integers(1, 20), crash=st.booleans())
    def consume(self, count: int, crash: bool) -> None:
        self.take(self.broker[:count])
        if not crash:  # a crash before the offset commit brings the same batch again
            del self.broker[:count]

    @rule(stream=streams)
    def poison(self, stream: Stream) -> None:
        """The next event of the stream cannot be applied; it and what follows is parked."""
        upcoming = self.positions.get(stream, 0) + 1
        if upcoming <= self.written.get(stream, 0):
            self.lot.setdefault(stream, []).append(upcoming)
            self.positions[stream] = upcoming

    @precondition(lambda self: self.lot)
    @rule()
    def retry_parked(self) -> None:
        for stream, waiting in self.lot.items():
            self.applied.setdefault(stream, []).extend(waiting)
        self.lot.clear()

    @rule()
    def anti_entropy(self) -> None:
        for stream, head in self.written.items():
            self.take(events(stream, *range(self.positions.get(stream, 0) + 1, head + 1)))
        assert self.positions == self.written

    def take(self, batch: list[Event]) -> None:
        planned = plan(batch, positions=self.positions, parked=self.lot.keys())
        for event in planned.apply:
            self.applied.setdefault(event.stream, []).append(event.sequence)
        for event in planned.park:
            self.lot[event.stream].append(event.sequence)
        self.positions |= planned.positions
        for stream, position in planned.gaps.items():
            assert position < self.written[stream]

    @invariant()
    def each_stream_was_applied_from_one_without_a_hole(self) -> None:
        for stream, sequences in self.applied.items():
            waiting = self.lot.get(stream, [])
            assert sequences + waiting == list(range(1, len(sequences + waiting) + 1))

    def teardown(self) -> None:
        self.retry_parked()
        self.anti_entropy()
        for stream, head in self.written.items():
            assert self.applied[stream] == list(range(1, head + 1))


TestFlow = Flow.TestCase
TestFlow.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)

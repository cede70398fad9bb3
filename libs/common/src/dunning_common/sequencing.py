"""Which of the received events come next: the pure core of the consumer.

Knows streams, positions and sequences, nothing else: no database, no broker, no payloads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar


class Stream(NamedTuple):
    """The events of one key in one topic; sequences count 1, 2, 3… in it."""

    topic: str
    key: str


class Sequenced(Protocol):
    """Anything that has a place in a stream."""

    @property
    def stream(self) -> Stream:
        """Which stream."""
        ...

    @property
    def sequence(self) -> int:
        """Which place in it, from 1."""
        ...


E = TypeVar("E", bound=Sequenced)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[E]):
    """What to do with a batch.

    `apply` and `park` hold what comes next, in order per stream; the streams keep the order in
    which they arrived. `positions` are those of the streams that move, after apply and park. `gaps`
    names the streams of which something is missing, with the last position before the hole.
    """

    apply: tuple[E, ...]
    park: tuple[E, ...]
    duplicates: int
    gaps: Mapping[Stream, int]
    positions: Mapping[Stream, int]


def plan(
    events: Sequence[E],
    *,
    positions: Mapping[Stream, int],
    parked: AbstractSet[Stream] = frozenset(),
) -> Plan[E]:
    """Sort a batch into what to apply, to park and to drop, and what is missing.

    Args:
        events: as received: shuffled, repeated or with holes.
        positions: last sequence received per stream; a stream that is absent is at 0.
        parked: streams with parked events: later events must wait behind them.
    """
    arrived: defaultdict[Stream, dict[int, E]] = defaultdict(dict)
    for event in events:
        arrived[event.stream].setdefault(event.sequence, event)
    runs: dict[Stream, list[E]] = {}
    gaps: dict[Stream, int] = {}
    after: dict[Stream, int] = {}
    duplicates = len(events)
    for stream, by_sequence in arrived.items():
        position = positions.get(stream, 0)
        runs[stream] = run = []
        while (following := by_sequence.get(position + 1)) is not None:
            run.append(following)
            position += 1
        if run:
            after[stream] = position
        ahead = sum(sequence > position for sequence in by_sequence)
        if ahead:
            gaps[stream] = position
        duplicates -= len(run) + ahead
    ordered = _in_order_of_arrival(events, runs)
    return Plan(
        apply=tuple(event for event in ordered if event.stream not in parked),
        park=tuple(event for event in ordered if event.stream in parked),
        duplicates=duplicates,
        gaps=gaps,
        positions=after,
    )


def _in_order_of_arrival(events: Collection[E], runs: Mapping[Stream, list[E]]) -> list[E]:
    """The runs laid out so that each stream appears where it arrived, itself in order."""
    upcoming = {stream: iter(run) for stream, run in runs.items()}
    ordered = []
    for event in events:
        following = next(upcoming[event.stream], None)
        if following is not None:
            ordered.append(following)
    return ordered

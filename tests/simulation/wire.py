"""Topics between the services: every event is kept by its producer; carrying it may go wrong.

Events come late, twice, in another order, or not at all; a consumer takes each once and in order,
by asking the producer for what is missing, as `dunning_common.consumer` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from dunning_common.events.envelope import Payload
from tests.simulation.nature import DAY_S, Nature

Apply = Callable[[Sequence[Payload]], None]


class Consumer:
    """One reader of one topic, with its positions beside its state."""

    def __init__(self, nature: Nature, topic: Topic, apply: Apply) -> None:
        self._nature = nature
        self._topic = topic
        self._apply = apply
        self._taken: defaultdict[str, int] = defaultdict(int)

    def carry(self, key: str, number: int) -> None:
        """An event is under way: once, twice, or lost."""
        chance = self._nature.chance
        copies = 0 if self._nature.happens(0.04) else 2 if self._nature.happens(0.1) else 1
        for _ in range(copies):
            late = chance.expovariate(1 / 3600) if self._nature.happens(0.05) else chance.random()
            self._nature.loop.soon(late, lambda: self._arrived(key, number))

    def _arrived(self, key: str, number: int) -> None:
        if number <= self._taken[key]:
            return  # known: nothing happens twice
        if self._nature.happens(0.03):  # killed in the middle of the transaction: not taken
            self._nature.loop.soon(30, lambda: self._arrived(key, number))
            return
        if number > self._taken[key] + 1 and self._nature.happens(0.5):
            return  # a gap: the next comparison with the producer closes it
        self.catch_up(key)

    def catch_up(self, key: str) -> None:
        """Take everything that the producer has, in order, in one transaction."""
        missing = self._topic.log[key][self._taken[key] :]
        self._taken[key] += len(missing)
        if missing:
            self._apply(missing)


class Topic:
    """A producer's outbox and all who read it."""

    def __init__(self, nature: Nature) -> None:
        self._nature = nature
        self.log: defaultdict[str, list[Payload]] = defaultdict(list)
        self.readers: list[Consumer] = []
        self._compare()

    def _compare(self) -> None:
        """Now and then every reader asks whether it has everything."""
        for key in list(self.log):
            for reader in self.readers:
                reader.catch_up(key)
        self._nature.loop.soon(DAY_S, self._compare)

    def read_by(self, apply: Apply) -> Consumer:
        """A new reader from the first event on."""
        reader = Consumer(self._nature, self, apply)
        self.readers.append(reader)
        return reader

    def publish(self, key: str, payload: Payload) -> None:
        """Part of the producer's transaction."""
        self.log[key].append(payload)
        for reader in self.readers:
            reader.carry(key, len(self.log[key]))

"""Fakes for tests: a ledger that writes events, a postman that answers, and the engine on a bench.

Ships with the engine so that its tests and those of the whole system speak the same language.
"""

from dunning_engine.testing.bench import Bench, Running, always_open, quiet_settings
from dunning_engine.testing.ledger import FakeFeed, Ledger
from dunning_engine.testing.postman import Outcome, Postman, answer

__all__ = [
    "Bench",
    "FakeFeed",
    "Ledger",
    "Outcome",
    "Postman",
    "Running",
    "always_open",
    "answer",
    "quiet_settings",
]

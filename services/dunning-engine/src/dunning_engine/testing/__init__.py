"""Fakes for tests: a ledger, a postman and a debtor that answer, and the engine on a bench.

Ships with the engine so that its tests and those of the whole system speak the same language.
"""

from dunning_engine.testing.bench import Bench, Running, always_open, quiet_settings
from dunning_engine.testing.debtor import answered
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
    "answered",
    "quiet_settings",
]

"""Stand-ins for tests: a story told in events, and a store of facts in memory."""

from kpi.testing.store import MemoryFactStore
from kpi.testing.story import Story, set_k

__all__ = ["MemoryFactStore", "Story", "set_k"]

"""The ledger's use cases: gather facts, ask the core, persist, emit; in that order."""

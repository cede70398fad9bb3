"""Use cases: what the engine does, in four visible steps: gather facts, decide, persist, emit."""

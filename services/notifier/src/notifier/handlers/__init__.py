"""The use cases: gather facts, ask the domain, persist, tell."""

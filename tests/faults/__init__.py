"""Fault injection on the real services: processes that are killed and paused, providers that lie low.

Begin with `experiment.py`; `docs/reliability.md` says what is promised and what was found.
"""

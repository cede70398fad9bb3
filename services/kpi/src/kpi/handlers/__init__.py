"""Use cases: fold events into aggregates, rebuild them, report figures."""

"""Simulations on this machine: past invoices from a file, played without a running system."""

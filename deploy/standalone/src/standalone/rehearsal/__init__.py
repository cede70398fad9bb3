"""Plays a historic invoice file through a sandbox tenant of the running system, and reports."""

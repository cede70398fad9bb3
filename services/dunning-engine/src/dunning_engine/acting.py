"""Who is acting in the present request: set where a call comes in, read where rows are kept.

Only for the audit; nobody's rights depend on it.
"""

from __future__ import annotations

from contextvars import ContextVar

SUBJECT: ContextVar[str] = ContextVar("subject", default="")
"""The subject of the caller's token; empty when nobody called."""

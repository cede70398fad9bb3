"""Pages of lists in the order of `seq`: the cursor that goes out is the one that comes back."""

from __future__ import annotations

import base64
import binascii

from dunning_common.problems import FieldError, ProblemError

_SEQ_DIGITS_MAX = 18


def cursor_of(seq: int) -> str:
    """The cursor behind the entry with this `seq`."""
    return base64.urlsafe_b64encode(str(seq).encode()).decode()


def after(cursor: str | None) -> int:
    """The `seq` that the page begins behind; 0 without a cursor.

    Raises:
        ProblemError: 422, the cursor is not one of ours.
    """
    if not cursor:
        return 0
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
        seq = int(text) if text.isdigit() and len(text) <= _SEQ_DIGITS_MAX else -1
    except (binascii.Error, ValueError):
        seq = -1
    if seq < 0:
        raise ProblemError(
            422,
            "invalid-request",
            "The cursor is not one of ours.",
            errors=[FieldError(pointer="/cursor", detail="send next_cursor of the page before")],
        )
    return seq

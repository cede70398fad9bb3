"""Batches of letters: which letter may leave, and what a person can do about a batch that does not.

Pure: facts in, verdicts and words out.
"""

from __future__ import annotations

from collections.abc import Collection

from notifier.domain.message import Message, Settlement, suppress
from notifier.domain.revocation import revoke
from notifier.domain.suppression import Cause, verdict


def withheld(
    message: Message, *, revoked: Collection[str], causes: Collection[Cause], erased: bool = False
) -> Settlement | None:
    """Why a letter in the spool does not leave, if so.

    Args:
        message: the letter.
        revoked: invoices of its notice that must not be reminded any more.
        causes: why its address must not be written to, where it must not.
        erased: whether its debtor was erased since it was written.
    """
    if erased:
        return suppress("erased")
    taken_back = revoke(message.invoice_ids, revoked)
    if taken_back is not None:
        return taken_back
    return verdict(causes) if causes else None


MAY_BE_POSTED = "may_be_posted: it was put into the spool, or just about to be, and is not there"
NOT_THERE = "not in the spool as written"
NO_PERMITS = "ledger: no answer; nothing leaves without its permits"
TOO_LATE = "the permits ended before the batch could leave"
IN_DOUBT = "it broke off while it was handed over; it is looked for"

_SERVER = (
    "the printer's server cannot be used: check NOTIFIER_SFTP_HOST, …_USERNAME, …_PASSWORD or "
    "…_KEY_FILE, …_HOST_KEY and …_FOLDER, and the room over there. It is tried again by itself."
)
_LOST = (
    "somebody took or changed these files: their messages are unknown. Find out whether they were "
    "posted and say so with POST /v1/messages/{id}/resolve. Nobody may take files from the spool "
    "while batches are made."
)
_RIGHTS = (
    "let the notifier write to NOTIFIER_BATCH_FOLDER and read NOTIFIER_SPOOL_FOLDER. It is tried "
    "again by itself."
)
_REMEDIES = (
    (
        NOT_THERE,
        _LOST,
    ),
    (NO_PERMITS, "start invoice-ingest. It is tried again by itself."),
    (TOO_LATE, "lower NOTIFIER_BATCH_LETTERS_MAX, should it happen again. It is tried by itself."),
    ("No space left", "make room on the disk of NOTIFIER_BATCH_FOLDER. It is tried by itself."),
    ("HandOverError: sftp", _SERVER),
    ("InDoubtError", _SERVER),
    (
        "Error: ",
        _RIGHTS,
    ),
)


def remedy(*, state: str, error: str | None) -> str | None:
    """What a person can do about a batch; None: nothing is amiss."""
    if state == "unknown":
        return (
            "ask the printer whether the batch is there, by its reference, and say so with "
            "POST /v1/letter-batches/{id}/resolve. It is not handed over again."
        )
    if not error:
        return None
    return next((what for sign, what in _REMEDIES if sign in error), None)

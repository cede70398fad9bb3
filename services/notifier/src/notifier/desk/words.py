"""What the pages say of a message's state and reason, and what a person can do about it.

Every state and every reason that the notifier writes has a remedy here, or falls to its state's.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.domain.feedback import Stage
from notifier.domain.issues import IssueKind
from notifier.domain.message import State

STATES = {
    State.PLANNED: "It waits to be sent: nothing has to be done.",
    State.SENDING: "It may be on the wire right now: look again in a few seconds.",
    State.SENT: (
        "It was handed over. What is known of its arrival is told by the provider, or by proofs."
    ),
    State.FAILED: (
        "It was not sent, for certain, and is not tried again here. The engine tries the level "
        "again on a later day or by the fallback channel, and lists the debtor as undeliverable "
        "on the work list when that is no use."
    ),
    State.UNKNOWN: (
        "It may have left: the answer was lost. It is never sent again by itself. Look for it in "
        "the provider's log or in the mailbox of the addressee, then say what became of it."
    ),
    State.SUPPRESSED: "It was not sent, on purpose.",
    State.RETURNED: (
        "It was given back: an invoice was paid, held or changed just before sending. The engine "
        "decides again from present facts; nothing has to be done."
    ),
}
"""What a state means, and the remedy where no reason says more."""

_REASONS = (
    ("resolved_by_person", "A person said so; nothing more has to be done."),
    (
        "contacts_unreadable",
        (
            "The debtor's contacts cannot be opened with its key. Send the contacts again from the "
            "ERP; the engine tries the level again."
        ),
    ),
    ("contacts:", "The debtor's contacts cannot be read. Send them again from the ERP."),
    (
        "content:",
        (
            "The text cannot be written for this debtor. Open it under Texts, look at it with this "
            "notice as data, correct it and put the new version to use."
        ),
    ),
    (
        "recipient_refused",
        "The server of the addressee refuses the address. Correct it in the ERP.",
    ),
    ("unusable_address", "The address cannot be used as it is. Correct it in the ERP."),
    (
        "not_connected",
        (
            "The provider could not be reached for hours. Look at its status and at the notifier's "
            "settings (dunning doctor); the engine tries the level again."
        ),
    ),
    (
        "sms_",
        (
            "A limit on texts stood in the way for too long: raise the limit in the notifier's "
            "settings, or let the fallback channel do it."
        ),
    ),
    (
        "spool:",
        (
            "The folder for letters could not be written to: make room, or give the service the "
            "right to write there."
        ),
    ),
    (
        "another text of this letter",
        (
            "A letter of this message with another text lies in the spool. Look which of the two "
            "was posted, then say what became of it."
        ),
    ),
    ("call: wrong_number", "Somebody else has the number. Correct it in the ERP."),
    ("call:", "Nobody was reached by telephone; the engine goes on by its policy."),
    ("in_spool", "It waits in the spool for its batch: see Post."),
    ("on_call_list", "It waits for a call: see Calls."),
    ("quiet_hours", "It waits for the morning of the addressee."),
    ("lease_expired", STATES[State.UNKNOWN]),
    ("revoked", "It was called off, usually because the money came; nothing has to be done."),
    ("erased", "The debtor was erased; nothing can be sent any more."),
    ("no_address", "The debtor has no address of this channel. Add one in the ERP."),
    ("unknown_tenant", "The tenant is not known here yet: send it again from the ERP."),
    (
        "channel_not_configured",
        (
            "This channel is not set up. Give the notifier an account for it, or take the channel "
            "out of the policy."
        ),
    ),
    (
        "address_bounced",
        (
            "The address bounced before. Correct it in the ERP; if it works again, lift it under "
            "Suppressed."
        ),
    ),
    (
        "opted_out",
        (
            "The addressee wants nothing by this channel. Another channel goes by the policy's "
            "fallback; if consent was given again, lift it under Suppressed."
        ),
    ),
    ("permit_refused", STATES[State.RETURNED]),
)


BOUNCED = (
    "It was handed over and came back. The level does not count as served; a dead address is "
    "under Suppressed. Correct it in the ERP."
)
"""The remedy for a message that was sent and did not arrive."""


def remedy_of(state: State, reason: str | None, stage: Stage = Stage.NONE) -> str:
    """What a person can do about a message in this state, for this reason."""
    if state is State.SENT and stage is Stage.BOUNCED:
        return BOUNCED
    found = (words for sign, words in _REASONS if reason and reason.startswith(sign))
    return next(found, STATES[state])


ISSUES = {
    IssueKind.UNREADABLE: (
        "The provider signed this, and it is not in a form that is known here. Look it up in the "
        "provider's log by its time; if it concerns an unknown message, say there what became of "
        "it. Then close this."
    ),
    IssueKind.STRANGER_EVENT: (
        "The provider reports on a message that was not sent from here: usually another system "
        "uses the same account. Give that system an account or a webhook of its own, then close "
        "this."
    ),
    IssueKind.UNMATCHED_BOUNCE: (
        "A mail server returned a message that names none of ours. If the address belongs to a "
        "debtor, suppress it or correct it in the ERP, then close this."
    ),
    IssueKind.UNMATCHED_REPLY: (
        "Somebody wrote from an address that was never written to. Read it and give it to its "
        "debtor, or close this. Its words are deleted 30 days after they came."
    ),
    IssueKind.HELP_ASKED: (
        "The debtor asked for help with one word. Call or write back; nothing was answered by "
        "itself. Then close this."
    ),
}
"""What to do about each kind of what came in, on these pages."""


def plain(code: str) -> str:
    """A code as words: `letter_before_action` as `letter before action`."""
    return code.replace("_", " ")


def moment(at: datetime | None) -> str:
    """An instant as people read it, in UTC: these pages are read in many zones."""
    return "" if at is None else at.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%d %H:%M UTC")


def size(bytes_: int | None) -> str:
    """A file's size in words."""
    if bytes_ is None:
        return ""
    return f"{bytes_} bytes" if bytes_ < 1024 else f"{bytes_ / 1024:.0f} kB"

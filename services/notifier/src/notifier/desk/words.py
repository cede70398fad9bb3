"""What the pages say of a message's state and reason, and what a person can do about it.

Every state and every reason that the notifier writes has a remedy here, or falls to its state's.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.domain.bounces import BounceClass, of_status
from notifier.domain.feedback import Stage
from notifier.domain.issues import IssueKind
from notifier.domain.message import State

AGAIN = "then have it tried again: dunning work retry, or POST /v1/work/{item}/retry"
"""Where the engine lets a person try a level again at once."""

STATES = {
    State.PLANNED: "It waits to be sent: nothing has to be done.",
    State.SENDING: "It may be on the wire right now: look again in a few seconds.",
    State.SENT: (
        "It was handed over. What is known of its arrival is told by the provider, or by proofs."
    ),
    State.FAILED: (
        "It was not sent, for certain, and is not tried again here. The engine goes on by its "
        f"policy or lists it under Work, with what it will do. Mend what the reason names, {AGAIN}."
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
            f"ERP, {AGAIN}."
        ),
    ),
    ("contacts:", "The debtor's contacts cannot be read. Send them again from the ERP."),
    (
        "content:",
        (
            "The text cannot be written for this debtor. Open it under Texts, look at it with this "
            f"notice as data, correct it and put the new version to use, {AGAIN}."
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
            f"settings (dunning doctor), {AGAIN}."
        ),
    ),
    ("no_sms_sender", f"The tenant has no sender for texts. Give it one (sms_from), {AGAIN}."),
    (
        "bad_sms_sender",
        (
            "Carriers there do not take texts from this sender. Give the tenant another one "
            f"(sms_from), {AGAIN}."
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
        "may_be_posted",
        (
            "It was put into the spool, or just about to be, when the service stopped, and its "
            "file is not there. Find out whether it was posted, then say what became of it."
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
    refusal = _refusal(state, reason)
    refused = _REFUSALS.get(refusal) if refusal else None
    return next(found, refused or STATES[state])


_REFUSALS = {
    BounceClass.HARD: (
        "The provider says that the mailbox, domain or number does not exist. Correct the address "
        "in the ERP: this one is under Suppressed and is not written to any more."
    ),
    BounceClass.BLOCKED: (
        "The provider refuses the sender or the content by a policy of its own. Read its reason; "
        f"look at SPF, DKIM and the reputation of your address, {AGAIN}."
    ),
}


def _refusal(state: State, reason: str | None) -> BounceClass | None:
    """What a provider said no to, where it answered with a code."""
    is_reply = state is State.FAILED and reason and _REPLY.match(reason)
    return of_status("", reason) if is_reply and reason else None


_REPLY = re.compile(r"5\d\d[ -]")
"""A reply of a mail server; an HTTP status stands behind `http_`."""


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

"""Why a message did not arrive, in six classes, from what servers and providers say.

Reads enhanced status codes (RFC 3463, IANA's registry of them), plain SMTP replies, SendGrid's
events and Twilio's error codes. Only `hard`, `complaint` and `unsubscribe` speak of the address
itself and for ever; all others speak of this one message.
"""

from __future__ import annotations

import re
from enum import StrEnum


class BounceClass(StrEnum):
    """What kind of no it was."""

    HARD = "hard"
    """Mailbox, domain or number does not exist, or cannot take this kind of message."""
    SOFT = "soft"
    """Full, greylisted, out of reach, or anything else that may pass."""
    BLOCKED = "blocked"
    """Refused for its sender, its content or a policy: another message may arrive."""
    COMPLAINT = "complaint"
    """The recipient reported it as spam."""
    UNSUBSCRIBE = "unsubscribe"
    """The recipient wants nothing more by this way."""
    DROPPED = "dropped"
    """The provider did not even try, for a reason of its own or of our account."""

    @property
    def is_dead(self) -> bool:
        """Whether nothing should be written to this address any more."""
        return self in (BounceClass.HARD, BounceClass.COMPLAINT, BounceClass.UNSUBSCRIBE)


_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])")

_HARD_WORDS = re.compile(
    r"user unknown|unknown user|no such (?:user|recipient|mailbox|account|address|domain)"
    r"|(?:address|user|mailbox|account|recipient|domain)[^.;]{0,40}"
    r"(?:does not exist|doesn't exist|not found|unknown|is disabled|has been disabled|inactive)"
    r"|(?:invalid|unknown|unrouteable|undeliverable) (?:recipient|mailbox|address|user|domain)"
    r"|does not like recipient|null mx|nxdomain",
    re.IGNORECASE,
)
_SOFT_WORDS = re.compile(
    r"over ?quota|quota exceeded|(?:mailbox|inbox)(?: is)? full|insufficient (?:system )?storage"
    r"|grey-?list|try again|temporar|timed? ?out|too many (?:connections|messages)|rate limit",
    re.IGNORECASE,
)
_BLOCKED_WORDS = re.compile(
    r"spam|black ?list|block ?list|blocked|reputation|policy|dmarc|\bspf\b|dkim|banned"
    r"|access denied|virus|message content|too large|size limit",
    re.IGNORECASE,
)

# Subject and detail of permanent failures (class 5) that are not what their subject says.
_HARD_CODES = frozenset({(1, 0), (1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 1), (4, 4)})
_SOFT_CODES = frozenset({(2, 0), (2, 2), (2, 4), (3, 1), (3, 2)})
_BLOCKED_SUBJECTS = frozenset({1, 2, 3, 5, 6, 7})


def of_status(status: str, text: str = "") -> BounceClass:
    """The class of a refusal by a mail server.

    Args:
        status: an enhanced status code such as `5.1.1` where one was reported apart, else empty.
        text: what the server said, in which a code is looked for when there is none apart.
    """
    found = _ENHANCED.search(status) or _ENHANCED.search(text)
    if found:
        kind, subject, detail = (int(part) for part in found.groups())
        return _of_enhanced(kind, (subject, detail), text)
    reply = _REPLY.search(status) or _REPLY.search(text)
    if reply and reply[1].startswith("4"):
        return BounceClass.SOFT
    by_words = _of_words(text)
    if by_words is not None:
        return by_words
    # RFC 5321: 550, 551 and 553 refuse the mailbox, 552 is out of room, 554 refuses the message.
    match reply and reply[1]:
        case "550" | "551" | "553":
            return BounceClass.HARD
        case "554" | "541":
            return BounceClass.BLOCKED
        case _:
            return BounceClass.SOFT


def _of_enhanced(kind: int, code: tuple[int, int], text: str) -> BounceClass:
    if kind != 5:
        return BounceClass.SOFT
    by_words = _of_words(text)
    if code in _HARD_CODES:
        # Large providers say 5.1.0 and 5.2.1 of policy too: then the words decide.
        doubtful = code in {(1, 0), (2, 1)}
        return by_words if doubtful and by_words is not None else BounceClass.HARD
    if code in _SOFT_CODES:
        return BounceClass.SOFT
    if by_words is BounceClass.HARD:
        return BounceClass.HARD
    if code == (0, 0):
        return by_words or BounceClass.SOFT
    return BounceClass.BLOCKED if code[0] in _BLOCKED_SUBJECTS else BounceClass.SOFT


def _of_words(text: str) -> BounceClass | None:
    """Full beats unknown beats blocked: many servers explain a block with all three."""
    if _SOFT_WORDS.search(text):
        return BounceClass.SOFT
    if _HARD_WORDS.search(text):
        return BounceClass.HARD
    return BounceClass.BLOCKED if _BLOCKED_WORDS.search(text) else None


_SENDGRID_CLASSES = {
    "invalid address": BounceClass.HARD,
    "mailbox unavailable": BounceClass.SOFT,
    "technical": BounceClass.SOFT,
    "content": BounceClass.BLOCKED,
    "reputation": BounceClass.BLOCKED,
    "frequency or volume too high": BounceClass.BLOCKED,
}


def of_sendgrid_bounce(
    *, kind: str, status: str, reason: str, classification: str = ""
) -> BounceClass:
    """The class of SendGrid's `bounce` event.

    What the server said decides; SendGrid's own `bounce_classification` and `type` (`bounce` or
    `blocked`) only where it said nothing that has a meaning.
    """
    spoke = _ENHANCED.search(f"{status} {reason}") or _REPLY.search(reason)
    if spoke or _of_words(reason) is not None:
        said = of_status(status, reason)
        # A block is never proof that the address is dead, whatever the words look like.
        return BounceClass.BLOCKED if said is BounceClass.HARD and kind == "blocked" else said
    named = _SENDGRID_CLASSES.get(classification.strip().lower())
    if named is not None:
        return named
    return BounceClass.BLOCKED if kind == "blocked" else BounceClass.HARD


_SENDGRID_DROPS = (
    ("bounced address", BounceClass.HARD),
    ("invalid", BounceClass.HARD),
    ("unsubscribed", BounceClass.UNSUBSCRIBE),
    ("spam reporting", BounceClass.COMPLAINT),
    ("spam content", BounceClass.BLOCKED),
)


def of_sendgrid_drop(reason: str) -> BounceClass:
    """The class of SendGrid's `dropped` event: mostly what SendGrid remembers of the address."""
    lowered = reason.lower()
    if "smtpapi" in lowered:  # "Invalid SMTPAPI header": ours, not the recipient's
        return BounceClass.DROPPED
    return next(
        (found for words, found in _SENDGRID_DROPS if words in lowered), BounceClass.DROPPED
    )


_TWILIO = {
    "21211": BounceClass.HARD,  # not a telephone number
    "21614": BounceClass.HARD,  # not a mobile number
    "21610": BounceClass.UNSUBSCRIBE,  # answered STOP
    "21408": BounceClass.DROPPED,  # country not allowed for this account
    "21612": BounceClass.DROPPED,  # not reachable from this sender
    "30001": BounceClass.SOFT,  # queue overflow
    "30002": BounceClass.DROPPED,  # account suspended
    "30003": BounceClass.SOFT,  # handset unreachable
    "30004": BounceClass.BLOCKED,  # blocked by carrier or recipient
    "30005": BounceClass.HARD,  # unknown handset
    "30006": BounceClass.HARD,  # landline or unreachable carrier
    "30007": BounceClass.BLOCKED,  # filtered by carrier
    "30008": BounceClass.SOFT,  # unknown error
    "30010": BounceClass.DROPPED,  # dearer than the account allows
    "30034": BounceClass.BLOCKED,  # sender is not registered (US)
}


def of_twilio(code: str) -> BounceClass:
    """The class of a Twilio error code; an unknown one is soft: it condemns no number."""
    return _TWILIO.get(code.strip(), BounceClass.SOFT)


def of_refusal(channel: str, reason: str) -> BounceClass:
    """The class of a refusal at the moment of sending, from the reason that was recorded."""
    if channel in ("sms", "call"):
        code = re.search(r"(?<!\d)(\d{5})(?!\d)", reason)
        return of_twilio(code[1]) if code else BounceClass.SOFT
    if channel == "email" and (_ENHANCED.search(reason) or _REPLY.search(reason)):
        return of_status("", reason)
    return BounceClass.SOFT

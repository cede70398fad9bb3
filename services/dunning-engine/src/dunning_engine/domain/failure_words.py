"""Why a try to send came to nothing, in plain English, and what to do about it. Words only.

The postman's reasons are a code, or a code and what it found (`content: legal.form must stand on
it`), joined by commas where several channels failed. What is not known is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One channel's reason: what stood in the way, and the remedy; empty where there is none."""

    words: str
    remedy: str


_CONTACTS = "store an address that works with the debtor"
_AGAIN = "the engine decides again by itself"
_TRY = "then retry it (`dunning work retry`, or POST /v1/work-retries)"

_FAILURES: Mapping[str, tuple[str, str]] = {
    "no_address": ("there is no address for its channel", _CONTACTS),
    "unusable_address": ("the address cannot be used", _CONTACTS),
    "recipient_refused": ("the provider refused the address", _CONTACTS),
    "bounced": ("what was sent came back", _CONTACTS),
    "address_bounced": ("what was sent to its addresses before came back", _CONTACTS),
    "undeliverable": ("no channel got through", _CONTACTS),
    "opted_out": (
        "the debtor wants no messages by its channel, or never agreed to them",
        "use another channel; when the debtor agrees, lift the suppression at the notifier's desk",
    ),
    "content": (
        "its text could not be written",
        f"mend what it names (the tenant, the debtor, the template or the policy), {_TRY}",
    ),
    "channel_not_configured": (
        "no provider is set up for its channel",
        f"set one up in the notifier's settings, or leave the channel out of the policy, {_TRY}",
    ),
    "channel_failed": ("its channel failed", f"look into the notifier's log, {_TRY}"),
    "quiet_hours": (
        "it was no hour for messages where the debtor is",
        "nothing: it goes out when the hour comes",
    ),
    "suppressed": (
        "the notifier held it back",
        "look at the debtor's messages and at the list of suppressed addresses",
    ),
    "failed": ("it could not be sent", "look at the debtor's messages"),
    "returned": ("it was given back unsent", _AGAIN),
    "permit_refused": ("the ledger did not permit it: the invoice had changed", _AGAIN),
    "revoked": ("it was taken back before it left", _AGAIN),
    "deadline_passed": ("there was no time left to send it", _AGAIN),
    "erased": ("the debtor's data were erased", "nothing can be sent to it any more"),
    "unknown_tenant": ("the notifier does not know the tenant", f"register the tenant, {_TRY}"),
    "contacts": ("the debtor's contacts cannot be read", "store the debtor's contacts again"),
    "contacts_unreadable": (
        "the debtor's contacts cannot be read",
        "store the debtor's contacts again",
    ),
    "no_sms_sender": ("the tenant has no sender for texts", f"set its sms_from, {_TRY}"),
    "bad_sms_sender": ("the tenant's sender for texts is not allowed", f"change sms_from, {_TRY}"),
    "sms_limits_unavailable": ("the limits for texts could not be asked", _AGAIN),
    "not_connected": (
        "the provider could not be reached",
        f"look whether the provider is up, {_TRY}",
    ),
    "no_answer": ("the provider did not answer", "look at the list of unknown messages"),
    "spool": (
        "the folder for letters could not be written",
        f"look at its disk and its rights, {_TRY}",
    ),
    "call": ("the calls came to nothing", "look at the notes of the calls"),
}
_KNOWN = "|".join(sorted(_FAILURES, key=len, reverse=True))
_BETWEEN = re.compile(rf", (?=(?:{_KNOWN})(?::|,|$))")


def failures_of(reason: str) -> tuple[Failure, ...]:
    """The reasons of all channels, each in words."""
    return tuple(dict.fromkeys(_failure(part) for part in _BETWEEN.split(reason) if part))


def what_failed(reason: str) -> str:
    """What stood in the way: `there is no address for its channel`."""
    return "; ".join(dict.fromkeys(failure.words for failure in failures_of(reason)))


def what_helps(reason: str) -> str:
    """What to do about it, as a sentence; empty where nobody knows."""
    remedies = dict.fromkeys(failure.remedy for failure in failures_of(reason) if failure.remedy)
    said = "; ".join(remedies)
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def _failure(part: str) -> Failure:
    code, _, detail = part.partition(":")
    words, remedy = _FAILURES.get(code, (f"the provider says: {part}", ""))
    if code in _FAILURES and detail.strip():
        words = f"{words} ({detail.strip()})"
    return Failure(words=words, remedy=remedy)

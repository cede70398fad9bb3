"""Addresses that are not written to, as the pages show them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from notifier.desk.view import clean
from notifier.desk.words import moment, plain
from notifier.domain.suppression import Cause
from notifier.ports.suppressions import Change, Listed

CHANNELS = ("email", "sms", "call", "letter", "registered_letter")
HASH_LENGTH = 16

_PHONES = ("sms", "call")

CAUSES = {
    Cause.HARD_BOUNCE: (
        "The address is dead: correct it in the ERP. Lift it only when it surely works again."
    ),
    Cause.COMPLAINT: "The recipient reported spam: lift it only with new consent.",
    Cause.OPT_OUT: "The recipient said stop: lift it only when they ask for it.",
    Cause.PERSON: "A person listed it: ask who it was before you lift it.",
}
"""What to do about an address, by the cause for which it is listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the form above the list asks for; what cannot be read restricts nothing."""

    channel: str = ""
    recipient_hash: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Asked:
        """The query parameters of the page."""
        channel = parameters.get("channel", "")
        return cls(
            channel=channel if channel in CHANNELS else "",
            recipient_hash=clean(parameters.get("recipient_hash", "")).lower(),
        )

    @property
    def query(self) -> dict[str, str]:
        """The same as query parameters."""
        found = {"channel": self.channel, "recipient_hash": self.recipient_hash}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An address and one cause for which it is listed."""

    seq: int
    channel: str
    channel_code: str
    recipient_hash: str
    cause: str
    cause_code: str
    remedy: str
    source: str
    since: str
    debtor_id: str
    note: str

    @classmethod
    def of(cls, listed: Listed) -> Row:
        """An entry in words."""
        found = listed.suppression
        return cls(
            seq=listed.seq,
            channel=plain(found.channel),
            channel_code=found.channel,
            recipient_hash=found.recipient_hash,
            cause=plain(found.cause),
            cause_code=found.cause,
            remedy=CAUSES[found.cause],
            source=found.source,
            since=moment(found.since),
            debtor_id=found.debtor_id or "",
            note=found.note,
        )


def change_in_words(change: Change) -> tuple[str, str, str, str, str]:
    """When, what, which cause, who, why."""
    return (
        moment(change.at),
        change.action,
        plain(change.cause),
        change.source,
        change.note,
    )


def is_hash(text: str) -> bool:
    """Whether it looks like what messages show of an address."""
    return len(text) == HASH_LENGTH and not text.strip("0123456789abcdef")


def address_form(fields: Mapping[str, str]) -> dict[str, str]:
    """The form as the API's body: what looks like a hash of ours is one.

    Digits alone are a number where the channel is a phone: taken for a hash, they would suppress
    nobody without a word.
    """
    address = fields.get("address", "").strip()
    may_be_hash = not (fields.get("channel") in _PHONES and address.isdigit())
    wanted = {
        "channel": fields.get("channel", ""),
        "recipient_hash" if may_be_hash and is_hash(address) else "address": address,
        "debtor_id": fields.get("debtor_id", "").strip(),
        "note": fields.get("note", "").strip(),
    }
    return {name: value for name, value in wanted.items() if value or name != "debtor_id"}

"""The protocol every channel speaks, and what passes through it.

A channel freezes a draft into the exact bytes, and later sends exactly those bytes once. It never
retries after a byte may have reached the provider, and reports honestly what it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from dunning_common.clock import monotonic
from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.content.model import Rendered
from notifier.domain.feedback import Report
from notifier.domain.message import Message
from notifier.domain.outcome import Deferred, Late, Outcome, Refused, Sent, Spooled, Unknown

__all__ = [
    "Channel",
    "Deadline",
    "DeadlinePassedError",
    "Deferred",
    "Draft",
    "Frozen",
    "Late",
    "Outcome",
    "Parcel",
    "Provable",
    "Recipient",
    "Refused",
    "Sender",
    "Sent",
    "Spooled",
    "Traceable",
    "Traced",
    "Unknown",
    "Unreachable",
]


class DeadlinePassedError(Exception):
    """The last moment at which a first byte may leave has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The last moment, on the monotonic clock, at which a send may begin; it then has `max_send_s`.

    Lease and permit outlive `at + max_send_s`, so a send that begins in time ends under both.
    """

    at: float
    max_send_s: float
    now: Callable[[], float] = monotonic

    @property
    def has_passed(self) -> bool:
        """Whether it is too late to begin."""
        return self.now() >= self.at

    def check(self) -> None:
        """Call right before the first byte.

        Raises:
            DeadlinePassedError: too late to begin.
        """
        if self.has_passed:
            raise DeadlinePassedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The creditor as the recipient sees it; `phone` is a number, a sender name or a service id.

    Limits by the day do not hold for a `sandbox`, whose clock can be moved, and nothing of it is
    printed.
    """

    name: str
    email: str = ""
    phone: str = ""
    sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Where one message goes: `address` is an e-mail address or an E.164 number.

    `hash` stands for it everywhere else.
    """

    name: str
    hash: str
    address: str = ""
    postal: PostalAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """Why a debtor who has an address of this kind cannot be reached there (`reason`)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A rendered message before it is frozen: it bears `dated`, and is filed under `on`."""

    message: Message
    sender: Sender
    recipient: Recipient
    rendered: Rendered
    dated: datetime
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """The exact bytes that will leave."""

    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A frozen message with its addressee, ready to be sent once.

    A provider that lets it wait for longer than `keeps_s` shall not deliver it any more; None:
    it may come at any time.
    """

    message: Message
    sender: Sender
    recipient: Recipient
    on: date
    media_type: str
    body: bytes
    sha256: str
    keeps_s: float | None = None


class Channel(Protocol):
    """One way out."""

    @property
    def provider(self) -> str:
        """Who carries it: `smtp`, `sendgrid`, `twilio`, `spool`."""
        ...

    def addressee(
        self, contacts: Contacts, *, tenant: str, country: str
    ) -> Recipient | Unreachable | None:
        """Where it goes; None without an address, `Unreachable` with one that will not do."""
        ...

    def freeze(self, draft: Draft) -> Frozen:
        """The exact bytes of a draft; processor work only, called from a thread.

        Raises:
            ValueError: the draft cannot be sent this way.
        """
        ...

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """Send the bytes once; everything that can go wrong is an outcome, not an exception."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Provable(Protocol):
    """A channel that can tell afterwards, with certainty, whether a message was sent."""

    async def find(
        self, *, tenant: str, message_id: UUID, on: date, sha256: str
    ) -> Sent | Spooled | Unknown | None:
        """The message as sent or spooled, or None when it definitely was not.

        Unknown where even the channel itself cannot tell (any more).
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What a provider answers when it is asked about a message.

    `status` is the provider's own word, `facts` what is kept of its answer: no personal data.
    """

    status: str
    report: Report
    facts: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Traceable(Protocol):
    """A channel that can ask its provider about a message afterwards."""

    async def trace(self, *, tenant: str, message_id: UUID) -> Traced | None:
        """What the provider knows; None when it does not answer or does not know the message.

        That it does not know it proves nothing: it may still arrive there.
        """
        ...

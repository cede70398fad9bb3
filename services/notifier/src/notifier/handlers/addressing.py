"""Which of a debtor's addresses a message goes to: the first that is not on the list of the dead.

Processor work only; which addresses are listed is asked of `ports.suppressions` in between, for a
whole batch at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dunning_common.events.contacts import Contacts
from notifier.channels.base import Channel, Recipient
from notifier.domain.message import Settlement, suppress
from notifier.domain.suppression import Cause, verdict
from notifier.ports.suppressions import Place

_MOST = 10
"""Addresses of one kind that are looked at."""


def reachable(
    channel: Channel, contacts: Contacts, *, tenant: str, country: str
) -> list[Recipient] | Settlement:
    """The debtor's addresses for a channel, in the order in which the channel would take them.

    Without any, the verdict on the message.
    """
    first = channel.addressee(contacts, tenant=tenant, country=country)
    if not isinstance(first, Recipient):
        return suppress(first.reason if first else "no_address")
    found = [first]
    while len(found) < _MOST and not _is_only(first, contacts):
        contacts = _without(channel, contacts, found[-1], tenant=tenant, country=country)
        following = channel.addressee(contacts, tenant=tenant, country=country)
        if not isinstance(following, Recipient) or following in found:
            break
        found.append(following)
    return found


def first_free(
    recipients: Sequence[Recipient],
    listed: Mapping[Place, frozenset[Cause]],
    *,
    tenant: str,
    channel: str,
) -> Recipient | Settlement:
    """The first address that may be written to; without any, the verdict on the message."""
    causes: set[Cause] = set()
    for recipient in recipients:
        against = listed.get((tenant, channel, recipient.hash))
        if not against:
            return recipient
        causes |= against
    return verdict(causes)


def _is_only(first: Recipient, contacts: Contacts) -> bool:
    """Whether a debtor has just this one e-mail address, as most do."""
    return "@" in first.address and len(contacts.emails) == 1


def _without(
    channel: Channel, contacts: Contacts, taken: Recipient, *, tenant: str, country: str
) -> Contacts:
    """The contacts without the address that was taken, in whatever way it is written there."""

    def is_other(**only: tuple[str, ...]) -> bool:
        bare = contacts.model_copy(update={"emails": (), "phones": (), **only})
        alone = channel.addressee(bare, tenant=tenant, country=country)
        return isinstance(alone, Recipient) and alone.hash != taken.hash

    if taken.postal is not None:
        return contacts.model_copy(update={"address": None})
    if "@" in taken.address:
        rest = contacts.emails if len(contacts.emails) > 1 else ()
        return contacts.model_copy(
            update={"emails": tuple(email for email in rest if is_other(emails=(email,)))}
        )
    rest = contacts.phones if len(contacts.phones) > 1 else ()
    return contacts.model_copy(
        update={"phones": tuple(phone for phone in rest if is_other(phones=(phone,)))}
    )

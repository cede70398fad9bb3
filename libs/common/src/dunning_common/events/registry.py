"""Which topics exist, who writes them, and which events they carry; parsing by type.

The one list from which `docs/events.md`, the AsyncAPI document and the schema snapshots are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from dunning_common.events.contacts import ContactsEvent
from dunning_common.events.dunning import DunningEvent
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.notifications import NotificationsEvent
from dunning_common.events.receivables import ReceivablesEvent
from dunning_common.events.responses import ResponsesEvent
from dunning_common.events.tenants import TenantRegisteredV1

PARTITIONS = 6
"""Partitions of a topic that we create: the most replicas of a service that share its reading."""


class UnknownEventTypeError(ValueError):
    """The envelope names an event type that this version does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A Kafka topic: its one producer, its key and its events."""

    name: str
    producer: str
    key: str
    compacted: bool
    events: tuple[type[Payload], ...]


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            name="receivables.v1",
            producer="invoice-ingest",
            key="tenant:debtor",
            compacted=False,
            events=get_args(ReceivablesEvent),
        ),
        Topic(
            name="contacts.v1",
            producer="invoice-ingest",
            key="tenant:debtor",
            compacted=True,
            events=get_args(ContactsEvent),
        ),
        Topic(
            name="tenants.v1",
            producer="invoice-ingest",
            key="tenant",
            compacted=True,
            events=(TenantRegisteredV1,),
        ),
        Topic(
            name="dunning.v1",
            producer="dunning-engine",
            key="tenant:debtor",
            compacted=False,
            events=get_args(DunningEvent),
        ),
        Topic(
            name="notifications.v1",
            producer="notifier",
            key="tenant:debtor",
            compacted=False,
            events=get_args(NotificationsEvent),
        ),
        Topic(
            name="responses.v1",
            producer="notifier",
            key="tenant:debtor",
            compacted=False,
            events=get_args(ResponsesEvent),
        ),
    )
}

EVENT_TYPES: dict[str, type[Payload]] = {
    event.__name__: event for topic in TOPICS.values() for event in topic.events
}


def parse_payload(envelope: Envelope) -> Payload:
    """The typed payload of an envelope; unknown fields are ignored (tolerant reader).

    Raises:
        UnknownEventTypeError: a type this version does not know.
        pydantic.ValidationError: the data does not fit the type.
    """
    try:
        model = EVENT_TYPES[envelope.type]
    except KeyError:
        raise UnknownEventTypeError(f"unknown event type {envelope.type!r}") from None
    return model.model_validate(envelope.data, extra="ignore")

"""The one envelope every event travels in: CloudEvents attributes plus what ordering needs.

Holds no business meaning; the payloads are in the sibling modules.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from dunning_common.ids import new_id
from dunning_common.values import Value


class Contract(BaseModel):
    """Base of everything published: frozen, strict when writing; readers ignore unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Payload(Contract):
    """Base of all event payloads. The class name is the event type, `<Noun><Verb>V<n>`.

    A released class never changes: its JSON Schema is snapshotted and compared by a test.
    """

    topic: ClassVar[str]


class Written(Value, frozen=True):
    """A payload that is JSON already: `kind` would write `json` itself.

    For the one event that is made thousands of times a second. A property of its maker's tests has
    to hold that the contract reads it and writes the same again.
    """

    kind: type[Payload]
    json: bytes

    @property
    def topic(self) -> str:
        """The topic it belongs to."""
        return self.kind.topic

    def read(self) -> Payload:
        """The payload, checked against its contract."""
        return self.kind.model_validate_json(self.json)


class Envelope(BaseModel):
    """One event as it lies in the outbox, on Kafka and in a parking lot.

    `sequence` counts 1, 2, 3… per (topic, key); a jump is a detected loss. `time` is when the
    producer wrote it (real time, also for sandbox tenants); business dates are in the payload.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: str = "1.0"
    id: UUID = Field(default_factory=new_id)
    type: str
    source: str
    subject: str
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    tenant: str
    key: str
    sequence: int = Field(ge=1)
    causation: UUID | None = None
    traceparent: str | None = None
    data: dict[str, Any]

    def to_bytes(self) -> bytes:
        """The bytes on the wire: JSON, UTF-8."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Envelope:
        """Parse the bytes of the wire.

        Raises:
            ValueError: not an envelope (a `pydantic.ValidationError`).
        """
        return cls.model_validate_json(raw)


def seal(
    payload: Payload | Written,
    *,
    event_id: UUID,
    source: str,
    subject: str,
    tenant: str,
    key: str,
    sequence: int,
    causation: UUID | None,
    traceparent: str | None,
) -> bytes:
    """The bytes of a new envelope, as `Envelope.to_bytes` would write it at this moment.

    The payload is written once, straight into the envelope: sweeps seal thousands a second.
    """
    if isinstance(payload, Written):
        kind, data = payload.kind, payload.json
    else:
        kind, data = type(payload), payload.model_dump_json().encode()
    members = {
        "specversion": "1.0",
        "id": event_id,
        "type": kind.__name__,
        "source": source,
        "subject": subject,
        "time": datetime.now(UTC),
        "tenant": tenant,
        "key": key,
        "sequence": sequence,
        "causation": causation,
        "traceparent": traceparent,
        "data": orjson.Fragment(data),
    }
    return orjson.dumps(members, option=orjson.OPT_UTC_Z)

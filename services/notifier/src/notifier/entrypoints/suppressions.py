"""The list of addresses that must not be written to, over HTTP: look, add, lift, each with its why.

Addresses go in and never come out: the list holds hashes. Every change is logged with the person.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.db import Database
from dunning_common.events.contacts import Contacts
from dunning_common.problems import FieldError, ProblemError
from notifier.channels.addresses import email_recipient, phone_recipient
from notifier.channels.base import Recipient
from notifier.domain.redaction import redact
from notifier.domain.suppression import Cause, Suppression
from notifier.handlers.suppressing import Suppressor
from notifier.ports.suppressions import Change, Listed, Suppressions

XTenant = Annotated[str | None, Header(alias="X-Tenant")]
Channel = Literal["email", "sms", "call", "letter", "registered_letter"]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class SuppressBody(BaseModel):
    """An address that must not be written to: as it is, or by the hash that messages show."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel
    address: str | None = Field(default=None, min_length=3, max_length=320)
    recipient_hash: Hash | None = None
    debtor_id: str | None = Field(default=None, min_length=1, max_length=200)
    note: str = Field(min_length=3, max_length=300, pattern=r"\S")

    @model_validator(mode="after")
    def _names_one_address(self) -> Self:
        if (self.address is None) == (self.recipient_hash is None):
            raise ValueError("send address or recipient_hash, one of them")
        if self.address is not None and self.channel in ("letter", "registered_letter"):
            raise ValueError("a postal address is named by recipient_hash, as messages show it")
        return self


def suppression_list_routes(*, db: Database, suppressions: Suppressions) -> APIRouter:
    """Looking at the list: the reading routes under `/v1/suppressions`."""
    router = APIRouter(prefix="/v1/suppressions", tags=["suppressions"])

    @router.get("")
    async def list_suppressions(
        channel: Channel | None = None,
        recipient_hash: Annotated[Hash | None, Query()] = None,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Addresses that are not written to, in the order in which they were listed."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            found = await suppressions.page(
                connection,
                channel=channel,
                recipient_hash=recipient_hash,
                after=after,
                limit=limit,
            )
        more = found[-1].seq if len(found) == limit else None
        return {"items": [_as_json(listed) for listed in found], "next_after": more}

    @router.get("/{channel}/{recipient_hash}")
    async def get_history(
        channel: Channel,
        recipient_hash: Hash,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """One address: why it is not written to now, and who listed and lifted it when."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            listed = await suppressions.page(
                connection, channel=channel, recipient_hash=recipient_hash, after=0, limit=10
            )
            history = await suppressions.history(
                connection, channel=channel, recipient_hash=recipient_hash
            )
        return {
            "channel": channel,
            "recipient_hash": recipient_hash,
            "suppressed_by": [each.suppression.cause for each in listed],
            "history": [_change_json(change) for change in history],
        }

    return router


def suppression_routes(
    *, db: Database, suppressions: Suppressions, suppressor: Suppressor
) -> APIRouter:
    """Changing the list: the writing routes under `/v1/suppressions`."""
    router = APIRouter(prefix="/v1/suppressions", tags=["suppressions"])

    @router.post("", status_code=201)
    async def suppress(
        body: SuppressBody,
        response: Response,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Write to an address no more; 200 when it was listed by a person already."""
        tenant = tenant_of(principal, x_tenant)
        wanted = suppression_of(body, tenant=tenant, person=principal.subject)
        async with db.tenant(tenant) as connection:
            added = await suppressor.add(connection, [wanted])
            listed = await suppressions.page(
                connection,
                channel=wanted.channel,
                recipient_hash=wanted.recipient_hash,
                after=0,
                limit=10,
            )
        if not added:
            response.status_code = 200
        return next(_as_json(each) for each in listed if each.suppression.cause is Cause.PERSON)

    @router.delete("/{channel}/{recipient_hash}")
    async def lift(
        channel: Channel,
        recipient_hash: Hash,
        note: Annotated[str, Query(min_length=3, max_length=300, pattern=r"\S")],
        cause: Cause | None = None,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Write to an address again: lift one cause, or all of them; says which were lifted."""
        tenant = tenant_of(principal, x_tenant)
        async with db.tenant(tenant) as connection:
            lifted = await suppressor.lift(
                connection,
                [(tenant, channel, recipient_hash)],
                causes=set(Cause) if cause is None else {cause},
                source=f"person:{principal.subject}",
                note=redact(note),
            )
        return {"lifted": sorted(each.cause for each in lifted)}

    return router


def suppression_of(body: SuppressBody, *, tenant: str, person: str) -> Suppression:
    """What a person asks for, with the address as its hash.

    Raises:
        ProblemError: 422, the address cannot be read.
    """
    return Suppression(
        tenant=tenant,
        channel=body.channel,
        recipient_hash=body.recipient_hash or _hash(tenant, body.channel, body.address or ""),
        cause=Cause.PERSON,
        source=f"person:{person}",
        debtor_id=body.debtor_id,
        note=redact(body.note),
    )


def _hash(tenant: str, channel: Channel, address: str) -> str:
    """The hash of an address, made as messages make it; country codes must be written out."""
    found: Recipient | object
    if channel == "email":
        found = email_recipient(Contacts(name="", language="", emails=(address,)), tenant=tenant)
        how = "send an e-mail address such as name@example.com"
    else:
        contacts = Contacts(name="", language="", phones=(address,))
        found = phone_recipient(contacts, tenant=tenant, country="ZZ")
        how = "send the number with its country code, such as +33 6 12 34 56 78"
    if not isinstance(found, Recipient):
        raise ProblemError(
            422,
            "invalid-request",
            "The address cannot be read.",
            errors=[FieldError(pointer="/address", detail=how)],
        )
    return found.hash


def _as_json(listed: Listed) -> dict[str, Any]:
    found = listed.suppression
    return {
        "channel": found.channel,
        "recipient_hash": found.recipient_hash,
        "cause": found.cause,
        "source": found.source,
        "since": found.since,
        "debtor_id": found.debtor_id,
        "note": found.note,
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "at": change.at,
        "action": change.action,
        "cause": change.cause,
        "source": change.source,
        "note": change.note,
    }

"""Routes that other services call for every e-mail: a plain request is answered without ceremony.

FastAPI's dependencies, threads and models take 1 ms a call and 20 µs a row. So a route of this kind
looks first whether it can read the body by itself, into structs with the names of the models, and
gives those to the endpoint. Whatever it does not take for certain (another media type, a strange
id, a field too many, no token) goes the usual way, which accepts or refuses it in its own words.

Knows no business; never accepts what the models refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, TypeAlias, get_type_hints

import msgspec
import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from msgspec import Meta
from starlette.requests import ClientDisconnect

from dunning_common.auth import require
from dunning_common.problems import ProblemError
from invoice_ingest.entrypoints.bodies import (
    Body,
    DebtorKeysBody,
    OriginalsBody,
    PermitReturnBody,
    PermitsBody,
)
from invoice_ingest.entrypoints.edge import StrictRequest
from invoice_ingest.entrypoints.fields import MAX_COUNT

_SCOPE = "internal"
_PLAIN_ID = r"\A[0-9A-Za-z_][0-9A-Za-z_.:-]*\Z"
"""Ids as nearly all are; the usual way knows the others."""

PlainId: TypeAlias = Annotated[str, Meta(pattern=_PLAIN_ID, max_length=100)]


class _Plain(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Base of the bodies that are read directly, each beside its model."""


class PlainPermitInvoice(_Plain, frozen=True):
    """As `bodies.PermitInvoiceBody`."""

    invoice_id: PlainId
    version: Annotated[int, Meta(ge=1, le=MAX_COUNT)]


class PlainPermit(_Plain, frozen=True):
    """As `bodies.PermitBody`."""

    permit_id: PlainId
    tenant: PlainId
    invoices: Annotated[tuple[PlainPermitInvoice, ...], Meta(min_length=1, max_length=1000)]


class PlainPermits(_Plain, frozen=True):
    """As `bodies.PermitsBody`."""

    lease_s: Annotated[float, Meta(gt=0, le=600)]
    requests: Annotated[tuple[PlainPermit, ...], Meta(max_length=1000)]


class PlainPermitReturn(_Plain, frozen=True):
    """As `bodies.PermitReturnBody`."""

    permit_ids: Annotated[tuple[PlainId, ...], Meta(max_length=10_000)]


class PlainDebtorRef(_Plain, frozen=True):
    """As `bodies.DebtorRefBody`."""

    tenant: PlainId
    debtor_id: PlainId


class PlainDebtorKeys(_Plain, frozen=True):
    """As `bodies.DebtorKeysBody`."""

    debtors: Annotated[tuple[PlainDebtorRef, ...], Meta(max_length=10_000)]


class PlainInvoiceRef(_Plain, frozen=True):
    """As `bodies.InvoiceRefBody`."""

    tenant: PlainId
    invoice_id: PlainId


class PlainOriginals(_Plain, frozen=True):
    """As `bodies.OriginalsBody`, with `bytes_max` said."""

    invoices: Annotated[tuple[PlainInvoiceRef, ...], Meta(max_length=10_000)]
    bytes_max: Annotated[int, Meta(ge=0, le=64 * 1024 * 1024)]


READERS: Mapping[type[Body], msgspec.json.Decoder[Any]] = {
    PermitsBody: msgspec.json.Decoder(PlainPermits),
    PermitReturnBody: msgspec.json.Decoder(PlainPermitReturn),
    DebtorKeysBody: msgspec.json.Decoder(PlainDebtorKeys),
    OriginalsBody: msgspec.json.Decoder(PlainOriginals),
}
"""How the body of each model is read directly."""


class DirectRoute(APIRoute):
    """A route for the scope `internal` whose endpoint takes one of `READERS`' models as `body`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler: directly where it can, the usual way where it cannot."""
        usual = super().get_route_handler()
        reader = READERS[get_type_hints(self.endpoint)["body"]]
        check = require(_SCOPE)

        async def answer(asked: Request) -> Response:
            request = StrictRequest(asked.scope, asked.receive)
            if request.headers.get("content-type") != "application/json":
                return await usual(request)
            try:
                check(request)
                body = reader.decode(await request.body())
            except (ProblemError, ClientDisconnect, ValueError):
                return await usual(request)
            response: Response = await self.endpoint(body)
            return response

        return answer


def json_answer(content: Any) -> Response:
    """An answer that is JSON."""
    return Response(orjson.dumps(content), media_type="application/json")

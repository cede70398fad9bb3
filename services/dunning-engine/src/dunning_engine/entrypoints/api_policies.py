"""Routes of policies: store a version, look at them, compare them, choose the tenant's default."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.problems import FieldError, ProblemError, json_pointer
from dunning_engine.adapters.builtin_policies import (
    builtin_policies,
    builtin_text,
    builtin_versions,
)
from dunning_engine.adapters.countries import countries
from dunning_engine.adapters.policy_yaml import PolicyTextError, TextProblem, parse_policy
from dunning_engine.adapters.sql_stores import StoreRoom, Stores
from dunning_engine.domain.activation import Offer
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_check import PublicFacts, check_policy
from dunning_engine.domain.policy_diff import DocumentDiff
from dunning_engine.domain.policy_schema import policy_schema
from dunning_engine.domain.policy_writing import to_document
from dunning_engine.entrypoints.web import Caller, caller, invalid, not_found
from dunning_engine.handlers.store_policy import (
    BuiltInPolicyError,
    UnknownPolicyError,
    choose_default,
    compare_policy,
    store_policy,
)
from dunning_engine.handlers.sweep_accounts import Law

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
PolicyId = Annotated[str, Path(pattern=ID_PATTERN, description="Small letters, digits, - and _.")]
READ = Depends(caller("dunning:read"))
WRITE = Depends(caller("policies:write"))
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
DOCUMENT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {"schema": {"type": "string"}},
            "application/json": {"schema": policy_schema()},
        },
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedError(FieldError):
    """Something wrong at a place in the text of a policy; line and column count from 1."""

    line: int
    column: int

    def as_dict(self) -> dict[str, Any]:
        """The member of `errors[]`."""
        return {
            "pointer": self.pointer,
            "detail": self.detail,
            "line": self.line,
            "column": self.column,
        }


class Default(BaseModel):
    """The policy for cases whose invoice and debtor name none."""

    model_config = ConfigDict(extra="forbid")

    policy_id: str = Field(pattern=ID_PATTERN)


def policy_routes(rooms: StoreRoom, law: Law) -> APIRouter:
    """Store, list, read and compare policies; choose the default."""
    router = APIRouter(prefix="/v1", tags=["policies"])
    _writes(router, rooms, law)
    _comparing(router, rooms, law)

    @router.get("/policies")
    async def list_policies(who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.policies.listing(who.tenant)
            default = await stores.policies.default(who.tenant)
        own = [
            {
                "policy_id": row["policy_id"],
                "version": row["version"],
                "active_version": row["active_version"],
                "name": row["name"],
                "built_in": False,
                "stored_at": row["stored_at"],
            }
            for row in rows
        ]
        built_in = [_built_in(policy) for policy in builtin_policies().values()]
        return {"items": built_in + own, "default_policy_id": default}

    @router.get("/policy-schema", dependencies=[READ])
    async def get_schema() -> dict[str, Any]:
        """The JSON Schema of a policy, for editors."""
        return policy_schema()

    @router.get("/policies/{policy_id}")
    async def get_policy(
        policy_id: PolicyId,
        version: Version = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        if policy_id in builtin_policies():
            number = version or builtin_policies()[policy_id].version
            built_in = builtin_versions().get((policy_id, number))
            if built_in is None:
                raise not_found("policy")
            return _built_in(built_in) | {
                "source": builtin_text(policy_id, number),
                "document": to_document(built_in),
            }
        async with rooms.tenant(who.tenant) as stores:
            row = await stores.policies.read(who.tenant, policy_id, version)
        if row is None:
            raise not_found("policy")
        return {
            "policy_id": row.policy_id,
            "version": row.version,
            "name": row.name,
            "built_in": False,
            "stored_at": row.stored_at,
            "stored_by": row.stored_by,
            "source": row.source,
            "document": row.document,
        }

    return router


def _writes(router: APIRouter, rooms: StoreRoom, law: Law) -> None:
    @router.put("/policies/{policy_id}", openapi_extra=DOCUMENT)
    async def put_policy(
        policy_id: PolicyId,
        request: Request,
        activate: Annotated[bool, Query(description="Give it to all new cases at once.")] = True,
        who: Caller = WRITE,
    ) -> dict[str, Any]:
        text = await request.body()
        with policy_problems():
            async with rooms.tenant(who.tenant) as stores:
                policy, status = await store_policy(
                    stores.policies,
                    tenant=who.tenant,
                    policy_id=policy_id,
                    source=as_source(text),
                    parse=await _parser(stores, who.tenant, law, text, policy_id),
                    stored_by=who.subject,
                    built_in=builtin_policies(),
                    activate=activate,
                )
        return {"policy_id": policy.policy_id, "version": policy.version, "status": status}

    @router.put("/default-policy")
    async def put_default(body: Default, who: Caller = WRITE) -> dict[str, Any]:
        try:
            async with rooms.tenant(who.tenant) as stores:
                await choose_default(stores.policies, tenant=who.tenant, policy_id=body.policy_id)
        except UnknownPolicyError as error:
            raise invalid("/policy_id", str(error), slug="unknown-policy") from error
        return {"policy_id": body.policy_id}


def _comparing(router: APIRouter, rooms: StoreRoom, law: Law) -> None:
    @router.post("/policies/{policy_id}/diff", openapi_extra=DOCUMENT)
    async def diff(
        policy_id: PolicyId, request: Request, version: Version = None, who: Caller = READ
    ) -> dict[str, Any]:
        """What storing the policy would change; nothing is stored."""
        text = await request.body()
        with policy_problems():
            async with rooms.tenant(who.tenant) as stores:
                parse = await _parser(stores, who.tenant, law, text, policy_id)
                try:
                    found = await compare_policy(
                        stores.policies,
                        tenant=who.tenant,
                        policy=parse(1),
                        version=version,
                        built_in=builtin_policies(),
                    )
                except LookupError as error:
                    raise not_found("version of the policy") from error
        return {
            "policy_id": policy_id,
            "from_version": found.before.version if found.before else None,
            **show_offer(found.offer),
            **show_diff(found.diff),
        }


def show_diff(diff: DocumentDiff) -> dict[str, Any]:
    """What changes, as JSON."""
    return {
        "same": diff.is_empty,
        "fields": [asdict(change) for change in diff.fields],
        "parts": [asdict(part) for part in diff.parts],
    }


def show_offer(offer: Offer) -> dict[str, Any]:
    """What new cases get now, as JSON."""
    stage = offer.stage
    return {
        "active_version": offer.active_version,
        "stage": stage
        and {
            "version": stage.version,
            "percent": stage.percent,
            "segments": stage.segments,
            "number": stage.number,
        },
    }


@contextmanager
def policy_problems() -> Iterator[None]:
    """What is wrong with a text leaves as a problem with line and column."""
    try:
        yield
    except PolicyTextError as error:
        raise ProblemError(
            422,
            "invalid-policy",
            "This is not valid; nothing was stored.",
            errors=[_placed(problem) for problem in error.problems],
        ) from error
    except BuiltInPolicyError as error:
        raise ProblemError(409, "built-in-policy", str(error)) from error


def as_source(text: bytes) -> str:
    """The text as it is kept."""
    return text.decode("utf-8", "replace").replace("\x00", "")


async def _parser(
    stores: Stores, tenant: str, law: Law, text: bytes, policy_id: str
) -> Callable[[int], Policy]:
    """Reads the text as a version, and checks it against the public facts of the tenant's day."""
    today = await stores.policies.today(tenant)
    facts = PublicFacts(rates=law.rates, countries=countries(), today=today)
    check = partial(check_policy, facts=facts)

    def parse(version: int) -> Policy:
        return parse_policy(text, policy_id=policy_id, version=version, check=check)

    return parse


def _placed(problem: TextProblem) -> PlacedError:
    return PlacedError(
        pointer=json_pointer(problem.path),
        detail=problem.message,
        line=problem.line,
        column=problem.column,
    )


def _built_in(policy: Policy) -> dict[str, Any]:
    return {
        "policy_id": policy.policy_id,
        "version": policy.version,
        "active_version": policy.version,
        "name": policy.name,
        "built_in": True,
        "stored_at": None,
    }

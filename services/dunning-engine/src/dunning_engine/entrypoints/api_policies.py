"""Routes of policies: store a version, look at them, choose the tenant's default."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.problems import FieldError, ProblemError, json_pointer
from dunning_engine.adapters.builtin_policies import builtin_policies, builtin_text
from dunning_engine.adapters.policy_yaml import PolicyTextError, TextProblem, parse_policy
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_writing import to_document
from dunning_engine.domain.policy_schema import policy_schema
from dunning_engine.entrypoints.web import Caller, caller, invalid, not_found
from dunning_engine.handlers.store_policy import (
    BuiltInPolicyError,
    UnknownPolicyError,
    choose_default,
    store_policy,
)

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
PolicyId = Annotated[str, Path(pattern=ID_PATTERN, description="Small letters, digits, - and _.")]
READ = Depends(caller("dunning:read"))
WRITE = Depends(caller("policies:write"))
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


def policy_routes(rooms: StoreRoom) -> APIRouter:
    """Store, list and read policies; choose the default."""
    router = APIRouter(prefix="/v1", tags=["policies"])
    _writes(router, rooms)

    @router.get("/policies")
    async def list_policies(who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.policies.listing(who.tenant)
            default = await stores.policies.default(who.tenant)
        own = [
            {
                "policy_id": row["policy_id"],
                "version": row["version"],
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
        version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        built_in = builtin_policies().get(policy_id)
        if built_in is not None:
            if version not in (None, built_in.version):
                raise not_found("policy")
            return _built_in(built_in) | {
                "source": builtin_text(policy_id),
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


def _writes(router: APIRouter, rooms: StoreRoom) -> None:
    @router.put("/policies/{policy_id}", openapi_extra=DOCUMENT)
    async def put_policy(
        policy_id: PolicyId, request: Request, who: Caller = WRITE
    ) -> dict[str, Any]:
        text = await request.body()
        try:
            async with rooms.tenant(who.tenant) as stores:
                policy, status = await store_policy(
                    stores.policies,
                    tenant=who.tenant,
                    policy_id=policy_id,
                    source=text.decode("utf-8", "replace").replace("\x00", ""),
                    parse=partial(_parse, text, policy_id),
                    stored_by=who.subject,
                    built_in=builtin_policies(),
                )
        except PolicyTextError as error:
            raise ProblemError(
                422,
                "invalid-policy",
                "This is not a valid policy; nothing was stored.",
                errors=[_placed(problem) for problem in error.problems],
            ) from error
        except BuiltInPolicyError as error:
            raise ProblemError(409, "built-in-policy", str(error)) from error
        return {"policy_id": policy.policy_id, "version": policy.version, "status": status}

    @router.put("/default-policy")
    async def put_default(body: Default, who: Caller = WRITE) -> dict[str, Any]:
        try:
            async with rooms.tenant(who.tenant) as stores:
                await choose_default(stores.policies, tenant=who.tenant, policy_id=body.policy_id)
        except UnknownPolicyError as error:
            raise invalid("/policy_id", str(error), slug="unknown-policy") from error
        return {"policy_id": body.policy_id}


def _parse(text: bytes, policy_id: str, version: int) -> Policy:
    return parse_policy(text, policy_id=policy_id, version=version)


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
        "name": policy.name,
        "built_in": True,
        "stored_at": None,
    }

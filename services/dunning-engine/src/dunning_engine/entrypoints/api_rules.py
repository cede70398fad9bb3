"""Routes of the rules that choose policies: store a version, look at it, compare it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from dunning_engine.adapters.countries import countries
from dunning_engine.adapters.policy_yaml import parse_rules
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.domain.selection import Rules
from dunning_engine.domain.selection_document import RULE_KEYS, WHEN_KEYS, Known
from dunning_engine.entrypoints.api_policies import (
    ID_PATTERN,
    Version,
    as_source,
    policy_problems,
    show_diff,
)
from dunning_engine.entrypoints.web import Caller, caller, not_found
from dunning_engine.handlers.store_rules import RulesText, compare_rules, store_rules

READ = Depends(caller("dunning:read"))
WRITE = Depends(caller("policies:write"))
DOCUMENT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {"schema": {"type": "string"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["rules"],
                    "properties": {
                        "rules": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": list(RULE_KEYS),
                                "properties": {
                                    "code": {"type": "string"},
                                    "rank": {"type": "integer", "minimum": 1},
                                    "policy_id": {"type": "string", "pattern": ID_PATTERN},
                                    "when": {
                                        "type": "object",
                                        "minProperties": 1,
                                        "properties": {key: {} for key in WHEN_KEYS},
                                        "additionalProperties": False,
                                    },
                                },
                                "additionalProperties": False,
                            },
                        }
                    },
                }
            },
        },
    }
}
Also = Annotated[
    list[Annotated[str, Query(pattern=ID_PATTERN)]],
    Query(max_length=1000, description="Policies that will be stored before the rules are."),
]


def rules_routes(rooms: StoreRoom) -> APIRouter:
    """Store, read and compare selection rules."""
    router = APIRouter(prefix="/v1", tags=["policies"])

    @router.get("/policy-rules")
    async def get_rules(version: Version = None, who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            row = await stores.policies.read_rules(who.tenant, version)
        if row is None and version is not None:
            raise not_found("version of the rules")
        return row or {"version": 0, "document": {"rules": []}, "source": None}

    @router.put("/policy-rules", openapi_extra=DOCUMENT)
    async def put_rules(request: Request, who: Caller = WRITE) -> dict[str, Any]:
        text = await request.body()
        with policy_problems():
            async with rooms.tenant(who.tenant) as stores:
                rules, status = await store_rules(
                    stores.policies,
                    tenant=who.tenant,
                    text=_text(text),
                    countries=countries(),
                    stored_by=who.subject,
                )
        return {"version": rules.version, "status": status}

    @router.post("/policy-rules/diff", openapi_extra=DOCUMENT)
    async def diff(request: Request, also: Also = [], who: Caller = READ) -> dict[str, Any]:  # noqa: B006 - FastAPI copies it
        """What storing the rules would change; nothing is stored."""
        text = await request.body()
        with policy_problems():
            async with rooms.tenant(who.tenant) as stores:
                version, found = await compare_rules(
                    stores.policies,
                    tenant=who.tenant,
                    text=_text(text),
                    countries=countries(),
                    more_policies=also,
                )
        return {"from_version": version, **show_diff(found)}

    return router


def _text(text: bytes) -> RulesText:
    return RulesText(source=as_source(text), parse=partial(_parse, text))


def _parse(text: bytes, version: int, known: Known) -> Rules:
    return parse_rules(text, version=version, known=known)

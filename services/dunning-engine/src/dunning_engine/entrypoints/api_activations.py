"""Routes that bring a policy version to cases: in stages to new ones, by migration to open ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dunning_common.problems import ProblemError
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.domain.activation import NarrowerError, Stage, StopRule
from dunning_engine.entrypoints.api_policies import ID_PATTERN, PolicyId, show_offer
from dunning_engine.entrypoints.web import Caller, caller, invalid, not_found
from dunning_engine.handlers.activate_policy import (
    ActivationConflictError,
    NoStageError,
    UnknownVersionError,
    Wish,
    activate_policy,
    stop_stage,
)
from dunning_engine.handlers.migrate_cases import ask_migration
from dunning_engine.policy_records import ActivationRow, MigrationRow

READ = Depends(caller("dunning:read"))
WRITE = Depends(caller("policies:write"))
Number = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
Percent = Annotated[int, Field(ge=1, le=100, strict=True)]
ShareOfHundred = Annotated[int, Field(ge=0, le=99, strict=True)]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class StopRuleBody(BaseModel):
    """When the stage is stopped by itself: one share at least, in percent."""

    model_config = ConfigDict(extra="forbid")

    after_notices: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    failed_percent: ShareOfHundred | None = None
    disputed_percent: ShareOfHundred | None = None

    @model_validator(mode="after")
    def _looks_at_something(self) -> Self:
        if self.failed_percent is None and self.disputed_percent is None:
            raise ValueError("give failed_percent or disputed_percent, or leave the rule out")
        return self


class ActivationBody(BaseModel):
    """A whole stage: a share of the new invoices, of some segments, and what stops it."""

    model_config = ConfigDict(extra="forbid")

    version: Number
    percent: Percent = 100
    segments: Annotated[list[Text], Field(max_length=200)] = []
    stop_rule: StopRuleBody | None = None
    migrate: Literal["keep", "by_code"] = "keep"


class StopBody(BaseModel):
    """Why the stage is stopped."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = "stopped by hand"


class MigrationBody(BaseModel):
    """Open cases go to `version`; without `from_version` those of every other version."""

    model_config = ConfigDict(extra="forbid")

    version: Number
    rule: Literal["by_code"] = "by_code"
    from_policy_id: Annotated[str, Field(pattern=ID_PATTERN)] | None = None
    from_version: Number | None = None


def activation_routes(rooms: StoreRoom) -> APIRouter:
    """Activate versions in stages, stop them, migrate open cases."""
    router = APIRouter(prefix="/v1/policies/{policy_id}", tags=["policies"])
    _stages(router, rooms)
    _migrations(router, rooms)
    return router


def _stages(router: APIRouter, rooms: StoreRoom) -> None:
    @router.get("/activations")
    async def list_activations(policy_id: PolicyId, who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            offers = await stores.policies.offers([(who.tenant, policy_id)])
            rows = await stores.policies.activations(who.tenant, policy_id)
            known = rows or offers or await stores.policies.latest([(who.tenant, policy_id)])
        if not known:
            raise not_found("policy")
        offer = offers.get((who.tenant, policy_id))
        now = show_offer(offer) if offer else {"active_version": None, "stage": None}
        return {"policy_id": policy_id, **now, "items": [_activation(row) for row in rows]}

    @router.post("/activations")
    async def activate(
        policy_id: PolicyId, body: ActivationBody, who: Caller = WRITE
    ) -> dict[str, Any]:
        """Start a stage, widen the running one, or make the version active for all new cases."""
        rule = body.stop_rule
        stage = Stage(
            version=body.version,
            percent=body.percent,
            segments=tuple(sorted(set(body.segments))),
            stop_rule=StopRule(**rule.model_dump()) if rule else None,
        )
        with _activation_problems():
            async with rooms.tenant(who.tenant) as stores:
                row, status = await activate_policy(
                    stores.policies,
                    tenant=who.tenant,
                    policy_id=policy_id,
                    wish=Wish(stage=stage, migrate=body.migrate),
                    by=who.subject,
                )
        return _activation(row) | {"status": status}

    @router.post("/activations/stop")
    async def stop(
        policy_id: PolicyId, body: StopBody | None = None, who: Caller = WRITE
    ) -> dict[str, Any]:
        """Stop the running stage: new cases get the version that was active before."""
        with _activation_problems():
            async with rooms.tenant(who.tenant) as stores:
                row = await stop_stage(
                    stores.policies,
                    tenant=who.tenant,
                    policy_id=policy_id,
                    why=(body or StopBody()).reason,
                    by=who.subject,
                )
        return _activation(row)


def _migrations(router: APIRouter, rooms: StoreRoom) -> None:
    @router.get("/migrations")
    async def list_migrations(policy_id: PolicyId, who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.migrations.listing(who.tenant, policy_id)
        return {"items": [_migration(row) for row in rows]}

    @router.post("/migrations", status_code=202)
    async def migrate(
        policy_id: PolicyId, body: MigrationBody, who: Caller = WRITE
    ) -> dict[str, Any]:
        """Have open cases go to a version of the policy; nothing is sent by that."""
        with _activation_problems():
            async with rooms.tenant(who.tenant) as stores:
                row = await ask_migration(
                    stores.policies,
                    tenant=who.tenant,
                    leave=(body.from_policy_id or policy_id, body.from_version),
                    go_to=(policy_id, body.version),
                    by=who.subject,
                )
        return _migration(row)


@contextmanager
def _activation_problems() -> Iterator[None]:
    try:
        yield
    except UnknownVersionError as error:
        raise invalid("/version", str(error), slug="unknown-version") from error
    except NarrowerError as error:
        raise ProblemError(409, "narrower-stage", str(error)) from error
    except ActivationConflictError as error:
        raise ProblemError(409, "activation-conflict", str(error)) from error
    except NoStageError as error:
        raise ProblemError(409, "no-stage", str(error)) from error


def _activation(row: ActivationRow) -> dict[str, Any]:
    rule, tally = row.stop_rule, row.tally
    return {
        "policy_id": row.policy_id,
        "number": row.stage.number,
        "version": row.stage.version,
        "percent": row.stage.percent,
        "segments": row.stage.segments,
        "stop_rule": rule
        and {
            "after_notices": rule.after_notices,
            "failed_percent": rule.failed_percent,
            "disputed_percent": rule.disputed_percent,
        },
        "migrate": row.migrate,
        "state": row.state,
        "started_at": row.started_at,
        "started_by": row.started_by,
        "widened_at": row.widened_at,
        "ended_at": row.ended_at,
        "ended_by": row.ended_by,
        "ended_why": row.ended_why,
        "counted": row.tallied_at
        and {
            "notices": tally.notices,
            "failed": tally.failed,
            "invoices": tally.invoices,
            "disputed": tally.disputed,
            "at": row.tallied_at,
        },
    }


def _migration(row: MigrationRow) -> dict[str, Any]:
    return {
        "migration_id": row.migration_id,
        "policy_id": row.policy_id,
        "version": row.version,
        "from_policy_id": row.from_policy_id,
        "from_version": row.from_version,
        "rule": "by_code",
        "percent": row.stage.percent,
        "segments": row.stage.segments,
        "state": row.state,
        "migrated": row.migrated,
        "requested_at": row.requested_at,
        "requested_by": row.requested_by,
        "ended_at": row.ended_at,
    }

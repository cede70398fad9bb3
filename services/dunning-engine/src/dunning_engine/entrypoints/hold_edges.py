"""What the routes of holds, disputes, promises and plans share: fields, resending, answers.

Turns the handlers' errors into problems; decides nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Header, Query
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    field_validator,
)

from dunning_common.ids import account_key, name_id
from dunning_common.money import to_decimal_string
from dunning_common.problems import ProblemError
from dunning_engine.domain.account import Instalment
from dunning_engine.entrypoints.web import Caller, caller, invalid, not_found
from dunning_engine.handlers.agree_plan import PlanStanding
from dunning_engine.handlers.keep_hold import (
    EndedAlreadyError,
    HoldError,
    KeyReusedError,
    UnknownHoldError,
)
from dunning_engine.handlers.walk_clock import LEDGER, TENANTS, CatchUp
from dunning_engine.records import HoldRow, Resend

Answer = TypeVar("Answer")

_INSTANT: TypeAdapter[AwareDatetime] = TypeAdapter(AwareDatetime)
LAST_YEAR = 2300
INVOICES_MAX = 1000
READ = Depends(caller("dunning:read"))
WRITE = Depends(caller("dunning:write"))

Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Amount = Annotated[
    str, Field(max_length=30, description="A decimal string such as 1234.50.", examples=["1234.50"])
]
Day = Annotated[date, Field(ge=date(1900, 1, 1), lt=date(LAST_YEAR, 1, 1))]
IdFilter = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="Any text of yours: the same request sent again with it is done once.",
    ),
]


class Body(BaseModel):
    """A request's body: unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class Covering(Body):
    """A request about invoices of a debtor."""

    debtor_id: Id
    invoice_ids: tuple[Id, ...] = Field(default=(), max_length=INVOICES_MAX)

    @field_validator("invoice_ids")
    @classmethod
    def _each_once(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(ids)) < len(ids):
            raise ValueError("names an invoice twice; name each once")
        return ids


def in_range(until: AwareDatetime | None) -> AwareDatetime | None:
    """Refuse instants that no calendar here reaches."""
    if until and until.year >= LAST_YEAR:
        raise ValueError(f"must be before the year {LAST_YEAR}; leave it out for no end")
    return until


def resend_of(who: Caller, key: str | None, body: BaseModel) -> Resend | None:
    """Which hold the request makes, if the client wants to be able to send it again."""
    if key is None:
        return None
    content = orjson.dumps([type(body).__name__, body.model_dump(mode="json")])
    return Resend(name_id("hold", who.tenant, key), hashlib.sha256(content).hexdigest())


async def asking_ledger(
    catch_up: CatchUp, who: Caller, debtor_id: str, work: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Do it; if something is unknown, ask the ledger and try once more: it may be on its way.

    Raises:
        ProblemError: the handler refused.
    """
    try:
        return await work()
    except HoldError as error:
        if not error.ask_ledger:
            raise problem_of(error) from error
    await catch_up([TENANTS], tenant=who.tenant)
    await catch_up([LEDGER], keys=[account_key(who.tenant, debtor_id)])
    try:
        return await work()
    except HoldError as error:
        raise problem_of(error) from error


def problem_of(error: HoldError, *, what: str = "hold") -> ProblemError:
    """What the caller is told."""
    match error:
        case UnknownHoldError():
            return not_found(what)
        case KeyReusedError():
            return ProblemError(409, "idempotency-key-reused", str(error))
        case EndedAlreadyError():
            return ProblemError(409, "ended-already", str(error))
        case _:
            return invalid(error.field, str(error))


def show_hold(hold: HoldRow) -> dict[str, Any]:
    """A hold as JSON; amounts as decimals of its currency."""
    return {
        "hold_id": hold.hold_id,
        "debtor_id": hold.debtor_id,
        "invoice_ids": list(hold.invoice_ids),
        "invoice_id": hold.invoice_ids[0] if len(hold.invoice_ids) == 1 else None,
        "kind": hold.kind,
        "reason": hold.reason,
        "until": hold.until,
        "placed_at": hold.placed_at,
        "placed_by": hold.placed_by,
        "source": hold.source,
        "owner": hold.owner,
        "deadline_on": hold.deadline_on,
        "jurisdiction": hold.jurisdiction,
        "began_on": hold.began_on,
        "currency": hold.currency,
        "disputed": amount(hold.disputed_minor, hold.currency),
        "instalments": show_instalments(hold.instalments, hold.currency),
        "released_at": hold.released_at,
        "released_by": hold.released_by,
        "outcome": hold.outcome,
        "paid": amount(hold.paid_minor, hold.currency),
        "note": hold.note,
    }


def show_instalments(parts: Sequence[Instalment], currency: str | None) -> list[dict[str, Any]]:
    """Instalments as JSON."""
    return [{"on": part.on, "amount": amount(part.amount_minor, currency)} for part in parts]


def show_standing(found: PlanStanding) -> dict[str, Any]:
    """A promise or a plan as JSON, with what was paid of it so far."""
    hold, currency = found.hold, found.hold.currency
    shown = show_hold(hold)
    return shown | {
        f"{hold.kind}_id": hold.hold_id,
        "state": hold.outcome or "running",
        "total": amount(sum(part.amount_minor for part in hold.instalments), currency),
        "paid": amount(found.paid_minor, currency),
        "owed_when_agreed": amount(hold.baseline_minor, currency),
        "grace_days": hold.grace_days,
        "tolerance": amount(hold.tolerance_minor, currency),
        "broken_if_unpaid_on": found.next_check_on,
        "approved_by": hold.approved_by,
        "assessment": hold.assessment,
        "instalments": [
            {
                "on": part.on,
                "amount": amount(part.amount_minor, currency),
                "paid": amount(part.paid_minor, currency),
                "state": part.state,
            }
            for part in found.instalments
        ],
    }


def amount(minor: int | None, currency: str | None) -> str | None:
    """Minor units as a decimal string; None stays None."""
    return None if minor is None or currency is None else to_decimal_string(minor, currency)


def place_of(values: Sequence[Any]) -> tuple[Any, UUID]:
    """A cursor's values as a place in a list of holds."""
    placed_at, hold_id = values
    at = _INSTANT.validate_python(placed_at)
    return at, UUID(hold_id)

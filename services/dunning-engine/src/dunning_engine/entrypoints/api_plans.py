"""Routes of payment plans: the tenant's rules, proposals and their score, plans and their state."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.encoders import jsonable_encoder
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
)

from dunning_common.auth import Principal, require
from dunning_common.money import MoneyError, parse_minor
from dunning_common.problems import FieldError, ProblemError
from dunning_engine.adapters.sql_plan_rules import document_of, rules_of
from dunning_engine.adapters.sql_stores import StoreRoom, Stores
from dunning_engine.domain.account import DebtorKind
from dunning_engine.domain.plan_rules import INSTALMENTS_MAX, Interval, PlanRules, RuleName
from dunning_engine.entrypoints.hold_edges import (
    READ,
    WRITE,
    Amount,
    Body,
    Covering,
    Day,
    IdempotencyKey,
    Line,
    Text,
    amount,
    asking_ledger,
    problem_of,
    resend_of,
    show_instalments,
    show_standing,
)
from dunning_engine.entrypoints.web import Caller, caller
from dunning_engine.handlers.agree_plan import (
    PlanAsk,
    PlanRefusedError,
    ScoredPlan,
    agree_plan,
    assessment_of,
    follow_plan,
    score_plan,
)
from dunning_engine.handlers.keep_hold import HoldError
from dunning_engine.handlers.walk_clock import CatchUp
from dunning_engine.records import HoldRow, Resend

APPROVE = "dunning:approve"
RULES_WRITE = Depends(caller("policies:write"))
_DEFAULTS = PlanRules()
Days = Annotated[int, Field(ge=0, le=60)]
Money = Annotated[dict[str, Amount], Field(max_length=200)]


class Part(Body):
    """One instalment."""

    on: Day
    amount: Amount


# One member of the body, a number or a list, read as two fields: so an error in the list points to
# its place in the body, which it would not in a union.
_Count = Annotated[
    Annotated[int, Field(ge=1, le=INSTALMENTS_MAX)] | None,
    BeforeValidator(lambda given: None if isinstance(given, list) else given),
]
_Parts = Annotated[
    Annotated[list[Part], Field(min_length=1, max_length=INSTALMENTS_MAX)] | None,
    BeforeValidator(lambda given: given if isinstance(given, list) else None),
]
_EITHER = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": INSTALMENTS_MAX},
            {
                "type": "array",
                "minItems": 1,
                "maxItems": INSTALMENTS_MAX,
                "items": {
                    "type": "object",
                    "required": ["on", "amount"],
                    "additionalProperties": False,
                    "properties": {
                        "on": {"type": "string", "format": "date"},
                        "amount": {"type": "string"},
                    },
                },
            },
        ]
    }
)


class Proposing(Covering):
    """A plan that a debtor asks for.

    `instalments` is how many (the first payment among them), or each with its day and amount.
    Without `starts_on` the first is due today if there is a `first_payment`, else one interval
    from today. Without `amount` it is about all that the invoices owe; without invoices, about
    those due by the first day.
    """

    amount: Amount | None = None
    first_payment: Amount | None = None
    count: Annotated[_Count, _EITHER] = Field(alias="instalments")
    parts: Annotated[_Parts, _EITHER] = Field(
        default=None, validation_alias=AliasChoices("instalments")
    )
    interval: Interval = "monthly"
    starts_on: Day | None = None

    @property
    def ask(self) -> PlanAsk:
        """As the handlers know it."""
        return PlanAsk(
            debtor_id=self.debtor_id,
            invoice_ids=self.invoice_ids,
            amount=self.amount,
            first_payment=self.first_payment,
            instalments=self.count or tuple((part.on, part.amount) for part in self.parts or ()),
            interval=self.interval,
            starts_on=self.starts_on,
        )


class Agreeing(Proposing):
    """A plan to agree to. `approve`: agree although it needs approval; takes `dunning:approve`."""

    note: Text | None = None
    approve: bool = False


class Rules(BaseModel):
    """What a tenant allows. A plan that misses a rule needs approval; it is refused for `refuse`.

    `min_instalment` and `tolerance` are amounts by currency. No `risks`: any.
    """

    model_config = ConfigDict(extra="forbid")

    max_months: int = Field(default=_DEFAULTS.max_months, ge=1, le=120)
    min_instalment: Money = Field(default_factory=dict)
    min_first_percent: Decimal = Field(default=Decimal(0), ge=0, le=100, decimal_places=2)
    max_open_plans: int = Field(default=_DEFAULTS.max_open_plans, ge=0, le=100)
    debtor_kinds: list[DebtorKind] = Field(default=list(_DEFAULTS.debtor_kinds), max_length=3)
    risks: list[Line] = Field(default_factory=list, max_length=100)
    refuse: list[RuleName] = Field(default=sorted(_DEFAULTS.refuse), max_length=6)
    grace_days: Days = _DEFAULTS.grace_days
    tolerance: Money = Field(default_factory=dict)
    promise_days_max: int = Field(default=_DEFAULTS.promise_days_max, ge=0, le=366)
    promise_grace_days: Days = _DEFAULTS.promise_grace_days
    claim_days: int = Field(default=_DEFAULTS.claim_days, ge=0, le=30)

    @field_validator("min_first_percent", mode="before")
    @classmethod
    def _exact(cls, percent: object) -> object:
        # A JSON number arrives as a float; what was meant is what it reads as.
        return str(percent) if isinstance(percent, float) else percent

    def checked(self) -> PlanRules:
        """The rules, once every amount is one.

        Raises:
            ProblemError: 422, an unknown currency or no amount.
        """
        errors = [
            FieldError(pointer=f"/{name}/{currency}", detail=wrong)
            for name, amounts in (
                ("min_instalment", self.min_instalment),
                ("tolerance", self.tolerance),
            )
            for currency, text in amounts.items()
            if (wrong := _wrong_amount(currency, text))
        ]
        if errors:
            raise ProblemError(
                422, "invalid-request", "Some fields are missing or wrong.", errors=errors
            )
        return rules_of(self.model_dump() | {"min_first_percent": str(self.min_first_percent)})


def plan_routes(rooms: StoreRoom, catch_up: CatchUp) -> APIRouter:
    """The tenant's rules, proposals, plans."""
    router = APIRouter(prefix="/v1", tags=["plans"])
    _rules(router, rooms)

    @router.post("/plans/proposals")
    async def propose(body: Proposing, who: Caller = READ) -> dict[str, Any]:
        """Score a proposal by the tenant's rules; nothing is agreed to."""

        async def work() -> ScoredPlan:
            async with rooms.tenant(who.tenant) as stores:
                return await score_plan(
                    stores.holds, stores.plan_rules, tenant=who.tenant, ask=body.ask
                )

        return _show(await asking_ledger(catch_up, who, body.debtor_id, work))

    @router.post("/plans", status_code=201)
    async def agree(
        body: Agreeing,
        response: Response,
        idempotency_key: IdempotencyKey = None,
        principal: Principal = Depends(require("dunning:write")),
        who: Caller = WRITE,
    ) -> dict[str, Any]:
        """Let reminders rest while the debtor pays in parts."""
        if body.approve and APPROVE not in principal.scopes:
            raise ProblemError(403, "missing-scope", f"Approving a plan takes {APPROVE}.")
        resend = resend_of(who, idempotency_key, body)
        try:
            plan, created = await asking_ledger(
                catch_up, who, body.debtor_id, lambda: _agree(rooms, body, who, resend)
            )
        except ProblemError as problem:
            if isinstance(refusal := problem.__cause__, PlanRefusedError):
                raise _refused(refusal) from refusal
            raise
        response.status_code = 201 if created else 200
        return await _standing(rooms, who, plan.hold_id)

    @router.get("/plans/{plan_id}")
    async def get_plan(plan_id: UUID, who: Caller = READ) -> dict[str, Any]:
        """A plan: its schedule, and how much of each instalment is paid."""
        return await _standing(rooms, who, plan_id)

    return router


def _rules(router: APIRouter, rooms: StoreRoom) -> None:
    @router.get("/plan-rules")
    async def get_rules(who: Caller = READ) -> dict[str, Any]:
        """What the tenant allows when debtors promise or ask to pay in parts."""
        async with rooms.tenant(who.tenant) as stores:
            return await _rules_of(stores, who.tenant)

    @router.put("/plan-rules")
    async def put_rules(body: Rules, who: Caller = RULES_WRITE) -> dict[str, Any]:
        """Replace them; what is left out gets its default. Plans agreed to before stay."""
        rules = body.checked()
        async with rooms.tenant(who.tenant) as stores:
            await stores.plan_rules.write(who.tenant, rules, stored_by=who.subject)
            return await _rules_of(stores, who.tenant)


async def _rules_of(stores: Stores, tenant: str) -> dict[str, Any]:
    row = await stores.plan_rules.read(tenant)
    if row is None:
        return document_of(PlanRules()) | {"stored_by": None, "stored_at": None}
    rules = document_of(rules_of(row["document"]))
    return rules | {"stored_by": row["stored_by"], "stored_at": row["stored_at"]}


async def _agree(
    rooms: StoreRoom, body: Agreeing, who: Caller, resend: Resend | None
) -> tuple[HoldRow, bool]:
    async with rooms.tenant(who.tenant) as stores:
        return await agree_plan(
            stores.holds,
            stores.plan_rules,
            tenant=who.tenant,
            ask=body.ask,
            note=body.note,
            agreed_by=who.subject,
            approved=body.approve,
            resend=resend,
        )


async def _standing(rooms: StoreRoom, who: Caller, plan_id: UUID) -> dict[str, Any]:
    try:
        async with rooms.tenant(who.tenant) as stores:
            found = await follow_plan(
                stores.holds, stores.sweep, tenant=who.tenant, hold_id=plan_id, kind="plan"
            )
    except HoldError as error:
        raise problem_of(error, what="plan") from error
    return show_standing(found)


def _refused(refusal: PlanRefusedError) -> ProblemError:
    """The problem carries every rule's answer, and a plan that would be accepted."""
    wanting = refusal.scored.score.rating == "needs_approval"
    return ProblemError(
        422,
        "plan-needs-approval" if wanting else "plan-refused",
        "The plan needs approval." if wanting else "The rules refuse the plan.",
        errors=[FieldError(pointer=refusal.field, detail=str(refusal))],
        extra={"proposal": jsonable_encoder(_show(refusal.scored))},
    )


def _show(scored: ScoredPlan) -> dict[str, Any]:
    currency = scored.debt.currency
    total_minor = sum(part.amount_minor for part in scored.instalments)
    return {
        **assessment_of(scored.score, currency),
        "invoice_ids": list(scored.debt.invoice_ids),
        "currency": currency,
        "owed": amount(scored.debt.owed_minor, currency),
        "total": amount(total_minor, currency),
        "instalments": show_instalments(scored.instalments, currency),
        "counter_proposal": None
        if scored.counter is None
        else show_instalments(scored.counter, currency),
    }


def _wrong_amount(currency: str, text: str) -> str | None:
    try:
        return None if parse_minor(text, currency) >= 0 else "must not be negative"
    except MoneyError as error:
        return str(error)

"""A person says what came of a call: the message behind it is settled, or waits for the next.

A promise made on the telephone is an answer like one given on the portal: it is kept and told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from dunning_common import outbox
from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.events.responses import DebtorPromisedV1
from dunning_common.ids import account_key, name_id
from dunning_common.outbox import Outgoing
from notifier.domain.calls import CallOutcome, CallRule, conclude
from notifier.domain.feedback import Report, Stage
from notifier.domain.message import State
from notifier.domain.redaction import redact
from notifier.handlers.notifications import SOURCE
from notifier.handlers.settling import Settler
from notifier.ports.calls import Calls, CallTask
from notifier.ports.messages import Feedback, ProviderEvent, Settled
from notifier.ports.responses import NewResponse, Responses


class NoSuchCallError(LookupError):
    """The tenant has no call of that id."""


class NotOpenError(RuntimeError):
    """The call is not on the list (any more): `state` is its message's."""

    def __init__(self, state: State) -> None:
        super().__init__(f"the call is {state}, not open")
        self.state = state


class ReportedMeanwhileError(RuntimeError):
    """Somebody reported a call since: `tries` were made by now. Nothing was written down."""

    def __init__(self, tries: int) -> None:
        super().__init__(f"{tries} calls were reported by now")
        self.tries = tries


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What was promised: so many minor units, at the latest on that day."""

    currency: str
    amount_minor: int
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """What a person says about a call; `note` is kept without addresses and numbers.

    `tries_seen` is how many calls the person knew of, so that a form that is sent twice is one
    call; None takes every report as a call of its own.
    """

    outcome: CallOutcome
    person: str
    note: str = ""
    promise: Promise | None = None
    tries_seen: int | None = None


class CallDesk:
    """Takes reports about calls."""

    def __init__(
        self,
        *,
        db: Database,
        calls: Calls,
        feedback: Feedback,
        responses: Responses,
        settler: Settler,
        rule: CallRule,
        clock: Clock,
    ) -> None:
        self._db = db
        self._calls = calls
        self._feedback = feedback
        self._responses = responses
        self._settler = settler
        self._rule = rule
        self._clock = clock

    async def report(self, tenant: str, message_id: UUID, said: CallReport) -> CallTask:
        """Settle the message, or put the next call off; returns the task as it is then.

        Raises:
            NoSuchCallError: not there.
            NotOpenError: paid, revoked, settled before, or being written anew this second.
            ReportedMeanwhileError: the person did not know of all calls.
        """
        async with self._db.tenant(tenant) as connection:
            task = await self._calls.one(connection, message_id, lock=True)
            if task is None:
                raise NoSuchCallError
            if task.message.state is not State.PLANNED or task.sha256 is None:
                raise NotOpenError(task.message.state)
            if said.tries_seen not in (None, task.tries):
                raise ReportedMeanwhileError(task.tries)
            concluded = conclude(said.outcome, tries_before=task.tries, rule=self._rule)
            number = await self._calls.add_try(
                connection,
                task,
                outcome=said.outcome,
                note=redact(said.note),
                person=said.person,
                again_s=concluded.again_s if concluded.settlement is None else None,
            )
            if concluded.delivered:
                await self._feedback.keep(connection, [_delivered(task, said.outcome, number)])
            told: list[Outgoing] = []
            if said.promise is not None:
                answer, event = self._promised(task, said.promise, number)
                if await self._responses.keep(connection, [answer]):
                    told.append(event)
            if concluded.settlement is not None:
                verdict = Settled(
                    message=task.message,
                    settlement=concluded.settlement,
                    sha256=task.sha256,
                    actor=f"person:{said.person}",
                    over=frozenset({State.PLANNED}),
                )
                await self._settler.settle(connection, [verdict])
            await outbox.append(connection, told, source=SOURCE)
            after = await self._calls.one(connection, message_id)
            if after is None:
                raise NoSuchCallError
            return after

    def _promised(
        self, task: CallTask, promise: Promise, number: int
    ) -> tuple[NewResponse, Outgoing]:
        message = task.message
        effective_at = message.effective_at if task.sandbox else self._clock.now()
        response_id = name_id("call", message.tenant, str(message.message_id), str(number))
        answer = NewResponse(
            tenant=message.tenant,
            response_id=response_id,
            debtor_id=message.debtor_id,
            kind="promise",
            source="person",
            effective_at=effective_at,
            invoice_ids=message.invoice_ids,
            notice_id=message.notice_id,
            channel="call",
            facts={
                "currency": promise.currency,
                "amount_minor": promise.amount_minor,
                "on": promise.on.isoformat(),
            },
        )
        payload = DebtorPromisedV1(
            response_id=response_id,
            debtor_id=message.debtor_id,
            invoice_ids=message.invoice_ids,
            notice_id=message.notice_id,
            source="person",
            effective_at=effective_at,
            currency=promise.currency,
            amount_minor=promise.amount_minor,
            on=promise.on,
        )
        event = Outgoing(
            payload=payload,
            tenant=message.tenant,
            key=account_key(message.tenant, message.debtor_id),
            subject=str(response_id),
            causation=message.causation,
        )
        return answer, event


def _delivered(task: CallTask, outcome: CallOutcome, number: int) -> ProviderEvent:
    """The debtor knows: said like a provider says it, so that it is told in the same place."""
    message = task.message
    return ProviderEvent(
        tenant=message.tenant,
        provider="call_list",
        event_id=f"{message.message_id}:{number}",
        message_id=message.message_id,
        kind=str(outcome),
        report=Report(stage=Stage.DELIVERED),
        body={"outcome": str(outcome)},
    )

"""Takes what a debtor answered on the page: read, hold to the rules, seal, store, tell the world.

Response and event commit together, and a form that was sent twice counts once. Words, names and
files leave here only sealed with the debtor's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, assert_never, cast
from uuid import UUID

import orjson

from dunning_common import outbox
from dunning_common.db import Database
from dunning_common.events.dunning import AnyChannel, HoldInstalment
from dunning_common.events.envelope import Payload
from dunning_common.events.responses import (
    DebtorDisputedV1,
    DebtorPromisedV1,
    PaymentClaimedV1,
    PlanRequestedV1,
    ReplyReceivedV1,
)
from dunning_common.ids import account_key, name_id
from dunning_common.outbox import Outgoing
from dunning_common.vault import seal
from notifier.channels.addresses import phone_recipient
from notifier.domain.suppression import Cause, Suppression
from notifier.handlers.notifications import SOURCE
from notifier.handlers.suppressing import Suppressor
from notifier.handlers.visit_portal import DeadLinkError, Visit
from notifier.portal.answers import (
    Answer,
    ContactProposed,
    Disputed,
    PaymentClaimed,
    PlanAsked,
    Promised,
    SmsStopped,
    Wrote,
    read_answer,
)
from notifier.portal.fields import Fault, Faults
from notifier.portal.files import Upload
from notifier.portal.settings import Action
from notifier.ports.ledger import Ledger
from notifier.ports.responses import Kind, NewResponse, Responses, SealedFile

ANSWERS_A_DAY_MAX = 30
"""Answers through one link; who has more to say should call."""


class TooManyAnswersError(RuntimeError):
    """More came through this link within a day than anybody needs."""


class ResponseTaker:
    """Takes answers."""

    def __init__(
        self, *, db: Database, responses: Responses, ledger: Ledger, suppressor: Suppressor
    ) -> None:
        self._db = db
        self._responses = responses
        self._ledger = ledger
        self._suppressor = suppressor

    async def take(
        self,
        visit: Visit,
        action: Action,
        fields: Mapping[str, str],
        upload: Upload | None,
        *,
        form_id: UUID,
    ) -> UUID | Faults:
        """Store what the form says; returns the answer's id, or what is wrong with the form.

        Args:
            visit: the link as it stands now.
            action: which form.
            fields: as they were typed.
            upload: the file, if one came.
            form_id: of the form as it was shown: the same form with the same words is one answer.

        Raises:
            LedgerUnavailableError: the ledger holds the key and does not answer.
            DeadLinkError: the debtor was erased meanwhile.
            TooManyAnswersError: enough for a day.
        """
        answer = read_answer(action, fields, upload, visit.ground)
        if isinstance(answer, Faults):
            return answer
        debtor = (visit.link.tenant, visit.link.debtor_id)
        key = (await self._ledger.keys({debtor})).get(debtor)
        if key is None:
            raise DeadLinkError
        response_id = name_id(
            "response", visit.link.tenant, str(visit.link.link_id), str(form_id), _digest(answer)
        )
        response = new_response(visit, answer, response_id, key)
        silenced = _silenced(visit) if isinstance(answer, SmsStopped) else None
        if isinstance(answer, SmsStopped) and silenced is None:
            faults = Faults()
            faults.note("form", Fault("keep_one_way"))
            return faults
        async with self._db.tenant(visit.link.tenant) as connection:
            kept = await self._responses.keep(connection, [response])
            if kept:
                count = await self._responses.count_of_link(connection, visit.link.link_id)
                if count > ANSWERS_A_DAY_MAX:
                    raise TooManyAnswersError
                if silenced is not None:
                    await self._suppressor.add(connection, [silenced])
                elif event := event_of(response, answer):
                    await outbox.append(connection, [outgoing(response, event)], source=SOURCE)
        return response_id


def new_response(visit: Visit, answer: Answer, response_id: UUID, key: bytes) -> NewResponse:
    """The answer as it is stored: facts in clear, everything personal sealed."""
    kind, invoice_ids, facts, words = _apart(answer)
    upload = answer.upload if isinstance(answer, Disputed | Wrote) else None
    if upload is not None:
        words = {**words, "file_name": upload.safe_name}
    link = visit.link
    return NewResponse(
        tenant=link.tenant,
        response_id=response_id,
        debtor_id=link.debtor_id,
        kind=kind,
        source="portal",
        effective_at=visit.backdrop.clock,
        invoice_ids=invoice_ids,
        notice_id=link.notice_id,
        link_id=link.link_id,
        channel=link.channel,
        facts=facts,
        note=seal(key, orjson.dumps(words), context=note_context(link, response_id))
        if words
        else None,
        state="proposed" if kind == "contact_change" else "received",
        files=(_sealed(visit, upload, response_id, key),) if upload is not None else (),
    )


def note_context(debtor: Any, response_id: UUID) -> str:
    """What a sealed note is bound to. `debtor` has a tenant and a debtor_id."""
    return f"{debtor.tenant}|{debtor.debtor_id}|response|{response_id}"


def file_context(debtor: Any, response_id: UUID, file_no: int) -> str:
    """What a sealed file is bound to."""
    return f"{note_context(debtor, response_id)}|file|{file_no}"


def event_of(response: NewResponse, answer: Answer) -> Payload | None:
    """The event that tells of an answer; None for one that is told elsewhere (opting out)."""
    about: dict[str, Any] = {
        "response_id": response.response_id,
        "debtor_id": response.debtor_id,
        "invoice_ids": response.invoice_ids,
        "notice_id": response.notice_id,
        "source": response.source,
        "effective_at": response.effective_at,
    }
    match answer:
        case PaymentClaimed():
            return PaymentClaimedV1(
                **about,
                currency=answer.currency,
                amount_minor=answer.amount_minor,
                paid_on=answer.paid_on,
            )
        case Promised():
            return DebtorPromisedV1(
                **about,
                currency=answer.currency,
                amount_minor=answer.amount_minor,
                on=answer.on,
            )
        case PlanAsked():
            parts = tuple(
                HoldInstalment(on=part.on, amount_minor=part.amount_minor) for part in answer.parts
            )
            return PlanRequestedV1(**about, currency=answer.currency, instalments=parts)
        case Disputed():
            return DebtorDisputedV1(
                **about,
                reason_code=answer.reason_code,
                currency=answer.currency,
                disputed_minor=answer.disputed_minor,
            )
        case ContactProposed() | Wrote():
            # A proposal is told as something to read: only what a person accepted corrects.
            return ReplyReceivedV1(**about, channel=cast("AnyChannel", response.channel or "email"))
        case SmsStopped():
            return None
        case _ as never:
            assert_never(never)


def outgoing(response: NewResponse, event: Payload) -> Outgoing:
    """An event about a response, ready for the outbox."""
    return Outgoing(
        payload=event,
        tenant=response.tenant,
        key=account_key(response.tenant, response.debtor_id),
        subject=str(response.response_id),
    )


def _apart(answer: Answer) -> tuple[Kind, tuple[str, ...], dict[str, Any], dict[str, Any]]:
    """Kind, invoices, what may stand in clear, and what may not."""
    apart: tuple[Kind, tuple[str, ...], dict[str, Any], dict[str, Any]]
    match answer:
        case PaymentClaimed():
            facts = _money(answer) | {"paid_on": answer.paid_on.isoformat()}
            words = {"reference": answer.reference} if answer.reference else {}
            apart = "payment_claimed", answer.invoice_ids, facts, words
        case Promised():
            facts = _money(answer) | {"on": answer.on.isoformat()}
            apart = "promise", answer.invoice_ids, facts, {}
        case PlanAsked():
            parts = [{"on": p.on.isoformat(), "amount_minor": p.amount_minor} for p in answer.parts]
            facts = {"currency": answer.currency, "instalments": parts}
            apart = "plan_request", answer.invoice_ids, facts, _text(answer.text)
        case Disputed():
            facts = {
                "reason_code": answer.reason_code,
                "currency": answer.currency,
                "disputed_minor": answer.disputed_minor,
            }
            apart = "dispute", (answer.invoice_id,), facts, _text(answer.text)
        case ContactProposed():
            facts = {"fields": sorted(answer.correction)}
            apart = "contact_change", (), facts, {"correction": dict(answer.correction)}
        case SmsStopped():
            apart = "opt_out", (), {"channel": "sms"}, {}
        case Wrote():
            apart = "message", (), {}, _text(answer.text)
        case _ as never:
            assert_never(never)
    return apart


def _text(text: str) -> dict[str, Any]:
    return {"text": text} if text else {}


def _money(answer: PaymentClaimed | Promised) -> dict[str, Any]:
    return {"currency": answer.currency, "amount_minor": answer.amount_minor}


def _digest(answer: Answer) -> str:
    """Stands for all that an answer says, its file included."""
    kind, invoice_ids, facts, words = _apart(answer)
    upload = answer.upload if isinstance(answer, Disputed | Wrote) else None
    said = orjson.dumps([kind, invoice_ids, facts, words], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(said + (upload.content if upload else b"")).hexdigest()


def _sealed(visit: Visit, upload: Upload, response_id: UUID, key: bytes) -> SealedFile:
    return SealedFile(
        media_type=upload.media_type or "application/octet-stream",
        size_bytes=len(upload.content),
        content=seal(key, upload.content, context=file_context(visit.link, response_id, 1)),
    )


def _silenced(visit: Visit) -> Suppression | None:
    """The telephone that is to be left alone."""
    tenant = visit.backdrop.tenant
    recipient = phone_recipient(
        visit.account.contacts, tenant=visit.link.tenant, country=tenant.country
    )
    if recipient is None:
        return None
    return Suppression(
        tenant=visit.link.tenant,
        channel="sms",
        recipient_hash=recipient.hash,
        cause=Cause.OPT_OUT,
        source="portal",
        debtor_id=visit.link.debtor_id,
    )

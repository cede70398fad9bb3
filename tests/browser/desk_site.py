"""The notifier on a real port with something for an operator on every page of the desk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.auth import mint
from dunning_common.clock import SystemClock
from dunning_common.db import driver
from dunning_common.ids import name_id
from dunning_common.vault import seal
from notifier.adapters.sql_batches import SqlBatches
from notifier.adapters.sql_issues import SqlIssues
from notifier.adapters.sql_reading import SqlReading
from notifier.adapters.sql_responses import SqlResponses
from notifier.adapters.sql_suppressions import SqlSuppressions
from notifier.domain.issues import Issue, IssueKind
from notifier.domain.suppression import Cause, Suppression
from notifier.handlers.suppressing import Suppressor
from notifier.handlers.take_response import note_context
from notifier.handlers.write import seal_content
from notifier.ports.responses import NewResponse
from tests.browser.portal_site import TENANT, PortalSite, portal_site
from tests.conftest import Databases

CAME = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
LONG = "An unbelievably long company name without any end in sight, Sons, Daughters & Partners Ltd"


@dataclass
class DeskSite:
    """A running notifier with work to do; `key` signs tokens for it."""

    portal: PortalSite
    key: Path
    messages: dict[str, UUID]
    proposal: UUID

    @property
    def url(self) -> str:
        """Where it is."""
        return self.portal.url

    def sign_in(self, path: str, *scopes: str, tenant: str = TENANT) -> str:
        """The address that signs in and goes on to a page."""
        token = mint(
            self.key,
            subject="marie",
            tenant=tenant,
            scopes=frozenset(scopes or ("notices:read", "notices:write")),
            now=datetime.now(UTC),
            lifetime=timedelta(hours=1),
        )
        return f"{self.url}/login?next={path}#token={token}"


@asynccontextmanager
async def desk_site(databases: Databases, folder: Path) -> AsyncIterator[DeskSite]:
    """The portal's site with messages in every state, answers, calls, batches, issues."""
    async with portal_site(databases, folder) as portal:
        async with portal.db.worker() as connection:
            messages = await _stir(connection, portal)
            proposal = await _answer(connection, portal)
            await _list(connection)
        yield DeskSite(portal, folder / "key.pem", messages, proposal)


async def _stir(connection: AsyncConnection, portal: PortalSite) -> dict[str, UUID]:
    """One message of every kind that needs a person."""
    raw = await driver(connection)
    rows = await raw.fetch("SELECT message_id FROM message ORDER BY seq")
    ids = [UUID(bytes=row["message_id"].bytes) for row in rows]
    named = dict(zip(("unknown", "failed", "call", "letter", "registered"), ids, strict=False))
    reasons = {
        "unknown": "no_reply_after_data: TimeoutError",
        "failed": "recipient_refused",
    }
    for state, reason in reasons.items():
        await raw.execute(
            "UPDATE message SET state = $2, reason = $3, attempts = 1, settled_at = now(),"
            " sent_at = NULL, provider = 'smtp', recipient_hash = '0123456789abcdef'"
            " WHERE message_id = $1",
            named[state], state, reason,
        )  # fmt: skip
        await raw.execute(
            "INSERT INTO attempt (tenant, message_id, fence, phase, reason, provider)"
            " VALUES ($1, $2, 1, 'sending', NULL, 'smtp'), ($1, $2, 1, $3, $4, 'smtp')",
            TENANT, named[state], state, reason,
        )  # fmt: skip
    await _call(connection, portal, named["call"])
    for name, channel in (("letter", "letter"), ("registered", "registered_letter")):
        await raw.execute(
            "UPDATE message SET channel = $2, provider = 'spool', attempts = 1,"
            " provider_ref = 'letter.pdf', sha256 = repeat('ab', 32) WHERE message_id = $1",
            named[name], channel,
        )  # fmt: skip
    await SqlBatches().cut(connection, largest=10, wait_s=0.0)
    await raw.execute(
        "UPDATE letter_batch SET error = 'spool: OSError No space left on device', tries = 3"
        " WHERE channel = 'letter'"
    )
    return named


async def _call(connection: AsyncConnection, portal: PortalSite, message_id: UUID) -> None:
    raw = await driver(connection)
    script = orjson.dumps(
        {
            "name": LONG,
            "phone": "+33639981234",
            "on_behalf_of": "Atelier Dubois & Fils",
            "subject": "",
            "script": "Good morning. I am calling about invoice F-2026-0117 of 1,040.50 €.\n\n"
            "May I ask when we can expect the payment?",
        }
    )
    view = await SqlReading().one(connection, message_id)
    assert view is not None
    key = portal.ledger.debtor_keys[TENANT, view.message.debtor_id]
    await raw.execute(
        "UPDATE message SET channel = 'call', state = 'planned', reason = 'on_call_list',"
        " provider = 'call_list', sent_at = NULL, sha256 = repeat('cd', 32), content = $2"
        " WHERE message_id = $1",
        message_id, seal_content(key, script, view.message),
    )  # fmt: skip


async def _answer(connection: AsyncConnection, portal: PortalSite) -> UUID:
    """A proposed change of contacts, a promise, a plan, a dispute and a letter in free words."""
    debtor = "debtor-de"
    key = portal.ledger.debtor_keys[TENANT, debtor]
    said: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "contact_change": (
            {"fields": ["emails", "name"]},
            {"correction": {"name": LONG, "emails": ["buchhaltung@example.com"]}},
        ),
        "promise": ({"currency": "EUR", "amount_minor": 104_050, "on": "2026-04-01"}, {}),
        "plan_request": (
            {
                "currency": "EUR",
                "instalments": [
                    {"on": "2026-04-01", "amount_minor": 52_025},
                    {"on": "2026-05-01", "amount_minor": 52_025},
                ],
            },
            {"text": "Geht das in zwei Raten?"},
        ),
        "dispute": (
            {"reason_code": "wrong_amount", "currency": "EUR", "disputed_minor": 20_000},
            {"text": "<b>200 Euro</b> sind zu viel."},
        ),
        "message": ({"seems_to_say": "promise", "on": None}, {"text": "Wir zahlen nächste Woche."}),
    }
    answers = []
    for kind, (facts, words) in said.items():
        bare = NewResponse(
            tenant=TENANT,
            response_id=name_id("answer", kind),
            debtor_id=debtor,
            kind=kind,  # type: ignore[arg-type]
            source="portal",
            effective_at=CAME,
            invoice_ids=("de-1",),
            facts=facts,
            state="proposed" if kind == "contact_change" else "received",
        )
        context = note_context(bare, bare.response_id)
        note = seal(key, orjson.dumps(words), context=context) if words else None
        answers.append(replace(bare, note=note))
    await SqlResponses().keep(connection, answers)
    return answers[0].response_id


async def _list(connection: AsyncConnection) -> None:
    """Suppressed addresses, and issues of every kind."""
    await Suppressor(SqlSuppressions(), SystemClock()).add(
        connection,
        [
            Suppression(
                tenant=TENANT,
                channel="email",
                recipient_hash="0123456789abcdef",
                cause=cause,
                source="smtp",
                debtor_id="debtor-fr",
                note="550 5.1.1 no such user",
            )
            for cause in (Cause.HARD_BOUNCE, Cause.PERSON)
        ],
    )
    await SqlIssues().note(
        connection,
        [
            Issue(
                tenant=TENANT,
                kind=kind,
                source="email",
                ref=str(name_id("issue", kind)),
                detail="address hash 0123456789abcdef",
            )
            for kind in IssueKind
        ],
    )

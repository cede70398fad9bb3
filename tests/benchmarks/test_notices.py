"""How fast planned notices become sent e-mails, beside how fast the same e-mails are only rendered.

Ledger, mail server and two notifiers are processes of their own. A message is claimed, its contacts
opened with the key that the ledger hands out, rendered, frozen, permitted by the ledger, sent and
recorded with its event. The limit is the renderer alone, one thread in one process.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest
from prometheus_client import CollectorRegistry

from dunning_common.consumer import Consumed
from dunning_common.db import Database
from dunning_common.events.contacts import Contacts
from dunning_common.events.dunning import NoticeItemV2, NoticeMessageV2, NoticeRequestedV2
from dunning_common.events.envelope import Envelope
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.ids import account_key, name_id
from invoice_ingest.schema import SCHEMA as LEDGER
from notifier.adapters.sql_inbox import SqlInbox
from notifier.adapters.sql_messages import SqlMessages
from notifier.content.model import RenderRequest
from notifier.content.render import Renderer
from notifier.handlers.record_events import RecordEvents
from notifier.handlers.settling import Settler
from notifier.schema import SCHEMA
from tests.benchmarks.conftest import Record
from tests.benchmarks.measure import median, scaled
from tests.benchmarks.stack import (
    TENANT,
    Stack,
    debtor_item,
    fill,
    invoice_item,
    tenant_body,
)

pytestmark = pytest.mark.benchmark

NOTICES = 4_000
"""In each round; one message each."""

ROUNDS = 3
REPLICAS = 2
"""Of the notifier: one for each core, as one Python program uses no more than one."""

SETTINGS = {
    "NOTIFIER_LEASE_S": "60",
    "NOTIFIER_MAX_SEND_S": "30",
    "NOTIFIER_SENDERS": "1",
    "NOTIFIER_WRITER_THREADS": "1",
    "NOTIFIER_BATCH_SIZE": "500",
    "NOTIFIER_PARALLEL_SENDS": "250",
}
"""A busy machine must change the figure, not what becomes of a message. The relay is one's own, so
that it takes many at once. One sender a process: while one writes and another sends, both wait for
their turns of the interpreter, and the other process is there to fill the pauses."""

ITEMS = 2
DUE = date(2026, 2, 1)
DECIDED = datetime(2026, 2, 10, 8, 0, tzinfo=UTC)


async def test_notices(stack: Stack, record: Record) -> None:
    count = scaled(NOTICES)
    await fill_ledger(stack, count)
    await stack.start_sink()
    for replica in range(1, REPLICAS + 1):
        await stack.start("notifier", replica=replica, **SETTINGS)
    await stack.until_sql(
        "SELECT (SELECT count(*) FROM notifier.contact) = $1 "
        "AND EXISTS (SELECT FROM notifier.tenant)",
        count,
    )
    db = await stack.open(SCHEMA)
    body = await stack.sql.fetchval("SELECT body::text FROM notifier.tenant")
    tenant = TenantRegisteredV1.model_validate_json(body)
    renderer = Renderer()
    values, limits = [], []

    for this_round in range(ROUNDS):
        notices = [notice(number, this_round) for number in range(count)]
        await plan(db, notices)
        values.append(count / await until_sent(stack, notices))
        await stack.until_published(SCHEMA)
        started = time.perf_counter()
        for number, each in enumerate(notices):
            renderer.render(request(number, each, tenant))
        limits.append(count / (time.perf_counter() - started))

    record("notices", median(values), "messages/s", median(limits))


async def fill_ledger(stack: Stack, debtors: int) -> None:
    """Debtors with two open invoices each."""
    await stack.start("ingest")
    client = await stack.client()
    await client.put("ingest", f"/v1/tenants/{TENANT}", tenant_body())
    await fill(client, "debtors", [debtor_item(number) for number in range(debtors)])
    await fill(
        client,
        "invoices",
        [invoice_item(number, number // ITEMS, due_on=DUE) for number in range(ITEMS * debtors)],
    )
    await stack.until_published(LEDGER)


def notice(debtor: int, this_round: int) -> NoticeRequestedV2:
    """A first reminder of all that a debtor owes."""
    name = f"{debtor}-{this_round}"
    numbers = range(ITEMS * debtor, ITEMS * (debtor + 1))
    items = [invoice_item(number, debtor, due_on=DUE) for number in numbers]
    return NoticeRequestedV2(
        notice_id=name_id("notice", name),
        debtor_id=f"D{debtor:05}",
        decided_at=DECIDED,
        zone="Europe/Paris",
        policy_id="france-b2b",
        policy_version=1,
        decision_id=name_id("decision", name),
        pay_by=date(2026, 2, 17),
        items=tuple(
            NoticeItemV2(
                invoice_id=item["invoice_id"],
                number=item["invoice_id"],
                level="first_reminder",
                level_no=2,
                issued_on=date.fromisoformat(item["issued_on"]),
                due_on=DUE,
                days_late=9,
                currency="EUR",
                amount_minor=int(item["amount"].replace(".", "")),
                open_minor=int(item["amount"].replace(".", "")),
                version=1,
            )
            for item in items
        ),
        messages=(
            NoticeMessageV2(
                channel="email",
                template="first_reminder",
                level="first_reminder",
                level_no=2,
                invoice_ids=tuple(item["invoice_id"] for item in items),
            ),
        ),
    )


async def plan(db: Database, notices: Sequence[NoticeRequestedV2]) -> None:
    """What the notifier's consumer does with a batch; its senders wake when it commits."""
    settler = Settler(SqlMessages(), currency="EUR", registry=CollectorRegistry())
    events = [
        Consumed(
            Envelope(
                type=type(each).__name__,
                source="benchmark",
                subject=str(each.notice_id),
                tenant=TENANT,
                key=account_key(TENANT, each.debtor_id),
                sequence=1,
                data=each.model_dump(mode="json"),
            ),
            each,
        )
        for each in notices
    ]
    async with db.worker() as connection:
        await RecordEvents(SqlInbox(), settler)(connection, events)


async def until_sent(stack: Stack, notices: Sequence[NoticeRequestedV2]) -> float:
    """Seconds from the first claim to the last record; all must have been sent."""
    ids = [each.notice_id for each in notices]
    await stack.until_sql(  # asked again and again, so by indexes that are empty at the end
        "SELECT NOT EXISTS (SELECT FROM notifier.message WHERE state = 'planned') "
        "AND NOT EXISTS (SELECT FROM notifier.message WHERE state = 'sending')"
    )
    (row,) = await stack.sql.fetch(
        """
        SELECT count(*) FILTER (WHERE state = 'sent') AS sent, min(reason) AS reason,
            extract(epoch FROM max(settled_at) - min(claimed_at))::float8 AS seconds
        FROM notifier.message WHERE notice_id = ANY($1)
        """,
        ids,
    )
    assert row["sent"] == len(ids), row["reason"]
    return float(row["seconds"])


def request(debtor: int, each: NoticeRequestedV2, tenant: TenantRegisteredV1) -> RenderRequest:
    """What the notifier renders for this notice."""
    item = debtor_item(debtor)
    return RenderRequest(
        channel="email",
        template="first_reminder",
        language="fr",
        notice=each,
        message=each.messages[0],
        tenant=tenant,
        contacts=Contacts(
            name=item["name"], language="fr", emails=tuple(item["contacts"]["emails"])
        ),
        message_id=name_id("message", str(each.notice_id)),
    )

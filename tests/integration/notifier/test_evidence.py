"""Archives of evidence on a real database: in order, in volumes, without links to be misused.

What the ledger and the engine say is held against the ledger itself, or the fake.
"""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dunning_common.clock import SystemClock
from dunning_common.db import driver
from notifier.adapters.evidence_key import EvidenceKey, is_signed, make_evidence_key
from notifier.adapters.evidence_spool import SealedSpool
from notifier.adapters.http_records import HttpRecords
from notifier.adapters.sql_delivery import SqlDelivery
from notifier.adapters.sql_evidence import SqlEvidence, SqlMessageLinks
from notifier.adapters.sql_portal import SqlLinks
from notifier.adapters.sql_responses import SqlResponses
from notifier.domain.claim import NoSuchVolumeError
from notifier.domain.evidence_check import Verdict, check, missing_volumes
from notifier.handlers.gather_evidence import Archive, Asker, EvidenceMaker, NothingKnownError
from notifier.handlers.portal_links import Inviter
from notifier.ports.evidence import Records, RecordsUnavailableError
from notifier.testing import FakeRecords, Mode
from tests.integration.invoice_ingest.conftest import INVOICE
from tests.integration.notifier.conftest import (
    DECIDED,
    TENANT,
    Postman,
    message_id_of,
    notice,
    tenant_event,
)
from tests.integration.notifier.test_real_ledger import RealLedger, ledger

__all__ = ["ledger"]

JANE = Asker(person="jane", token="t")
PDF = b"%PDF-1.7\n%%EOF\n"


@pytest.fixture
def records() -> FakeRecords:
    return FakeRecords(invoices={"d1": ["i1", "i2"]})


@pytest.fixture
def maker(postman: Postman, records: FakeRecords, tmp_path: Path) -> EvidenceMaker:
    make_evidence_key(tmp_path / "evidence.pem")
    return EvidenceMaker(
        db=postman.db,
        shelf=SqlEvidence(),
        links=SqlMessageLinks(),
        responses=SqlResponses(),
        delivery=SqlDelivery(),
        ledger=postman.ledger,
        records=records,
        signer=EvidenceKey(tmp_path / "evidence.pem"),
        clock=SystemClock(),
        spool=SealedSpool,
    )


def opened(archive: Archive) -> tuple[Verdict, dict[str, bytes]]:
    """The archive, checked, with its files."""
    data = io.BytesIO(b"".join(archive.parts))
    verdict = check(data, is_signed)
    assert verdict.wrong == ()
    with zipfile.ZipFile(data) as found:
        return verdict, {name: found.read(name) for name in found.namelist()}


def exact(verdict: Verdict) -> list[dict[str, Any]]:
    """What the manifest says of the messages' bytes."""
    return [dict(each) for each in verdict.files if each["says"].endswith("; the exact bytes")]


async def with_links(postman: Postman, *names: str) -> None:
    """Send a notice each, with a link to the debtor's page."""
    await postman.know()
    for name in names:
        await postman.hear(notice(name, invoices=(f"i{name}",)))
    inviter = Inviter(SqlLinks(), public_url="https://dunning.example")
    await postman.send_all(postman.sender(inviter=inviter))


async def lines_of(postman: Postman, target: str) -> list[tuple[str, str]]:
    async with postman.db.tenant(TENANT) as connection:
        return [
            (line.action, line.actor) for line in await SqlResponses().history(connection, target)
        ]


async def test_a_message_stands_where_it_left_and_not_where_it_was_decided(
    postman: Postman, maker: EvidenceMaker
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    await postman.send_all()
    sent_at = (await postman.message())["sent_at"]

    verdict, files = opened(await maker.of_invoice(TENANT, "i1", JANE))

    (mail,) = exact(verdict)
    assert datetime.fromisoformat(mail["happened_at"]) == sent_at != DECIDED
    assert files[mail["path"]] == postman.smtp.mails[0]
    assert f"{sent_at:%Y-%m-%d %H:%M:%S}" in files["timeline.txt"].decode()


async def test_in_a_sandbox_everything_stands_at_its_own_clock(
    postman: Postman, maker: EvidenceMaker
) -> None:
    await postman.know()
    await postman.hear(
        tenant_event().model_copy(update={"sandbox": True, "sandbox_starts_on": DECIDED.date()}),
        notice("n1"),
    )
    await postman.send_all()

    verdict, _ = opened(await maker.of_invoice(TENANT, "i1", JANE))

    assert [datetime.fromisoformat(m["happened_at"]) for m in exact(verdict)] == [DECIDED]


async def test_a_message_in_doubt_stands_where_its_attempt_ended_however_late_it_is_found(
    postman: Postman, maker: EvidenceMaker
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.append(Mode.LOST)
    await postman.send_all()
    in_doubt = await postman.message()
    assert in_doubt["state"] == "unknown"
    await postman.resolver.resolve(
        TENANT, message_id_of(in_doubt), outcome="sent", note="it is in the log", person="jane"
    )
    found = await postman.message()
    async with postman.db.tenant(TENANT) as connection:
        attempts = await SqlDelivery().attempts(connection, [message_id_of(found)])
    (doubt,) = [line.at for one in attempts.values() for line in one if line.phase == "unknown"]

    verdict, _ = opened(await maker.of_invoice(TENANT, "i1", JANE))

    (mail,) = exact(verdict)
    assert found["state"] == "sent"
    assert datetime.fromisoformat(mail["happened_at"]) == doubt < found["sent_at"]


async def test_a_debtor_with_a_thousand_invoices_gets_all_of_them_in_volumes(
    postman: Postman, maker: EvidenceMaker, records: FakeRecords
) -> None:
    await postman.know()
    ids = [f"i{n:04d}" for n in range(1000)]
    records.invoices["d1"] = ids
    await postman.hear(notice("all", invoices=ids), notice("one", invoices=ids[-1:]))
    await postman.hear(notice("old", invoices=("of-before",)))
    await postman.send_all()

    archives = [await maker.of_debtor(TENANT, "d1", JANE, volume=n) for n in (1, 2, 3, 4)]

    verdicts = [opened(archive)[0] for archive in archives]
    assert [one for verdict in verdicts for one in verdict.about["invoice_ids"]] == ids
    assert [len(exact(verdict)) for verdict in verdicts] == [2, 1, 1, 2]
    assert missing_volumes(verdicts) == []
    with pytest.raises(NoSuchVolumeError, match="has 4"):
        await maker.of_debtor(TENANT, "d1", JANE, volume=5)


async def test_documents_are_in_it_and_invoices_without_one_are_named(
    postman: Postman, maker: EvidenceMaker, records: FakeRecords
) -> None:
    await postman.know()
    records.originals["i2"] = b"0" * 40_000_000

    verdict, files = opened(await maker.of_debtor(TENANT, "d1", JANE))

    assert verdict.about["invoices_without_document"] == ["i1"]
    assert records.originals["i2"] in files.values()


async def test_the_readme_warns_of_links_that_still_work(
    postman: Postman, maker: EvidenceMaker
) -> None:
    await with_links(postman, "1", "2")

    verdict, files = opened(await maker.of_invoice(TENANT, "i1", JANE))

    links = verdict.about["links"]
    (mail,) = exact(verdict)
    assert links["live_of_messages"] == [Path(mail["path"]).stem.partition("level-2-")[2]]
    assert links["revoked"] == 0
    readme = files["README.txt"].decode()
    assert "DO NOT OPEN LINKS" in readme
    assert f"{datetime.fromisoformat(links['live_until']):%Y-%m-%d %H:%M:%S UTC}" in readme


async def test_links_of_the_messages_inside_are_ended_on_request_and_no_others(
    postman: Postman, maker: EvidenceMaker
) -> None:
    await with_links(postman, "1", "2")
    first, second = [message_id_of(row) for row in await postman.messages()]
    handing = Asker(person="jane", token="t", revokes_links=True)

    verdict, files = opened(await maker.of_invoice(TENANT, "i1", handing))
    again, _ = opened(await maker.of_invoice(TENANT, "i1", handing))

    assert verdict.about["links"] == {"revoked": 1, "live_of_messages": [], "live_until": None}
    assert again.about["links"]["revoked"] == 0
    assert "were revoked" in files["README.txt"].decode()
    assert await live(postman, first, second) == (second,)
    assert await lines_of(postman, str(first)) == [("link_revoked", "jane")]
    assert await lines_of(postman, str(second)) == []
    assert await lines_of(postman, "invoice:i1") == [("evidence_made", "jane")] * 2


async def live(postman: Postman, *messages: UUID) -> tuple[UUID, ...]:
    async with postman.db.tenant(TENANT) as connection:
        return (await SqlMessageLinks().live(connection, messages)).message_ids


async def test_whoever_may_not_read_all_of_it_ends_no_link(
    postman: Postman, maker: EvidenceMaker, records: FakeRecords
) -> None:
    await with_links(postman, "1")
    message_id = message_id_of(await postman.message())
    handing = Asker(person="jane", token="t", revokes_links=True)
    records.refuses_records = True

    with pytest.raises(RecordsUnavailableError):
        await maker.of_invoice(TENANT, "i1", handing)

    assert await live(postman, message_id) == (message_id,)
    assert await lines_of(postman, str(message_id)) == []


async def test_what_does_not_open_any_more_is_named(postman: Postman, maker: EvidenceMaker) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    await postman.send_all()
    message_id = message_id_of(await postman.message())
    postman.ledger.debtor_keys.clear()

    verdict, files = opened(await maker.of_invoice(TENANT, "i1", JANE))

    assert verdict.about["missing"] == [f"message {message_id}: the debtor was erased"]
    assert exact(verdict) == []
    assert "1 things could not be opened" in files["README.txt"].decode()


async def test_bytes_that_are_not_those_that_were_sent_are_named(
    postman: Postman, maker: EvidenceMaker
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    await postman.send_all()
    async with postman.db.worker() as connection:
        await (await driver(connection)).execute("UPDATE message SET sha256 = repeat('0', 64)")

    verdict, _ = opened(await maker.of_invoice(TENANT, "i1", JANE))

    (named,) = verdict.about["missing"]
    assert "have another hash than those that were sent" in named


async def test_the_other_services_are_asked_with_the_token_of_the_caller(
    postman: Postman, maker: EvidenceMaker, records: FakeRecords
) -> None:
    await postman.know()

    opened(await maker.of_invoice(TENANT, "i1", JANE))

    assert set(records.asked) == {(TENANT, JANE.token)}


async def test_an_invoice_or_a_debtor_that_nobody_knows_has_no_archive(
    maker: EvidenceMaker,
) -> None:
    with pytest.raises(NothingKnownError):
        await maker.of_invoice(TENANT, "none", JANE)
    with pytest.raises(NothingKnownError):
        await maker.of_debtor(TENANT, "none", JANE)


# What the ledger says: the fake keeps the promises of the ledger's own interface.


@pytest.fixture(params=["fake", "real"])
async def told(request: pytest.FixtureRequest, ledger: RealLedger) -> Records:
    """Debtor d1 with i1, i2 and, issued before them, a-late; i1 has a document."""
    if request.param == "fake":
        return FakeRecords(invoices={"d1": ["z-old", "i1", "i2"]}, originals={"i1": PDF})
    await ledger.put("/v1/invoices/z-old", {**INVOICE, "issued_on": "2025-12-01"})
    kept = await ledger.client.put(
        "/v1/invoices/i1/document",
        content=PDF,
        headers={"x-tenant": TENANT, "content-type": "application/pdf"},
    )
    assert kept.status_code in (200, 201), kept.text
    return HttpRecords(
        ledger.client, ledger_url="http://ledger", engine_url="http://ledger/none", timeout_s=5.0
    )


def token_of(ledger: RealLedger) -> str:
    return ledger.client.headers["authorization"].removeprefix("Bearer ")


async def test_records_name_the_invoices_of_a_debtor_oldest_first(
    told: Records, ledger: RealLedger
) -> None:
    token = token_of(ledger)

    assert await told.invoices_of(TENANT, token, "d1") == ["z-old", "i1", "i2"]
    assert await told.invoices_of(TENANT, token, "nobody") == []
    assert await told.debtor_of(TENANT, token, "i2") == "d1"
    with pytest.raises(LookupError):
        await told.debtor_of(TENANT, token, "none")


async def test_records_bring_each_thing_once_and_the_original_as_it_was_given(
    told: Records, ledger: RealLedger
) -> None:
    found = [record async for record in told.records(TENANT, token_of(ledger), "d1", ["i1", "i2"])]

    names = [(record.folder, record.name) for record in found]
    assert sorted(names) == [
        ("ledger", "debtor.json"),
        ("ledger", "invoice-i1.json"),
        ("ledger", "invoice-i1.pdf"),
        ("ledger", "invoice-i2.json"),
    ]
    assert {r.original_of: r.content for r in found if r.original_of} == {"i1": PDF}
    assert all(json.loads(r.content) for r in found if r.name.endswith(".json"))


async def test_records_are_refused_to_whom_the_ledger_refuses_them(ledger: RealLedger) -> None:
    records = HttpRecords(
        ledger.client, ledger_url="http://ledger", engine_url="http://ledger/none", timeout_s=5.0
    )

    with pytest.raises(RecordsUnavailableError) as refused:
        await records.debtor_of(TENANT, "no token", "i1")
    assert refused.value.status in (401, 403)

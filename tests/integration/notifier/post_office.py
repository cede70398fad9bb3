"""Letters on their way to the printer: spool, batches, door, a printing house's server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dunning_common.clock import SystemClock
from dunning_common.db import driver
from dunning_common.events.dunning import NoticeRequestedV2
from notifier.adapters.batch_folder import FolderBinder, FolderHandOver
from notifier.adapters.sftp import SftpAccount, SftpHandOver
from notifier.adapters.sql_batches import SqlBatches
from notifier.adapters.sql_suppressions import SqlSuppressions
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.handlers.batch_letters import Batcher, BatchRule
from notifier.handlers.leave import Door, DoorRule
from notifier.handlers.send import Crash, no_crash
from notifier.ports.post import Batch, BatchBinder, HandOver
from notifier.testing import FakeSftp
from tests.integration.notifier.conftest import TENANT, Postman, notice


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where batches lie."""
    return tmp_path / "batches"


@pytest.fixture(autouse=True)
def letters_wait_for_their_batch(postman: Postman) -> None:
    """For every test of a module that imports it."""
    batched(postman)


@pytest.fixture
async def printer(tmp_path: Path) -> AsyncIterator[FakeSftp]:
    """A printing house's server."""
    (tmp_path / "printer").mkdir()
    async with FakeSftp(tmp_path / "printer") as server:
        yield server


NOW = BatchRule(largest=100, wait_s=0.0, retry_base_s=0.0)
DOOR = DoorRule(costs_minor={"letter": 150, "registered_letter": 600})


def batcher(
    postman: Postman,
    out: Path,
    *,
    over: HandOver | None = None,
    rule: BatchRule = NOW,
    crash: Crash = no_crash,
    door: DoorRule = DOOR,
    binder: BatchBinder | None = None,
    batches: SqlBatches | None = None,
) -> Batcher:
    return Batcher(
        db=postman.db,
        batches=batches or SqlBatches(),
        binder=binder or FolderBinder(spool=postman.spool, out=out),
        door=Door(
            db=postman.db,
            batches=SqlBatches(),
            settler=postman.settler,
            suppressions=SqlSuppressions(),
            ledger=postman.ledger,
            rule=door,
            crash=crash,
        ),
        over=over,
        beside=FolderHandOver(),
        rule=rule,
        clock=SystemClock(),
    )


def to_printer(printer: FakeSftp, **more: Any) -> SftpHandOver:
    account = {
        "host": "127.0.0.1",
        "port": printer.port,
        "username": printer.username,
        "password": SecretStr(printer.password),
        "host_key": printer.host_key,
        "folder": "/in",
    }
    return SftpHandOver(SftpAccount(**{**account, **more}))


async def post(postman: Postman, *debtors: str, channel: str = "letter") -> None:
    """A letter to each of them, about an invoice of their own, into the spool."""
    await postman.know(*debtors)
    await postman.hear(*(letter_to(debtor, channel=channel) for debtor in debtors))
    await postman.send_all()


def letter_to(debtor: str, *, channel: str = "letter") -> NoticeRequestedV2:
    return notice(
        f"{channel}-{debtor}",
        debtor=debtor,
        invoices=(f"i-{debtor}",),
        channels={channel: (f"i-{debtor}",)},
    )


def batched(postman: Postman) -> None:
    """Letters wait in the spool for their batch."""
    for kind, cost_minor in DOOR.costs_minor.items():
        postman.channels[kind] = LetterSpoolChannel(
            postman.spool, kind=kind, cost_minor=cost_minor, batched=True
        )


async def batches_of(postman: Postman, tenant: str = TENANT) -> list[Batch]:
    async with postman.db.tenant(tenant) as connection:
        return await SqlBatches().page(connection, after=0, limit=100)


async def in_time(postman: Postman) -> None:
    """Let every batch be tried again now."""
    async with postman.db.worker() as connection:
        await (await driver(connection)).execute("UPDATE letter_batch SET next_try_at = now()")


def letters_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("0*.pdf"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def block(out: Path) -> None:
    """Put a file where the tenant's folder should be."""
    out.mkdir()
    (out / TENANT).write_text("in the way")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())

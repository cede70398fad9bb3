"""The door: a batch leaves with letters that may leave at that moment, once, and provably."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import functools
import random
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from dunning_common.clock import SystemClock
from dunning_common.db import driver
from dunning_common.events.notifications import (
    NoticeReturnedV2,
    NoticeSentV2,
    NoticeSuppressedV2,
)
from notifier.adapters.batch_folder import FolderBinder
from notifier.adapters.sql_batches import SqlBatches
from notifier.adapters.sql_suppressions import SqlSuppressions
from notifier.domain.post import remedy
from notifier.domain.suppression import Cause, Suppression
from notifier.handlers.batch_letters import BatchRule
from notifier.handlers.suppressing import Suppressor
from notifier.ports.post import Batch
from notifier.testing import FakeSftp, SftpTrouble
from tests.integration.notifier.conftest import (
    TENANT,
    Killed,
    Postman,
    killing_at,
    notice,
    revoked,
    tenant_event,
)
from tests.integration.notifier.post_office import (
    DOOR,
    NOW,
    batcher,
    batches_of,
    in_time,
    letters_in,
    letters_wait_for_their_batch,
    names,
    out,
    post,
    printer,
    to_printer,
)

__all__ = ["letters_wait_for_their_batch", "out", "printer"]


async def only(postman: Postman) -> Batch:
    (batch,) = await batches_of(postman)
    return batch


def there(printer: FakeSftp, batch: Batch) -> Path:
    return printer.root / "in" / f"{batch.reference}-{batch.batch_id}"


def has_left(printer: FakeSftp, batch: Batch) -> bool:
    return (there(printer, batch) / "SHA256SUMS").exists()


async def by_debtor(postman: Postman) -> dict[str, tuple[str, str | None]]:
    rows = await postman.messages()
    return {row["debtor_id"]: (row["state"], row["reason"]) for row in rows}


def no_more(recipient_hash: str) -> Suppression:
    """The first debtor wants no letters."""
    return Suppression(
        tenant=TENANT,
        channel="letter",
        recipient_hash=recipient_hash,
        cause=Cause.OPT_OUT,
        source="portal",
        debtor_id="d1",
    )


# --- what is in the spool was not sent yet


async def test_a_letter_is_told_as_sent_when_its_batch_leaves_and_not_before(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    waiting, told_before = await postman.message(), await postman.told()

    await postman.send_all()
    await batcher(postman, out).work()

    assert (waiting["state"], waiting["reason"]) == ("planned", "in_spool")
    assert told_before == []
    (sent,) = await postman.told()
    assert isinstance(sent, NoticeSentV2)
    assert (sent.provider, sent.cost_minor, sent.sha256) == ("spool", 150, waiting["sha256"])
    assert (await postman.message())["state"] == "sent"
    assert await postman.phases() == ["sending", "planned", "sending", "sent"]
    assert postman.ledger.live == {}


async def test_a_letter_of_a_sandbox_tenant_waits_for_no_batch(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    sandbox = tenant_event().model_copy(update={"sandbox": True})
    await postman.hear(sandbox, postman.contacts())
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))
    await postman.send_all()
    states = await postman.states()

    await batcher(postman, out, over=to_printer(printer)).work()

    assert states == ["sent"]
    assert (await only(postman)).state == "ready"
    assert printer.sessions == 0
    assert await postman.told_types() == ["NoticeSentV2"]


async def test_a_letter_that_was_written_when_the_process_died_waits_for_its_batch(
    postman: Postman, out: Path
) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))
    with pytest.raises(Killed):
        await postman.send_all(postman.sender(killing_at("after_bytes")))

    await postman.recover()
    waiting = await postman.message()
    await batcher(postman, out).work()

    assert (waiting["state"], waiting["reason"]) == ("planned", "in_spool")
    assert (await only(postman)).letters == 1
    assert await postman.told_types() == ["NoticeSentV2"]


# --- what happened since keeps a letter here


async def test_an_invoice_that_was_paid_meanwhile_takes_its_letter_out_of_the_batch(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2", "d3")
    await postman.ledger.pay("i-d2")

    await batcher(postman, out).work()

    batch = await only(postman)
    folder = Path(batch.folder or "")
    assert (batch.state, batch.letters, batch.withdrawn) == ("handed_over", 2, 1)
    assert await by_debtor(postman) == {
        "d1": ("sent", None),
        "d2": ("returned", "permit_refused: paid"),
        "d3": ("sent", None),
    }
    returned = [told for told in await postman.told() if isinstance(told, NoticeReturnedV2)]
    assert [told.refused_invoice_ids for told in returned] == [("i-d2",)]
    assert len(letters_in(folder)) == 2
    with (folder / "letters.csv").open() as listed:
        assert [row["reference"] for row in csv.DictReader(listed)] == ["L1-0001", "L1-0003"]
    assert "L1-0002" not in PdfReader(folder / "cover.pdf").pages[0].extract_text()
    assert postman.ledger.live == {}


async def test_what_the_engine_revokes_while_a_letter_waits_never_leaves(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")
    await postman.hear(revoked("letter-d1", "i-d1"))

    await batcher(postman, out).work()

    assert await by_debtor(postman) == {"d1": ("suppressed", "revoked"), "d2": ("sent", None)}
    assert len(letters_in(Path((await only(postman)).folder or ""))) == 1


async def test_a_hold_on_a_letter_in_a_cut_batch_takes_it_out_of_it(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")
    postman.ledger.down = True
    await batcher(postman, out).work()
    postman.ledger.down = False
    await postman.hear(revoked("letter-d1", "i-d1"))
    await in_time(postman)

    await batcher(postman, out).work()

    batch = await only(postman)
    assert (batch.state, batch.letters, batch.withdrawn) == ("handed_over", 1, 1)
    assert await by_debtor(postman) == {"d1": ("suppressed", "revoked"), "d2": ("sent", None)}
    kinds = {type(told) for told in await postman.told()}
    assert kinds == {NoticeSuppressedV2, NoticeSentV2}


async def test_a_hold_on_one_invoice_of_a_letter_gives_it_back_to_the_engine(
    postman: Postman, out: Path
) -> None:
    await postman.know()
    await postman.hear(notice("n1", invoices=("i1", "i2"), channels={"letter": ("i1", "i2")}))
    await postman.send_all()
    await postman.hear(revoked("n1", "i2"))

    await batcher(postman, out).work()

    assert await by_debtor(postman) == {"d1": ("returned", "revoked")}
    assert await batches_of(postman) == []


async def test_a_hold_that_came_while_the_letter_was_written_is_not_forgotten(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    async with postman.db.worker() as connection:  # as if the letter had been `sending` then
        await (await driver(connection)).execute("UPDATE notice SET revoked = '{i-d1}'")

    await batcher(postman, out).work()

    assert await by_debtor(postman) == {"d1": ("suppressed", "revoked")}
    assert (await only(postman)).state == "withdrawn"


async def test_who_opted_out_of_letters_meanwhile_gets_none(postman: Postman, out: Path) -> None:
    await post(postman, "d1")
    row = await postman.message()
    async with postman.db.worker() as connection:
        await Suppressor(SqlSuppressions(), SystemClock()).add(
            connection, [no_more(row["recipient_hash"])]
        )

    await batcher(postman, out).work()

    assert await by_debtor(postman) == {"d1": ("suppressed", "opted_out")}


async def test_who_opts_out_in_the_last_moment_keeps_the_batch_here(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    postman.ledger.down = True
    await batcher(postman, out).work()
    key = (await only(postman)).key
    async with postman.db.worker() as connection:
        waiting = (await SqlBatches().letters(connection, [key]))[key]
        await Suppressor(SqlSuppressions(), SystemClock()).add(
            connection, [no_more(waiting[0].message.recipient_hash or "")]
        )

        begun = await SqlBatches().begin_leaving(connection, waiting)

    assert len(waiting) == 1
    assert begun == []


async def test_a_letter_to_a_debtor_who_was_erased_meanwhile_never_leaves(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")
    async with postman.db.worker() as connection:
        await (await driver(connection)).execute(
            "UPDATE contact SET ciphertext = NULL WHERE debtor_id = 'd1'"
        )

    await batcher(postman, out).work()

    assert await by_debtor(postman) == {"d1": ("suppressed", "erased"), "d2": ("sent", None)}


async def test_a_batch_of_which_nothing_is_left_is_withdrawn_and_leaves_nothing_anywhere(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1", "d2")
    postman.ledger.closed |= {"i-d1": "paid", "i-d2": "cancelled"}

    await batcher(postman, out, over=to_printer(printer)).work()

    batch = await only(postman)
    assert (batch.state, batch.letters, batch.withdrawn) == ("withdrawn", 0, 2)
    assert list((printer.root / "in").iterdir()) == []
    assert list((out / TENANT).iterdir()) == []


async def test_a_payment_in_the_last_moment_keeps_the_letter_here(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")

    def pay(point: str) -> None:
        if point == "after_begin":
            postman.ledger.closed["i-d1"] = "paid"

    await batcher(postman, out, crash=pay).work()

    assert (await by_debtor(postman))["d1"] == ("returned", "permit_refused: paid")
    assert (await only(postman)).letters == 1


async def test_a_payment_while_a_batch_leaves_is_acknowledged_when_it_has_left(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1")
    order: list[str] = []
    paying: list[asyncio.Task[None]] = []

    async def pay() -> None:
        await postman.ledger.pay("i-d1")
        order.append("acknowledged")

    postman.ledger.on_permit = lambda: paying.append(asyncio.ensure_future(pay()))
    printer.on_sign = lambda: order.append("left")

    await batcher(postman, out, over=to_printer(printer)).work()
    await asyncio.gather(*paying)

    assert order == ["left", "acknowledged"]
    assert await postman.states() == ["sent"]


async def test_a_hold_while_a_batch_leaves_comes_too_late_and_changes_nothing(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    with pytest.raises(Killed):
        await batcher(postman, out, crash=killing_at("after_release")).work()

    await postman.hear(revoked("letter-d1", "i-d1"))
    await in_time(postman)
    await batcher(postman, out).work()

    assert await postman.told_types() == ["NoticeSentV2"]


async def test_a_hold_while_a_batch_was_leaving_that_then_stayed_is_not_forgotten(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")
    with pytest.raises(Killed):
        await batcher(postman, out, crash=killing_at("before_release")).work()

    await postman.hear(revoked("letter-d1", "i-d1"))
    await in_time(postman)
    await batcher(postman, out).work()

    assert await by_debtor(postman) == {"d1": ("suppressed", "revoked"), "d2": ("sent", None)}


# --- bad days


async def test_without_the_ledger_nothing_leaves_and_the_remedy_is_named(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    postman.ledger.down = True

    await batcher(postman, out).work()
    waiting = await only(postman)
    letter = await postman.message()
    postman.ledger.down = False
    await in_time(postman)
    await batcher(postman, out).work()

    assert (waiting.state, waiting.handed_over_at) == ("cut", None)
    assert "invoice-ingest" in (remedy(state=waiting.state, error=waiting.error) or "")
    assert (letter["state"], letter["reason"]) == ("planned", "in_spool")
    assert (await only(postman)).state == "handed_over"


async def test_a_batch_does_not_leave_on_permits_that_are_about_to_end(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    postman.ledger.permit_s = DOOR.release_s

    await batcher(postman, out).work()

    batch = await only(postman)
    assert (batch.state, (await postman.message())["reason"]) == ("cut", "in_spool")
    assert letters_in(out / TENANT) == []
    assert "NOTIFIER_BATCH_LETTERS_MAX" in (remedy(state=batch.state, error=batch.error) or "")
    assert postman.ledger.live == {}


BEFORE_IT_LEFT = ("after_begin", "after_permit", "before_release")


@pytest.mark.parametrize("uploads", [False, True])
@pytest.mark.parametrize("point", [*BEFORE_IT_LEFT, "after_release"])
async def test_a_database_that_stops_answering_while_a_batch_leaves_loses_no_letter(
    postman: Postman, out: Path, printer: FakeSftp, *, point: str, uploads: bool
) -> None:
    await post(postman, "d1")
    over = to_printer(printer) if uploads else None

    def no_answer(at: str) -> None:
        if at == point:
            raise TimeoutError

    await batcher(postman, out, over=over, crash=no_answer).work()
    leaving, on_its_way = await only(postman), await postman.states()
    postman.ledger.live.clear()
    await in_time(postman)
    await batcher(postman, out, over=over).work()

    assert (leaving.state, on_its_way) == ("leaving", ["sending"])
    assert (await only(postman)).state == "handed_over"
    assert await postman.told_types() == ["NoticeSentV2"]


@pytest.mark.parametrize("uploads", [False, True])
@pytest.mark.parametrize("point", [*BEFORE_IT_LEFT, "after_release"])
async def test_after_a_kill_a_batch_is_looked_for_and_leaves_once(
    postman: Postman, out: Path, printer: FakeSftp, *, point: str, uploads: bool
) -> None:
    """Given a process that is killed while a batch leaves, and a payment after its permits ended,

    when another one takes over, then what had left is told as sent, and what had not stays here.
    """
    await post(postman, "d1", "d2")
    over = to_printer(printer) if uploads else None
    with pytest.raises(Killed):
        await batcher(postman, out, over=over, crash=killing_at(point)).work()
    leaving = await only(postman)
    on_its_way = await postman.states()
    postman.ledger.live.clear()
    await postman.ledger.pay("i-d1")
    await in_time(postman)

    await batcher(postman, out, over=over).work()

    batch = await only(postman)
    left = {"d1": ("sent", None), "d2": ("sent", None)}
    kept = left | {"d1": ("returned", "permit_refused: paid")}
    assert (leaving.state, on_its_way) == ("leaving", ["sending", "sending"])
    assert batch.state == "handed_over"
    assert await by_debtor(postman) == (kept if point in BEFORE_IT_LEFT else left)
    folder = there(printer, batch) if uploads else out / TENANT / f"L1-{batch.batch_id}"
    assert len(letters_in(folder)) == batch.letters == (1 if point in BEFORE_IT_LEFT else 2)
    told = ["NoticeReturnedV2" if point in BEFORE_IT_LEFT else "NoticeSentV2", "NoticeSentV2"]
    assert sorted(await postman.told_types()) == told
    assert names(out / TENANT) == [f"L1-{batch.batch_id}"]


async def test_a_batch_that_was_not_let_go_when_the_connection_broke_waits_here(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1", "d2")
    printer.script.append(SftpTrouble.UNHEARD)
    uploading = batcher(postman, out, over=to_printer(printer))

    await uploading.work()
    broken, in_doubt = await only(postman), await postman.states()
    permits = len(postman.ledger.live)
    left_then = has_left(printer, broken)
    postman.ledger.live.clear()
    await postman.ledger.pay("i-d2")
    await in_time(postman)
    await uploading.work()

    batch = await only(postman)
    assert (broken.state, in_doubt, left_then) == ("leaving", ["sending", "sending"], False)
    assert permits == 2  # they end with their lease: the sign might still have been given
    assert "NOTIFIER_SFTP_HOST" in (remedy(state=broken.state, error=broken.error) or "")
    assert (batch.state, batch.letters, has_left(printer, batch)) == ("handed_over", 1, True)
    assert (await by_debtor(postman))["d2"] == ("returned", "permit_refused: paid")
    assert len(letters_in(there(printer, batch))) == 1


async def test_a_batch_that_had_left_when_the_connection_broke_is_sent_and_not_again(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1")
    printer.script.append(SftpTrouble.LOST)
    uploading = batcher(postman, out, over=to_printer(printer))
    await uploading.work()
    written = list(printer.written)
    postman.ledger.live.clear()
    await postman.ledger.pay("i-d1")
    await in_time(postman)

    await uploading.work()

    assert (await only(postman)).state == "handed_over"
    assert await postman.told_types() == ["NoticeSentV2"]
    assert printer.written == written


async def test_a_batch_that_is_nowhere_is_unknown_and_not_handed_over_again(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1")
    printer.script.append(SftpTrouble.FETCHED)
    uploading = batcher(postman, out, over=to_printer(printer))
    await uploading.work()

    for _ in range(2):
        await in_time(postman)
        await uploading.work()

    batch = await only(postman)
    assert batch.state == "unknown"
    assert "/resolve" in (remedy(state=batch.state, error=batch.error) or "")
    assert await postman.states() == ["unknown"]
    assert not there(printer, batch).exists()


async def test_without_its_server_a_batch_that_waited_for_it_leaves_by_its_folder_permitted_anew(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1", "d2")
    printer.script.append(SftpTrouble.NO_SPACE)
    await batcher(postman, out, over=to_printer(printer)).work()
    waiting, seen = await only(postman), names(out / TENANT)
    await postman.ledger.pay("i-d1")
    await in_time(postman)

    await batcher(postman, out).work()

    batch = await only(postman)
    assert waiting.state == "ready"
    assert [name[0] for name in seen] == ["."]  # nobody who watches the folder takes it
    assert (batch.state, batch.letters) == ("handed_over", 1)
    assert (await by_debtor(postman))["d1"] == ("returned", "permit_refused: paid")
    assert names(out / TENANT) == [f"L1-{batch.batch_id}"]


async def test_a_batch_that_was_leaving_to_a_server_that_is_none_any_more_is_unknown(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1")
    with pytest.raises(Killed):
        await batcher(
            postman, out, over=to_printer(printer), crash=killing_at("after_release")
        ).work()
    await in_time(postman)

    await batcher(postman, out).work()

    assert ((await only(postman)).state, await postman.states()) == ("unknown", ["unknown"])


async def test_a_try_that_was_overtaken_does_not_touch_the_other_ones_files(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    binder = FolderBinder(spool=postman.spool, out=out)
    async with postman.db.worker() as connection:
        await SqlBatches().cut(connection, largest=100, wait_s=0.0)
        claim = functools.partial(SqlBatches().claim, connection, hand_over=False, limit=1)
        (stale,) = await claim(lease_s=0.0)
        (live,) = await claim(lease_s=900.0)
        letters = (await SqlBatches().letters(connection, [live.batch.key]))[live.batch.key]
    bound = binder.bind(live, letters)

    binder.bind(stale, letters)
    binder.drop(stale)

    assert [path.name for path in (out / TENANT).iterdir()] == [bound.path.name]
    assert len(letters_in(bound.path)) == 1


async def test_batches_are_taken_one_by_one_so_that_each_has_its_lease(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")
    leased: list[int] = []

    class Watching(SqlBatches):
        async def claim(self, *given: Any, **how: Any) -> Any:
            leased.append(how["limit"])
            return await super().claim(*given, **how)

    small = replace(NOW, largest=1)
    for _ in range(2):
        await batcher(postman, out, rule=small, batches=Watching()).work()

    assert set(leased) == {1}
    assert [batch.state for batch in await batches_of(postman)] == ["handed_over"] * 2


async def test_a_server_that_says_no_to_the_sign_gets_it_later(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1")
    printer.script.append(SftpTrouble.REFUSED)
    uploading = batcher(postman, out, over=to_printer(printer))

    await uploading.work()
    waiting, states = await only(postman), await postman.states()
    await in_time(postman)
    await uploading.work()

    assert (waiting.state, states) == ("ready", ["planned"])
    assert postman.ledger.live == {}
    assert (await only(postman)).state == "handed_over"


async def test_while_nobody_can_look_the_letters_are_unknown_and_evidence_settles_them(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1")
    printer.script.append(SftpTrouble.LOST)
    uploading = batcher(postman, out, over=to_printer(printer), rule=replace(NOW, doubt_s=0.0))
    await uploading.work()
    printer.away = True
    await in_time(postman)
    await uploading.work()
    listed, batch_then = await postman.states(), await only(postman)
    printer.away = False
    await in_time(postman)

    await uploading.work()

    assert (listed, batch_then.state) == (["unknown"], "leaving")
    assert await postman.told_types() == ["NoticeUnknownV2", "NoticeSentV2"]
    assert (await only(postman)).state == "handed_over"


async def test_a_letter_that_is_taken_out_between_two_uploads_is_taken_away_over_there(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1", "d2")
    printer.script.append(SftpTrouble.REFUSED)
    uploading = batcher(postman, out, over=to_printer(printer))
    await uploading.work()
    batch = await only(postman)
    before = len(letters_in(there(printer, batch)))
    await postman.hear(revoked("letter-d1", "i-d1"))
    await in_time(postman)

    await uploading.work()

    folder = there(printer, batch)
    assert (before, len(letters_in(folder))) == (2, 1)
    assert "d1" not in await _listed_debtors(postman, folder)
    assert (folder / "cover.pdf").read_bytes() == (
        Path((await only(postman)).folder or "") / "cover.pdf"
    ).read_bytes()


async def _listed_debtors(postman: Postman, folder: Path) -> set[str]:
    ids = {str(row["message_id"]): row["debtor_id"] for row in await postman.messages()}
    with (folder / "letters.csv").open() as listed:
        return {ids[row["file"][5:-4]] for row in csv.DictReader(listed)}


@pytest.mark.parametrize("uploads", [False, True])
async def test_a_batch_that_two_processes_hand_over_at_once_is_handed_over_once(
    postman: Postman, out: Path, printer: FakeSftp, *, uploads: bool
) -> None:
    await post(postman, "d1", "d2")
    hasty = BatchRule(largest=100, wait_s=0.0, retry_base_s=0.0, lease_s=0.0)
    over = to_printer(printer) if uploads else None
    two = [batcher(postman, out, over=over, rule=hasty) for _ in range(2)]

    for _ in range(4):
        await asyncio.gather(*(each.work() for each in two))

    batch = await only(postman)
    assert (batch.state, batch.letters) == ("handed_over", 2)
    assert await postman.told_types() == ["NoticeSentV2"] * 2
    signs = [name for name in printer.written if name.endswith("SHA256SUMS")]
    assert len(signs) == int(uploads)
    assert names(out / TENANT) == [f"L1-{batch.batch_id}"]


async def test_a_batch_whose_record_was_lost_is_found_over_there_and_not_handed_over_again(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1")
    uploading = batcher(postman, out, over=to_printer(printer))
    await uploading.work()
    written = list(printer.written)
    async with postman.db.worker() as connection:  # as after going back to a backup
        raw = await driver(connection)
        await raw.execute("UPDATE letter_batch SET state = 'cut', next_try_at = now()")
        await raw.execute("UPDATE message SET state = 'planned', reason = 'in_spool'")
    await postman.ledger.pay("i-d1")

    await uploading.work()

    assert (await only(postman)).state == "handed_over"
    assert await postman.states() == ["sent"]
    assert printer.written == written


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_through_kills_breaks_and_payments_each_letter_leaves_once_or_not_at_all(
    postman: Postman, out: Path, printer: FakeSftp, seed: int
) -> None:
    """Given a printer, kills at every point, broken connections, payments and holds in between,

    when all is over, then whatever has the sign over there was owed then, and is told as sent once.
    """
    rng = random.Random(seed)
    taken: list[str] = []
    settled: set[str] = set()
    too_late: list[str] = []

    def take() -> None:
        folder = printer.root / Path(printer.written[-1]).relative_to("/").parent
        found = [path.stem[5:] for path in letters_in(folder)]
        taken.extend(found)
        too_late.extend(each for each in found if debtor_of[each] in settled)

    printer.on_sign = take
    debtor_of: dict[str, str] = {}
    for number in range(12):
        debtor = f"d{number}"
        await post(postman, debtor)
        debtor_of |= {str(row["message_id"]): row["debtor_id"] for row in await postman.messages()}
        printer.script = deque([rng.choice(_TROUBLES)])
        crash = killing_at(rng.choice(_POINTS))
        with contextlib.suppress(Killed):
            await batcher(postman, out, over=to_printer(printer), crash=crash).work()
        postman.ledger.live.clear()  # the leases of whoever was killed have ended
        someone = f"d{rng.randrange(number + 1)}"
        if rng.random() < 0.5:
            await postman.ledger.pay(f"i-{someone}")
        else:
            await postman.hear(revoked(f"letter-{someone}", f"i-{someone}"))
        settled |= {someone} - {debtor_of[each] for each in taken}
        await in_time(postman)
    printer.script.clear()
    for _ in range(5):
        await batcher(postman, out, over=to_printer(printer)).work()
        await in_time(postman)

    assert too_late == []
    assert len(taken) == len(set(taken))
    rows = await postman.messages()
    assert {str(row["message_id"]) for row in rows if row["state"] == "sent"} == set(taken)
    assert {row["state"] for row in rows} == {"sent", "returned", "suppressed"}
    told = [each.message_id for each in await postman.told() if isinstance(each, NoticeSentV2)]
    assert sorted(map(str, told)) == sorted(taken)


_POINTS = ("after_begin", "after_permit", "before_release", "after_release", "never")
_TROUBLES = sorted(set(SftpTrouble) - {SftpTrouble.FETCHED, SftpTrouble.SLEEPS})


async def test_a_letter_that_somebody_took_from_the_spool_is_unknown(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")
    postman.letters()[0].unlink()

    await batcher(postman, out).work()

    batch = await only(postman)
    assert sorted(await postman.states()) == ["sent", "unknown"]
    assert (batch.state, batch.letters, batch.withdrawn) == ("handed_over", 1, 1)
    assert "resolve" in (remedy(state=batch.state, error=batch.error) or "")

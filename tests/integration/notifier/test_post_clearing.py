"""What of letters lies about: cleared when its time is over, given back where batches end."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunning_common.db import driver
from notifier.adapters.letter_files import LocalLetterFiles
from notifier.adapters.sql_batches import SqlBatches
from notifier.adapters.sql_kept_files import SqlKeptFiles
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.handlers.clear_post import ClearingRule, PostClearer, Unbatcher
from notifier.testing import FakeSftp, SftpTrouble
from tests.integration.notifier.conftest import Killed, Postman, killing_at, revoked
from tests.integration.notifier.post_office import (
    batcher,
    batches_of,
    in_time,
    letters_wait_for_their_batch,
    out,
    post,
    printer,
    to_printer,
)

KEPT_DAYS = 30


__all__ = ["letters_wait_for_their_batch", "out", "printer"]


def clearer(
    postman: Postman, out: Path, *, days: int = KEPT_DAYS, uploads: bool = False
) -> PostClearer:
    return PostClearer(
        db=postman.db,
        kept=SqlKeptFiles(),
        files=LocalLetterFiles(spool=postman.spool, out=out),
        rule=ClearingRule(keep_days=days, uploads=uploads),
    )


def unbatching(postman: Postman) -> Unbatcher:
    return Unbatcher(
        db=postman.db,
        kept=SqlKeptFiles(),
        files=LocalLetterFiles(spool=postman.spool, out=None),
        batches=SqlBatches(),
        settler=postman.settler,
    )


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def days_pass(postman: Postman, days: int) -> None:
    """Let everything have happened that much earlier."""
    async with postman.db.worker() as connection:
        raw = await driver(connection)
        await raw.execute(
            "UPDATE message SET settled_at = settled_at - make_interval(days => $1)", days
        )
        await raw.execute(
            "UPDATE letter_batch SET cut_at = cut_at - make_interval(days => $1),"
            " ready_at = ready_at - make_interval(days => $1),"
            " handed_over_at = handed_over_at - make_interval(days => $1)",
            days,
        )


async def test_files_of_letters_that_left_are_taken_away_when_their_time_is_over(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")
    await batcher(postman, out).work()
    clearing = clearer(postman, out)
    await days_pass(postman, KEPT_DAYS - 1)
    early = await clearing.clear()
    kept = len(files(out)), len(files(postman.spool))
    await days_pass(postman, 2)

    cleared = [await clearing.clear() for _ in range(2)]

    (batch,) = await batches_of(postman)
    assert (early, kept) == (0, (5, 4))
    assert cleared == [3, 0]
    assert files(out) == files(postman.spool) == []
    assert (batch.state, batch.letters, batch.cleared_at is not None) == ("handed_over", 2, True)
    assert batch.checksum
    for row in await postman.messages():
        assert row["content"]
        assert row["sha256"]
        assert row["cleared_at"]


async def test_letters_that_were_taken_back_do_not_lie_in_the_spool_for_ever(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2", "d3")
    await postman.hear(revoked("letter-d1", "i-d1"))
    await postman.ledger.pay("i-d2")
    await batcher(postman, out).work()
    await days_pass(postman, KEPT_DAYS + 1)

    await clearer(postman, out).clear()

    assert files(postman.spool) == []
    assert {row["state"] for row in await postman.messages()} == {"suppressed", "returned", "sent"}


async def test_what_did_not_leave_yet_stays_however_old_it_is(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    """Given a batch that could not be uploaded, one that is unknown, and a letter in the spool,

    when much time passes, then nothing of them is taken away.
    """
    uploading = batcher(postman, out, over=to_printer(printer))
    printer.script.append(SftpTrouble.FETCHED)
    await post(postman, "d1")
    await uploading.work()
    await in_time(postman)
    await uploading.work()
    printer.script.append(SftpTrouble.NO_LOGIN)
    await post(postman, "d2")
    await uploading.work()
    await post(postman, "d3")
    before = files(out), files(postman.spool)
    await days_pass(postman, 10 * KEPT_DAYS)

    cleared = await clearer(postman, out, uploads=True).clear()

    assert sorted(await postman.states()) == ["planned", "planned", "unknown"]
    assert cleared == 0
    assert (files(out), files(postman.spool)) == before


async def test_zero_days_keep_everything(postman: Postman, out: Path) -> None:
    await post(postman, "d1")
    await batcher(postman, out).work()
    await days_pass(postman, 10 * KEPT_DAYS)

    assert await clearer(postman, out, days=0).clear() == 0
    assert files(out)


def test_only_what_lies_below_its_folder_is_ever_taken_away(tmp_path: Path) -> None:
    spool, out, other = tmp_path / "spool", tmp_path / "out", tmp_path / "other"
    for folder in (spool, out / "acme" / "L1", other):
        folder.mkdir(parents=True)
    (other / "letter.pdf").write_bytes(b"%PDF")
    local = LocalLetterFiles(spool=spool, out=out)

    local.remove(["../other/letter.pdf", "acme/gone.pdf"])
    local.clear([str(other), str(out), str(out / ".." / "other"), str(out / "acme" / "L1")])

    assert files(other) == [other / "letter.pdf"]
    assert list(out.iterdir()) == [out / "acme"]
    assert list((out / "acme").iterdir()) == []


async def test_where_no_batches_are_made_any_more_letters_leave_by_the_spool_permitted_anew(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")
    postman.ledger.down = True
    await batcher(postman, out).work()  # d1 and d2 are in a batch by now
    postman.ledger.down = False
    await post(postman, "d3")
    await postman.ledger.pay("i-d2")
    postman.channels["letter"] = LetterSpoolChannel(postman.spool, kind="letter", cost_minor=150)
    unbatcher = unbatching(postman)

    given_back = [await unbatcher.give_back() for _ in range(2)]
    await postman.send_all()

    assert given_back == [3, 0]
    rows = {row["debtor_id"]: row["state"] for row in await postman.messages()}
    assert rows == {"d1": "sent", "d2": "returned", "d3": "sent"}
    assert len(postman.letters()) == 2


async def test_where_no_batches_are_made_any_more_a_leaving_batch_is_unknown(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    with pytest.raises(Killed):
        await batcher(postman, out, crash=killing_at("after_release")).work()

    given_back = await unbatching(postman).give_back()

    (batch,) = await batches_of(postman)
    assert given_back == 0
    assert (batch.state, await postman.states()) == ("unknown", ["unknown"])
    assert await postman.told_types() == ["NoticeUnknownV2"]

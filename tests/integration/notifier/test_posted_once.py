"""A letter in a spool without batches is posted at most once, whoever empties the folder when."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dunning_common.clock import SystemClock
from dunning_common.db import driver
from notifier.adapters.letter_files import LocalLetterFiles
from notifier.adapters.sql_kept_files import SqlKeptFiles
from notifier.channels.base import Deadline, Late, Refused, Sent, Unknown
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.domain.post import MAY_BE_POSTED
from notifier.handlers.clear_post import MarkClearer
from tests.integration.notifier.channel_rigs import ID, draft_for, in_time, parcel_of
from tests.integration.notifier.conftest import Killed, Postman, killing_at, notice

KEPT_DAYS = 30


def empty(spool: Path) -> list[str]:
    """Take the letters to the post and empty the folders; returns the letters' names."""
    taken = sorted(path.name for path in spool.rglob("*.pdf"))
    for path in sorted(spool.glob("*/**/*"), reverse=True):
        if not path.relative_to(spool).parts[0].startswith("."):
            path.rmdir() if path.is_dir() else path.unlink()
    return taken


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def spool_of(postman: Postman, crash_at: str) -> LetterSpoolChannel:
    return LetterSpoolChannel(postman.spool, kind="letter", crash=killing_at(crash_at))


async def one_letter(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))


@pytest.mark.parametrize("point", ["after_bytes", "before_record"])
async def test_a_letter_taken_to_the_post_while_the_service_was_down_is_not_posted_again(
    postman: Postman, point: str
) -> None:
    await one_letter(postman)
    with pytest.raises(Killed):
        await postman.sender(killing_at(point)).send_due()
    taken = empty(postman.spool)

    await postman.recover()

    message = await postman.message()
    assert len(taken) == 1
    assert postman.letters() == []
    assert (message["state"], message["reason"]) == ("unknown", MAY_BE_POSTED)


@pytest.mark.parametrize(
    ("point", "state", "letters"),
    [
        ("before_mark", "sent", 1),
        ("after_mark", "unknown", 0),
        ("after_link", "sent", 1),
    ],
)
async def test_a_kill_at_each_step_into_the_spool_ends_as_sent_or_unknown(
    postman: Postman, point: str, state: str, letters: int
) -> None:
    await one_letter(postman)
    postman.channels["letter"] = spool_of(postman, point)
    with pytest.raises(Killed):
        await postman.sender().send_due()

    await postman.recover()

    assert await postman.states() == [state]
    assert len(postman.letters()) == letters


@pytest.mark.parametrize("point", ["before_mark", "after_mark", "after_link"])
async def test_a_kill_at_each_step_and_an_emptied_folder_never_make_a_second_letter(
    postman: Postman, point: str
) -> None:
    await one_letter(postman)
    postman.channels["letter"] = spool_of(postman, point)
    with pytest.raises(Killed):
        await postman.sender().send_due()
    taken = empty(postman.spool)

    await postman.recover()

    assert len(taken + postman.letters()) <= 1
    assert await postman.states() == ["sent" if point == "before_mark" else "unknown"]


@pytest.mark.parametrize("batched", [False, True])
async def test_the_same_message_from_an_older_backup_is_not_posted_again(
    tmp_path: Path, *, batched: bool
) -> None:
    channel = LetterSpoolChannel(tmp_path, kind="letter")
    parcel = parcel_of(channel, draft_for(channel))
    await channel.send(parcel, in_time())
    empty(tmp_path)
    later = LetterSpoolChannel(tmp_path, kind="letter", batched=batched)

    outcome = await later.send(parcel, in_time())

    assert outcome == Unknown(reason=MAY_BE_POSTED)
    assert empty(tmp_path) == []


async def test_a_letter_that_could_not_be_put_there_is_tried_again(tmp_path: Path) -> None:
    channel = LetterSpoolChannel(tmp_path, kind="letter")
    parcel = parcel_of(channel, draft_for(channel))
    (tmp_path / ".posted").write_text("in the way of the marks")
    refused = await channel.send(parcel, in_time())
    left = files(tmp_path)
    (tmp_path / ".posted").unlink()

    again = await channel.send(parcel, in_time())

    assert isinstance(refused, Refused)
    assert refused.retry
    assert left == [tmp_path / ".posted"]
    assert isinstance(again, Sent)


async def test_a_letter_whose_time_runs_out_while_its_mark_is_made_is_not_let_go(
    tmp_path: Path,
) -> None:
    clock = [0.0]

    def slow_disk(step: str) -> None:
        if step == "after_mark":
            clock[0] = 10.0

    channel = LetterSpoolChannel(tmp_path, kind="letter", crash=slow_disk)
    parcel = parcel_of(channel, draft_for(channel))
    late = await channel.send(parcel, Deadline(at=5.0, max_send_s=3.0, now=lambda: clock[0]))
    left = files(tmp_path)

    again = await channel.send(parcel, in_time())

    assert late == Late()
    assert left == []
    assert isinstance(again, Sent)


async def test_a_letter_of_a_sandbox_beside_batches_is_proved_as_sent(tmp_path: Path) -> None:
    channel = LetterSpoolChannel(tmp_path, kind="letter", batched=True)
    draft = draft_for(channel)
    parcel = parcel_of(channel, draft)
    later = await channel.send(parcel, in_time())
    assert not isinstance(later, Sent)
    (tmp_path / later.provider_ref).unlink()  # type: ignore[union-attr]
    unbatched = LetterSpoolChannel(tmp_path, kind="letter")
    sent = await unbatched.send(parcel, in_time())

    found = await channel.find(tenant="acme", message_id=ID, on=parcel.on, sha256=parcel.sha256)

    assert isinstance(sent, Sent)
    assert found == sent


def marks(spool: Path) -> list[Path]:
    return files(spool / ".posted")


def age(spool: Path, days: int) -> None:
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for mark in marks(spool):
        os.utime(mark, (then, then))


def clearer(postman: Postman, days: int = KEPT_DAYS) -> MarkClearer:
    return MarkClearer(
        db=postman.db,
        kept=SqlKeptFiles(),
        files=LocalLetterFiles(spool=postman.spool, out=None),
        keep_days=days,
        clock=SystemClock(),
    )


@pytest.mark.parametrize(
    ("days", "kept_days", "left"),
    [(KEPT_DAYS - 1, KEPT_DAYS, 1), (KEPT_DAYS + 1, KEPT_DAYS, 0), (10 * KEPT_DAYS, 0, 1)],
)
async def test_a_mark_goes_when_its_letter_is_settled_and_its_time_is_over(
    postman: Postman, days: int, kept_days: int, left: int
) -> None:
    await one_letter(postman)
    await postman.send_all()
    age(postman.spool, days)

    cleared = await clearer(postman, kept_days).clear()

    assert cleared == 1 - left
    assert len(marks(postman.spool)) == left
    assert len(postman.letters()) == 1


async def test_a_mark_stays_while_nobody_judged_its_letter_however_old_it_is(
    postman: Postman,
) -> None:
    await one_letter(postman)
    with pytest.raises(Killed):
        await postman.sender(killing_at("before_record")).send_due()
    empty(postman.spool)
    age(postman.spool, 10 * KEPT_DAYS)
    async with postman.db.worker() as connection:
        await (await driver(connection)).execute(
            "UPDATE message SET claimed_at = claimed_at - make_interval(days => $1)",
            10 * KEPT_DAYS,
        )

    early = await clearer(postman).clear()
    await postman.recover()
    late = await clearer(postman).clear()

    assert (early, late) == (0, 1)
    assert await postman.states() == ["unknown"]

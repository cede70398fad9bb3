"""What every way out of the house keeps: nothing counts before the sign, and the sign is one step.

The ways run through the same contract: a folder that somebody watches, a printing house's server.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from notifier.adapters.batch_folder import FolderHandOver, draft_of
from notifier.channels.base import Deadline, DeadlinePassedError
from notifier.ports.post import Exit, HandOver, HandOverError, InDoubtError, Whereabouts
from notifier.testing import FakeSftp, SftpTrouble
from tests.integration.notifier.post_office import to_printer

IN_TIME = Deadline(at=1.0, max_send_s=5.0, now=lambda: 0.0)
TOO_LATE = Deadline(at=1.0, max_send_s=5.0, now=lambda: 2.0)
FILES = {
    "0001-a.pdf": b"%PDF a",
    "0002-b.pdf": b"%PDF b",
    "cover.pdf": b"%PDF c",
    "letters.csv": b"place",
    "SHA256SUMS": b"sums",
}


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way out, the batch's folder here, and where whoever prints finds it."""

    over: HandOver
    home: Path
    there: Path

    def open(self, *, try_no: int = 1) -> AbstractAsyncContextManager[Exit]:
        return self.over.open(self.home, try_no=try_no)

    def bind(self, *names: str, try_no: int = 1) -> Path:
        draft = draft_of(self.home, try_no)
        draft.mkdir(parents=True, exist_ok=True)
        for path in draft.iterdir():
            path.unlink()
        for name in names or FILES:
            (draft / name).write_bytes(FILES[name])
        return draft


@asynccontextmanager
async def by_folder(folder: Path) -> AsyncIterator[Way]:
    home = folder / "batches" / "acme" / "L1"
    yield Way(over=FolderHandOver(), home=home, there=home)


@asynccontextmanager
async def by_sftp(folder: Path) -> AsyncIterator[Way]:
    async with printed(folder, posix=True) as (_, way):
        yield way


@pytest.fixture(params=[by_folder, by_sftp])
async def way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    async with request.param(tmp_path) as made:
        yield made


def found(way: Way) -> dict[str, bytes]:
    """What whoever waits for the sign takes."""
    if not (way.there / "SHA256SUMS").exists():
        return {}
    return {path.name: path.read_bytes() for path in way.there.iterdir()}


async def test_a_batch_is_nowhere_then_held_then_over(way: Way) -> None:
    async with way.open() as out:
        seen = [await out.look()]
        await out.bring(way.bind())
        seen.append(await out.look())
        before = found(way)
        await out.release(IN_TIME)
        seen.append(await out.look())

    assert seen == [Whereabouts.NOWHERE, Whereabouts.HELD, Whereabouts.OVER]
    assert before == {}
    assert found(way) == FILES
    assert out.place.endswith("L1")


async def test_after_a_break_another_look_tells_the_same(way: Way) -> None:
    async with way.open() as out:
        await out.bring(way.bind())
    async with way.open() as out:
        held = await out.look()
        await out.release(IN_TIME)
    async with way.open() as out:
        over = await out.look()

    assert (held, over) == (Whereabouts.HELD, Whereabouts.OVER)


async def test_too_late_gives_no_sign(way: Way) -> None:
    async with way.open() as out:
        await out.bring(way.bind())
        with pytest.raises(DeadlinePassedError):
            await out.release(TOO_LATE)
        after = await out.look()

    assert after is Whereabouts.HELD
    assert found(way) == {}


async def test_bringing_again_brings_what_is_in_it_now(way: Way) -> None:
    async with way.open() as out:
        await out.bring(way.bind())
        await out.bring(way.bind("0002-b.pdf", "cover.pdf", "letters.csv", "SHA256SUMS"))
        await out.release(IN_TIME)

    assert sorted(found(way)) == ["0002-b.pdf", "SHA256SUMS", "cover.pdf", "letters.csv"]


async def test_a_sign_that_was_given_is_not_given_again_and_nothing_changes(way: Way) -> None:
    async with way.open() as out:
        await out.bring(way.bind())
        await out.release(IN_TIME)
        way.bind("cover.pdf", "SHA256SUMS")
        await out.release(IN_TIME)
        await out.drop()

    assert found(way) == FILES


async def test_what_is_dropped_is_nowhere_over_there(way: Way) -> None:
    async with way.open() as out:
        await out.bring(way.bind())
        await out.drop()

    assert found(way) == {}
    assert not way.there.exists()


async def test_a_batch_that_is_over_there_is_not_brought_again(tmp_path: Path) -> None:
    async with by_sftp(tmp_path) as way, way.open() as out:
        await out.bring(way.bind())
        await out.release(IN_TIME)
        with pytest.raises(HandOverError, match="over there already"):
            await out.bring(way.bind("cover.pdf", "SHA256SUMS"))

        assert found(way) == FILES


async def test_a_step_that_was_done_and_then_failed_was_done(tmp_path: Path) -> None:
    """Given a folder that has its name, of which the disk cannot say that it is safe,

    when the error comes, then a look decides: the name is there.
    """
    async with by_folder(tmp_path) as way, way.open() as out:
        await out.bring(way.bind())
        most = resource.getrlimit(resource.RLIMIT_NOFILE)
        await asyncio.to_thread(way.home.exists)  # the pool has its thread
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, most[1]))  # renames, but opens nothing
        try:
            await out.release(IN_TIME)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)

    assert found(way) == FILES


async def test_a_server_that_gave_the_sign_and_says_it_did_not_is_not_believed(
    tmp_path: Path,
) -> None:
    (tmp_path / "printer").mkdir()
    async with FakeSftp(tmp_path / "printer") as server:
        server.script.append(SftpTrouble.MISHEARD)
        home = tmp_path / "batches" / "L1"
        there = server.root / "in" / "L1"
        way = Way(over=to_printer(server), home=home, there=there)
        async with way.open() as out:
            await out.bring(way.bind())
            await out.release(IN_TIME)

    assert found(way) == FILES


async def test_a_folder_that_is_under_neither_name_is_in_doubt(tmp_path: Path) -> None:
    async with by_folder(tmp_path) as way, way.open() as out:
        draft = way.bind()
        await out.bring(draft)
        shutil.rmtree(draft)
        with pytest.raises(InDoubtError):
            await out.release(IN_TIME)


async def test_time_that_is_lost_waiting_for_a_thread_counts(tmp_path: Path) -> None:
    loop_thread = threading.get_ident()
    ended = Deadline(
        at=1.0, max_send_s=5.0, now=lambda: 0.0 if threading.get_ident() == loop_thread else 2.0
    )
    async with by_folder(tmp_path) as way, way.open() as out:
        await out.bring(way.bind())
        with pytest.raises(DeadlinePassedError):
            await out.release(ended)

    assert found(way) == {}


@pytest.mark.parametrize("posix", [True, False])
@pytest.mark.parametrize("has_left", [True, False])
async def test_a_try_that_slept_within_its_upload_puts_nothing_into_the_folder_of_a_later_one(
    tmp_path: Path, *, posix: bool, has_left: bool
) -> None:
    """Given a try that stopped after its first file,

    when a later one brings the batch without a letter that was paid meanwhile, and it wakes up,
    then it finds no folder of its own any more, and whoever prints gets what the later one brought.
    """
    later = ("0002-b.pdf", "cover.pdf", "letters.csv", "SHA256SUMS")
    async with printed(tmp_path, posix=posix) as (server, way):
        server.script.append(SftpTrouble.SLEEPS)
        async with way.open(try_no=1) as slept, way.open(try_no=2) as live:
            sleeping = asyncio.create_task(slept.bring(way.bind(try_no=1)))
            await server.asleep.wait()
            await live.bring(way.bind(*later, try_no=2))
            if has_left:
                await live.release(IN_TIME)
            server.awake.set()
            with pytest.raises(HandOverError):
                await sleeping
            with pytest.raises(HandOverError, match=r"later try|over there already"):
                await slept.bring(way.bind(try_no=1))
            if not has_left:
                with pytest.raises(HandOverError):
                    await slept.release(IN_TIME)
                assert found(way) == {}
                await live.release(IN_TIME)

        assert sorted(found(way)) == sorted(later)
        assert [path.name for path in way.there.parent.iterdir()] == ["L1"]


@pytest.mark.parametrize("posix", [True, False])
async def test_a_later_try_goes_on_with_what_was_brought_before_it(
    tmp_path: Path, *, posix: bool
) -> None:
    async with printed(tmp_path, posix=posix) as (server, way):
        server.script.append(SftpTrouble.REFUSED)
        async with way.open(try_no=1) as out:
            await out.bring(way.bind())
            with pytest.raises(HandOverError):
                await out.release(IN_TIME)
        halfway = found(way)
        async with way.open(try_no=3) as out:
            seen = await out.look()
            await out.bring(way.bind(try_no=3))
            await out.release(IN_TIME)

        brought = [name.rpartition("/")[2] for name in server.written]
        assert (halfway, seen) == ({}, Whereabouts.HELD)
        assert found(way) == FILES
        assert (brought.count("0001-a.pdf"), brought.count("0002-b.pdf")) == (1, 1)


@asynccontextmanager
async def printed(folder: Path, *, posix: bool) -> AsyncIterator[tuple[FakeSftp, Way]]:
    (folder / "printer").mkdir()
    async with FakeSftp(folder / "printer") as server:
        server.posix = posix
        home = folder / "batches" / "acme" / "L1"
        yield server, Way(over=to_printer(server), home=home, there=server.root / "in" / "L1")

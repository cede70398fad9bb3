"""Letters from the spool to the printer: batches, cover sheets, SFTP, and what goes wrong there."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from dunning_common.db import driver
from notifier.adapters.batch_folder import FolderBinder
from notifier.adapters.cover_sheet import bars
from notifier.adapters.sftp import SftpAccount, SftpHandOver
from notifier.handlers.batch_letters import BatchRule
from notifier.testing import FakeSftp, SftpTrouble
from tests.integration.notifier.conftest import TENANT, Postman
from tests.integration.notifier.post_office import (
    batcher,
    batches_of,
    block,
    contents,
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


async def test_letters_are_bound_with_a_cover_sheet_a_list_and_checksums(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2")

    await batcher(postman, out).work()

    (batch,) = await batches_of(postman)
    folder = Path(batch.folder or "")
    letters = letters_in(folder)
    assert (batch.state, batch.letters, batch.error) == ("handed_over", 2, None)
    assert folder.parent == out / TENANT
    assert names(folder) == sorted([*(p.name for p in letters), *_BESIDE])
    assert {p.read_bytes() for p in letters} == {p.read_bytes() for p in postman.letters()}
    checksums = (folder / "SHA256SUMS").read_bytes()
    for line in checksums.decode().splitlines():
        sha256, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    assert batch.checksum == hashlib.sha256(checksums).hexdigest()
    listed = list(csv.DictReader(io.StringIO((folder / "letters.csv").read_text())))
    assert [row["reference"] for row in listed] == ["L1-0001", "L1-0002"]
    assert listed[0]["city"] == "Paris"
    sheet = PdfReader(folder / "cover.pdf").pages[0].extract_text()
    assert "Courriers" in sheet
    assert "Dupont SARL" in sheet
    assert batch.checksum in sheet.replace("\n", "")


_BESIDE = ["SHA256SUMS", "cover.pdf", "letters.csv"]


async def test_each_kind_and_each_tenant_has_batches_of_its_own(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    await post(postman, "d1", channel="registered_letter")

    await batcher(postman, out).work()

    batches = {batch.channel: batch for batch in await batches_of(postman)}
    assert set(batches) == {"letter", "registered_letter"}
    posting_list = Path(batches["registered_letter"].folder or "") / "cover.pdf"
    text = PdfReader(posting_list).pages[0].extract_text()
    assert "Bordereau de dépôt" in text
    assert f"{batches['registered_letter'].reference}-0001" in text
    assert await batches_of(postman, "other") == []


async def test_a_letter_is_in_one_batch_only_and_a_batch_has_no_more_than_it_may(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2", "d3")
    small = batcher(postman, out, rule=BatchRule(largest=2, wait_s=0.0))

    for _ in range(3):
        await small.work()

    assert [batch.letters for batch in await batches_of(postman)] == [2, 1]
    messages = await postman.messages()
    places = {(row["batch_id"], row["batch_place"]) for row in messages}
    assert len(places) == len(messages) == 3


async def test_a_batch_waits_until_it_is_full_or_old_enough(postman: Postman, out: Path) -> None:
    await post(postman, "d1", "d2")
    patient = batcher(postman, out, rule=BatchRule(largest=3, wait_s=3600.0))

    await patient.work()
    before = await batches_of(postman)
    await post(postman, "d3")
    await patient.work()

    assert before == []
    assert [batch.letters for batch in await batches_of(postman)] == [3]


async def test_a_letter_that_is_gone_or_changed_is_listed_and_the_others_go(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1", "d2", "d3")
    gone, changed, _ = postman.letters()
    gone.unlink()
    changed.write_bytes(b"%PDF-1.7 other")

    await batcher(postman, out).work()

    (batch,) = await batches_of(postman)
    folder = Path(batch.folder or "")
    assert len(letters_in(folder)) == 1
    assert batch.error is not None
    assert batch.error.startswith("not in the spool as written: L")
    assert batch.error.count("L1-") == 2
    assert "Absents" in PdfReader(folder / "cover.pdf").pages[0].extract_text()


async def test_no_room_for_a_batch_leaves_nothing_half_bound_and_is_listed(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")
    block(out)

    await batcher(postman, out).work()
    (waiting,) = await batches_of(postman)
    (out / TENANT).unlink()
    await in_time(postman)
    await batcher(postman, out).work()

    (batch,) = await batches_of(postman)
    assert (waiting.state, waiting.folder) == ("cut", None)
    assert waiting.error is not None
    assert (batch.state, batch.error) == ("handed_over", None)
    assert [path.name for path in (out / TENANT).iterdir()] == [f"L1-{batch.batch_id}"]


async def test_a_batch_that_was_being_bound_when_the_process_died_is_bound_anew(
    postman: Postman, out: Path
) -> None:
    await post(postman, "d1")

    class DyingBinder(FolderBinder):
        def bind(self, *given: Any) -> Any:
            super().bind(*given)
            raise KeyboardInterrupt  # stands for a kill: neither recorded nor cleaned up

    doomed = batcher(postman, out, binder=DyingBinder(spool=postman.spool, out=out))
    with pytest.raises(KeyboardInterrupt):
        await doomed.work()
    await in_time(postman)
    await batcher(postman, out).work()

    (batch,) = await batches_of(postman)
    assert (batch.state, batch.letters) == ("handed_over", 1)
    assert len(list((out / TENANT).iterdir())) == 1


async def test_a_batch_reaches_the_printer_whole_with_its_checksums_last(
    postman: Postman, out: Path, printer: FakeSftp
) -> None:
    await post(postman, "d1", "d2")

    await batcher(postman, out, over=to_printer(printer)).work()

    (batch,) = await batches_of(postman)
    there = printer.root / "in" / f"L1-{batch.batch_id}"
    assert batch.state == "handed_over"
    assert batch.place == f"sftp://127.0.0.1:{printer.port}/in/L1-{batch.batch_id}"
    assert contents(there) == contents(Path(batch.folder or ""))
    assert printer.written[-1].endswith("SHA256SUMS")


@pytest.mark.parametrize(
    "trouble", [SftpTrouble.NO_LOGIN, SftpTrouble.NO_SPACE, SftpTrouble.CUT, SftpTrouble.LOST]
)
async def test_an_upload_that_fails_is_listed_and_goes_on_where_it_stopped(
    postman: Postman, out: Path, printer: FakeSftp, trouble: SftpTrouble
) -> None:
    await post(postman, "d1", "d2")
    printer.script.append(trouble)
    uploading = batcher(postman, out, over=to_printer(printer))

    await uploading.work()
    (failed,) = await batches_of(postman)
    written = len(printer.written)
    await in_time(postman)
    await uploading.work()

    (batch,) = await batches_of(postman)
    there = printer.root / "in" / f"L1-{batch.batch_id}"
    in_between = "leaving" if trouble is SftpTrouble.LOST else "ready"
    assert (failed.state, batch.state) == (in_between, "handed_over")
    assert failed.error is not None
    assert "Error: sftp: " in failed.error
    assert names(there) == names(Path(batch.folder or ""))
    assert len(printer.written) == 5  # every file got its name once
    assert written == {SftpTrouble.CUT: 1, SftpTrouble.LOST: 5}.get(trouble, 0)


async def test_a_server_with_another_key_gets_nothing(
    postman: Postman, out: Path, printer: FakeSftp, tmp_path: Path
) -> None:
    await post(postman, "d1")
    stranger = FakeSftp(tmp_path).host_key

    await batcher(postman, out, over=to_printer(printer, host_key=stranger)).work()

    (batch,) = await batches_of(postman)
    assert batch.state == "ready"
    assert "host key" in (batch.error or "").lower()
    assert list(printer.root.iterdir()) == []


def test_a_host_key_that_is_none_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="NOTIFIER_SFTP_HOST_KEY"):
        SftpHandOver(SftpAccount(host="h", username="u", host_key="nonsense"))


async def test_letters_of_a_sandbox_are_bound_and_never_leave(
    postman: Postman, out: Path, printer: FakeSftp, as_sandbox: Callable[[], Any]
) -> None:
    await post(postman, "d1")
    await as_sandbox()

    for _ in range(2):
        await batcher(postman, out, over=to_printer(printer)).work()

    (batch,) = await batches_of(postman)
    assert batch.state == "ready"
    assert printer.sessions == 0
    sheet = PdfReader(Path(batch.folder or "") / "cover.pdf").pages[0].extract_text()
    assert "ne pas poster" in sheet


@pytest.fixture
def as_sandbox(postman: Postman) -> Callable[[], Any]:
    async def change() -> None:
        async with postman.db.worker() as connection:
            await (await driver(connection)).execute(
                "UPDATE tenant SET body = jsonb_set(body, '{sandbox}', 'true')"
            )

    return change


def test_a_bar_code_starts_stops_and_has_eleven_modules_a_sign() -> None:
    widths = bars("R12-0007")

    assert widths[:6] == [2, 1, 1, 2, 1, 4]  # Code 128, start B
    assert widths[-7:] == [2, 3, 3, 1, 1, 1, 2]  # stop
    assert (sum(widths) - 13) % 11 == 0
    assert set(widths) <= {1, 2, 3, 4}

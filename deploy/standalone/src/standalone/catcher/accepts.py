"""The append-only log of accepted messages: on disk, synced, before the sender hears "accepted".

So whoever counts accepts after a `kill -9` counts right. Segments of raw bytes and of one JSON line
per message; only the lines are kept in memory. The oldest segments are dropped: this is no archive.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from dunning_common.clock import Clock
from standalone.catcher.caught import Caught, Summary

_LINES = re.compile(r"accepts-(\d{6})\.jsonl")


@dataclass(frozen=True, slots=True)
class _Place:
    segment: int
    offset: int
    length: int


@dataclass(slots=True)
class _Waiting:
    raw: bytes
    summary: Summary
    done: asyncio.Future[Caught]


class AcceptLog:
    """Appends, lists and reads messages. One event loop, one process."""

    def __init__(
        self, folder: Path, clock: Clock, *, segment_messages: int, segments_max: int
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._segment_messages = segment_messages
        self._segments_max = segments_max
        self._kept: dict[int, tuple[Caught, _Place]] = {}  # in the order of ids
        self._last_id = 0
        self._segment = 1
        self._in_segment = 0
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._load()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def last_id(self) -> int:
        """How many messages were ever accepted here, deleted ones included."""
        return self._last_id

    async def append(self, raw: bytes, summary: Summary) -> Caught:
        """Return when the message is on disk for good."""
        done: asyncio.Future[Caught] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(raw, summary, done))
        self._wake.set()
        return await asyncio.shield(done)

    async def run(self) -> None:
        """Write what waits, everything that has gathered with one sync; until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            try:
                async with self._turn:
                    written = await asyncio.to_thread(self._write, batch)
            except OSError as error:
                for waiting in batch:
                    waiting.done.set_exception(error)
                continue
            for waiting, (caught, place) in zip(batch, written, strict=True):
                self._kept[caught.id] = (caught, place)
                waiting.done.set_result(caught)
            self._drop_old()

    def newest(
        self,
        *,
        before: int | None = None,
        tenant: str | None = None,
        invoice: str | None = None,
        text: str | None = None,
        limit: int,
    ) -> list[Caught]:
        """Matching messages with an id below `before`, the newest first."""
        found = (
            caught
            for caught, _ in reversed(self._kept.values())
            if (before is None or caught.id < before)
            and caught.concerns(tenant=tenant, invoice=invoice, text=text)
        )
        return list(islice(found, limit))

    def after(
        self, cursor: int, *, tenant: str | None, invoice: str | None, text: str | None, limit: int
    ) -> list[Caught]:
        """Matching messages with an id above `cursor`, the oldest first."""
        found = (
            caught
            for caught, _ in self._kept.values()
            if caught.id > cursor and caught.concerns(tenant=tenant, invoice=invoice, text=text)
        )
        return list(islice(found, limit))

    def get(self, message_id: int) -> Caught | None:
        """One message, None when it is unknown or was dropped."""
        found = self._kept.get(message_id)
        return found[0] if found else None

    def raw(self, message_id: int) -> bytes:
        """Its bytes as they were accepted.

        Raises:
            KeyError: unknown, or dropped.
        """
        _, place = self._kept[message_id]
        with self._raw_file(place.segment).open("rb") as file:
            file.seek(place.offset)
            return file.read(place.length)

    async def delete_all(self) -> int:
        """Forget every message and say how many; ids go on counting."""
        async with self._turn:
            count = len(self._kept)
            self._kept.clear()
            old = self._segment
            self._begin_segment()
            await asyncio.to_thread(self._note_start)
            for segment in range(old + 1):
                self._remove(segment)
            return count

    def _write(self, batch: list[_Waiting]) -> list[tuple[Caught, _Place]]:
        if self._in_segment >= self._segment_messages:
            self._begin_segment()
            self._note_start()
        at = self._clock.now().isoformat(timespec="milliseconds")
        written: list[tuple[Caught, _Place]] = []
        with self._raw_file(self._segment).open("ab") as file:
            for waiting in batch:
                self._last_id += 1
                place = _Place(self._segment, file.tell(), len(waiting.raw))
                caught = Caught(
                    id=self._last_id, at=at, size_bytes=place.length, summary=waiting.summary
                )
                file.write(waiting.raw)
                written.append((caught, place))
            _sync(file)
        self._add_lines(_line(caught, place) for caught, place in written)
        self._in_segment += len(batch)
        return written

    def _note_start(self) -> None:
        """A new segment begins by saying how far the ids have come, should all others be gone."""
        self._add_lines([json.dumps({"last_id": self._last_id})])

    def _add_lines(self, lines: Any) -> None:
        with self._lines_file(self._segment).open("ab") as file:
            file.write("".join(line + "\n" for line in lines).encode())
            _sync(file)

    def _begin_segment(self) -> None:
        self._segment += 1
        self._in_segment = 0

    def _drop_old(self) -> None:
        oldest = self._segment - self._segments_max + 1
        while self._kept:
            message_id, (_, place) = next(iter(self._kept.items()))
            if place.segment >= oldest:
                return
            del self._kept[message_id]
            self._remove(place.segment)

    def _remove(self, segment: int) -> None:
        self._lines_file(segment).unlink(missing_ok=True)
        self._raw_file(segment).unlink(missing_ok=True)

    def _load(self) -> None:
        segments = sorted(
            int(found[1])
            for path in self._folder.iterdir()
            if (found := _LINES.fullmatch(path.name))
        )
        for segment in segments:
            self._segment, self._in_segment = segment, 0
            for entry in self._whole_lines(segment):
                if "last_id" in entry:
                    self._last_id = max(self._last_id, entry["last_id"])
                    continue
                caught, place = _parsed(entry, segment)
                self._kept[caught.id] = (caught, place)
                self._last_id = max(self._last_id, caught.id)
                self._in_segment += 1

    def _whole_lines(self, segment: int) -> Iterator[dict[str, Any]]:
        """The lines of a segment; one that a crash cut off was never accepted, and goes."""
        path = self._lines_file(segment)
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
        for line in content[:whole].splitlines():
            yield json.loads(line)

    def _lines_file(self, segment: int) -> Path:
        return self._folder / f"accepts-{segment:06}.jsonl"

    def _raw_file(self, segment: int) -> Path:
        return self._folder / f"raw-{segment:06}.bin"


def _sync(file: Any) -> None:
    file.flush()
    os.fdatasync(file.fileno())


def _line(caught: Caught, place: _Place) -> str:
    return json.dumps(
        {
            "id": caught.id, "at": caught.at, "offset": place.offset, "length": place.length,
            **asdict(caught.summary),
        }
    )  # fmt: skip


def _parsed(entry: dict[str, Any], segment: int) -> tuple[Caught, _Place]:
    place = _Place(segment, entry.pop("offset"), entry.pop("length"))
    message_id, at = entry.pop("id"), entry.pop("at")
    entry["recipients"] = tuple(entry["recipients"])
    entry["invoices"] = tuple(entry["invoices"])
    caught = Caught(id=message_id, at=at, size_bytes=place.length, summary=Summary(**entry))
    return caught, place

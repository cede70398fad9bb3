"""How a fake provider behaves, and its durable log of what it accepted."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from dunning_common.clock import monotonic


class Mode(StrEnum):
    """How a provider behaves.

    `ok` accepts and says so; `slow` accepts and says so late; `lost` accepts and hangs up without a
    word; `broken` accepts and answers with an error of a gateway; `busy` does not accept, for now;
    `refuse` never accepts; `cut` hangs up before it has everything; `late` thinks first and accepts
    then, whether or not anybody still waits for the answer.
    """

    OK = "ok"
    SLOW = "slow"
    LOST = "lost"
    BROKEN = "broken"
    BUSY = "busy"
    REFUSE = "refuse"
    CUT = "cut"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One message that a provider took; `at` is when, in seconds of the monotonic clock."""

    message_id: str
    to: str
    sha256: str
    at: float = field(default_factory=monotonic)


class AcceptLog:
    """What a provider accepted, one JSON line each; on disk before the provider answers."""

    def __init__(self, file: Path | None = None) -> None:
        self.accepted: list[Accepted] = []
        self._file = file.open("ab") if file else None

    def add(self, accepted: Accepted) -> None:
        """Take note, durably."""
        self.accepted.append(accepted)
        if self._file is not None and not self._file.closed:
            self._file.write(orjson.dumps(asdict(accepted)) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    @property
    def message_ids(self) -> list[str]:
        """Message ids in the order of acceptance; one that stands here twice was sent twice."""
        return [accepted.message_id for accepted in self.accepted]


class Behaviour:
    """What to do with the next message: scripted first, then the standing mode."""

    def __init__(self, log: AcceptLog | None) -> None:
        self.log = log or AcceptLog()
        self.mode = Mode.OK
        self.script: deque[Mode] = deque()
        self.delay_s = 0.3
        self.late_s = 1.0
        self.on_accept: Callable[[], None] = lambda: None
        self._server: asyncio.Server | None = None

    def next_mode(self) -> Mode:
        """How to treat the next message."""
        return self.script.popleft() if self.script else self.mode

    def accept(self, message_id: str, to: str, body: bytes) -> None:
        """Take a message: it is on disk when this returns."""
        sha256 = hashlib.sha256(body).hexdigest()
        self.log.add(Accepted(message_id=message_id, to=to, sha256=sha256))
        self.on_accept()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        if self._server is None:
            raise RuntimeError("enter the server first: async with …")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def listen(self) -> asyncio.Server:
        """Start listening on loopback."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._server = await self.listen()
        return self

    async def __aexit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.log.close()

"""An SFTP server on loopback that takes files into a folder and misbehaves on request."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncssh


class SftpTrouble(StrEnum):
    """What goes wrong with a session: nothing, the login, room on the disk, or the connection.

    `unheard` hangs up before the sign gets its name, `lost` right after it, before the client hears
    of it; `fetched` does so, too, and whoever prints has taken the batch away by then. `refused`
    says no to the sign; `misheard` says no, too, after it gave it. `sleeps` sets `asleep` at the
    second file, and goes on when `awake` is set.
    """

    NONE = "none"
    NO_LOGIN = "no_login"
    NO_SPACE = "no_space"
    CUT = "cut"
    LOST = "lost"
    UNHEARD = "unheard"
    FETCHED = "fetched"
    REFUSED = "refused"
    MISHEARD = "misheard"
    SLEEPS = "sleeps"


class FakeSftp:
    """A printing house's server: `username` and `password` get in, files land in `root`.

    `script` says what is wrong with the next sessions: `cut` hangs up within the second file. It
    lets nobody in while it is `away`; `on_sign` is called when a batch got its sign. Without
    `posix` it renames as the protocol's third version says, and not as POSIX does.
    """

    username = "printer"
    password = "fake-sftp-password"  # noqa: S105 -- of the fake

    def __init__(self, root: Path) -> None:
        self.root = root
        self.script: deque[SftpTrouble] = deque()
        self.sessions = 0
        self.written: list[str] = []
        self.away = False
        self.posix = True
        self.asleep, self.awake = asyncio.Event(), asyncio.Event()
        self.on_sign: Callable[[], None] = lambda: None
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._server: asyncssh.SSHAcceptor | None = None

    @property
    def host_key(self) -> str:
        """Its public key, as `ssh-keyscan` prints it without the name."""
        return self._key.export_public_key().decode().strip()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        if self._server is None:
            raise RuntimeError("enter the server first: async with …")
        return self._server.get_port()

    async def __aenter__(self) -> Self:
        self._server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self._key],
            server_factory=lambda: _Login(self),
            sftp_factory=lambda channel: _Files(channel, self),
        )
        return self

    async def __aexit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await asyncio.sleep(0)


class _Login(asyncssh.SSHServer):
    def __init__(self, fake: FakeSftp) -> None:
        self._fake = fake

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        fake = self._fake
        if fake.away:
            return False
        if fake.script and fake.script[0] is SftpTrouble.NO_LOGIN:
            fake.script.popleft()
            return False
        return (username, password) == (fake.username, fake.password)


class _Files(asyncssh.SFTPServer):
    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], fake: FakeSftp) -> None:
        super().__init__(channel, chroot=str(fake.root).encode())
        self._fake = fake
        self._files = 0
        fake.sessions += 1
        self._trouble = fake.script.popleft() if fake.script else SftpTrouble.NONE

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        self._files += 1
        if self._trouble is SftpTrouble.SLEEPS and self._files > 1:
            self._fake.asleep.set()
            await self._fake.awake.wait()
        if self._trouble is SftpTrouble.NO_SPACE:
            raise asyncssh.SFTPFailure("no space left on device")
        return super().open(path, pflags, attrs)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if self._trouble is SftpTrouble.CUT and self._files > 1:
            super().write(file_obj, offset, data[: len(data) // 2])
            self._hang_up()
            raise asyncssh.SFTPConnectionLost("cut")
        written = super().write(file_obj, offset, data)
        return written if isinstance(written, int) else len(data)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        is_sign = newpath.endswith(b"SHA256SUMS")
        if is_sign and self._trouble is SftpTrouble.UNHEARD:
            self._hang_up()
            raise asyncssh.SFTPConnectionLost("unheard")
        if is_sign and self._trouble is SftpTrouble.REFUSED:
            raise asyncssh.SFTPPermissionDenied("no")
        super().rename(oldpath, newpath)
        if self._is_file(newpath):
            self._fake.written.append(newpath.decode())
        if is_sign:
            self._fake.on_sign()
            if self._trouble is SftpTrouble.FETCHED:
                shutil.rmtree(self._fake.root / newpath.decode().strip("/").rpartition("/")[0])
            if self._trouble in (SftpTrouble.LOST, SftpTrouble.FETCHED):
                self._hang_up()
            if self._trouble is SftpTrouble.MISHEARD:
                raise asyncssh.SFTPFailure("no, or yes")

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        if not self._fake.posix:
            raise asyncssh.SFTPOpUnsupported("no such extension")
        super().posix_rename(oldpath, newpath)

    def _is_file(self, path: bytes) -> bool:
        return Path(self.map_path(path).decode()).is_file()

    def _hang_up(self) -> None:
        self.channel.get_connection().abort()

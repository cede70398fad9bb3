"""Takes a batch's folder to a printing house over SFTP.

`SHA256SUMS` is the sign that a batch may be taken: it goes up last, as `SHA256SUMS.part`, and gets
its name in one step. So a look over there proves afterwards which it was: with that name the batch
was handed over, with the other one it was not, with neither nobody can tell. Before the sign
nothing there counts: a broken upload goes on where it stopped, and letters that were taken out of
the batch are taken away there, too. A host key that is not the known one stops everything.

Each try fills a folder of its own, `.<batch>.tmp/<try>`, which becomes `<batch>` right before the
sign. A later try takes the folder of the one before over by renaming it: a try that slept
meanwhile finds nothing under the names that it knows, so nothing of it gets into another's folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
from pydantic import SecretStr

from notifier.adapters.batch_folder import CHECKSUMS, COVER, LIST, judge
from notifier.domain.redaction import redact
from notifier.ports.post import Exit, HandOverError, InDoubtError, Latest, Whereabouts

_CONNECT_S, _KEEP_ALIVE_S, _TIDY_S = 30, 15, 5
_SIGN = f"{CHECKSUMS}.part"
_ANEW = frozenset({COVER, LIST})
"""What changes when a letter is taken out; a letter of the same name is the same letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpAccount:
    """Where to and as whom. `host_key` is the server's public key as in `known_hosts`.

    Log in with `key_file` (a private key), with `password`, or with both. An upload may take
    `timeout_s`.
    """

    host: str
    port: int = 22
    username: str
    host_key: str
    folder: str = "."
    password: SecretStr | None = None
    key_file: Path | None = None
    timeout_s: float = 600.0


class SftpHandOver:
    """Uploads folders; one connection per batch."""

    def __init__(self, account: SftpAccount) -> None:
        """Make it.

        Raises:
            ValueError: the host key is none.
        """
        self._account = account
        try:
            self._host_key = asyncssh.import_public_key(account.host_key)
        except asyncssh.KeyImportError as error:
            raise ValueError(
                "the SFTP host key cannot be read: set NOTIFIER_SFTP_HOST_KEY to a line such as "
                "'ssh-ed25519 AAAA…', as ssh-keyscan prints it without the host's name"
            ) from error

    @asynccontextmanager
    async def open(self, home: Path, *, try_no: int) -> AsyncIterator[Exit]:
        """Connect; the batch goes to `<folder>/<name of home>`.

        Raises:
            HandOverError: nobody answers, or not the one that we know.
        """
        account = self._account
        there = _Place(folder=account.folder.rstrip("/"), name=home.name, try_no=try_no)
        place = f"sftp://{account.host}:{account.port}/{there.home.lstrip('./')}"
        try:
            connection = await self._connect()
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise _error(error) from error
        async with connection:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    sftp = await connection.start_sftp_client()
            except (asyncssh.Error, OSError, TimeoutError) as error:
                raise _error(error) from error
            yield _SftpExit(sftp, there, place=place, timeout_s=account.timeout_s)

    def _connect(self) -> Any:
        account = self._account
        return asyncssh.connect(
            account.host,
            account.port,
            username=account.username,
            password=account.password.get_secret_value() if account.password else None,
            client_keys=[str(account.key_file)] if account.key_file else [],
            known_hosts=([self._host_key], [], []),
            config=None,
            agent_path=None,
            connect_timeout=_CONNECT_S,
            login_timeout=_CONNECT_S,
            keepalive_interval=_KEEP_ALIVE_S,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The folders of a batch over there: its own, those of all tries, and the one of this try."""

    folder: str
    name: str
    try_no: int

    @property
    def home(self) -> str:
        return f"{self.folder}/{self.name}"

    @property
    def drafts(self) -> str:
        return f"{self.folder}/.{self.name}.tmp"

    @property
    def draft(self) -> str:
        return self.draft_of(self.try_no)

    def draft_of(self, try_no: int) -> str:
        return f"{self.drafts}/{try_no}"


class _SftpExit:
    def __init__(
        self, sftp: asyncssh.SFTPClient, there: _Place, *, place: str, timeout_s: float
    ) -> None:
        self._sftp = sftp
        self._there = there
        self.place = place
        self._timeout_s = timeout_s

    async def look(self) -> Whereabouts:
        """Which name the sign bears.

        Raises:
            HandOverError: no answer.
        """
        there = self._there
        try:
            async with asyncio.timeout(self._timeout_s):
                if await self._sftp.exists(f"{there.home}/{CHECKSUMS}"):
                    return Whereabouts.OVER
                for folder in (there.home, *map(there.draft_of, await self._tries())):
                    if await self._sftp.exists(f"{folder}/{_SIGN}"):
                        return Whereabouts.HELD
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise _error(error) from error
        return Whereabouts.NOWHERE

    async def bring(self, folder: Path) -> None:
        """Upload what is not there, take away what does not belong there; the sign waits.

        Raises:
            HandOverError: it is not there, or not wholly.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._take_over()
                await self._upload(folder)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise _error(error) from error

    async def release(self, deadline: Latest) -> None:
        """Give the folder its name, then the sign its own, which is the step that counts.

        Raises:
            DeadlinePassedError: too late to begin.
            InDoubtError: the answer got lost.
            HandOverError: the server refused.
        """
        there = self._there
        deadline.check()
        try:
            async with asyncio.timeout(deadline.max_send_s):
                await self._move(there.draft, there.home)
                await self._sftp.rename(f"{there.home}/{_SIGN}", f"{there.home}/{CHECKSUMS}")
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
            raise InDoubtError(str(_error(error))) from error
        except asyncssh.SFTPError as error:
            await judge(self, _error(error))
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise InDoubtError(str(_error(error))) from error
        else:
            await self._tidy()

    async def drop(self) -> None:
        """Take away the folders over there, if there are any and the batch did not get its sign.

        Raises:
            HandOverError: no answer.
        """
        there = self._there
        try:
            async with asyncio.timeout(self._timeout_s):
                if await self._sftp.exists(f"{there.home}/{CHECKSUMS}"):
                    return
                if await self._sftp.exists(there.home):
                    await self._sftp.rmtree(there.home)
                for no in await self._tries():
                    if no <= there.try_no:
                        await self._sftp.rmtree(there.draft_of(no))
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise _error(error) from error
        await self._tidy()

    async def _take_over(self) -> None:
        """Make this try's folder of what those before brought, which then have none any more."""
        sftp, there = self._sftp, self._there
        if await sftp.exists(f"{there.home}/{CHECKSUMS}"):
            raise HandOverError("sftp: the batch is over there already")
        await sftp.makedirs(there.drafts, exist_ok=True)
        tries = await self._tries()
        if tries and tries[-1] > there.try_no:
            raise HandOverError("sftp: a later try brings the batch")
        if await sftp.exists(there.home):  # it got its name, and not its sign
            if there.try_no in tries:
                await sftp.rmtree(there.draft)
            await self._move(there.home, there.draft)
            if await sftp.exists(f"{there.draft}/{CHECKSUMS}"):  # it got it in this moment
                await self._move(there.draft, there.home)
                raise HandOverError("sftp: the batch is over there already")
        elif tries and tries[-1] < there.try_no:
            await self._move(there.draft_of(tries.pop()), there.draft)
        else:
            await sftp.makedirs(there.draft, exist_ok=True)
        for no in tries:
            if no < there.try_no:
                await sftp.rmtree(there.draft_of(no))

    async def _upload(self, folder: Path) -> None:
        sftp, remote = self._sftp, self._there.draft
        files = await asyncio.to_thread(_files, folder)
        there = {str(name) for name in await sftp.listdir(remote)} - {".", ".."}
        for name in sorted(there - files.keys() | there & {_SIGN}):
            await sftp.remove(f"{remote}/{name}")
        for name in sorted(files.keys() - {CHECKSUMS}):
            is_there = name in there and name not in _ANEW
            if is_there and (await sftp.stat(f"{remote}/{name}")).size == files[name]:
                continue
            await sftp.put(str(folder / name), f"{remote}/{name}.part")
            if name in there:
                await sftp.remove(f"{remote}/{name}")
            await sftp.rename(f"{remote}/{name}.part", f"{remote}/{name}")
        await sftp.put(str(folder / CHECKSUMS), f"{remote}/{_SIGN}")

    async def _tries(self) -> list[int]:
        """The tries that have a folder over there, the latest last."""
        if not await self._sftp.exists(self._there.drafts):
            return []
        names = [str(name) for name in await self._sftp.listdir(self._there.drafts)]
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    async def _move(self, old: str, new: str) -> None:
        """Rename a folder in one step; never over one that has files in it."""
        try:
            await self._sftp.posix_rename(old, new)
        except asyncssh.SFTPOpUnsupported:
            await self._sftp.rename(old, new)

    async def _tidy(self) -> None:
        """Take away the folder of the tries where it is empty; it does no harm where it stays."""
        with suppress(asyncssh.Error, OSError, TimeoutError):
            async with asyncio.timeout(_TIDY_S):
                await self._sftp.rmdir(self._there.drafts)


def _files(folder: Path) -> dict[str, int]:
    """The folder's files and their sizes in bytes."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def _error(error: BaseException) -> HandOverError:
    if isinstance(error, TimeoutError):
        return HandOverError("sftp: no answer in time")
    return HandOverError(redact(f"sftp: {type(error).__name__} {error}"))

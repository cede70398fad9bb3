"""Takes a batch's folder to a printing house over SFTP.

`SHA256SUMS` is the sign that a batch may be taken: it goes up last, as `SHA256SUMS.part`, and gets
its name in one step. So a look over there proves afterwards which it was: with that name the batch
was handed over, with the other one it was not, with neither nobody can tell. Before the sign
nothing there counts: a broken upload goes on where it stopped, and letters that were taken out of
the batch are taken away there, too. A host key that is not the known one stops everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
from pydantic import SecretStr

from notifier.adapters.batch_folder import CHECKSUMS, COVER, LIST, judge
from notifier.domain.redaction import redact
from notifier.ports.post import Exit, HandOverError, InDoubtError, Latest, Whereabouts

_CONNECT_S, _KEEP_ALIVE_S = 30, 15
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
    async def open(self, home: Path) -> AsyncIterator[Exit]:
        """Connect; the batch goes to `<folder>/<name of home>`.

        Raises:
            HandOverError: nobody answers, or not the one that we know.
        """
        account = self._account
        remote = f"{account.folder.rstrip('/')}/{home.name}"
        place = f"sftp://{account.host}:{account.port}/{remote.lstrip('./')}"
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
            yield _SftpExit(sftp, remote=remote, place=place, timeout_s=account.timeout_s)

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


class _SftpExit:
    def __init__(
        self, sftp: asyncssh.SFTPClient, *, remote: str, place: str, timeout_s: float
    ) -> None:
        self._sftp = sftp
        self._remote = remote
        self.place = place
        self._timeout_s = timeout_s

    async def look(self) -> Whereabouts:
        """Which name the sign bears.

        Raises:
            HandOverError: no answer.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                if await self._sftp.exists(f"{self._remote}/{CHECKSUMS}"):
                    return Whereabouts.OVER
                is_held = await self._sftp.exists(f"{self._remote}/{_SIGN}")
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise _error(error) from error
        return Whereabouts.HELD if is_held else Whereabouts.NOWHERE

    async def bring(self, folder: Path) -> None:
        """Upload what is not there, take away what does not belong there; the sign waits.

        Raises:
            HandOverError: it is not there, or not wholly.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._upload(folder)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise _error(error) from error

    async def release(self, deadline: Latest) -> None:
        """Give the sign its name.

        Raises:
            DeadlinePassedError: too late to begin.
            InDoubtError: the answer got lost.
            HandOverError: the server refused.
        """
        deadline.check()
        try:
            async with asyncio.timeout(deadline.max_send_s):
                await self._sftp.rename(f"{self._remote}/{_SIGN}", f"{self._remote}/{CHECKSUMS}")
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
            raise InDoubtError(str(_error(error))) from error
        except asyncssh.SFTPError as error:
            await judge(self, _error(error))
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise InDoubtError(str(_error(error))) from error

    async def drop(self) -> None:
        """Take away the folder over there, if there is one and it did not get its sign.

        Raises:
            HandOverError: no answer.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                signed = await self._sftp.exists(f"{self._remote}/{CHECKSUMS}")
                if not signed and await self._sftp.exists(self._remote):
                    await self._sftp.rmtree(self._remote)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise _error(error) from error

    async def _upload(self, folder: Path) -> None:
        sftp, remote = self._sftp, self._remote
        files = await asyncio.to_thread(_files, folder)
        await sftp.makedirs(remote, exist_ok=True)
        there = {str(name) for name in await sftp.listdir(remote)} - {".", ".."}
        if CHECKSUMS in there:
            raise HandOverError("sftp: the batch is over there already")
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


def _files(folder: Path) -> dict[str, int]:
    """The folder's files and their sizes in bytes."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def _error(error: BaseException) -> HandOverError:
    if isinstance(error, TimeoutError):
        return HandOverError("sftp: no answer in time")
    return HandOverError(redact(f"sftp: {type(error).__name__} {error}"))

"""Takes a batch's folder to a printing house over SFTP.

Every file goes up under another name and gets its own when it is whole; the list of checksums goes
last, so its presence says that the batch is complete. Files that are there already are left alone:
a broken upload goes on where it stopped. A host key that is not the known one stops everything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
from pydantic import SecretStr

from notifier.adapters.batch_folder import CHECKSUMS
from notifier.domain.redaction import redact
from notifier.ports.post import HandOverError


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpAccount:
    """Where to and as whom. `host_key` is the server's public key as in `known_hosts`.

    Log in with `key_file` (a private key), with `password`, or with both.
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

    async def hand_over(self, name: str, folder: Path) -> str:
        """Upload the folder as `<folder>/<name>`; returns where it lies.

        Raises:
            HandOverError: it is not there, or not wholly.
        """
        account = self._account
        remote = f"{account.folder.rstrip('/')}/{name}"
        try:
            async with (
                asyncio.timeout(account.timeout_s),
                self._connect() as connection,
                connection.start_sftp_client() as sftp,
            ):
                await self._upload(sftp, folder, remote)
        except TimeoutError as error:
            raise HandOverError(f"sftp: no end after {account.timeout_s:g} s") from error
        except (asyncssh.Error, OSError) as error:
            raise HandOverError(redact(f"sftp: {type(error).__name__} {error}")) from error
        return f"sftp://{account.host}:{account.port}/{remote.lstrip('./')}"

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
            connect_timeout=30,
            login_timeout=30,
        )

    async def _upload(self, sftp: asyncssh.SFTPClient, folder: Path, remote: str) -> None:
        names = await asyncio.to_thread(_in_order, folder)
        await sftp.makedirs(remote, exist_ok=True)
        for name in names:
            local, there = folder / name, f"{remote}/{name}"
            if await _is_whole(sftp, there, local.stat().st_size):
                continue
            await sftp.put(str(local), f"{there}.part")
            if await sftp.exists(there):
                await sftp.remove(there)
            await sftp.rename(f"{there}.part", there)


def _in_order(folder: Path) -> list[str]:
    """The folder's files, the list of checksums last."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return sorted(names, key=lambda name: (name == CHECKSUMS, name))


async def _is_whole(sftp: asyncssh.SFTPClient, there: str, size: int) -> bool:
    try:
        return (await sftp.stat(there)).size == size
    except asyncssh.SFTPNoSuchFile:
        return False

"""Keeps an archive's exhibits while it is made, in a file without a name, sealed.

What an archive holds is personal data, and is on no disk in clear text: the key of the file is in
memory alone and is gone with it. The system forgets the file when it is closed, or the process
ends.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from dataclasses import dataclass

from dunning_common.vault import new_key, seal, unseal
from notifier.domain.evidence import Content

_IN_MEMORY_BYTES = 4 << 20
_DEFLATE_LEVEL = 1


class SealedSpool:
    """See `notifier.ports.evidence.Spool`. Used by one thread at a time."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 -- `close`
        self._key = new_key()
        self._end = 0

    def put(self, content: bytes) -> Content:
        """Keep these bytes."""
        sealed = seal(
            self._key, zlib.compress(content, _DEFLATE_LEVEL), context=f"spool|{self._end}"
        )
        self._file.seek(self._end)
        self._file.write(sealed)
        kept = _Spooled(
            spool=self,
            start=self._end,
            length=len(sealed),
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
        )
        self._end += len(sealed)
        return kept

    def read(self, start: int, length: int) -> bytes:
        """What was put there."""
        self._file.seek(start)
        sealed = self._file.read(length)
        return zlib.decompress(unseal(self._key, sealed, context=f"spool|{start}"))

    def close(self) -> None:
        """Forget everything; again changes nothing."""
        self._file.close()

    def __del__(self) -> None:
        """Nobody fetched the archive: whoever asked hung up before."""
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spooled:
    spool: SealedSpool
    start: int
    length: int
    sha256: str
    size_bytes: int

    def read(self) -> bytes:
        """The bytes."""
        return self.spool.read(self.start, self.length)

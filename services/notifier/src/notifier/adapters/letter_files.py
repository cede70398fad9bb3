"""Takes away files of letters that are not needed any more: nothing else, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from notifier.adapters.batch_folder import drafts_of
from notifier.channels.post_marks import forget_marks


class LocalLetterFiles:
    """Files below `spool` and folders below `out`."""

    def __init__(self, *, spool: Path, out: Path | None) -> None:
        self._spool = spool
        self._out = out

    def remove(self, files: Collection[str]) -> None:
        """Letters in the spool and their slips; a day's folder goes with its last letter.

        Raises:
            OSError: no permission.
        """
        for file in files:
            letter = self._spool / file
            if not _is_below(letter, self._spool):
                continue
            letter.unlink(missing_ok=True)
            letter.with_suffix(".json").unlink(missing_ok=True)
            with suppress(OSError):  # others lie there, or it is gone
                letter.parent.rmdir()

    def clear(self, folders: Collection[str]) -> None:
        """Folders of batches.

        Raises:
            OSError: no permission.
        """
        for name in folders:
            home = Path(name)
            if self._out is None or not _is_below(home, self._out):
                continue
            for folder in (home, *drafts_of(home).values()):
                if folder.is_dir():
                    shutil.rmtree(folder)

    def forget(self, *, before: datetime) -> int:
        """Marks of letters that were let go before an instant; returns how many.

        Raises:
            OSError: no permission.
        """
        return forget_marks(self._spool, before=before)


def _is_below(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve()) and path.resolve() != root.resolve()

"""What stays of a letter when its file is gone: that it may have been posted.

`<spool>/.posted/<tenant>/<date>/<message id>`, one empty file a letter, durably there before the
letter gets its name. Whoever empties the spool leaves what begins with a dot. Without these marks
a folder that was emptied while the service was down looks like one in which nothing was ever put.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

_FOLDER = ".posted"


def mark_of(spool: Path, letter: Path) -> Path:
    """Where the mark of a letter in the spool is."""
    return spool / _FOLDER / letter.relative_to(spool).with_suffix("")


def make_mark(spool: Path, mark: Path) -> None:
    """Make a mark, durably; blocking. Only one of several who try at once succeeds.

    Raises:
        FileExistsError: it is there already.
        OSError: it could not be made, and is not there.
    """
    make_folder(mark.parent, spool)
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        sync_folder(mark.parent)  # it has a name and no content: the name is all there is to keep
    except OSError:
        mark.unlink()
        raise


def forget_marks(spool: Path, *, before: datetime) -> int:
    """Remove marks that were made before an instant, and folders that get empty; blocking.

    Raises:
        OSError: no permission.
    """
    made_before = before.timestamp()
    old = [mark for mark in _marks(spool) if mark.stat().st_mtime < made_before]
    for mark in old:
        mark.unlink(missing_ok=True)
    for folder in {mark.parent for mark in old}:
        with suppress(OSError):  # others lie there
            folder.rmdir()
    return len(old)


def make_folder(folder: Path, root: Path) -> None:
    """Make a folder below `root`, and all above it, durably; blocking."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Let a folder's names outlive a power cut; blocking."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _marks(spool: Path) -> Iterator[Path]:
    """Tenant, day, message: nothing else lies so deep in that folder."""
    return (path for path in (spool / _FOLDER).glob("*/*/*") if path.is_file())

"""The master key: 32 bytes in a file, base64, that wraps every debtor's key.

It is made once per installation and kept apart from the database's backups: without it the keys,
and with them all sealed contacts, cannot be opened. Never logged, never stored in the database.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from dunning_common import vault

_BYTES = 32


class MasterKeyError(ValueError):
    """The file is missing or is not a master key; the message names the remedy."""


def make_master_key(file: Path) -> None:
    """Write a new master key (mode 600), unless there is one already."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(base64.b64encode(vault.new_key()).decode() + "\n")


def read_master_key(file: Path) -> bytes:
    """The master key.

    Raises:
        MasterKeyError: the file is missing or holds something else.
    """
    try:
        key = base64.b64decode(file.read_text().strip(), validate=True)
    except FileNotFoundError:
        raise MasterKeyError(
            f"no master key at {file}; make one with "
            "`python -m invoice_ingest make-master-key FILE`, or restore the one in use"
        ) from None
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _BYTES:
        raise MasterKeyError(f"{file} does not hold {_BYTES} bytes in base64; restore the real one")
    return key

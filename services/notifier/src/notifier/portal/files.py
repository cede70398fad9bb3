"""A file that a debtor sends along: which kinds are taken, told by their first bytes, how large.

Never trusts a name or a declared type, and never looks inside.
"""

from __future__ import annotations

from dataclasses import dataclass

from notifier.content.clean import clean
from notifier.portal.fields import Fault

FILE_BYTES_MAX = 5 * 1024 * 1024
FILE_MEGABYTES_MAX = FILE_BYTES_MAX // (1024 * 1024)
ACCEPTED = ".pdf,.png,.jpg,.jpeg,application/pdf,image/png,image/jpeg"
"""What a browser offers to choose."""

_KINDS = (
    (b"%PDF-", "application/pdf", ".pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file as it came; `is_whole` is false when there was more than is taken."""

    name: str
    content: bytes
    is_whole: bool = True

    @property
    def media_type(self) -> str | None:
        """PDF, PNG or JPEG by its first bytes; None for anything else."""
        return next((kind for head, kind, _ in _KINDS if self.content.startswith(head)), None)

    @property
    def safe_name(self) -> str:
        """A name to show and to save under: no path, no odd signs, with the ending of its kind."""
        stem = clean(self.name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0], limit=60)
        kept = "".join(char for char in stem if char.isalnum() or char in " -_().").strip(" .")
        ending = next((end for _, kind, end in _KINDS if kind == self.media_type), "")
        return (kept or "file") + ending

    def fault(self) -> Fault | None:
        """Why it is not taken, if so."""
        if not self.is_whole or len(self.content) > FILE_BYTES_MAX:
            return Fault("file_large", megabytes=FILE_MEGABYTES_MAX)
        return None if self.media_type else Fault("file_kind")

"""The letters in the spool folder: lists the PDFs and finds one by its path. Only reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A PDF in the spool: `path` below the folder, and what the file beside it says of it."""

    path: str
    size_bytes: int
    at: str
    about: dict[str, Any]

    @property
    def title(self) -> str:
        """What it is, in a few words; the path when nothing is said of it."""
        level = str(self.about.get("level", "")).replace("_", " ")
        words = [level, *self.invoices] if level else [self.path]
        return " ".join(words)

    @property
    def invoices(self) -> list[str]:
        """Ids of the invoices that it is about."""
        return [str(invoice) for invoice in self.about.get("invoice_ids") or ()]

    @property
    def addressee(self) -> str:
        """To whom it goes."""
        to = self.about.get("to")
        return ", ".join(filter(None, (to.get("name"), to.get("city")))) if to else ""

    def as_dict(self) -> dict[str, Any]:
        """As the JSON API shows it."""
        return {
            "path": self.path, "size_bytes": self.size_bytes, "at": self.at, "about": self.about,
        }  # fmt: skip


class Spool:
    """The spool folder, which may not exist yet."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def newest(
        self, *, skip: int, limit: int, tenant: str | None = None, invoice: str | None = None
    ) -> list[Letter]:
        """The letters that match all given filters, the newest first, after skipping some."""
        ordered = sorted(self._files(), key=lambda entry: (-entry[0], entry[1]))
        matching = (
            _letter(folder_path, relative)
            for _, relative, folder_path in ordered
            if _concerns(folder_path, relative, tenant, invoice)
        )
        return list(islice(matching, skip, skip + limit))

    def count(self) -> int:
        """How many letters there are."""
        return len(self._files())

    def file(self, relative: str) -> Path | None:
        """The PDF at a path below the folder; None when there is none there."""
        if self._folder is None:
            return None
        root = self._folder.resolve()
        path = (root / relative).resolve()
        if not path.is_relative_to(root) or path.suffix != ".pdf" or not path.is_file():
            return None
        return path

    def _files(self) -> list[tuple[float, str, Path]]:
        if self._folder is None or not self._folder.is_dir():
            return []
        found = []
        for path in self._folder.rglob("*.pdf"):
            try:
                found.append((path.stat().st_mtime, str(path.relative_to(self._folder)), path))
            except FileNotFoundError:  # taken away while we looked
                continue
        return found


def _letter(path: Path, relative: str) -> Letter:
    stat = path.stat()
    at = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
    return Letter(path=relative, size_bytes=stat.st_size, at=at, about=_about(path))


def _about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _concerns(path: Path, relative: str, tenant: str | None, invoice: str | None) -> bool:
    if not tenant and not invoice:
        return True
    about = _about(path)
    if tenant and tenant != about.get("tenant", relative.split("/", 1)[0]):
        return False
    return not invoice or invoice in (about.get("invoice_ids") or ())

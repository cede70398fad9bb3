"""Evidence: everything about a claim in one archive that proves its own completeness.

Exhibits are put in order of time, numbered and hashed. A manifest lists every file but itself and
its signature, and is what gets signed. Pure: what is filed, who gathers and who signs is decided
elsewhere; `notifier.domain.evidence_check` looks at an archive that somebody holds in hands.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

FORMAT = "dunning-evidence/2"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
PUBLIC_KEY = "public-key.pem"
TIMELINE = "timeline.txt"
README = "README.txt"
UNLISTED = frozenset({MANIFEST, SIGNATURE})
"""The manifest cannot hold its own hash; the signature holds the manifest."""

_COVERS = {
    README: "what this archive is, and how to check it",
    PUBLIC_KEY: "the key that checks the signature",
    TIMELINE: "what happened, a line for each file, in order",
}


class Content(Protocol):
    """Bytes that are had when they are needed, so that an archive need not fit into memory."""

    @property
    def sha256(self) -> str:
        """In hexadecimal digits."""
        ...

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        ...

    def read(self) -> bytes:
        """The bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Bytes:
    """Content that is at hand."""

    data: bytes

    @property
    def sha256(self) -> str:
        """In hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def read(self) -> bytes:
        """The bytes."""
        return self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One thing that happened, with its bytes.

    `folder` groups them (`messages`, `ledger`), `name` ends the file's name, `says` is a line for
    people, `happened_at` puts it in order; None comes first: it holds for the whole time. Of some
    things only the day is known: they stand at its beginning in UTC.
    """

    folder: str
    name: str
    says: str
    content: Content
    happened_at: datetime | None = None
    day_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """An exhibit with its number and place in the archive."""

    number: int
    path: str
    exhibit: Exhibit


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A manifest with the signature over its bytes."""

    manifest: bytes
    signature: bytes


def file_in_order(exhibits: Sequence[Exhibit]) -> tuple[Filed, ...]:
    """Number the exhibits by time, then folder and name; the same set gives the same numbers."""
    beginning = datetime.min.replace(tzinfo=UTC)
    ordered = sorted(
        exhibits,
        key=lambda e: (e.happened_at or beginning, e.folder, e.name, e.says, e.content.sha256),
    )
    return tuple(
        Filed(number=number, path=f"{exhibit.folder}/{number:04d}-{exhibit.name}", exhibit=exhibit)
        for number, exhibit in enumerate(ordered, start=1)
    )


def covers_of(
    filed: Sequence[Filed], *, remarks: Sequence[str], public_key: bytes
) -> dict[str, bytes]:
    """What lies on top of the exhibits, for people: by name, each listed in the manifest.

    Args:
        filed: all exhibits, numbered.
        remarks: what whoever holds the archive must know, a paragraph each.
        public_key: PEM.
    """
    return {
        README: _readme(remarks).encode(),
        PUBLIC_KEY: public_key,
        TIMELINE: timeline_of(filed).encode(),
    }


def manifest_of(
    filed: Sequence[Filed],
    *,
    covers: Mapping[str, bytes],
    about: Mapping[str, Any],
    made_at: datetime,
    made_for: str,
) -> bytes:
    """The list of all files with their hashes, as JSON: the bytes to sign.

    Args:
        filed: all exhibits, numbered.
        covers: the files beside them, of `covers_of`.
        about: whose claim: tenant, debtor, invoices; and what could not be had, if anything.
        made_at: when the archive was made.
        made_for: who asked for it.
    """
    beside = (
        _listed(0, name, Bytes(content), None, _COVERS.get(name, ""))
        for name, content in sorted(covers.items())
    )
    exhibits = (
        _listed(
            each.number,
            each.path,
            each.exhibit.content,
            _iso(each.exhibit),
            each.exhibit.says,
        )
        for each in filed
    )
    manifest = {
        "format": FORMAT,
        "made_at": made_at.isoformat(),
        "made_for": made_for,
        "about": dict(about),
        "files": [*beside, *exhibits],
    }
    return (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def archive_of(
    filed: Sequence[Filed], *, covers: Mapping[str, bytes], signed: Signed, made_at: datetime
) -> Iterator[bytes]:
    """The ZIP file, part by part; the same input gives the same bytes.

    Holds one exhibit at a time in memory.
    """
    moment = made_at.astimezone(UTC).timetuple()[:6]
    outlet = _Outlet()

    def members() -> Iterator[tuple[str, bytes]]:
        yield README, covers[README]
        yield MANIFEST, signed.manifest
        yield SIGNATURE, signed.signature
        for name in sorted(covers.keys() - {README}):
            yield name, covers[name]
        for each in filed:
            yield each.path, each.exhibit.content.read()

    with zipfile.ZipFile(outlet, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for name, content in members():
            member = zipfile.ZipInfo(name, date_time=moment)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
            yield outlet.take()
    yield outlet.take()


def timeline_of(filed: Sequence[Filed]) -> str:
    """What happened, a line for each exhibit, in order."""
    lines = (f"{_when(each.exhibit)}  {each.number:04d}  {each.exhibit.says}" for each in filed)
    return "\n".join(lines) + "\n"


def moment_text(at: datetime) -> str:
    """An instant in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _when(exhibit: Exhibit) -> str:
    """When it happened, as far as that is known, always as wide."""
    at = exhibit.happened_at
    text = "" if at is None else moment_text(at)
    return f"{text[:10] if exhibit.day_only else text:23}"


def _listed(
    number: int, path: str, content: Content, happened_at: str | None, says: str
) -> dict[str, Any]:
    """A file as the manifest names it; number 0 is no exhibit."""
    return {
        "number": number,
        "path": path,
        "sha256": content.sha256,
        "size_bytes": content.size_bytes,
        "happened_at": happened_at,
        "says": says,
    }


def _iso(exhibit: Exhibit) -> str | None:
    at = exhibit.happened_at
    if at is None:
        return None
    return at.date().isoformat() if exhibit.day_only else at.isoformat()


class _Outlet(io.RawIOBase):
    """Where the archive is written to: it cannot go back, and gives away what it has."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """It is written to."""
        return True

    def write(self, data: Any) -> int:
        """Take a part."""
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _readme(remarks: Sequence[str]) -> str:
    said = "".join(f"{remark}\n\n" for remark in remarks)
    return f"{_ABOUT}\n{said}{_CHECKS}"


_ABOUT = """\
This archive holds what was said and done about a claim, in the order in which it
happened. timeline.txt names each file in a line; manifest.json lists all files but
itself and its signature, with their SHA-256. Messages are the exact bytes that left,
decisions the exact records.
"""
# With -I Python takes no module out of the unpacked folder, whoever put one there.
_CHECKS = """\
To check it, in the unpacked folder, with OpenSSL 3 and Python 3:

  1. Whose it is. The creditor publishes this fingerprint of its key:
     openssl pkey -pubin -in public-key.pem -outform DER | sha256sum

  2. The signature over the list of files:
     openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin \\
       -in manifest.json -sigfile manifest.sig

  3. Every file that is listed:
     python3 -I -c "import json; [print(f['sha256'] + '  ' + f['path'])
       for f in json.load(open('manifest.json', encoding='utf-8'))['files']]" |
       sha256sum -c --quiet --strict

  4. That there is no file besides (with one it says which, and fails):
     python3 -I -c "import json, os, sys; sys.exit(', '.join(sorted(
       {os.path.relpath(os.path.join(d, f)) for d, _, fs in os.walk('.') for f in fs}
       - {f['path'] for f in json.load(open('manifest.json', encoding='utf-8'))['files']}
       - {'manifest.json', 'manifest.sig'})) or 0)"

Each of these ends with the status 0 when it holds.
"""

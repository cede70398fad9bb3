"""Evidence: everything about a claim in one archive that proves its own completeness.

Exhibits are put in order of time, numbered, hashed, and listed in a manifest; the manifest is what
gets signed. Pure: bytes in, bytes out; who gathers and who signs is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FORMAT = "dunning-evidence/1"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
PUBLIC_KEY = "public-key.pem"
TIMELINE = "timeline.txt"
README = "README.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One thing that happened, with its bytes.

    `folder` groups them (`messages`, `ledger`), `name` ends the file's name, `says` is a line for
    people, `happened_at` puts it in order; None comes first: it holds for the whole time.
    """

    folder: str
    name: str
    says: str
    content: bytes
    happened_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """An exhibit with its number and place in the archive."""

    number: int
    path: str
    sha256: str
    exhibit: Exhibit


def file_in_order(exhibits: Sequence[Exhibit]) -> tuple[Filed, ...]:
    """Number the exhibits by time, then folder and name; the same set gives the same numbers."""
    beginning = datetime.min.replace(tzinfo=UTC)
    ordered = sorted(exhibits, key=lambda e: (e.happened_at or beginning, e.folder, e.name))
    return tuple(
        Filed(
            number=number,
            path=f"{exhibit.folder}/{number:04d}-{exhibit.name}",
            sha256=hashlib.sha256(exhibit.content).hexdigest(),
            exhibit=exhibit,
        )
        for number, exhibit in enumerate(ordered, start=1)
    )


def manifest_of(
    filed: Sequence[Filed], *, about: Mapping[str, Any], made_at: datetime, made_for: str
) -> bytes:
    """The list of all files with their hashes, as JSON: the bytes to sign.

    Args:
        filed: all exhibits, numbered.
        about: whose claim: tenant, debtor, invoices; and what could not be had, if anything.
        made_at: when the archive was made.
        made_for: who asked for it.
    """
    manifest = {
        "format": FORMAT,
        "made_at": made_at.isoformat(),
        "made_for": made_for,
        "about": dict(about),
        "files": [
            {
                "number": each.number,
                "path": each.path,
                "sha256": each.sha256,
                "size_bytes": len(each.exhibit.content),
                "happened_at": each.exhibit.happened_at and each.exhibit.happened_at.isoformat(),
                "says": each.exhibit.says,
            }
            for each in filed
        ],
    }
    return (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def archive_of(
    filed: Sequence[Filed],
    *,
    manifest: bytes,
    signature: bytes,
    public_key: bytes,
    made_at: datetime,
) -> bytes:
    """The ZIP file; the same input gives the same bytes."""
    moment = made_at.astimezone(UTC).timetuple()[:6]
    members = {
        README: _readme(),
        MANIFEST: manifest,
        SIGNATURE: signature,
        PUBLIC_KEY: public_key,
        TIMELINE: timeline_of(filed).encode(),
        **{each.path: each.exhibit.content for each in filed},
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, date_time=moment)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return target.getvalue()


def timeline_of(filed: Sequence[Filed]) -> str:
    """What happened, a line for each exhibit, in order."""
    lines = (
        f"{_moment(each.exhibit.happened_at)}  {each.number:04d}  {each.exhibit.says}"
        for each in filed
    )
    return "\n".join(lines) + "\n"


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else " " * 23


def wrong_in(archive: bytes) -> list[str]:
    """What does not fit in an archive: files changed, missing or added. The signature is apart."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        manifest = json.loads(opened.read(MANIFEST))
        names = {info.filename for info in opened.infolist()}
        found: list[str] = []
        listed: set[str] = {README, MANIFEST, SIGNATURE, PUBLIC_KEY, TIMELINE}
        for each in manifest["files"]:
            path = each["path"]
            listed.add(path)
            if path not in names:
                found.append(f"{path} is missing")
            elif hashlib.sha256(opened.read(path)).hexdigest() != each["sha256"]:
                found.append(f"{path} was changed")
    return [*found, *(f"{name} was added" for name in sorted(names - listed))]


def _readme() -> bytes:
    return (
        b"This archive holds what was said and done about a claim, in the order in which it\n"
        b"happened. timeline.txt names each file in a line; manifest.json lists all files with\n"
        b"their SHA-256. Messages are the exact bytes that left, decisions the exact records.\n"
        b"\n"
        b"To check it:\n"
        b"  1. the signature, with OpenSSL 3:\n"
        b"     openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin \\\n"
        b"       -in manifest.json -sigfile manifest.sig\n"
        b"  2. the files, in the unpacked folder:\n"
        b"     python3 -c \"import json; [print(f['sha256'] + '  ' + f['path'])\n"
        b"       for f in json.load(open('manifest.json'))['files']]\" | sha256sum -c\n"
        b"The public key must be the one that the creditor publishes: compare it.\n"
    )

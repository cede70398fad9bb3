"""Looks at an archive of evidence that somebody holds in hands: is it what was signed?

Pure but for reading the file it is given; asks nobody, so that a lawyer or a court can do the same
without the platform. How an archive is made is in `notifier.domain.evidence`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from notifier.domain.evidence import MANIFEST, PUBLIC_KEY, SIGNATURE, UNLISTED

_CHUNK_BYTES = 1 << 20
_MANIFEST_BYTES_MAX = 256 << 20

Verify = Callable[[bytes, bytes, bytes], bool]
"""Whether a public key (PEM) says that a signature is of these bytes."""


class NoArchiveError(ValueError):
    """This is no archive of evidence; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found in an archive. It holds when nothing is `wrong`.

    `key` is the public key (PEM) that it was checked with.
    """

    manifest: Mapping[str, Any]
    key: bytes
    wrong: tuple[str, ...]

    @property
    def about(self) -> Mapping[str, Any]:
        """Whose claim it is."""
        about: Mapping[str, Any] = self.manifest.get("about", {})
        return about

    @property
    def files(self) -> Sequence[Mapping[str, Any]]:
        """The files that the manifest lists, in order."""
        files: Sequence[Mapping[str, Any]] = self.manifest["files"]
        return files


def check(archive: IO[bytes], verify: Verify, *, key: bytes | None = None) -> Verdict:
    """Check the signature, each file's hash, and that no file is missing, added or there twice.

    Args:
        archive: the ZIP file.
        verify: checks a signature.
        key: the creditor's public key, PEM; without it the one inside, of which nobody knows yet
            whose it is.

    Raises:
        NoArchiveError: not a ZIP file, or one without a manifest.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            manifest = _small(opened, MANIFEST)
            inside = _small(opened, PUBLIC_KEY, b"")
            signature = _small(opened, SIGNATURE, b"")
            listed = _parsed(manifest)
            wrong = [] if verify(key or inside, signature, manifest) else [_NOT_SIGNED]
            wrong += _wrong_files(opened, listed)
    except (zipfile.BadZipFile, EOFError) as error:
        raise NoArchiveError(f"not a ZIP file that can be read: {error}") from error
    return Verdict(manifest=listed, key=key or inside, wrong=tuple(wrong))


def missing_volumes(verdicts: Sequence[Verdict]) -> list[str]:
    """What is not in these archives though one of them says that it belongs to the same claim."""
    found: list[str] = []
    series = {_series(verdict) for verdict in verdicts}
    for whose, volumes in sorted(series):
        here = {v.about.get("volume", 1) for v in verdicts if _series(v) == (whose, volumes)}
        parts = json.loads(volumes)
        found += [
            f"volume {part['volume']} of {len(parts)} of {whose} is not here"
            for part in parts
            if part["volume"] not in here
        ]
    return found


_NOT_SIGNED = (
    f"the signature over {MANIFEST} does not hold: the list was changed, or signed with another key"
)


def _series(verdict: Verdict) -> tuple[str, str]:
    about = verdict.about
    return str(about.get("debtor_id")), json.dumps(about.get("volumes", []), sort_keys=True)


def _small(opened: zipfile.ZipFile, name: str, default: bytes | None = None) -> bytes:
    try:
        info = opened.getinfo(name)
    except KeyError:
        if default is not None:
            return default
        raise NoArchiveError(f"there is no {name} in it") from None
    if info.file_size > _MANIFEST_BYTES_MAX:
        raise NoArchiveError(f"{name} has {info.file_size} bytes; no archive's is so large")
    return opened.read(info)


def _parsed(manifest: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(manifest)
        paths = [(str(f["path"]), str(f["sha256"]), int(f["size_bytes"])) for f in found["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise NoArchiveError(f"its {MANIFEST} is not one of evidence: {error!r}") from error
    if not paths:
        raise NoArchiveError(f"its {MANIFEST} lists no file")
    return dict(found)


def _wrong_files(opened: zipfile.ZipFile, manifest: Mapping[str, Any]) -> list[str]:
    """Files that were changed, are missing, were added, or are there twice."""
    infos = {info.filename: info for info in opened.infolist()}
    listed = {str(each["path"]): each for each in manifest["files"]}
    wrong: list[str] = []
    for path, each in listed.items():
        if path not in infos:
            wrong.append(f"{path} is missing")
        elif not _is_same(opened, infos[path], each):
            wrong.append(f"{path} was changed")
    # Of two files with one name, readers take the first or the last: so neither proves anything.
    times = Counter(info.filename for info in opened.infolist())
    wrong += [f"{name} is there more than once" for name in sorted(times) if times[name] > 1]
    wrong += [f"{name} was added" for name in sorted(infos.keys() - listed.keys() - UNLISTED)]
    wrong += [f"{name} is missing" for name in sorted(UNLISTED - infos.keys())]
    if opened.comment or any(info.comment for info in infos.values()):
        wrong.append("a comment was added")
    return wrong


def _is_same(opened: zipfile.ZipFile, info: zipfile.ZipInfo, listed: Mapping[str, Any]) -> bool:
    """Whether a file has the bytes that are listed; reads no more than there should be."""
    if info.file_size != listed["size_bytes"]:
        return False
    found = hashlib.sha256()
    try:
        with opened.open(info) as file:
            while part := file.read(_CHUNK_BYTES):
                found.update(part)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return False  # its own checksum does not hold, or it was packed in another way
    return found.hexdigest() == str(listed["sha256"])

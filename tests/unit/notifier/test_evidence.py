"""An archive of evidence: in order, complete, and not to be changed without being seen."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.adapters.evidence_key import (
    EvidenceKey,
    EvidenceKeyError,
    fingerprint_of,
    is_signed,
    make_evidence_key,
)
from notifier.adapters.evidence_spool import SealedSpool
from notifier.domain.evidence import (
    MANIFEST,
    PUBLIC_KEY,
    README,
    SIGNATURE,
    TIMELINE,
    Bytes,
    Exhibit,
    Signed,
    archive_of,
    covers_of,
    file_in_order,
    manifest_of,
    timeline_of,
)
from notifier.domain.evidence_check import NoArchiveError, check, missing_volumes

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
MEMBERS = [
    README, MANIFEST, SIGNATURE, PUBLIC_KEY, TIMELINE,
    "messages/0001-a.eml", "messages/0002-b.eml",
]  # fmt: skip


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> EvidenceKey:
    file = tmp_path_factory.mktemp("key") / "key.pem"
    make_evidence_key(file)
    return EvidenceKey(file)


def exhibit(name: str, *, days: int | None = 0, content: bytes = b"x") -> Exhibit:
    at = None if days is None else AT + timedelta(days=days)
    return Exhibit(
        folder="messages",
        name=f"{name}.eml",
        says=f"said {name}",
        content=Bytes(content),
        happened_at=at,
    )


def archive(key: EvidenceKey, *exhibits: Exhibit, about: dict[str, object] | None = None) -> bytes:
    filed = file_in_order(exhibits)
    covers = covers_of(filed, remarks=["Mind the gap."], public_key=key.public_pem)
    manifest = manifest_of(
        filed, covers=covers, about=about or {"tenant": "acme"}, made_at=AT, made_for="jane"
    )
    signed = Signed(manifest=manifest, signature=key.sign(manifest))
    return b"".join(archive_of(filed, covers=covers, signed=signed, made_at=AT))


def both(key: EvidenceKey) -> bytes:
    return archive(key, exhibit("a"), exhibit("b", days=1))


def changed(data: bytes, *, path: str, content: bytes | None) -> bytes:
    """The archive with one file changed, left out (None) or added."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for name in {*old.namelist(), path}:
            if name != path:
                new.writestr(name, old.read(name))
            elif content is not None:
                new.writestr(name, content)
    return target.getvalue()


def wrong_in(data: bytes, key: bytes | None = None) -> list[str]:
    return list(check(io.BytesIO(data), is_signed, key=key).wrong)


def test_exhibits_stand_in_the_order_of_their_time() -> None:
    filed = file_in_order([exhibit("late", days=9), exhibit("early"), exhibit("always", days=None)])

    assert [each.path for each in filed] == [
        "messages/0001-always.eml",
        "messages/0002-early.eml",
        "messages/0003-late.eml",
    ]
    assert timeline_of(filed).splitlines()[1] == "2026-03-02 08:00:00 UTC  0002  said early"


def test_what_is_known_by_its_day_alone_shows_no_time_of_day(key: EvidenceKey) -> None:
    paid = Exhibit(
        folder="ledger", name="p.json", says="paid", content=Bytes(b"x"),
        happened_at=datetime(2026, 3, 20, tzinfo=UTC), day_only=True,
    )  # fmt: skip

    listed = check(io.BytesIO(archive(key, paid)), is_signed).files[-1]

    assert timeline_of(file_in_order([paid])) == f"{'2026-03-20':23}  0001  paid\n"
    assert listed["happened_at"] == "2026-03-20"


@dataclass(frozen=True)
class Counted(Bytes):
    """Content that says when it is read."""

    reads: list[bytes] = field(default_factory=list)

    def read(self) -> bytes:
        self.reads.append(self.data)
        return self.data


def test_an_archive_reads_each_exhibit_when_its_turn_comes(key: EvidenceKey) -> None:
    reads: list[bytes] = []
    exhibits = [
        Exhibit(folder="f", name=f"{n}", says="s", content=Counted(os.urandom(9000), reads))
        for n in range(4)
    ]
    filed = file_in_order(exhibits)
    covers = covers_of(filed, remarks=[], public_key=key.public_pem)
    parts = archive_of(
        filed, covers=covers, signed=Signed(manifest=b"m", signature=b"s"), made_at=AT
    )

    seen = [(len(part), len(reads)) for part in parts]

    assert [read for size, read in seen if size > 9000] == [1, 2, 3, 4]


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=20)), max_size=8), st.randoms())
def test_the_same_exhibits_in_any_order_give_the_same_bytes(
    key: EvidenceKey, made: list[tuple[int, bytes]], shuffled: object
) -> None:
    exhibits = [exhibit(str(n), days=day, content=c) for n, (day, c) in enumerate(made)]
    mixed = list(exhibits)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]

    assert archive(key, *exhibits) == archive(key, *mixed)
    assert wrong_in(archive(key, *exhibits)) == []


def test_these_are_all_the_files_of_the_archive_that_is_tampered_with(key: EvidenceKey) -> None:
    with zipfile.ZipFile(io.BytesIO(both(key))) as opened:
        assert sorted(opened.namelist()) == sorted(MEMBERS)


def test_every_file_but_the_manifest_and_its_signature_is_listed(key: EvidenceKey) -> None:
    with zipfile.ZipFile(io.BytesIO(both(key))) as opened:
        manifest = json.loads(opened.read(MANIFEST))

    assert {each["path"] for each in manifest["files"]} == set(MEMBERS) - {MANIFEST, SIGNATURE}


@pytest.mark.parametrize("path", MEMBERS)
def test_a_change_of_any_file_is_seen(key: EvidenceKey, path: str) -> None:
    with zipfile.ZipFile(io.BytesIO(both(key))) as opened:
        original = opened.read(path)
    same_length = bytes([original[0] ^ 1]) + original[1:]
    if path == MANIFEST:  # still JSON that says the same of every file
        same_length = original.replace(b'"jane"', b'"mary"')

    assert wrong_in(changed(both(key), path=path, content=same_length))
    assert wrong_in(changed(both(key), path=path, content=original + b"\n"))


@pytest.mark.parametrize("path", MEMBERS)
def test_a_file_that_was_taken_out_is_seen(key: EvidenceKey, path: str) -> None:
    taken = changed(both(key), path=path, content=None)

    if path == MANIFEST:
        with pytest.raises(NoArchiveError, match=MANIFEST):
            wrong_in(taken)
    else:
        assert f"{path} is missing" in wrong_in(taken)


@pytest.mark.parametrize("path", ["messages/0003-z.eml", "note.txt", "messages/", "../up.txt"])
def test_a_file_that_was_added_is_seen(key: EvidenceKey, path: str) -> None:
    assert wrong_in(changed(both(key), path=path, content=b"")) == [f"{path} was added"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("path", MEMBERS)
def test_a_second_file_of_the_same_name_is_seen(key: EvidenceKey, path: str) -> None:
    target = io.BytesIO(both(key))
    with zipfile.ZipFile(target, "a") as more:
        more.writestr(path, more.read(path))

    assert f"{path} is there more than once" in wrong_in(target.getvalue())


def test_a_comment_that_was_added_is_seen(key: EvidenceKey) -> None:
    target = io.BytesIO(both(key))
    with zipfile.ZipFile(target, "a") as more:
        more.comment = b"paid on Monday"

    assert wrong_in(target.getvalue()) == ["a comment was added"]


def test_an_archive_that_somebody_else_signed_holds_only_until_the_key_is_compared(
    key: EvidenceKey, tmp_path: Path
) -> None:
    make_evidence_key(tmp_path / "other.pem")
    forged = both(EvidenceKey(tmp_path / "other.pem"))

    assert wrong_in(forged) == []
    assert wrong_in(forged, key.public_pem) == [
        f"the signature over {MANIFEST} does not hold: the list was changed, or signed with another key"
    ]
    assert wrong_in(both(key), key.public_pem) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no archive", "not a ZIP file"),
        (b"", "not a ZIP file"),
    ],
)
def test_what_is_no_archive_is_called_so(data: bytes, why: str) -> None:
    with pytest.raises(NoArchiveError, match=why):
        wrong_in(data)


@pytest.mark.parametrize("manifest", [b"", b"[]", b'{"files": []}', b'{"files": [{}]}', b"\xff"])
def test_a_manifest_of_another_form_is_called_so(key: EvidenceKey, manifest: bytes) -> None:
    with pytest.raises(NoArchiveError, match=MANIFEST):
        wrong_in(changed(both(key), path=MANIFEST, content=manifest))


def test_a_file_that_is_far_larger_than_listed_is_not_even_read(key: EvidenceKey) -> None:
    bomb = changed(both(key), path=TIMELINE, content=b"0" * 50_000_000)

    assert f"{TIMELINE} was changed" in wrong_in(bomb)


def volume(key: EvidenceKey, number: int, volumes: list[list[str]]) -> bytes:
    about = {
        "debtor_id": "d-1",
        "volume": number,
        "volumes": [{"volume": n, "invoice_ids": ids} for n, ids in enumerate(volumes, start=1)],
    }
    return archive(key, exhibit("a"), about=about)


def test_a_volume_that_is_not_there_is_named(key: EvidenceKey) -> None:
    volumes = [["i-1"], ["i-2"], ["i-3"]]
    verdicts = [check(io.BytesIO(volume(key, number, volumes)), is_signed) for number in (1, 2, 3)]

    assert missing_volumes(verdicts) == []
    assert missing_volumes([verdicts[2], verdicts[0]]) == ["volume 2 of 3 of d-1 is not here"]


def test_volumes_of_different_days_do_not_make_one_claim(key: EvidenceKey) -> None:
    before = check(io.BytesIO(volume(key, 1, [["i-1"], ["i-2"]])), is_signed)
    after = check(io.BytesIO(volume(key, 2, [["i-1"], ["i-2", "i-3"]])), is_signed)

    assert sorted(missing_volumes([before, after])) == [
        "volume 1 of 2 of d-1 is not here",
        "volume 2 of 2 of d-1 is not here",
    ]


def test_the_manifest_says_for_whom_and_about_whom(key: EvidenceKey) -> None:
    found = check(io.BytesIO(archive(key, exhibit("a"))), is_signed)

    assert found.manifest["made_for"] == "jane"
    assert found.about == {"tenant": "acme"}
    assert [each["says"] for each in found.files if each["number"]] == ["said a"]


def test_the_readme_says_what_must_be_known(key: EvidenceKey) -> None:
    with zipfile.ZipFile(io.BytesIO(both(key))) as opened:
        assert b"\n\nMind the gap.\n\n" in opened.read(README)


# What the README of an archive says, as a lawyer's clerk types it.

needs_tools = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("openssl", "sha256sum", "python3", "sh")),
    reason="needs openssl, sha256sum, python3 and sh, as the README of an archive does",
)


def commands(readme: str) -> list[str]:
    """The indented commands, one for each numbered step."""
    steps = re.split(r"\n  \d\. ", readme)[1:]
    return [
        "\n".join(line for line in step.splitlines()[1:] if line.startswith("     "))
        for step in steps
    ]


def followed(data: bytes, folder: Path, *, readme: str) -> list[tuple[int, str]]:
    """Status and output of each step of the README, in the unpacked folder."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        opened.extractall(folder)
    done = [
        subprocess.run(
            ["sh", "-c", step], cwd=folder, capture_output=True, text=True, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        for step in commands(readme)
    ]  # fmt: skip
    return [(one.returncode, one.stdout + one.stderr) for one in done]


def readme_of(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return opened.read(README).decode()


@needs_tools
def test_the_commands_of_the_readme_pass_an_archive_that_nobody_touched(
    key: EvidenceKey, tmp_path: Path
) -> None:
    whose, *others = followed(both(key), tmp_path, readme=readme_of(both(key)))

    assert whose[0] == 0
    assert whose[1].split()[0] == key.fingerprint == fingerprint_of(key.public_pem)
    assert [status for status, _ in others] == [0, 0, 0], others


@needs_tools
@pytest.mark.parametrize("path", MEMBERS)
@pytest.mark.parametrize("how", ["changed", "removed"])
def test_the_commands_of_the_readme_see_a_change_of_any_file(
    key: EvidenceKey, tmp_path: Path, path: str, how: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(both(key))) as opened:
        original = opened.read(path)
    content = None if how == "removed" else original[:-2] + b" " + original[-2:]
    touched = changed(both(key), path=path, content=content)

    steps = followed(touched, tmp_path, readme=readme_of(both(key)))

    assert any(status != 0 for status, _ in steps), steps


@needs_tools
@pytest.mark.parametrize("path", ["note.txt", "messages/0003-z.eml", "more/deep/x", ".hidden"])
def test_the_commands_of_the_readme_see_a_file_that_was_added(
    key: EvidenceKey, tmp_path: Path, path: str
) -> None:
    touched = changed(both(key), path=path, content=b"x")

    *before, (status, said) = followed(touched, tmp_path, readme=readme_of(both(key)))

    assert [one for one, _ in before] == [0, 0, 0]
    assert status != 0
    assert path in said


@needs_tools
def test_the_commands_of_the_readme_run_nothing_that_lies_in_the_folder(
    key: EvidenceKey, tmp_path: Path
) -> None:
    touched = changed(both(key), path="json.py", content=b"import sys; sys.exit(0)")

    *_, (status, said) = followed(touched, tmp_path, readme=readme_of(both(key)))

    assert status != 0
    assert "json.py" in said


# The key, and what keeps exhibits until they are written.


def test_only_an_ed25519_key_says_that_something_is_signed(key: EvidenceKey) -> None:
    assert is_signed(key.public_pem, key.sign(b"m"), b"m")
    assert not is_signed(key.public_pem, key.sign(b"m"), b"n")
    assert not is_signed(b"no key", key.sign(b"m"), b"m")
    with pytest.raises(EvidenceKeyError, match="no public key"):
        fingerprint_of(b"no key")


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_what_was_put_into_the_spool_is_read_again_in_any_order(contents: list[bytes]) -> None:
    spool = SealedSpool()
    kept = [(spool.put(content), content) for content in contents]

    assert all(one.read() == content for one, content in reversed(kept))
    assert all(one.sha256 == Bytes(content).sha256 for one, content in kept)
    assert all(one.size_bytes == len(content) for one, content in kept)
    spool.close()
    spool.close()


def test_the_spool_holds_nothing_in_clear_text() -> None:
    spool = SealedSpool()
    spool.put(b"Boulangerie Petit" * 1000)

    spool._file.seek(0)
    held = spool._file.read()

    assert held
    assert b"Boulangerie" not in held
    spool.close()

"""An archive of evidence: in order, complete, and not to be changed without being seen."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.evidence import (
    MANIFEST,
    Exhibit,
    archive_of,
    file_in_order,
    manifest_of,
    timeline_of,
    wrong_in,
)

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def exhibit(name: str, *, days: int | None = 0, content: bytes = b"x") -> Exhibit:
    at = None if days is None else AT + timedelta(days=days)
    return Exhibit(
        folder="messages", name=f"{name}.eml", says=f"said {name}", content=content, happened_at=at
    )


def archive(*exhibits: Exhibit) -> bytes:
    filed = file_in_order(exhibits)
    manifest = manifest_of(filed, about={"tenant": "acme"}, made_at=AT, made_for="jane")
    return archive_of(filed, manifest=manifest, signature=b"s", public_key=b"k", made_at=AT)


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


def test_exhibits_stand_in_the_order_of_their_time() -> None:
    filed = file_in_order([exhibit("late", days=9), exhibit("early"), exhibit("always", days=None)])

    assert [each.path for each in filed] == [
        "messages/0001-always.eml",
        "messages/0002-early.eml",
        "messages/0003-late.eml",
    ]
    assert timeline_of(filed).splitlines()[1] == "2026-03-02 08:00:00 UTC  0002  said early"


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=20)), max_size=8), st.randoms())
def test_the_same_exhibits_in_any_order_give_the_same_bytes(
    made: list[tuple[int, bytes]], shuffled: object
) -> None:
    exhibits = [exhibit(str(n), days=day, content=c) for n, (day, c) in enumerate(made)]
    mixed = list(exhibits)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]

    assert archive(*exhibits) == archive(*mixed)
    assert wrong_in(archive(*exhibits)) == []


@pytest.mark.parametrize(
    ("path", "content", "verdict"),
    [
        ("messages/0001-a.eml", b"y", "messages/0001-a.eml was changed"),
        ("messages/0001-a.eml", None, "messages/0001-a.eml is missing"),
        ("messages/0009-z.eml", b"z", "messages/0009-z.eml was added"),
    ],
)
def test_a_change_is_seen(path: str, content: bytes | None, verdict: str) -> None:
    assert wrong_in(changed(archive(exhibit("a")), path=path, content=content)) == [verdict]


def test_the_manifest_says_for_whom_and_about_whom() -> None:
    with zipfile.ZipFile(io.BytesIO(archive(exhibit("a")))) as opened:
        manifest = json.loads(opened.read(MANIFEST))

    assert manifest["made_for"] == "jane"
    assert manifest["about"] == {"tenant": "acme"}
    assert [each["says"] for each in manifest["files"]] == ["said a"]

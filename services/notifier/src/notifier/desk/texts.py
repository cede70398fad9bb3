"""Templates as the pages show them: the list, versions, and what changed line by line. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from notifier.desk.words import moment
from notifier.ports.templates import TemplateUse, TemplateVersion, TextKey

CHANNELS = ("email", "sms", "letter", "registered_letter")
TRIAL_CHANNELS = ("email", "sms")
PLACES = (
    ("", "as usual"),
    ("BE", "Belgium"),
    ("FR", "France"),
    ("DE", "Germany"),
    ("IT", "Italy"),
    ("NL", "Netherlands"),
    ("PL", "Poland"),
    ("PT", "Portugal"),
    ("ES", "Spain"),
    ("england_wales", "England and Wales"),
    ("scotland", "Scotland"),
    ("northern_ireland", "Northern Ireland"),
    ("US", "elsewhere"),
)
"""Where a made-up debtor may live: a country, or a part of the United Kingdom."""
_HEAD = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyRow:
    """A family in the list: its languages, each with the tenant's own version in use, if any."""

    family: str
    languages: tuple[tuple[str, int | None], ...]


def families_of(
    families: Sequence[str], languages: Sequence[str], own: Mapping[TextKey, int]
) -> list[FamilyRow]:
    """The list of texts."""
    return [
        FamilyRow(
            family=family,
            languages=tuple((language, own.get((family, language))) for language in languages),
        )
        for family in families
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version; 0 is the built-in text."""

    number: int
    name: str
    note: str
    by: str
    at: str
    in_use: bool


def versions_of(versions: Sequence[TemplateVersion], in_use: int | None) -> list[VersionRow]:
    """All versions, the newest first, the built-in text last."""
    own = [
        VersionRow(
            number=each.text.version,
            name=f"version {each.text.version}",
            note=each.note,
            by=each.written_by,
            at=moment(each.written_at),
            in_use=each.text.version == in_use,
        )
        for each in versions
    ]
    built_in = VersionRow(
        number=0, name="built-in text", note="", by="", at="", in_use=in_use is None
    )
    return [*own, built_in]


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRow:
    """What was in use since when."""

    name: str
    by: str
    since: str


def uses_of(uses: Sequence[TemplateUse]) -> list[UseRow]:
    """What was in use, the latest first."""
    return [
        UseRow(
            name="built-in text" if use.version is None else f"version {use.version}",
            by=use.used_by,
            since=moment(use.since),
        )
        for use in uses
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """A line of a comparison: `kind` is `same`, `added`, `removed` or `gap`."""

    kind: str
    before: int | None
    after: int | None
    text: str

    @property
    def sign(self) -> str:
        """What stands in front of it, so that nobody needs the colour."""
        return {"added": "+", "removed": "-"}.get(self.kind, " ")

    @property
    def said(self) -> str:
        """The same for those who hear it."""
        return {"added": "added: ", "removed": "removed: "}.get(self.kind, "")


def diff_lines(unified: str) -> list[DiffLine]:
    """A unified diff of two texts, with line numbers of both."""
    found: list[DiffLine] = []
    before = after = 0
    for line in unified.splitlines()[2:]:
        if head := _HEAD.match(line):
            before, after = int(head[1]), int(head[2])
            found.append(DiffLine(kind="gap", before=None, after=None, text=line))
        elif line.startswith("+"):
            found.append(DiffLine(kind="added", before=None, after=after, text=line[1:]))
            after += 1
        elif line.startswith("-"):
            found.append(DiffLine(kind="removed", before=before, after=None, text=line[1:]))
            before += 1
        else:
            found.append(DiffLine(kind="same", before=before, after=after, text=line[1:]))
            before, after = before + 1, after + 1
    return found

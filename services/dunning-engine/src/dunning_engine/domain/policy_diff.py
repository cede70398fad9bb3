"""What a new version of a document changes, field by field: for policies and for selection rules.

Works on canonical documents, so that a comment or another order of keys is no difference. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

PartChange = Literal["added", "removed", "changed"]
PLACE = "place"
"""The field that tells where in the list a level or rule stands (1 = first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field with its value before and after, as in the document; None: not there."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDiff:
    """A level or rule, known by its code, that was added, removed or changed."""

    code: str
    change: PartChange
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDiff:
    """Everything that changes; `fields` are those outside the levels or rules."""

    fields: tuple[FieldChange, ...]
    parts: tuple[PartDiff, ...]

    @property
    def is_empty(self) -> bool:
        """Is there no difference?"""
        return not self.fields and not self.parts


def diff_policies(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> DocumentDiff:
    """What changes from one canonical policy document to another; None: there was none."""
    return _diff(old or {}, new, parts="levels")


def diff_rules(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> DocumentDiff:
    """What changes from one canonical document of rules to another; None: there was none."""
    return _diff(old or {}, new, parts="rules")


def _diff(old: Mapping[str, Any], new: Mapping[str, Any], *, parts: str) -> DocumentDiff:
    def rest(document: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in document.items() if key != parts}

    return DocumentDiff(
        fields=_field_changes(rest(old), rest(new)),
        parts=tuple(_part_diffs(old.get(parts, ()), new.get(parts, ()))),
    )


def _part_diffs(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> Iterator[PartDiff]:
    """Removed ones stand where they stood before."""
    before = {part["code"]: (place, part) for place, part in enumerate(old, start=1)}
    after = {part["code"]: (place, part) for place, part in enumerate(new, start=1)}
    common = [code for code in before if code in after]
    moved = _moved(common, [code for code in after if code in before])
    for code in _merged(list(before), list(after)):
        if code not in after:
            yield PartDiff(code=code, change="removed", fields=_content(before[code][1], {}))
        elif code not in before:
            yield PartDiff(code=code, change="added", fields=_content({}, after[code][1]))
        else:
            changes = _content(before[code][1], after[code][1])
            if code in moved:
                place = FieldChange(field=PLACE, old=before[code][0], new=after[code][0])
                changes = (place, *changes)
            if changes:
                yield PartDiff(code=code, change="changed", fields=changes)


def _moved(before: Sequence[str], after: Sequence[str]) -> frozenset[str]:
    """Codes that stand elsewhere among those that both have."""
    return frozenset(code for code, other in zip(before, after, strict=True) if code != other)


def _merged(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The codes of both, in the new order; what is gone comes after what it came after."""
    merged = list(after)
    for index, code in enumerate(before):
        if code not in after:
            earlier = before[index - 1] if index else None
            merged.insert(merged.index(earlier) + 1 if earlier in merged else 0, code)
    return merged


def _content(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    return _field_changes(
        {key: value for key, value in old.items() if key != "code"},
        {key: value for key, value in new.items() if key != "code"},
    )


def _field_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    before, after = dict(_flat(old)), dict(_flat(new))
    return tuple(
        FieldChange(field=name, old=before.get(name), new=after.get(name))
        for name in [*after, *(name for name in before if name not in after)]
        if before.get(name) != after.get(name)
    )


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted name; lists are values."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

"""What the variables of a template may be, learnt from sample data, to check names."""

from __future__ import annotations

from collections.abc import Mapping


class Shape:
    """What a variable may hold, learnt from samples: the names below it, or its kind."""

    __slots__ = ("element", "fields", "kind")

    def __init__(self, kind: str, fields: Mapping[str, Shape], element: Shape | None) -> None:
        self.kind = kind
        self.fields = fields
        self.element = element

    @classmethod
    def of(cls, *samples: object) -> Shape:
        """The shape that all samples share; `None` and an empty list take the others' shape."""
        known = [sample for sample in samples if sample is not None]
        if known and all(isinstance(sample, dict) for sample in known):
            names = {name: None for sample in known for name in sample}  # type: ignore[attr-defined]
            fields = {
                name: cls.of(*(s[name] for s in known if name in s))  # type: ignore[index,operator]
                for name in names
            }
            return cls("dict", fields, None)
        if known and all(isinstance(sample, list) for sample in known):
            parts = [part for sample in known for part in sample]  # type: ignore[attr-defined]
            return cls("list", {}, cls.of(*parts) if parts else None)
        return cls("value", {}, None)

    def step(self, name: str | int) -> Shape | None:
        """The shape below, or None where there is nothing of that name."""
        if isinstance(name, str) and name in self.fields:
            return self.fields[name]
        if self.kind in {"list", "dict"} and name == "size":
            return VALUE
        if self.kind == "list" and (isinstance(name, int) or name in {"first", "last"}):
            return self.element or VALUE
        return None


VALUE = Shape("value", {}, None)
FORLOOP = Shape.of(
    dict.fromkeys(("length", "index", "index0", "rindex", "rindex0", "first", "last"), 0)
)

"""The mapping of a CSV file: which column fills which field, and how dates and amounts are written.

Pure: takes the parsed YAML, gives a checked `Mapping` or says everything that is wrong with it. The
reader of the rows is `csv_file`. The file format is described in `docs/import-mapping.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

FORMAT = "dunning-import/1"

CellType = Literal["text", "date", "amount", "integer"]
Debtors = Literal["keep", "update"]

ENCODINGS = {
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "cp1252": "cp1252",
    "windows-1252": "cp1252",
    "iso-8859-1": "iso-8859-1",
    "latin-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
}
"""What a mapping may say, and the codec it means."""

FIELDS: dict[str, CellType] = {
    "debtor.debtor_id": "text",
    "debtor.name": "text",
    "debtor.kind": "text",
    "debtor.country": "text",
    "debtor.region": "text",
    "debtor.zone": "text",
    "debtor.language": "text",
    "debtor.segment": "text",
    "debtor.risk": "text",
    "debtor.policy_id": "text",
    "debtor.email": "text",
    "debtor.phone": "text",
    "debtor.address_line_1": "text",
    "debtor.address_line_2": "text",
    "debtor.address_line_3": "text",
    "debtor.postcode": "text",
    "debtor.city": "text",
    "invoice.invoice_id": "text",
    "invoice.debtor_id": "text",
    "invoice.number": "text",
    "invoice.issued_on": "date",
    "invoice.due_on": "date",
    "invoice.currency": "text",
    "invoice.amount": "amount",
    "invoice.revision": "integer",
    "invoice.policy_id": "text",
    "invoice.settled_on": "date",
    "payment.payment_id": "text",
    "payment.debtor_id": "text",
    "payment.currency": "text",
    "payment.amount": "amount",
    "payment.value_date": "date",
    "payment.invoice_id": "text",
}
"""What a column or a constant can fill; `debtor.tag.<name>` and `invoice.tag.<name>`, too."""

REQUIRED = {
    "debtor": ("debtor.debtor_id", "debtor.kind", "debtor.country"),
    "invoice": (
        "invoice.invoice_id",
        "invoice.debtor_id",
        "invoice.issued_on",
        "invoice.due_on",
        "invoice.currency",
        "invoice.amount",
    ),
    "payment": (
        "payment.payment_id",
        "payment.debtor_id",
        "payment.currency",
        "payment.amount",
        "payment.value_date",
    ),
}
"""What each record cannot do without."""

_TAG = re.compile(r"(debtor|invoice)\.tag\.[a-z][a-z0-9_]{0,29}", re.ASCII)
_TOP = {
    "format",
    "encoding",
    "delimiter",
    "quote",
    "date_format",
    "decimal_separator",
    "thousands_separator",
    "missing",
    "debtors",
    "constants",
    "columns",
}
_COLUMN = {"to", "required", "type", "one_of", "values"}
_CELL_TYPES = ("text", "date", "amount", "integer")
_DIRECTIVES = {"%d": r"(?P<d>\d{1,2})", "%m": r"(?P<m>\d{1,2})", "%Y": r"(?P<Y>\d{4})"}


class MappingError(ValueError):
    """A mapping that cannot be used; `flaws` are (JSON pointer, what is wrong)."""

    def __init__(self, flaws: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer or '/'}: {detail}" for pointer, detail in flaws))
        self.flaws = tuple(flaws)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column that matters; `values` translates what stands in the file."""

    name: str
    to: tuple[str, ...]
    required: bool
    type: CellType
    one_of: frozenset[str] | None = None
    values: AnyMapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A checked mapping. `makes` says which records a row gives."""

    encoding: str
    delimiter: str
    quote: str
    date_pattern: re.Pattern[str]
    date_format: str
    decimal_separator: str
    thousands_separator: str
    missing: frozenset[str]
    debtors: Debtors
    constants: AnyMapping[str, str]
    columns: tuple[Column, ...]
    makes: frozenset[str]

    def column_of(self, target: str) -> str | None:
        """The name of the column that fills a field, for error messages."""
        return next((column.name for column in self.columns if target in column.to), None)


def parse_mapping(data: object) -> Mapping:
    """Check a mapping as parsed from YAML or JSON.

    Raises:
        MappingError: naming everything that is wrong with it.
    """
    if not isinstance(data, dict):
        raise MappingError([("", "a mapping file is a set of names with values")])
    flaws = [
        (f"/{name}", f"unknown; known are {', '.join(sorted(_TOP))}")
        for name in data
        if name not in _TOP
    ]
    if data.get("format") != FORMAT:
        flaws.append(("/format", f"write format: {FORMAT}"))
    encoding = _choice(data, "encoding", "utf-8", tuple(ENCODINGS), flaws)
    decimal = _choice(data, "decimal_separator", ".", (".", ","), flaws)
    thousands = _choice(data, "thousands_separator", "", ("", ".", ",", " ", "'"), flaws)
    if thousands == decimal:
        flaws.append(("/thousands_separator", "it cannot be the decimal separator, too"))
    date_format = _text(data, "date_format", "%Y-%m-%d", flaws)
    constants = _constants(data.get("constants", {}), flaws)
    columns = _columns(data.get("columns"), flaws)
    makes = _makes(constants, columns, flaws)
    pattern = date_pattern(date_format)
    if pattern is None:
        flaws.append(("/date_format", "use %d, %m and %Y once each, such as %d/%m/%Y"))
    mapping = Mapping(
        encoding=ENCODINGS.get(encoding, "utf-8"),
        delimiter=_one_char(data, "delimiter", ",", flaws),
        quote=_one_char(data, "quote", '"', flaws),
        date_pattern=pattern or re.compile(""),
        date_format=date_format,
        decimal_separator=decimal,
        thousands_separator=thousands,
        missing=_missing(data.get("missing", [""]), flaws),
        debtors="update"
        if _choice(data, "debtors", "keep", ("keep", "update"), flaws) == "update"
        else "keep",
        constants=constants,
        columns=_with_required(columns, makes),
        makes=makes,
    )
    if flaws:
        raise MappingError(flaws)
    return mapping


def date_pattern(date_format: str) -> re.Pattern[str] | None:
    """The pattern of a format such as `%d/%m/%Y`, or None when it is not one."""
    parts = re.findall(r"%.|[^%]|%", date_format)
    directives = [part for part in parts if part.startswith("%")]
    if sorted(directives) != sorted(_DIRECTIVES):
        return None
    source = "".join(_DIRECTIVES.get(part) or re.escape(part) for part in parts)
    if len(parts) < len(directives) + 2:  # nothing in between: digits must be counted
        source = source.replace("{1,2}", "{2}")
    return re.compile(source, re.ASCII)


Flaws = list[tuple[str, str]]


def _choice(
    data: dict[Any, Any], name: str, default: str, choices: tuple[str, ...], flaws: Flaws
) -> str:
    value = data.get(name, default)
    if isinstance(value, str) and value in choices:
        return value
    flaws.append((f"/{name}", "one of " + ", ".join(repr(choice) for choice in choices)))
    return default


def _text(data: dict[Any, Any], name: str, default: str, flaws: Flaws) -> str:
    value = data.get(name, default)
    if isinstance(value, str) and 0 < len(value) <= 40:
        return value
    flaws.append((f"/{name}", "a short text"))
    return default


def _one_char(data: dict[Any, Any], name: str, default: str, flaws: Flaws) -> str:
    value = data.get(name, default)
    if isinstance(value, str) and len(value) == 1 and value not in "\r\n\0 ":
        return value
    flaws.append((f"/{name}", "exactly one character"))
    return default


def _missing(value: Any, flaws: Flaws) -> frozenset[str]:
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return frozenset({"", *value})
    flaws.append(("/missing", 'a list of texts that mean "nothing", such as ["", "NULL"]'))
    return frozenset({""})


def _is_field(name: object) -> bool:
    return isinstance(name, str) and (name in FIELDS or _TAG.fullmatch(name) is not None)


def _constants(value: Any, flaws: Flaws) -> dict[str, str]:
    if not isinstance(value, dict):
        flaws.append(("/constants", "fields with their values"))
        return {}
    constants = {}
    for name, constant in value.items():
        pointer = f"/constants/{name}"
        if not _is_field(name):
            flaws.append((pointer, "there is no such field"))
        elif FIELDS.get(name, "text") not in ("text", "integer"):
            flaws.append((pointer, "a date or an amount comes from a column"))
        elif not isinstance(constant, str):
            flaws.append((pointer, 'a text; put it in quotes (NO without them means "false")'))
        else:
            constants[name] = constant
    return constants


def _columns(value: Any, flaws: Flaws) -> tuple[Column, ...]:
    if not isinstance(value, dict) or not value:
        flaws.append(("/columns", "at least one column with its field"))
        return ()
    columns = []
    filled: dict[str, str] = {}
    for name, raw in value.items():
        pointer = f"/columns/{name}"
        if not isinstance(name, str) or not name.strip():
            flaws.append((pointer, "the name of a column is a text; put it in quotes"))
            continue
        column = _column(name, {"to": raw} if isinstance(raw, str) else raw, pointer, flaws)
        if column is None:
            continue
        for target in column.to:
            if target in filled:
                flaws.append((pointer, f"{target} is already filled by {filled[target]}"))
            filled[target] = name
        columns.append(column)
    return tuple(columns)


def _column(name: str, raw: Any, pointer: str, flaws: Flaws) -> Column | None:
    if not isinstance(raw, dict):
        flaws.append((pointer, "a field, or a set of " + ", ".join(sorted(_COLUMN))))
        return None
    before = len(flaws)
    flaws += [(f"{pointer}/{key}", "unknown here") for key in raw if key not in _COLUMN]
    to = raw.get("to", [])
    targets = (to,) if isinstance(to, str) else tuple(to) if isinstance(to, list) else (None,)
    flaws += [(f"{pointer}/to", f"there is no field {t!r}") for t in targets if not _is_field(t)]
    required = raw.get("required", False)
    if not isinstance(required, bool):
        flaws.append((f"{pointer}/required", "true or false"))
    values = raw.get("values", {})
    if not isinstance(values, dict) or not _all_text(*values.keys(), *values.values()):
        flaws.append((f"{pointer}/values", "texts of the file with what they mean"))
    one_of = raw.get("one_of")
    if one_of is not None and (not isinstance(one_of, list) or not _all_text(*one_of)):
        flaws.append((f"{pointer}/one_of", "a list of texts"))
    cell_type = _cell_type(raw.get("type"), targets, f"{pointer}/type", flaws)
    if len(flaws) > before:
        return None
    return Column(
        name=name.strip(),
        to=targets,
        required=required,
        type=cell_type,
        one_of=None if one_of is None else frozenset(one_of),
        values=values,
    )


def _cell_type(given: Any, targets: Sequence[Any], pointer: str, flaws: Flaws) -> CellType:
    """Fields know their type; only a column that fills none says its own."""
    types = {FIELDS.get(target, "text") for target in targets if isinstance(target, str)}
    if len(types) > 1:
        flaws.append((pointer, "one column cannot be a date here and a text there"))
    if given is not None and given not in _CELL_TYPES:
        flaws.append((pointer, "one of " + ", ".join(_CELL_TYPES)))
        return "text"
    own = next(iter(types), None)
    if own is not None and given not in (None, own):
        flaws.append((pointer, f"the field wants {own}"))
    return own or given or "text"


def _all_text(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _makes(constants: dict[str, str], columns: tuple[Column, ...], flaws: Flaws) -> frozenset[str]:
    """Which records come of a row: those of which a column fills a field."""
    from_columns = {target for column in columns for target in column.to}
    makes = frozenset(target.split(".", 1)[0] for target in from_columns)
    filled = from_columns | constants.keys()
    if "debtor.debtor_id" in filled:
        filled |= {"invoice.debtor_id", "payment.debtor_id"}
    for name in constants:
        if name.split(".", 1)[0] not in makes:
            flaws.append((f"/constants/{name}", "no column fills such a record"))
    for record in sorted(makes):
        missing = [target for target in REQUIRED[record] if target not in filled]
        if missing:
            flaws.append(("/columns", f"nothing fills {', '.join(missing)}"))
    if columns and not makes:
        flaws.append(("/columns", "no column fills a field"))
    return makes


def _with_required(columns: tuple[Column, ...], makes: frozenset[str]) -> tuple[Column, ...]:
    """A column that fills what a record cannot do without is required, said or not."""
    needed = {target for record in makes for target in REQUIRED[record]}
    return tuple(
        Column(
            name=column.name,
            to=column.to,
            required=column.required or not needed.isdisjoint(column.to),
            type=column.type,
            one_of=column.one_of,
            values=column.values,
        )
        for column in columns
    )

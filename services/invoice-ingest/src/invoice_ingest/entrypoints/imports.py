"""CSV import over REST: a file and its mapping; good rows are taken, bad ones are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile

from dunning_common.problems import FieldError, ProblemError
from invoice_ingest.domain.csv_file import FileError, Row, RowError, read_rows
from invoice_ingest.domain.mapping import Mapping as FileMapping
from invoice_ingest.domain.mapping import MappingError, parse_mapping
from invoice_ingest.domain.outcome import Status
from invoice_ingest.domain.touched import Touched
from invoice_ingest.entrypoints import bulk
from invoice_ingest.entrypoints.answers import BadRow, BulkSummary, ImportAnswer
from invoice_ingest.entrypoints.edge import problem_of, problems, tenant_with
from invoice_ingest.entrypoints.items import CHUNK_ITEMS
from invoice_ingest.handlers.grant_permits import acknowledge
from invoice_ingest.handlers.import_rows import RecordName, RowDraft, import_rows
from invoice_ingest.handlers.ports import Desk

MAPPING_BYTES_MAX = 64 * 1024
_KINDS: dict[RecordName, bulk.Kind[Any, Any]] = {
    "debtor": bulk.DEBTORS,
    "invoice": bulk.INVOICES,
    "payment": bulk.PAYMENTS,
}
_FIELD_OF_POINTER = {
    "/contacts/emails": "email",
    "/contacts/phones": "phone",
    "/contacts/address/postcode": "postcode",
    "/contacts/address/city": "city",
    "/contacts/address/country": "country",
    "/contacts/address/lines": "address_line_1",
    "/allocations": "invoice_id",
}
_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "mapping"],
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "CSV"},
                    "mapping": {"type": "string", "description": "YAML, see import-mapping.md"},
                    "commit": {"type": "string", "enum": ["true", "false"], "default": "true"},
                },
            }
        }
    },
}


@dataclass(slots=True)
class _Tally:
    """What the file has come to so far."""

    rows: int = 0
    taken: int = 0
    bad: list[BadRow] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    touched: Touched = field(default_factory=Touched)

    def take(self, row: Row, statuses: Mapping[RecordName, Status]) -> None:
        """Note a good row. In a trial each chunk makes the same debtor anew: it counts once."""
        self.taken += 1
        for name, status in statuses.items():
            counted = status
            if name == "debtor" and row.debtor is not None and status is Status.CREATED:
                debtor_id = row.debtor["debtor_id"]
                counted = Status.UNCHANGED if debtor_id in self.made else status
                self.made.add(debtor_id)
            self.counts.setdefault(name, Counter())[counted.value] += 1

    def refuse(self, line: int, column: str | None, reason: str) -> None:
        """Note a bad row."""
        self.bad.append(BadRow(line=line, column=column, reason=reason))

    def answer(self, *, committed: bool) -> ImportAnswer:
        """The answer to the whole request, bad rows by line."""
        return ImportAnswer(
            rows=self.rows,
            taken=self.taken,
            bad=sorted(self.bad, key=lambda row: row.line),
            summary={f"{name}s": BulkSummary(**count) for name, count in self.counts.items()},
            committed=committed,
        )


def import_routes(desk: Desk) -> APIRouter:
    """`/v1/imports`."""
    router = APIRouter(prefix="/v1/imports", tags=["imports"])

    @router.post(
        "",
        summary="Import a CSV file",
        responses=problems(400, 404, 413, 422),
        openapi_extra={"requestBody": _FORM},
    )
    async def take(
        request: Request, tenant: Annotated[str, Depends(tenant_with("ledger:write"))]
    ) -> ImportAnswer:
        """Take the good rows of a file and name the bad ones.

        A row is taken with all its records or not at all. With `commit=false` everything is tried,
        a thousand rows at a time, and nothing is stored.
        """
        if "content-length" not in request.headers:
            raise ProblemError(411, "length-required", "Say how long the body is: Content-Length.")
        async with request.form(max_files=2, max_fields=4) as form:
            raw = await _file(form)
            mapping = await _mapping(form)
            commit = _commit(form)
        tally = _Tally()
        for chunk in _chunks(_rows(raw, mapping)):
            await _take(desk, tenant, mapping, chunk, tally, commit=commit)
        await acknowledge(desk, tenant, tally.touched)
        return tally.answer(committed=commit)

    return router


async def _take(
    desk: Desk,
    tenant: str,
    mapping: FileMapping,
    chunk: Sequence[Row | RowError],
    tally: _Tally,
    *,
    commit: bool,
) -> None:
    good: list[tuple[Row, RowDraft]] = []
    tally.rows += len(chunk)
    for row in chunk:
        if isinstance(row, RowError):
            tally.refuse(row.line, row.column, row.reason)
            continue
        draft = _draft(row, mapping, tally)
        if draft is not None:
            good.append((row, draft))
    imported = await import_rows(
        desk,
        tenant,
        [draft for _, draft in good],
        update_debtors=mapping.debtors == "update",
        commit=commit,
    )
    for (row, _), outcome in zip(good, imported.rows, strict=True):
        if outcome.refused is not None:
            name, refusal = outcome.refused
            column, reason = _explained(problem_of(refusal), name, mapping)
            tally.refuse(row.line, column, reason)
            continue
        tally.take(row, outcome.statuses)
    if commit:
        tally.touched |= imported.touched


def _draft(row: Row, mapping: FileMapping, tally: _Tally) -> RowDraft | None:
    drafts: dict[str, Any] = {}
    for name, kind in _KINDS.items():
        record = getattr(row, name)
        if record is None:
            continue
        try:
            drafts[name] = bulk.read_item(kind, record)
        except ProblemError as problem:
            column, reason = _explained(problem, name, mapping)
            tally.refuse(row.line, column, reason)
            return None
    return RowDraft(**drafts)


def _explained(
    problem: ProblemError, record: RecordName, mapping: FileMapping
) -> tuple[str | None, str]:
    """The column to blame, and the reason in words of the file."""
    reasons = []
    blamed = None
    for error in problem.errors:
        column = _column(error.pointer, record, mapping)
        blamed = blamed or column
        reasons.append(f"{column or record + error.pointer}: {error.detail}")
    return blamed, "; ".join(reasons) or problem.title


def _column(pointer: str, record: str, mapping: FileMapping) -> str | None:
    known = next((f for start, f in _FIELD_OF_POINTER.items() if pointer.startswith(start)), None)
    name = known or pointer.removeprefix("/")
    own = mapping.column_of(f"{record}.{name}")
    if own is None and name == "debtor_id":
        own = mapping.column_of("debtor.debtor_id")
    return own


def _rows(raw: bytes, mapping: FileMapping) -> Iterator[Row | RowError]:
    try:
        yield from read_rows(raw, mapping)
    except FileError as error:
        raise ProblemError(
            422,
            "unreadable-file",
            "The file does not fit its mapping.",
            errors=[FieldError(pointer="/file", detail=_speakable(str(error)))],
        ) from None


def _chunks(rows: Iterator[Row | RowError]) -> Iterator[list[Row | RowError]]:
    while chunk := list(islice(rows, CHUNK_ITEMS)):
        yield chunk


async def _file(form: FormData) -> bytes:
    part = form.get("file")
    if not isinstance(part, UploadFile):
        raise _missing("/file", "send the CSV file as a file part")
    return await part.read()


async def _mapping(form: FormData) -> FileMapping:
    part = form.get("mapping")
    if part is None:
        raise _missing("/mapping", "send the mapping (YAML) as a file or a field")
    raw = await part.read(MAPPING_BYTES_MAX + 1) if isinstance(part, UploadFile) else part.encode()
    if len(raw) > MAPPING_BYTES_MAX:
        raise _missing("/mapping", f"a mapping has at most {MAPPING_BYTES_MAX} bytes")
    try:
        return parse_mapping(yaml.safe_load(raw))
    except MappingError as error:
        errors = [
            FieldError(pointer=_speakable(f"/mapping{pointer}"), detail=_speakable(detail))
            for pointer, detail in error.flaws
        ]
        raise ProblemError(
            422, "bad-mapping", "The mapping cannot be used.", errors=errors
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _missing("/mapping", "this is not YAML") from None


def _speakable(text: str) -> str:
    """A text that names parts of a mapping: YAML can write halves of characters, JSON cannot."""
    return text.encode(errors="backslashreplace").decode()


def _commit(form: FormData) -> bool:
    value = form.get("commit", "true")
    if value not in ("true", "false"):
        raise _missing("/commit", "true or false")
    return value == "true"


def _missing(pointer: str, detail: str) -> ProblemError:
    return ProblemError(
        422,
        "invalid-request",
        "Some fields are missing or wrong.",
        errors=[FieldError(pointer=pointer, detail=detail)],
    )

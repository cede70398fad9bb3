"""The sheet on top of a batch of letters, as a PDF: how many, how thick, which, and a checksum.

For registered letters it is the posting list: a row per letter with its reference as a bar code,
and room for the carrier's number and stamp. Prints what it is given; counts nothing itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import typst
from barcode import Code128

_LAYOUT = (Path(__file__).parent / "cover_sheet.typ").read_bytes()
_WORDS = {
    "en": {
        "title": "Letters",
        "registered_title": "Posting list of registered letters",
        "batch": "Batch",
        "cut": "Made on",
        "letters": "Letters",
        "pages": "Pages",
        "size": "Size",
        "checksum": "SHA-256 of the file SHA256SUMS",
        "place": "No.",
        "reference": "Reference",
        "to": "Addressee",
        "town": "Place",
        "carrier": "Carrier's number",
        "handed_over": "Handed over (date, stamp, signature)",
        "missing": "Not in the spool as written, and not in this batch",
        "sandbox": "Sandbox: do not post",
        "page": "Page",
    },
    "fr": {
        "title": "Courriers",
        "registered_title": "Bordereau de dépôt des lettres recommandées",
        "batch": "Lot",
        "cut": "Établi le",
        "letters": "Plis",
        "pages": "Pages",
        "size": "Taille",
        "checksum": "SHA-256 du fichier SHA256SUMS",
        "place": "N°",
        "reference": "Référence",
        "to": "Destinataire",
        "town": "Lieu",
        "carrier": "N° du transporteur",
        "handed_over": "Remis le (date, cachet, signature)",
        "missing": "Absents du dossier d'envoi, et donc de ce lot",
        "sandbox": "Bac à sable : ne pas poster",
        "page": "Page",
    },
    "de": {
        "title": "Briefe",
        "registered_title": "Einlieferungsliste für Einschreiben",
        "batch": "Stapel",
        "cut": "Erstellt am",
        "letters": "Sendungen",
        "pages": "Seiten",
        "size": "Größe",
        "checksum": "SHA-256 der Datei SHA256SUMS",
        "place": "Nr.",
        "reference": "Referenz",
        "to": "Empfänger",
        "town": "Ort",
        "carrier": "Sendungsnummer",
        "handed_over": "Eingeliefert (Datum, Stempel, Unterschrift)",
        "missing": "Nicht wie geschrieben in der Ablage und nicht in diesem Stapel",
        "sandbox": "Sandbox: nicht versenden",
        "page": "Seite",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One letter of the batch."""

    place: int
    reference: str
    file_name: str
    pages: int
    name: str
    postcode: str
    city: str
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverSheet:
    """All that stands on the sheet."""

    reference: str
    batch_id: UUID
    registered: bool
    creditor: str
    language: str
    cut_at: datetime
    zone: str
    size_bytes: int
    checksum: str
    rows: tuple[SheetRow, ...]
    missing: tuple[str, ...] = ()
    sandbox: bool = False


def print_sheet(sheet: CoverSheet) -> bytes:
    """The sheet as a PDF; the same sheet gives the same bytes."""
    at = sheet.cut_at.astimezone(ZoneInfo(sheet.zone))
    data = {
        "words": _WORDS.get(sheet.language.partition("-")[0].lower(), _WORDS["en"]),
        "reference": sheet.reference,
        "batch_id": str(sheet.batch_id),
        "registered": sheet.registered,
        "creditor": sheet.creditor,
        "cut_at": f"{at:%Y-%m-%d %H:%M} {sheet.zone}",
        "letters": len(sheet.rows),
        "pages": sum(row.pages for row in sheet.rows),
        "size": f"{sheet.size_bytes / 1_000_000:.1f} MB",
        "checksum": sheet.checksum,
        "missing": list(sheet.missing),
        "sandbox": sheet.sandbox,
        "rows": [
            {
                "place": row.place,
                "reference": row.reference,
                "bars": bars(row.reference) if sheet.registered else [],
                "name": row.name,
                "town": " ".join(part for part in (row.country, row.postcode, row.city) if part),
                "pages": row.pages,
            }
            for row in sheet.rows
        ],
    }
    pdf: bytes = typst.compile(
        _LAYOUT,
        format="pdf",
        sys_inputs={"data": orjson.dumps(data).decode()},
        ignore_system_fonts=True,
        timestamp=int(sheet.cut_at.timestamp()),
    )
    return pdf


def bars(reference: str) -> list[int]:
    """The reference as Code 128: widths in modules, bar and gap by turns, a bar first."""
    (modules,) = Code128(reference).build()
    return [len(list(run)) for _, run in itertools.groupby(modules)]

"""Reads the form that comes with the scan of a receipt or of a letter that came back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from notifier.desk.view import HINTS
from notifier.entrypoints.desk.forms import RefusedError, read
from notifier.handlers.proofs import LARGEST_BYTES, Paper
from notifier.portal.files import Upload
from notifier.ports.proofs import ProofKind


class PaperBody(BaseModel):
    """What stands on the paper."""

    model_config = ConfigDict(extra="ignore")

    kind: ProofKind
    date: dt.date
    reference: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""


def paper_of(typed: Mapping[str, str], file: Upload | None) -> Paper:
    """The paper as the form and its file say it.

    Raises:
        RefusedError: what is missing, by field.
    """
    body = read(PaperBody, typed)
    if file is not None and not file.is_whole:
        words = f"It is larger than {LARGEST_BYTES // 2**20} MB: make a smaller scan."
        raise RefusedError({"file": words})
    if file is None or not file.content:
        raise RefusedError({"file": HINTS["file"]})
    return Paper(
        kind=body.kind,
        happened_on=body.date,
        reference=body.reference,
        file_name="".join(sign for sign in file.name or "proof" if sign.isprintable())[-200:],
        content=file.content,
    )

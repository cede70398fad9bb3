"""Reads the form that comes with the scan of a receipt or of a letter that came back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from notifier.desk.view import HINTS, Form
from notifier.entrypoints.desk.frame import read
from notifier.handlers.proofs import LARGEST_BYTES, Paper
from notifier.ports.proofs import ProofKind


class PaperBody(BaseModel):
    """What stands on the paper."""

    model_config = ConfigDict(extra="ignore")

    kind: ProofKind
    date: dt.date
    reference: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""


async def paper_of(typed: Mapping[str, str], file: UploadFile | str | None) -> Paper | Form:
    """The paper, or the form with what is missing."""
    body = read(PaperBody, typed)
    if isinstance(body, Form):
        return body
    content = await file.read(LARGEST_BYTES + 1) if isinstance(file, UploadFile) else b""
    if not content or not isinstance(file, UploadFile):
        return Form(typed=typed, errors={"file": HINTS["file"]})
    return Paper(
        kind=body.kind,
        happened_on=body.date,
        reference=body.reference,
        file_name="".join(sign for sign in file.filename or "proof" if sign.isprintable())[-200:],
        content=content,
    )

"""Letters as files: `spool/<tenant>/<date>/<message id>.pdf` with a `.json` beside it.

Without batches the spool is where letters leave the house: the file's name is its idempotency, it
is linked into place once, whole, and never replaced. A mark that stays when the file is taken away
(`post_marks.py`) is made right before, so that afterwards it can be told whether a letter was
posted, may have been, or was not for certain.

With batches the spool is a shelf inside the house: a letter on it was not sent yet, may be written
anew, and leaves with its batch (`handlers/batch_letters.py`). Nobody else may take files from it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import UUID

import orjson

from dunning_common.events.contacts import Contacts
from notifier.channels.addresses import postal_recipient
from notifier.channels.base import (
    Deadline,
    DeadlinePassedError,
    Draft,
    Frozen,
    Late,
    Outcome,
    Parcel,
    Recipient,
    Refused,
    Sent,
    Spooled,
    Unknown,
)
from notifier.channels.post_marks import make_folder, make_mark, mark_of, sync_folder
from notifier.domain.post import MAY_BE_POSTED

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class LetterSpoolChannel:
    """Letters and registered letters into one folder. `kind` goes into the file beside the PDF.

    When they are `batched`, a letter in the folder was not sent yet. That of a sandbox tenant was:
    it never leaves the house, and the tenant's clock must not wait for a batch.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kind: str,
        cost_minor: int = 0,
        batched: bool = False,
        crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Make a channel; `crash` is told the name of each step, so that a test can die there."""
        self.provider = "spool"
        self._folder = folder
        self._kind = kind
        self._cost_minor = cost_minor
        self._batched = batched
        self._crash = crash

    def addressee(self, contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:  # noqa: ARG002
        """The postal address."""
        return postal_recipient(contacts, tenant=tenant)

    def freeze(self, draft: Draft) -> Frozen:
        """The PDF.

        Raises:
            ValueError: the renderer made no PDF.
        """
        if not draft.rendered.pdf:
            raise ValueError("a letter was rendered without a PDF")
        return Frozen(media_type="application/pdf", body=draft.rendered.pdf)

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """Put the letter into the spool, durably."""
        try:
            return await asyncio.to_thread(self._post, parcel, deadline)
        except DeadlinePassedError:
            return Late()
        except OSError as error:
            # Nothing of ours has the final name: linking it is the last thing that can fail.
            return Refused(reason=f"spool: {type(error).__name__} {error.strerror}", retry=True)

    async def find(
        self, *, tenant: str, message_id: UUID, on: date, sha256: str
    ) -> Sent | Spooled | Unknown | None:
        """The letter when it lies in the spool with these bytes, None when it was never posted.

        Unknown: it was let go, or was just about to be, and its file is not there.
        """
        path = self._path(tenant, on, message_id)
        is_marked = await asyncio.to_thread(mark_of(self._folder, path).exists)
        if await asyncio.to_thread(_sha256, path) == sha256:
            return self._taken(path, leaves_later=self._batched and not is_marked)
        return Unknown(reason=MAY_BE_POSTED) if is_marked else None

    async def close(self) -> None:
        """Nothing is kept open."""

    def _post(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        message = parcel.message
        path = self._path(message.tenant, parcel.on, message.message_id)
        later = self._batched and not parcel.sender.sandbox
        make_folder(path.parent, self._folder)
        is_marked = mark_of(self._folder, path).exists()
        if is_marked or (not later and path.exists()):
            return self._already_there(path, parcel)
        letter = path.with_suffix(f".{message.fence}.pdf.tmp")
        slip = path.with_suffix(f".{message.fence}.json.tmp")
        try:
            _write_durably(letter, parcel.body)
            _write_durably(slip, self._slip(parcel))
            deadline.check()
            slip.replace(path.with_suffix(".json"))
            if later:
                letter.replace(path)
            else:
                self._let_go(letter, path, deadline)
        except FileExistsError:
            return self._already_there(path, parcel)
        finally:
            letter.unlink(missing_ok=True)
            slip.unlink(missing_ok=True)
        sync_folder(path.parent)
        self._crash("after_link")
        return self._taken(path, leaves_later=later)

    def _let_go(self, letter: Path, path: Path, deadline: Deadline) -> None:
        """Mark the letter and give it its final name, or take its slip and its mark back.

        Making the mark waits for the disk, so the clock is looked at again after it: nothing may
        lie between the last look and the name by which the letter is out.

        Raises:
            FileExistsError: it was let go before, or is at this moment.
            DeadlinePassedError: it is too late, and it was not let go.
            OSError: it was not let go.
        """
        mark = mark_of(self._folder, path)
        self._crash("before_mark")
        try:
            make_mark(self._folder, mark)
            self._crash("after_mark")
            _link(letter, path, mark, deadline)
        except FileExistsError:
            raise
        except (OSError, DeadlinePassedError):
            path.with_suffix(".json").unlink(missing_ok=True)
            raise

    def _already_there(self, path: Path, parcel: Parcel) -> Outcome:
        match _sha256(path):
            case parcel.sha256:
                return self._taken(path, leaves_later=False)
            case None:
                return Unknown(reason=MAY_BE_POSTED)
            case _:
                return Unknown(reason="another text of this letter already lies in the spool")

    def _taken(self, path: Path, *, leaves_later: bool) -> Sent | Spooled:
        reference = path.relative_to(self._folder).as_posix()
        if leaves_later:
            return Spooled(provider_ref=reference)
        return Sent(provider_ref=reference, cost_minor=self._cost_minor)

    def _path(self, tenant: str, on: date, message_id: UUID) -> Path:
        return self._folder / folder_name(tenant) / on.isoformat() / f"{message_id}.pdf"

    def _slip(self, parcel: Parcel) -> bytes:
        message, postal = parcel.message, parcel.recipient.postal
        slip = {
            "message_id": str(message.message_id),
            "notice_id": str(message.notice_id),
            "tenant": message.tenant,
            "kind": self._kind,
            "level": message.level,
            "invoice_ids": list(message.invoice_ids),
            "on": parcel.on.isoformat(),
            "sha256": parcel.sha256,
            "to": {
                "name": parcel.recipient.name,
                **(postal.model_dump(mode="json") if postal else {}),
            },
        }
        return orjson.dumps(slip, option=orjson.OPT_INDENT_2)


def _link(letter: Path, path: Path, mark: Path, deadline: Deadline) -> None:
    try:
        deadline.check()
        os.link(letter, path)
    except FileExistsError:
        raise
    except (OSError, DeadlinePassedError):
        mark.unlink()
        raise


def folder_name(tenant: str) -> str:
    """A folder name; two different tenants never share one."""
    if tenant not in (".", "..") and not _UNSAFE.search(tenant):
        return tenant
    return f"{_UNSAFE.sub('_', tenant)}~{hashlib.sha256(tenant.encode()).hexdigest()[:12]}"


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

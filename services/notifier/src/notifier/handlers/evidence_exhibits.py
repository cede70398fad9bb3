"""Turns what is kept sealed about a claim into exhibits, and notes what does not open any more.

Processor work: no network, no database, no clock. Clear bytes go nowhere but into the spool.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, time
from typing import Any

from dunning_common.vault import VaultError, unseal
from notifier.domain.claim import left_at
from notifier.domain.evidence import Exhibit
from notifier.handlers.proofs import proof_context
from notifier.handlers.take_response import file_context, note_context
from notifier.handlers.write import open_content
from notifier.ports.delivery import Heard
from notifier.ports.evidence import KeptFile, KeptMessage, KeptPaper, Record, Spool
from notifier.ports.reading import Attempt, MessageView
from notifier.ports.responses import ResponseView

_ENDINGS = {
    "message/rfc822": "eml",
    "application/pdf": "pdf",
    "application/json": "json",
    "image/jpeg": "jpg",
    "image/png": "png",
    "text/plain": "txt",
}


class Binder:
    """Opens what is sealed with the debtor's key; `exhibits` grows, `missing` says what did not.

    With `has_own_clock` everything stands at the tenant's clock (a sandbox's is not the world's),
    else at the time at which it really happened.
    """

    def __init__(self, spool: Spool, *, key: bytes | None, has_own_clock: bool) -> None:
        self._spool = spool
        self._key = key
        self._has_own_clock = has_own_clock
        self._left: dict[Any, datetime] = {}
        self.exhibits: list[Exhibit] = []
        self.missing: list[str] = []

    def record(self, record: Record) -> None:
        """What another service says."""
        self._add(
            record.folder,
            record.name,
            record.says,
            record.content,
            record.at,
            day_only=record.day_only,
        )

    def message(
        self, kept: KeptMessage, attempts: Sequence[Attempt], heard: Sequence[Heard]
    ) -> None:
        """The exact bytes, and what happened to them."""
        message, view = kept.message, kept.view
        at = self._left[message.message_id] = self._moment_of(view, attempts)
        state = f"{message.channel} of level {message.level_no} ({message.level}): {message.state}"
        facts = {
            "message": _facts(message) | {k: v for k, v in _facts(view).items() if k != "message"},
            "notice": kept.notice,
            "attempts": [_facts(line) for line in attempts],
            "heard": [_facts(line) for line in heard],
        }
        says = f"{state}; its attempts and what was heard of it"
        self._add("messages", f"{_stem(view)}.proof.json", says, _json(facts), at)
        content = self._open(
            f"message {message.message_id}",
            kept.content,
            lambda key, sealed: open_content(key, sealed, message),
        )
        if content is None:
            return
        if view.sha256 and hashlib.sha256(content).hexdigest() != view.sha256:
            self.missing.append(
                f"message {message.message_id}: the bytes that are kept have another hash than "
                f"those that were sent ({view.sha256})"
            )
        ending = _ENDINGS.get(view.media_type or "", "bin")
        self._add("messages", f"{_stem(view)}.{ending}", f"{state}; the exact bytes", content, at)

    def paper(self, paper: KeptPaper, view: MessageView) -> None:
        """A scan that proves what became of a letter; add its letter before."""
        proof = paper.view
        content = self._open(
            f"paper {proof.proof_id}",
            paper.content,
            lambda key, sealed: zlib.decompress(
                unseal(key, sealed, context=proof_context(view.message))
            ),
        )
        if content is None:
            return
        ending = _plain(proof.file_name.rpartition(".")[2] or "bin")
        left = self._left[view.message.message_id]
        on = datetime.combine(proof.happened_on, time.min, tzinfo=UTC)
        # A paper bears a day only, and what it proves comes after the letter.
        is_later = on > left and not self._has_own_clock
        self._add(
            "messages",
            f"{_stem(view)}.{proof.kind}.{ending}",
            f"proof of {proof.kind} of {proof.happened_on}, reference {proof.reference!r}, "
            f"filed {proof.given_at:%Y-%m-%d}",
            content,
            on if is_later else left,
            day_only=is_later,
        )

    def response(self, response: ResponseView) -> None:
        """What the debtor answered, in its own words."""
        note = self._open(
            f"words of response {response.response_id}",
            response.note,
            lambda key, sealed: unseal(
                key, sealed, context=note_context(response, response.response_id)
            ),
        )
        facts = _facts(response) | {"note": json.loads(note) if note else None}
        self._add(
            "responses",
            f"{response.kind}-{response.response_id}.json",
            f"the debtor answered by {response.source}: {response.kind}",
            _json(facts),
            self._answered_at(response),
        )

    def file(self, kept: KeptFile) -> None:
        """A file that came with an answer."""
        response = kept.response
        content = self._open(
            f"file {kept.file_no} of response {response.response_id}",
            kept.content,
            lambda key, sealed: unseal(
                key, sealed, context=file_context(response, response.response_id, kept.file_no)
            ),
        )
        if content is None:
            return
        ending = _ENDINGS.get(kept.media_type, "bin")
        self._add(
            "responses",
            f"{response.kind}-{response.response_id}.{kept.file_no}.{ending}",
            f"the debtor answered by {response.source}: {response.kind}; file {kept.file_no}",
            content,
            self._answered_at(response),
        )

    def _moment_of(self, view: MessageView, attempts: Sequence[Attempt]) -> datetime:
        if self._has_own_clock:
            return view.message.effective_at
        return left_at(
            ((line.at, line.phase) for line in attempts),
            sent_at=view.sent_at,
            settled_at=view.settled_at,
            planned_at=view.planned_at,
        )

    def _answered_at(self, response: ResponseView) -> datetime:
        return response.effective_at if self._has_own_clock else response.received_at

    def _add(
        self,
        folder: str,
        name: str,
        says: str,
        content: bytes,
        at: datetime | None,
        *,
        day_only: bool = False,
    ) -> None:
        self.exhibits.append(
            Exhibit(
                folder=folder,
                name=name,
                says=" ".join(says.split()),  # a line is one line, whatever an id holds
                content=self._spool.put(content),
                happened_at=at,
                day_only=day_only,
            )
        )

    def _open(
        self, what: str, sealed: bytes | None, opener: Callable[[bytes, bytes], bytes]
    ) -> bytes | None:
        if sealed is None:
            return None
        if self._key is None:
            self.missing.append(f"{what}: the debtor was erased")
            return None
        try:
            return opener(self._key, sealed)
        except (VaultError, zlib.error):
            self.missing.append(f"{what}: it does not open with the debtor's present key")
            return None


def _stem(view: MessageView) -> str:
    message = view.message
    return f"{_plain(message.channel)}-level-{message.level_no}-{message.message_id}"


def _facts(value: Any) -> dict[str, Any]:
    """The fields of a record, without sealed bytes."""
    return {k: v for k, v in asdict(value).items() if not isinstance(v, bytes)}


def _json(facts: Mapping[str, Any]) -> bytes:
    text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True, default=str)
    return (text + "\n").encode()


def _plain(name: str) -> str:
    """A part of a file name: letters, digits and a few signs."""
    return "".join(c if (c.isascii() and c.isalnum()) or c in "-_.~" else "_" for c in name)[:80]

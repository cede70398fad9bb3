"""Pingen on loopback: login, upload, letters with idempotency keys, and looking letters up."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import orjson

from notifier.testing.behaviour import AcceptLog, Mode
from notifier.testing.http import Heard, HttpProvider


class FakePingen(HttpProvider):
    """Pingen's version 2. Modes concern the create of a letter; all else works unless `down`."""

    client_id = "fake-client"
    client_secret = "fake-pingen-secret"  # noqa: S105 -- of the fake
    organisation = "00000000-0000-4000-8000-000000000001"

    def __init__(self, log: AcceptLog | None = None, *, port: int = 0) -> None:
        super().__init__(log, port=port)
        self.down = False
        self.token = "token-1"  # noqa: S105 -- of the fake
        self.logins = 0
        self.uploads: dict[str, bytes] = {}
        self.letters: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, tuple[int, dict[str, str], Any]] = {}

    def set_status(self, letter_id: str, status: str, *, tracking_number: str = "") -> None:
        """Let a letter come further."""
        attributes = self.letters[letter_id]["attributes"]
        attributes.update(status=status, tracking_number=tracking_number or None)

    def next_mode(self) -> Mode:
        """Requests beside the create always work; see `_answer`."""
        return Mode.OK

    async def _answer(self, mode: Mode, request: Heard) -> bytes | None:
        creates = request.method == "POST" and request.path.endswith("/letters")
        return await super()._answer(super().next_mode() if creates else mode, request)

    def take(self, request: Heard) -> tuple[int, dict[str, str], Any]:
        """Answer a request."""
        if self.down:
            return 503, {"retry-after": "7"}, self.complain(503)
        if request.method == "POST" and request.path.endswith("/letters"):
            return self._create(request)
        return self._beside(request)

    def _create(self, request: Heard) -> tuple[int, dict[str, str], Any]:
        """Create a letter; the same key again gives the same answer and no second letter."""
        if not self._may_enter(request):
            return 401, {}, self.complain(401)
        key = request.headers["idempotency-key"]
        if key in self._answers:
            status, headers, body = self._answers[key]
            return status, headers | {"Idempotent-Replayed": "true"}, body
        attributes = orjson.loads(request.body)["data"]["attributes"]
        pdf = self.uploads[attributes["file_url"].rpartition("/")[2]]
        letter = {
            "id": str(uuid4()),
            "type": "letters",
            "attributes": attributes | {"status": "validating", "tracking_number": None},
        }
        self.letters[letter["id"]] = letter
        self.accept(attributes["file_original_name"].removesuffix(".pdf"), "post", pdf)
        self._answers[key] = 201, {}, {"data": letter}
        return self._answers[key]

    def complain(self, status: int) -> Any:
        """An error in Pingen's shape."""
        return {"errors": [{"code": "no", "title": f"no ({status})", "source": {}}]}

    def _may_enter(self, request: Heard) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.token}"

    def _beside(self, request: Heard) -> tuple[int, dict[str, str], Any]:
        url = urlsplit(request.path)
        if url.path == "/auth/access-tokens":
            self.logins += 1
            form = parse_qs(request.body.decode())
            if form.get("client_secret") != [self.client_secret]:
                return 401, {}, self.complain(401)
            return (
                200,
                {},
                {"token_type": "Bearer", "expires_in": 43200, "access_token": self.token},
            )
        if url.path.startswith("/upload/"):
            self.uploads[url.path.rpartition("/")[2]] = request.body
            return 201, {}, None
        if not self._may_enter(request):
            return 401, {}, self.complain(401)
        if url.path == "/file-upload":
            place = f"{self.url}/upload/{uuid4().hex}"
            return 200, {}, {"data": {"attributes": {"url": place, "url_signature": "$2y$10$x"}}}
        wanted = parse_qs(url.query).get("q", [""])[0]
        found = [
            letter
            for letter in self.letters.values()
            if wanted in letter["attributes"]["file_original_name"]
        ]
        return 200, {}, {"data": found[::-1]}

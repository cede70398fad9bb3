"""The notifier's listeners on the postman's database: webhooks, replies, lists, proofs."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from dunning_common.auth import Verifier, make_key_pair, mint
from dunning_common.clock import SystemClock
from dunning_common.db import driver
from dunning_common.http import create_app
from notifier.listeners import Listeners, make_listeners
from notifier.settings import Settings
from notifier.testing import FakeSendGrid, FakeTwilio, mails
from tests.integration.notifier.conftest import TENANT, Postman

PUBLIC = "https://mail.example.com"
SECRET = "whsec_YSBzZWNyZXQgb2YgdGhlIHRlc3Rz"
MAIL_URL = f"/webhooks/inbound-mail/{TENANT}"
TEXT_URL = f"/webhooks/twilio-inbound/{TENANT}"


@dataclass
class Ear:
    """A running set of listeners, and the world that talks to it."""

    postman: Postman
    listeners: Listeners
    client: httpx.AsyncClient
    sendgrid: FakeSendGrid
    folder: Path

    def headers(self, *scopes: str, tenant: str = TENANT) -> dict[str, str]:
        token = mint(
            self.folder / "key.pem",
            subject="jane",
            tenant=tenant,
            scopes=frozenset(scopes or ("notices:read", "notices:write")),
            now=datetime.now(UTC),
            lifetime=timedelta(minutes=5),
        )
        return {"authorization": f"Bearer {token}"}

    async def get(self, url: str, **query: Any) -> Any:
        answer = await self.client.get(url, params=query, headers=self.headers())
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def mail(self, raw: bytes, **headers: str) -> httpx.Response:
        """A mail as SendGrid posts it to a URL with a password."""
        body, kind = mails.posted(raw)
        password = base64.b64encode(f"sendgrid:{SECRET}".encode()).decode()
        return await self.client.post(
            MAIL_URL,
            content=body,
            headers={**kind, "authorization": f"Basic {password}", **headers},
        )

    async def text(
        self, text: str, *, sid: str = "SM1", sender: str = "+33612345678", **more: str
    ) -> httpx.Response:
        """A text to the creditor's number, signed by Twilio."""
        fields = {"MessageSid": sid, "From": sender, "To": "+33700000000", "Body": text, **more}
        signed = PUBLIC + TEXT_URL + "".join(name + fields[name] for name in sorted(fields))
        mac = hmac.new(FakeTwilio.auth_token.encode(), signed.encode(), hashlib.sha1).digest()
        return await self.client.post(
            TEXT_URL,
            content=urlencode(fields).encode(),
            headers={
                "content-type": "application/x-www-form-urlencoded",
                "x-twilio-signature": base64.b64encode(mac).decode(),
            },
        )

    async def understand(self) -> int:
        """Let the loops read what came; returns how much came in by mail and text."""
        loops = self.listeners.loops
        inbound = await loops["inbound"].args[1]()  # type: ignore[attr-defined]
        await loops["feedback"].args[1]()  # type: ignore[attr-defined]
        return int(inbound)

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        async with self.postman.db.worker() as connection:
            found = await (await driver(connection)).fetch(sql, *arguments)
        return [dict(row) for row in found]

    async def suppressed(self) -> list[tuple[str, str]]:
        """Channel and cause of every suppression."""
        rows = await self.rows("SELECT channel, cause FROM suppression ORDER BY seq")
        return [(row["channel"], row["cause"]) for row in rows]

    async def issues(self) -> list[str]:
        return [item["kind"] for item in (await self.get("/v1/feedback-issues"))["items"]]

    async def verdicts(self) -> list[tuple[str, str]]:
        items = (await self.get("/v1/replies"))["items"]
        return [(item["kind"], item["verdict"]) for item in items]


def make_ear(postman: Postman, folder: Path, *, sendgrid_key: str | None = None) -> Ear:
    """Listeners; with a foreign `sendgrid_key` they take signatures of any age."""
    if not (folder / "key.pem").exists():
        make_key_pair(folder / "key.pem", folder / "jwks.json")
    sendgrid = FakeSendGrid()
    settings = Settings(
        api_database_url=SecretStr("unused"),
        worker_database_url=SecretStr("unused"),
        public_url=PUBLIC,
        token_keys_file=folder / "jwks.json",
        service_token=SecretStr("t"),
        ingest_url="http://127.0.0.1:1",
        engine_url="http://127.0.0.1:1",
        notifier_url="http://127.0.0.1:1",
        kpi_url="http://127.0.0.1:1",
        spool_folder=folder / "spool",
        sendgrid_webhook_keys={TENANT: sendgrid_key or sendgrid.public_key},
        webhook_max_age_s=7 * 86_400.0 if sendgrid_key is None else 1e10,
        sendgrid_parse_keys={TENANT: sendgrid.public_key},
        inbound_secrets={TENANT: SecretStr(SECRET)},
        twilio_auth_tokens={TENANT: SecretStr(FakeTwilio.auth_token)},
    )
    listeners = make_listeners(
        settings,
        db=postman.db,
        ledger=postman.ledger,
        settler=postman.settler,
        clock=SystemClock(),
    )
    app = create_app(
        title="ear",
        version="1",
        verifier=Verifier.from_file(folder / "jwks.json"),
        registry=CollectorRegistry(),
        ready={},
    )
    for router in listeners.routers:
        app.include_router(router)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return Ear(
        postman=postman,
        listeners=listeners,
        client=httpx.AsyncClient(transport=transport, base_url="http://inside:8030"),
        sendgrid=sendgrid,
        folder=folder,
    )

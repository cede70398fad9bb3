"""The catcher as its senders and readers see it: a process that speaks SMTP and HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from subprocess import Popen

import aiosmtplib
import httpx
import pytest

from standalone.embedded import child


@dataclass
class Catcher:
    """A running catcher process, and how to reach it."""

    folder: Path
    smtp_port: int
    http: httpx.AsyncClient
    process: Popen[bytes]

    async def send(self, message: EmailMessage) -> None:
        await aiosmtplib.send(message, hostname="127.0.0.1", port=self.smtp_port)

    async def listed(self, **query: str | int) -> list[dict]:
        answer = await self.http.get("/api/messages", params=query)
        return answer.raise_for_status().json()["items"]


async def start(folder: Path, **settings: int) -> Catcher:
    smtp_port, http_port = child.free_port(), child.free_port()
    environment = os.environ | {
        "CATCHER_FOLDER": str(folder / "mail"),
        "CATCHER_SPOOL_FOLDER": str(folder / "spool"),
        "CATCHER_SMTP_PORT": str(smtp_port),
        "CATCHER_HTTP_PORT": str(http_port),
        **{f"CATCHER_{name.upper()}": str(value) for name, value in settings.items()},
    }
    process = child.start(
        [sys.executable, "-m", "standalone.catcher"], log=folder / "catcher.log", env=environment
    )
    http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", timeout=20)
    for _ in range(400):
        try:
            if (await http.get("/health/live")).status_code == 200:
                return Catcher(folder, smtp_port, http, process)
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError((folder / "catcher.log").read_text())


@pytest.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[Catcher]:
    running = await start(tmp_path)
    yield running
    await running.http.aclose()
    child.stop(running.process, how=signal.SIGTERM, timeout_s=5)


def reminder(number: int = 1, *, tenant: str = "demo") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Crédit <credit@lumiere.example>"
    message["To"] = f"debtor{number}@example.org"
    message["Subject"] = f"Facture INV-{number} échue"
    message["Message-ID"] = f"<{number}@demo.example>"
    message["X-Dunning-Tenant"] = tenant
    message["X-Dunning-Notice"] = f"notice-{number}"
    message["X-Dunning-Invoices"] = f"INV-{number}, INV-{number}b"
    message.set_content(f"Bonjour, la facture INV-{number} est échue.")
    message.add_alternative(
        "<p>Bonjour</p><script>alert(1)</script><img src='http://tracker.example/x.gif'>",
        subtype="html",
    )
    message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="a b.pdf")
    return message


async def test_an_email_is_shown_with_who_it_is_for_and_what_it_is_about(catcher: Catcher) -> None:
    await catcher.send(reminder(7))

    (caught,) = await catcher.listed()

    assert caught["subject"] == "Facture INV-7 échue"
    assert caught["recipients"] == ["debtor7@example.org"]
    assert (caught["tenant"], caught["notice"]) == ("demo", "notice-7")
    assert caught["invoices"] == ["INV-7", "INV-7b"]
    whole = (await catcher.http.get(f"/api/messages/{caught['id']}")).json()
    assert whole["text"].strip() == "Bonjour, la facture INV-7 est échue."
    raw = (await catcher.http.get(f"/api/messages/{caught['id']}/raw")).content
    assert b"Message-ID: <7@demo.example>" in raw


async def test_messages_are_found_by_tenant_invoice_and_cursor(catcher: Catcher) -> None:
    await catcher.send(reminder(1))
    await catcher.send(reminder(11))
    await catcher.send(reminder(2, tenant="other"))

    first, second, third = await catcher.listed()

    assert [item["id"] for item in await catcher.listed(tenant="other")] == [third["id"]]
    assert [item["id"] for item in await catcher.listed(invoice="INV-1")] == [first["id"]]
    assert [item["id"] for item in await catcher.listed(after=first["id"], limit=1)] == [
        second["id"]
    ]


async def test_what_was_accepted_survives_kill_9(tmp_path: Path) -> None:
    catcher = await start(tmp_path)
    accepted: list[str] = []

    async def send(number: int) -> None:
        try:
            await catcher.send(reminder(number))
        except (aiosmtplib.SMTPException, OSError):
            return
        accepted.append(f"<{number}@demo.example>")
        if len(accepted) == 20:
            catcher.process.send_signal(signal.SIGKILL)

    await asyncio.gather(*(send(number) for number in range(60)))
    catcher.process.wait()
    await catcher.http.aclose()
    again = await start(tmp_path)
    kept = [item["message_id"] for item in await again.listed()]
    await again.http.aclose()
    child.stop(again.process, how=signal.SIGTERM, timeout_s=5)

    assert len(accepted) >= 20
    assert set(accepted) <= set(kept)
    assert len(kept) == len(set(kept))


async def test_only_the_newest_segments_are_kept(tmp_path: Path) -> None:
    catcher = await start(tmp_path, segment_messages=2, segments_max=2)

    for number in range(7):
        await catcher.send(reminder(number))

    answer = (await catcher.http.get("/api/messages")).json()
    assert [item["subject"] for item in answer["items"]] == [
        f"Facture INV-{number} échue" for number in (4, 5, 6)
    ]
    assert (answer["kept"], answer["accepted"]) == (3, 7)
    assert len(list((tmp_path / "mail").glob("raw-*.bin"))) == 2
    await catcher.http.aclose()
    child.stop(catcher.process, how=signal.SIGTERM, timeout_s=5)


async def test_deleting_all_forgets_messages_but_not_how_far_the_ids_have_come(
    tmp_path: Path,
) -> None:
    catcher = await start(tmp_path)
    await catcher.send(reminder(1))

    deleted = (await catcher.http.delete("/api/messages")).json()
    child.stop(catcher.process, how=signal.SIGTERM, timeout_s=5)
    await catcher.http.aclose()
    again = await start(tmp_path)
    await again.send(reminder(2))

    assert deleted == {"deleted": 1}
    assert [item["id"] for item in await again.listed()] == [2]
    await again.http.aclose()
    child.stop(again.process, how=signal.SIGTERM, timeout_s=5)


async def test_a_preview_can_neither_run_scripts_nor_load_pictures_from_elsewhere(
    catcher: Catcher,
) -> None:
    await catcher.send(reminder(1))

    page = (await catcher.http.get("/messages/1")).text
    preview = await catcher.http.get("/messages/1/html")

    assert '<iframe sandbox src="/messages/1/html"' in page
    assert "alert(1)" not in page
    policy = preview.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "http" not in policy


async def test_attachments_are_downloaded_under_a_plain_name(catcher: Catcher) -> None:
    await catcher.send(reminder(1))

    answer = await catcher.http.get("/messages/1/files/0")

    assert answer.content == b"%PDF-1.7"
    assert answer.headers["content-disposition"] == 'attachment; filename="a b.pdf"'
    assert (await catcher.http.get("/messages/1/files/1")).status_code == 404


async def test_sendgrid_requests_are_answered_as_sendgrid_does(catcher: Catcher) -> None:
    body = {
        "personalizations": [
            {"to": [{"email": "a@example.org"}], "custom_args": {"tenant": "demo"}}
        ],
        "from": {"email": "credit@lumiere.example"},
        "subject": "Rappel",
        "content": [
            {"type": "text/plain", "value": "INV-5"},
            {"type": "text/html", "value": "<p>INV-5</p>"},
        ],
    }
    key = {"Authorization": "Bearer SG.x"}

    taken = await catcher.http.post("/v3/mail/send", json=body, headers=key)
    refused = await catcher.http.post("/v3/mail/send", json=body)
    wrong = await catcher.http.post("/v3/mail/send", content=b'{"personal', headers=key)

    assert (taken.status_code, bool(taken.headers["x-message-id"])) == (202, True)
    assert refused.status_code == 401
    assert (wrong.status_code, "errors" in wrong.json()) == (400, True)
    (caught,) = await catcher.listed(tenant="demo", invoice="INV-5")
    assert caught["via"] == "sendgrid"
    assert (await catcher.http.get("/messages/1/html")).text == "<p>INV-5</p>"


async def test_twilio_requests_are_answered_as_twilio_does(catcher: Catcher) -> None:
    form = {
        "To": "+33639981234",
        "From": "+33639980000",
        "Body": "Facture INV-9 échue",
        "StatusCallback": "http://127.0.0.1:8030/webhooks/twilio/demo/0190-a",
    }
    url = "/2010-04-01/Accounts/AC1/Messages.json"

    taken = await catcher.http.post(url, data=form, auth=("AC1", "secret"))
    refused = await catcher.http.post(url, data=form)
    wrong = await catcher.http.post(url, data={"Body": "x"}, auth=("AC1", "secret"))

    assert (taken.status_code, taken.json()["sid"][:2]) == (201, "SM")
    assert (refused.status_code, refused.json()["code"]) == (401, 20003)
    assert (wrong.status_code, wrong.json()["code"]) == (400, 21604)
    (caught,) = await catcher.listed(tenant="demo", invoice="INV-9")
    assert (caught["via"], caught["recipients"]) == ("twilio", ["+33639981234"])


async def test_letters_of_the_spool_are_listed_and_shown(catcher: Catcher) -> None:
    letters = catcher.folder / "spool" / "demo"
    letters.mkdir(parents=True)
    (letters / "one.pdf").write_bytes(b"%PDF-1.7 one")
    (letters / "one.json").write_text(
        json.dumps(
            {
                "tenant": "demo",
                "invoice_ids": ["INV-1"],
                "level": "final_demand",
                "to": {"name": "Roux SARL", "city": "Lyon"},
            }
        )
    )
    (catcher.folder / "secret.pdf").write_bytes(b"not yours")

    listed = (await catcher.http.get("/api/letters", params={"invoice": "INV-1"})).json()
    shown = await catcher.http.get("/letters/demo/one.pdf")
    outside = await catcher.http.get("/letters/..%2Fsecret.pdf")

    assert [item["path"] for item in listed["items"]] == ["demo/one.pdf"]
    assert (shown.content, shown.headers["content-type"]) == (b"%PDF-1.7 one", "application/pdf")
    assert outside.status_code == 404
    page = (await catcher.http.get("/", params={"view": "letters"})).text
    assert "Roux SARL, Lyon" in page
    assert "final demand INV-1" in page


async def test_nonsense_on_the_mail_port_does_not_end_the_catcher(catcher: Catcher) -> None:
    with socket.create_connection(("127.0.0.1", catcher.smtp_port)) as raw:
        raw.sendall(b"\x00\xff\xfeEHLO\r\nMAIL FROM:<\r\nDATA\r\nQUIT\r\n")
        raw.recv(1024)

    await catcher.send(reminder(1))

    assert len(await catcher.listed()) == 1

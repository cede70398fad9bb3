"""The whole platform as a person starts it: `dunning up` in a process of its own, then its commands.

Knows how to find the process that runs the services, so that a test may kill it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from standalone.cli.reach import target_of
from standalone.state import Connection

READY_TIMEOUT_S = 120.0


class Stack:
    """A running platform on its own data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder.with_suffix(".log")
        self._launcher: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.output.open("ab") as out:
            self._launcher = subprocess.Popen(
                [*self._command(), "up", "--data", str(self.folder), "--no-demo", *self._broker()],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.await_ready()

    def stop(self) -> None:
        if self._launcher is not None:
            self._launcher.send_signal(signal.SIGTERM)
            self._launcher.wait(60)
            self._launcher = None

    @property
    def connection(self) -> Connection:
        return Connection.read(self.folder / "connection.json")

    def await_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self._launcher is not None
            if self._launcher.poll() is not None:
                break
            if self._is_ready():
                return
            time.sleep(0.2)
        raise AssertionError(f"the platform did not start:\n{self.output.read_text()[-4000:]}")

    def _is_ready(self) -> bool:
        try:
            urls = self.connection.urls
            answers = [
                httpx.get(f"{urls[name]}/health/ready", timeout=5)
                for name in ("ingest", "engine", "notifier", "kpi")
            ]
        except Exception:  # noqa: BLE001 -- whatever it is, it is not ready
            return False
        return all(answer.status_code == 200 for answer in answers)

    def services_pid(self) -> int | None:
        """The process that runs the four services, if it runs just now."""
        children = json.loads((self.folder / "children.json").read_text())
        pid = children.get("services", [None])[0]
        return pid if pid and Path(f"/proc/{pid}").exists() else None

    def kill_services(self) -> bool:
        """`kill -9`; False when they were not running."""
        pid = self.services_pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    def run(self, *arguments: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a `dunning` command against this platform."""
        return subprocess.run(
            [*self._command(), *arguments, "--data", str(self.folder)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a `dunning` command and come back at once."""
        return subprocess.Popen(
            [*self._command(), *arguments, "--data", str(self.folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def caught(self, tenant: str) -> list[dict[str, Any]]:
        """Every message that the mail catcher accepted for a tenant, oldest first."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            page = httpx.get(
                f"{self.connection.urls['catcher']}/api/messages",
                params={"tenant": tenant, "after": after, "limit": 500},
                timeout=30,
            ).json()["items"]
            if not page:
                return found
            found += page
            after = page[-1]["id"]

    def make_tenant(self, tenant: str, *, sandbox_starts_on: date) -> None:
        """A French sandbox tenant that can send e-mails, texts and letters."""
        body = {
            "name": "Example Creditor", "country": "FR", "zone": "Europe/Paris", "language": "fr",
            "base_currency": "EUR", "email_from": "billing@creditor.example",
            "sms_from": "+33639980000", "sandbox": True,
            "sandbox_starts_on": sandbox_starts_on.isoformat(),
            "legal": {
                "legal_name": "Example Creditor SAS", "form": "SAS", "capital": "10 000 EUR",
                "register_entry": "RCS Paris 000 000 000",
                "address": {
                    "lines": ["1 rue"], "postcode": "75001", "city": "PARIS", "country": "FR",
                },
            },
            "bank": {"holder": "Example Creditor SAS", "iban": "FR7630006000011234567890189"},
        }  # fmt: skip
        url = f"{self.connection.urls['ingest']}/v1/tenants/{tenant}"
        httpx.put(url, json=body, headers=self.headers(tenant), timeout=30).raise_for_status()

    def headers(self, tenant: str) -> dict[str, str]:
        """A token that may do everything for the tenant."""
        return {"authorization": f"Bearer {target_of(self.connection, tenant).token()}"}

    def call(
        self, method: str, service: str, path: str, tenant: str, body: Any = None
    ) -> dict[str, Any]:
        """The answer of a service, which must be a good one."""
        answer = httpx.request(
            method,
            self.connection.urls[service] + path,
            json=body,
            headers=self.headers(tenant),
            timeout=120,
        )
        assert answer.is_success, answer.text
        return dict(answer.json())

    def pages(self, service: str, path: str, tenant: str, **wanted: str) -> list[dict[str, Any]]:
        """All items of a paged list of a service; `wanted` are its filters."""
        headers = self.headers(tenant)
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": "500", **wanted} | ({"cursor": cursor} if cursor else {})
            url = self.connection.urls[service] + path
            page = httpx.get(url, params=query, headers=headers, timeout=30).json()
            found += page["items"]
            cursor = page["next_cursor"]
        return found

    def letters(self, tenant: str) -> list[dict[str, Any]]:
        """The slips of every letter that lies in the spool of a tenant."""
        folder = Path(self.connection.spool_folder) / tenant
        return [
            json.loads(letter.with_suffix(".json").read_text())
            for letter in sorted(folder.rglob("*.pdf"))
        ]

    @staticmethod
    def _broker() -> list[str]:
        """The real broker that DUNNING_TEST_KAFKA names, or the embedded one."""
        real = os.environ.get("DUNNING_TEST_KAFKA")
        return ["--kafka", real] if real else []

    @staticmethod
    def _command() -> list[str]:
        return [sys.executable, "-m", "standalone.cli.main"]

"""Given an invoice with its document that was reminded of and paid in part,
when somebody asks for the evidence,
then one archive holds the exact bytes that left, the decisions, the payment and the document,
in order, under a signature that holds and that no change survives.
"""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from notifier.domain.evidence import wrong_in
from tests.e2e.stack import Stack

TENANT = "proven"
PDF = b"%PDF-1.7\nthe invoice"
DEBTOR = {
    "name": "Boulangerie Petit", "kind": "business", "country": "FR",
    "contacts": {"emails": ["compta@petit.example"]},
}  # fmt: skip
INVOICE = {
    "debtor_id": "d-1", "issued_on": "2026-02-02", "due_on": "2026-03-05",
    "currency": "EUR", "amount": "1000.00",
}  # fmt: skip
PAYMENT = {
    "debtor_id": "d-1", "currency": "EUR", "amount": "400.00", "value_date": "2026-03-20",
    "allocations": [{"invoice_id": "i-1", "amount": "400.00"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def archive(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    stack.make_tenant(TENANT, sandbox_starts_on=date(2026, 2, 1))
    stack.call("PUT", "ingest", "/v1/debtors/d-1", TENANT, DEBTOR)
    stack.call("PUT", "ingest", "/v1/invoices/i-1", TENANT, INVOICE)
    keep_document(stack)
    walk(stack, "2026-03-20")
    stack.call("PUT", "ingest", "/v1/payments/p-1", TENANT, PAYMENT)
    walk(stack, "2026-04-20")
    target = tmp_path_factory.mktemp("evidence") / "evidence.zip"
    said = stack.run("evidence", str(target), "--invoice", "i-1", "--tenant", TENANT)
    assert said.returncode == 0, said.stderr
    return Path(target).read_bytes()


def keep_document(stack: Stack) -> None:
    answer = httpx.put(
        f"{stack.connection.urls['ingest']}/v1/invoices/i-1/document",
        content=PDF,
        headers=stack.headers(TENANT) | {"content-type": "application/pdf"},
    )
    assert answer.status_code == 200, answer.text


def walk(stack: Stack, day: str) -> None:
    path = "/v1/clock?wait_s=90"
    assert stack.call("POST", "engine", path, TENANT, {"advance_to": day})["settled"]


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def manifest(archive: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(members(archive)["manifest.json"])
    return found


def test_everything_about_the_claim_is_in_it(archive: bytes) -> None:
    files = members(archive)
    kinds = {name.split("-", 1)[-1].rsplit(".", 1)[-1] for name in files if "/" in name}
    said = files["timeline.txt"].decode()

    assert {"eml", "json", "pdf"} <= kinds
    assert PDF in files.values()
    assert "payment p-1: 400.00 EUR of i-1" in said
    assert said.count("; the exact bytes") >= 2
    assert "decision " in said
    assert manifest(archive)["about"]["missing"] == []


def test_the_exact_bytes_that_left_carry_the_document(archive: bytes, stack: Stack) -> None:
    mails = [content for name, content in members(archive).items() if name.endswith(".eml")]

    assert mails
    assert all(b"i-1.pdf" in mail for mail in mails)
    assert len(mails) == len([m for m in stack.caught(TENANT) if m["via"] == "smtp"])


def test_the_signature_holds_and_no_change_survives(archive: bytes) -> None:
    files = members(archive)
    key = load_pem_public_key(files["public-key.pem"])
    assert isinstance(key, Ed25519PublicKey)

    key.verify(files["manifest.sig"], files["manifest.json"])
    with pytest.raises(InvalidSignature):
        key.verify(files["manifest.sig"], files["manifest.json"].replace(b"i-1", b"i-2"))
    assert wrong_in(archive) == []

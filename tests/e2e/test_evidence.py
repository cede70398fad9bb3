"""Given an invoice with its document that was reminded of and paid in part,
when somebody asks for the evidence,
then one archive holds the exact bytes that left, the decisions, the payment and the document,
in order, under a signature that holds and that no change survives.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from notifier.adapters.evidence_key import is_signed
from notifier.domain.evidence_check import check
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


def test_who_asked_for_it_is_written_down(archive: bytes, stack: Stack) -> None:
    lines = stack.call("GET", "notifier", "/v1/audit?target=invoice:i-1", TENANT)["items"]

    assert archive
    assert [line["action"] for line in lines] == ["evidence_made"]
    assert lines[0]["person"] == manifest(archive)["made_for"]


def test_the_exact_bytes_that_left_carry_the_document(archive: bytes, stack: Stack) -> None:
    mails = [content for name, content in members(archive).items() if name.endswith(".eml")]

    assert mails
    assert all(b"i-1.pdf" in mail for mail in mails)
    assert len(mails) == len([m for m in stack.caught(TENANT) if m["via"] == "smtp"])


def test_the_signature_holds_and_no_change_survives(archive: bytes) -> None:
    files = members(archive)
    key, signature = files["public-key.pem"], files["manifest.sig"]

    assert check(io.BytesIO(archive), is_signed).wrong == ()
    assert not is_signed(key, signature, files["manifest.json"].replace(b"i-1", b"i-2"))


def test_the_published_key_checks_the_archive_without_the_platform(
    archive: bytes, stack: Stack, tmp_path: Path
) -> None:
    file, key = tmp_path / "claim.zip", tmp_path / "creditor.pem"
    file.write_bytes(archive)
    printed = stack.run("evidence", "--public-key", "--tenant", TENANT)
    key.write_text(printed.stdout)

    said = stack.run("evidence", "--verify", str(file), "--key", str(key))

    assert printed.returncode == said.returncode == 0, printed.stderr + said.stderr
    assert printed.stdout.encode() == members(archive)["public-key.pem"]
    published = httpx.get(f"{stack.connection.urls['notifier']}/v1/evidence/key").json()
    assert published["public_key"] == printed.stdout
    assert published["sha256"] in printed.stderr
    assert published["sha256"] in said.stdout
    assert published["sha256"] == manifest(archive)["about"]["key_sha256"]
    assert said.stdout.count("; the exact bytes") == len(stack.caught(TENANT))


def test_a_forged_timeline_is_seen(archive: bytes, stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "forged.zip"
    with zipfile.ZipFile(file, "w") as forged:
        for name, content in members(archive).items():
            forged.writestr(name, b"forged timeline" if name == "timeline.txt" else content)

    said = stack.run("evidence", "--verify", str(file))

    assert said.returncode == 1
    assert "timeline.txt was changed" in said.stderr


def test_the_links_in_it_can_be_ended_and_that_is_written_down(
    archive: bytes, stack: Stack, tmp_path: Path
) -> None:
    live = manifest(archive)["about"]["links"]["live_of_messages"]
    links = {
        link
        for name, content in members(archive).items()
        if name.endswith(".eml")
        for link in re.findall(rb"http://[^/]+/p/[A-Za-z0-9_-]{22}", content)
    }
    assert live
    assert b"DO NOT OPEN LINKS" in members(archive)["README.txt"]
    assert {httpx.get(link.decode()).status_code for link in links} == {200}

    handed = tmp_path / "handed.zip"
    said = stack.run(
        "evidence", str(handed), "--invoice", "i-1", "--tenant", TENANT, "--revoke-links"
    )

    assert said.returncode == 0, said.stderr
    about = manifest(handed.read_bytes())["about"]
    assert about["links"] == {"revoked": len(live), "live_of_messages": [], "live_until": None}
    assert b"were revoked" in members(handed.read_bytes())["README.txt"]
    assert {httpx.get(link.decode()).status_code for link in links} == {404}
    for message_id in live:
        lines = stack.call("GET", "notifier", f"/v1/audit?target={message_id}", TENANT)["items"]
        assert [line["action"] for line in lines] == ["link_revoked"]


def test_reading_never_ends_a_link(stack: Stack) -> None:
    answer = httpx.get(
        f"{stack.connection.urls['notifier']}/v1/evidence?invoice_id=i-1&revoke_links=true",
        headers=stack.headers(TENANT),
    )

    assert answer.status_code == 422
    assert "POST" in answer.json()["errors"][0]["detail"]


@pytest.mark.slow  # four questions for each of them
@pytest.mark.timeout(3600)
def test_a_debtor_with_a_thousand_invoices_gets_the_evidence_in_volumes(
    stack: Stack, tmp_path: Path
) -> None:
    stack.make_tenant("large", sandbox_starts_on=date(2026, 2, 1))
    stack.call("PUT", "ingest", "/v1/debtors/d-1", "large", DEBTOR)
    lines = b"\n".join(
        json.dumps({"invoice_id": f"i-{n}", **INVOICE}).encode() for n in range(1001)
    )
    sent = httpx.post(
        f"{stack.connection.urls['ingest']}/v1/bulk/invoices",
        content=lines,
        headers=stack.headers("large") | {"content-type": "application/x-ndjson"},
        timeout=120,
    )
    assert sent.status_code == 200, sent.text

    said = stack.run(
        "evidence",
        str(tmp_path / "all.zip"),
        "--debtor",
        "d-1",
        "--tenant",
        "large",
        timeout_s=3000,
    )

    assert said.returncode == 0, said.stderr
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"all-{n}-of-5.zip" for n in (1, 2, 3, 4, 5)]
    verdicts = [check(io.BytesIO(file.read_bytes()), is_signed) for file in files]
    assert [verdict.wrong for verdict in verdicts] == [()] * 5
    named = [one for verdict in verdicts for one in verdict.about["invoice_ids"]]
    assert sorted(named) == sorted(f"i-{n}" for n in range(1001))
    whole = stack.run("evidence", *(f"--verify={file}" for file in files))
    part = stack.run("evidence", *(f"--verify={file}" for file in files[:4]))
    assert whole.returncode == 0, whole.stderr
    assert part.returncode == 1
    assert "volume 5 of 5 of d-1 is not here" in part.stderr

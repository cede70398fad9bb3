"""Given two years of real invoices of a hundred debtors,
when they are played day by day through the running platform under the French policy,
then every invoice gets exactly the levels, on exactly the days, that a careful clerk would choose,
and exactly the messages that belong to them lie in the mail catcher and in the letter spool -
also when the services are killed again and again while it runs.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.oracle import all_messages, all_steps, read_bills
from tests.e2e.stack import Stack

FILE = "data/ibm_late_payment/WA_Fn-UseC_-Accounts-Receivable.csv"
DIRTY_FILE = "data/ibm_late_payment/WA_Fn-UseC_-Accounts-Receivable_with_missing.csv"
MAPPING = Path(__file__).resolve().parents[2] / "examples/mappings/ibm-late-payment.yaml"
KILLS = 20
PARIS = ZoneInfo("Europe/Paris")

Message = tuple[str, date, str, frozenset[str]]

pytestmark = pytest.mark.timeout(1_500)


def arguments(file: Path, *more: str) -> list[str]:
    return ["rehearse", str(file), "--mapping", str(MAPPING), "--policy", "france-b2b", *more]


def levels_of(report: dict[str, Any]) -> set[tuple[str, str, date]]:
    return {
        (level["invoice_id"], level["level"], date.fromisoformat(level["on"]))
        for level in report["levels"]
        if level["outcome"] == "served"
    }


def expected_levels(file: Path) -> set[tuple[str, str, date]]:
    return {(step.invoice, step.level, step.day) for step in all_steps(read_bills(file))}


def received(stack: Stack, tenant: str, file: Path) -> list[Message]:
    """What lies in the catcher and in the spool: one entry for each message that was accepted.

    Who got it, by which channel and what it speaks of is read from the message itself; only the day
    on the tenant's clock comes from the notifier's book.
    """
    customer = {bill.number: bill.customer for bill in read_bills(file)}
    day = {
        message["message_id"]: datetime.fromisoformat(message["effective_at"])
        .astimezone(PARIS)
        .date()
        for message in stack.pages("notifier", "/v1/messages", tenant)
    }
    book = {
        m["message_id"]: m["invoice_ids"] for m in stack.pages("notifier", "/v1/messages", tenant)
    }

    def entry(channel: str, message_id: str, text: str | None) -> Message:
        invoices = frozenset(book[message_id])
        if text is not None:
            assert all(invoice in text for invoice in invoices), text
        (who,) = {customer[invoice] for invoice in invoices}
        return who, day[message_id], channel, invoices

    entries = []
    for caught in stack.caught(tenant):
        message_id = caught["message_id"].strip("<>").split("@")[0]
        if caught["via"] == "smtp":
            entries.append(entry("email", message_id, caught["text"]))
        else:
            entries.append(entry("sms", message_id, None))
    letters = stack.letters(tenant)
    return entries + [entry(slip["kind"], slip["message_id"], None) for slip in letters]


@pytest.fixture(scope="module")
def report(stack: Stack, shared: Path) -> dict[str, Any]:
    done = stack.run(*arguments(shared / FILE, "--json"))
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_report_states_what_the_file_holds(report: dict[str, Any]) -> None:
    assert report["invoices"] == 2_466
    assert report["total"] == {"EUR": "147703.18"}
    assert report["settled_late"] == 877
    assert report["checks"] == {"after_settlement": [], "twice": []}


def test_every_invoice_gets_the_levels_and_days_of_the_oracle(
    report: dict[str, Any], shared: Path
) -> None:
    expected = expected_levels(shared / FILE)

    assert levels_of(report) == expected
    assert report["notices_per_level"] == dict(Counter(level for _, level, _ in expected))


def test_every_message_of_the_oracle_was_received_once_and_no_other(
    report: dict[str, Any], stack: Stack, shared: Path
) -> None:
    """A machine that stalls for seconds may leave a send without an answer: listed, never resent."""
    expected = Counter(all_messages(read_bills(shared / FILE)))
    arrived = Counter(received(stack, report["tenant"], shared / FILE))
    listed = Counter(
        (datetime.fromisoformat(m["effective_at"]).astimezone(PARIS).date(), m["channel"],
         frozenset(m["invoice_ids"]))
        for m in stack.pages("notifier", "/v1/messages", report["tenant"])
        if m["state"] == "unknown"
    )  # fmt: skip
    missing = Counter(message[1:] for message in (expected - arrived).elements())

    assert arrived - expected == Counter()
    assert missing - listed == Counter(), f"missing and not listed; {report['message_states']}"


def test_a_rehearsal_played_again_sends_nothing_again(
    report: dict[str, Any], stack: Stack, shared: Path
) -> None:
    before = len(stack.caught(report["tenant"]))

    again = json.loads(stack.run(*arguments(shared / FILE, "--json")).stdout)

    assert len(stack.caught(report["tenant"])) == before
    assert again["levels"] == report["levels"]


def test_killing_the_services_changes_no_notice(stack: Stack, shared: Path, scratch: Path) -> None:
    file = first_half_year(shared / FILE, scratch / "first-half-year.csv")

    rehearse_with_kills(stack, file)


@pytest.mark.slow
def test_killing_the_services_changes_no_notice_of_two_years(stack: Stack, shared: Path) -> None:
    rehearse_with_kills(stack, shared / FILE)


def rehearse_with_kills(stack: Stack, file: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    command = stack.begin(*arguments(file, "--fresh", "--json"))
    kills = kill_while_it_runs(stack, command, random.Random(seed))
    output, errors = command.communicate()

    assert command.returncode == 0, errors[-2000:]
    assert kills == KILLS
    killed = json.loads(output)
    assert levels_of(killed) == expected_levels(file)
    expected = Counter(all_messages(read_bills(file)))
    arrived = Counter(received(stack, killed["tenant"], file))
    unknown = len(killed["unknown"])
    print(f"{kills} kills, {unknown} unknown, {sum(arrived.values())} messages received")
    assert max(arrived.values()) == 1, "a message was received twice"
    assert not arrived - expected, "a message was received that nobody should have got"
    assert sum((expected - arrived).values()) <= unknown, "a message is missing and not listed"


def first_half_year(file: Path, part: Path) -> Path:
    """The invoices issued until the end of June 2012: enough days for all the kills."""
    header, *rows = file.read_text().splitlines()
    place = header.split(",").index("InvoiceDate")
    early = [
        row
        for row in rows
        if (month := row.split(",")[place]).endswith("/2012") and int(month.split("/")[0]) <= 6
    ]
    part.write_text("\n".join([header, *early]) + "\n")
    return part


def test_of_a_dirty_file_bad_rows_are_reported_and_good_ones_are_taken(
    stack: Stack, shared: Path
) -> None:
    stack.make_tenant("dirty", sandbox_starts_on=date(2012, 1, 1))

    imported = stack.run(
        "import", str(shared / DIRTY_FILE), "--mapping", str(MAPPING), "--tenant", "dirty", "--json"
    )

    assert imported.returncode == 1, imported.stderr
    result = json.loads(imported.stdout)
    assert (result["rows"], result["taken"]) == (2_586, 2_466)
    assert len({bad["line"] for bad in result["bad"]}) == 120
    assert all(bad["reason"] for bad in result["bad"])
    stored = stack.pages("ingest", "/v1/invoices", "dirty")
    assert len(stored) == 2_466
    assert {invoice["status"] for invoice in stored} == {"paid"}


def kill_while_it_runs(stack: Stack, command: subprocess.Popen[str], chance: random.Random) -> int:
    """Kill the services at random moments until that was done KILLS times or the command ended."""
    kills = 0
    while kills < KILLS and command.poll() is None:
        time.sleep(chance.uniform(0.2, 5.0))
        if command.poll() is None and stack.kill_services():
            kills += 1
            stack.await_ready()
    return kills

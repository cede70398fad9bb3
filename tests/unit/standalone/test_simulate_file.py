"""`dunning simulate backtest|compare` on a file: no platform runs, bad rows are told, money is counted."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dunning_engine.domain.schedule import local_midnight
from invoice_ingest.domain.csv_file import read_rows
from invoice_ingest.domain.mapping import parse_mapping
from standalone.cli.main import app
from standalone.simulation.left_out import left_out, shares
from standalone.simulation.past import EmptyFileError, past_of

FRANCE = ("france-b2b", 1)
DIRTY = "data/ibm_late_payment/WA_Fn-UseC_-Accounts-Receivable_with_missing.csv"
IBM = Path(__file__).resolve().parents[3] / "examples/mappings/ibm-late-payment.yaml"
MAPPING: dict[str, Any] = {
    "format": "dunning-import/1",
    "decimal_separator": ",",
    "thousands_separator": ".",
    "delimiter": ";",
    "constants": {"debtor.kind": "business", "debtor.country": "FR", "invoice.currency": "EUR"},
    "columns": {
        "who": "debtor.debtor_id",
        "no": "invoice.invoice_id",
        "issued": "invoice.issued_on",
        "due": "invoice.due_on",
        "amount": "invoice.amount",
        "paid": "invoice.settled_on",
    },
}
CSV = """who;no;issued;due;amount;paid
d1;1;2026-04-01;2026-04-30;1.000,00;2026-05-20
d1;2;2026-04-01;2026-04-30;500,00;
d2;3;2026-04-01;;1.500,00;
d2;4;2026-04-01;2026-04-30;much;
d1;1;2026-04-01;2026-04-30;1.000,00;2026-05-20
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    said = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), said.out, said.err


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "past.csv").write_text(CSV)
    (tmp_path / "mapping.yaml").write_text(json.dumps(MAPPING))
    return [str(tmp_path / "past.csv"), "--mapping", str(tmp_path / "mapping.yaml")]


def past(text: str = CSV, **more: Any):
    rows = read_rows(text.encode(), parse_mapping(MAPPING))
    return past_of(rows, policy_of=lambda _: FRANCE, **more)


def test_good_rows_become_stories_and_bad_ones_are_kept_with_their_lines():
    found = past()

    assert [story.account.debtor_id for story in found.stories] == ["d1"]
    assert found.invoices == 2
    assert sorted({bad.line for bad in found.bad_rows}) == [4, 5, 6]
    assert found.stories[0].account.zone == "Europe/Paris"


def test_the_share_of_the_money_in_bad_rows_is_stated():
    mapping = parse_mapping(MAPPING)
    found = past()

    left = left_out(CSV.encode(), mapping, found.bad_rows, found.taken)

    assert (left.minor, left.unreadable, left.repeated) == ({"EUR": 1_500_00}, 1, 1)
    assert shares(left, found.totals_minor) == [
        {"currency": "EUR", "used": "1500.00", "left_out": "1500.00", "left_out_percent": "50.0"}
    ]


def test_payments_that_become_known_late_keep_their_value_date():
    (story,) = past(known_after_days=3).stories

    (paid,) = [fact for fact in story.facts if type(fact).__name__ == "Moved"]
    assert paid.at == local_midnight(paid.since, "Europe/Paris").replace(day=22)
    assert paid.since.isoformat() == "2026-05-21"


def test_a_file_without_a_good_row_is_refused():
    with pytest.raises(EmptyFileError):
        past(CSV.splitlines()[0] + "\n")


def test_a_backtest_needs_no_platform(capsys: pytest.CaptureFixture[str], files: list[str]):
    code, said, _ = run(capsys, "simulate", "backtest", *files, "--policy", "france-b2b", "--json")

    report = json.loads(said)
    assert code == 1  # rows were bad
    assert report["totals"]["invoices"] == 2
    assert report["policies"] == ["france-b2b v1"]
    assert report["file"]["money"][0]["left_out_percent"] == "50.0"
    assert {row["line"] for row in report["file"]["bad"]} == {4, 5, 6}


def test_without_a_policy_the_country_chooses(capsys: pytest.CaptureFixture[str], files: list[str]):
    named = json.loads(run(capsys, "simulate", "backtest", *files, "-p", "france-b2b", "--json")[1])
    chosen = json.loads(run(capsys, "simulate", "backtest", *files, "--json")[1])

    assert chosen["levels"] == named["levels"]


def test_the_tables_name_what_was_left_out_and_taken_for_granted(
    capsys: pytest.CaptureFixture[str], files: list[str]
):
    _, said, _ = run(capsys, "simulate", "backtest", *files, "--price", "email=0.10")

    words = " ".join(said.split())
    assert "50.0 % of the money" in words
    assert "3 bad rows of the file were left out" in words
    assert "debtors would have done differently is not guessed" in words


def test_two_policies_are_compared_over_a_file(
    capsys: pytest.CaptureFixture[str], files: list[str], tmp_path: Path
):
    later = tmp_path / "later.yaml"
    later.write_text(
        "name: Later\ncountry: FR\nlevels:\n"
        "  - code: first_reminder\n    threshold_days: 9\n    channels: [letter]\n"
        "    template: first_reminder\n"
    )
    file, *mapping = files

    code, said, _ = run(
        capsys, "simulate", "compare", "france-b2b", str(later), "--file", file, *mapping, "--json"
    )

    report = json.loads(said)
    assert code == 1
    assert report["invoices"]["total"] == 2
    assert report["b"]["policies"] == ["later v2"]
    letters = [row for row in report["differences"] if row["detail"] == "letter"]
    assert sum(row["more_under_b"] for row in letters) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "nobody-b2b"], "there is no built-in policy 'nobody-b2b'"),
        (["--policy", "none.yaml"], "cannot read none.yaml"),
        (["--price", "pigeon=1.00"], "the channels are email"),
        (["--price", "email=cheap"], "plain decimal"),
    ],
)
def test_mistakes_are_named_in_one_line(
    capsys: pytest.CaptureFixture[str], files: list[str], arguments: list[str], words: str
):
    code, _, wrong = run(capsys, "simulate", "backtest", *files, *arguments)

    assert code == 1
    assert words in wrong
    assert len(wrong.strip().splitlines()) == 1


def test_a_file_without_its_mapping_is_refused(
    capsys: pytest.CaptureFixture[str], files: list[str]
):
    code, _, wrong = run(capsys, "simulate", "backtest", files[0])

    assert code == 1
    assert "--mapping" in wrong


def test_what_the_bad_rows_of_a_dirty_file_leave_out_is_their_amounts(
    capsys: pytest.CaptureFixture[str], shared: Path
):
    _, said, _ = run(
        capsys, "simulate", "backtest", str(shared / DIRTY), "-m", str(IBM), "-p", "france-b2b",
        "--json",
    )  # fmt: skip

    file = json.loads(said)["file"]
    lines = {bad["line"] for bad in file["bad"]}
    rows = list(csv.DictReader((shared / DIRTY).read_text().splitlines()))
    lost = sum(Decimal(row["InvoiceAmount"]) for n, row in enumerate(rows, 2) if n in lines)
    (money,) = file["money"]
    assert (file["invoices"], len(lines)) == (2_466, 120)
    assert (money["used"], money["left_out"]) == ("147703.18", str(lost))
    assert money["left_out_percent"] == "5.1"
    assert (file["repeated_rows"], file["unreadable_amounts"]) == (0, 0)

"""`dunning rates check`: what is known, what is missing, where to write it; no platform needed."""

from __future__ import annotations

import json

import pytest

from standalone.cli.main import app


def check(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        app(("rates", "check", *arguments))
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_nothing_missing_is_status_0(capsys):
    code, said, _ = check(capsys, "--country", "FR", "--on", "2026-10-01")

    assert code == 0
    assert "ecb: up to 26H2, for FR, NL" in said
    assert "European Central Bank, series" in said
    assert "checked on 2026-11-21" in said
    assert "Nothing is missing on 2026-10-01." in said


def test_a_missing_half_year_is_status_1_with_the_file_and_the_line_to_add(capsys):
    code, said, _ = check(capsys, "--country", "de", "--on", "2027-01-01")

    assert code == 1
    assert "de_base: 27H1 is missing; claims of DE that need it are blocked" in said
    assert "rates/de.yaml, after line 43: 27H1:" in said
    assert "ecb" not in said


def test_the_coming_half_year_is_only_a_warning(capsys):
    code, said, _ = check(capsys, "--country", "GB", "--on", "2026-12-20")

    assert code == 0
    assert "! boe: 27H1 is missing; claims of GB will be blocked from then on" in said


def test_what_nobody_looked_up_is_said(capsys):
    _, said, _ = check(capsys, "--country", "IT", "--on", "2026-10-01")

    assert "22 of 22 unverified" in said


def test_programs_get_json(capsys):
    code, said, _ = check(capsys, "--json", "--on", "2026-07-01", "--country", "PL")

    found = json.loads(said)
    assert code == 1
    assert [(one["series"], one["period"], one["present"]) for one in found["missing"]] == [
        ("nbp", "26H2", True),
        ("nbp_eur", "2026-06", False),
    ]
    assert found["missing"][0]["line"] == '26H2: "…"'
    assert found["series"][0]["countries"] == ["PL"]


def test_an_unknown_country_is_refused_with_the_known_ones(capsys):
    code, _, wrong = check(capsys, "--country", "US")

    assert code == 1
    assert "no law is known for US; known are FR, DE, GB" in wrong

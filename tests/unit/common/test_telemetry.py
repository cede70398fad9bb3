"""Logs carry static names and ids, never personal data or tokens."""

from __future__ import annotations

import json

import pytest
import structlog

from dunning_common.telemetry import configure_logging


@pytest.fixture(autouse=True)
def _restored() -> object:
    yield
    structlog.reset_defaults()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    "field",
    ["token", "service_token", "password", "email", "phone", "debtor_name", "address", "Cookie"],
)
def test_personal_data_and_secrets_are_blotted_out(
    field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(json=True, level="info")

    structlog.get_logger().info("debtor_changed", **{field: "hunter2"}, debtor_id="d1")

    (line,) = logged(capsys)
    assert line[field] == "***"
    assert line["debtor_id"] == "d1"
    assert line["event"] == "debtor_changed"


def test_a_level_below_the_wanted_one_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=True, level="warning")

    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("trouble")

    assert [line["event"] for line in logged(capsys)] == ["trouble"]


def test_an_exception_is_logged_without_the_values_of_its_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(json=True, level="info")
    secret = "hunter" + "2"

    try:
        len(secret) / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("failed")

    output = capsys.readouterr().err
    assert "ZeroDivisionError" in output
    assert "hunter2" not in output

"""Settings that cannot be meant are refused at the start, with what to write instead."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from notifier.settings import Settings

COMMON = {
    "token_keys_file": "keys.json",
    "spool_folder": "spool",
    "service_token": "t",
    **dict.fromkeys(("api_database_url", "worker_database_url"), "postgresql://x"),
    **dict.fromkeys(
        ("public_url", "ingest_url", "engine_url", "notifier_url", "kpi_url"), "http://x"
    ),
}


def read(**more: str) -> Settings:
    return Settings.model_validate(COMMON | more)


@pytest.mark.parametrize("host", ["relay.example", "10.0.0.7", "2001:db8::1", "localhost.example"])
def test_a_password_never_goes_to_another_machine_in_clear(host: str) -> None:
    with pytest.raises(ValidationError, match="set NOTIFIER_SMTP_TLS to starttls"):
        read(smtp_host=host, smtp_username="u", smtp_password="p")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost", "LOCALHOST"])
def test_on_the_same_machine_it_may(host: str) -> None:
    assert read(smtp_host=host, smtp_username="u", smtp_password="p").smtp_tls == "none"


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_over_tls_it_may(tls: str) -> None:
    assert read(smtp_host="relay.example", smtp_username="u", smtp_tls=tls).smtp_tls == tls


def test_a_relay_that_asks_for_no_password_may_be_anywhere() -> None:
    assert read(smtp_host="catcher").smtp_username is None

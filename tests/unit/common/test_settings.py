"""Settings come from the environment, are fixed afterwards, and keep their secrets."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from dunning_common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="THING_", frozen=True, extra="ignore")

    http_port: int = 8099


ENVIRONMENT = {
    "THING_API_DATABASE_URL": "postgresql+asyncpg://a:hunter2@localhost/x",
    "THING_WORKER_DATABASE_URL": "postgresql+asyncpg://w:hunter2@localhost/x",
    "THING_PUBLIC_URL": "http://localhost:8099",
    "THING_TOKEN_KEYS_FILE": "/keys.json",
    "THING_SERVICE_TOKEN": "hunter2",
    "THING_INGEST_URL": "http://localhost:8010",
    "THING_ENGINE_URL": "http://localhost:8020",
    "THING_NOTIFIER_URL": "http://localhost:8030",
    "THING_KPI_URL": "http://localhost:8040",
    "THING_PUBLIC_URLS": '{"notifier": "https://notifier.example.com"}',
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_are_read_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("THING_HTTP_PORT", "9000")

    settings = Settings()

    assert settings.http_port == 9000
    assert settings.public_urls == {"notifier": "https://notifier.example.com"}
    assert settings.service_token.get_secret_value() == "hunter2"


def test_settings_never_show_their_secrets(environment: pytest.MonkeyPatch) -> None:
    settings = Settings()

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


def test_settings_do_not_change(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        Settings().http_port = 1


@pytest.mark.parametrize("name", sorted(set(ENVIRONMENT) - {"THING_PUBLIC_URLS"}))
def test_what_is_missing_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)

    with pytest.raises(ValidationError, match=name.removeprefix("THING_").lower()):
        Settings()

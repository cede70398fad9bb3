"""Settings that every service has; each service subclasses this with its own prefix and extras.

Built once, in bootstrap, and passed down; never a global, never read at import time.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Read from the environment; a subclass sets `env_prefix`, e.g. `NOTIFIER_`.

    The two database URLs are `postgresql+asyncpg://…` of the api and of the worker role.
    `token_keys_file` holds the public keys (JWKS) that tokens are checked with. `service_token` is
    the token this service shows to its peers. `public_url` is how browsers and webhooks reach it;
    `public_urls` says by service name how browsers reach the peers where that differs from their
    urls here (JSON, e.g. `{"notifier": "https://notifier.example.com"}`).
    """

    model_config = SettingsConfigDict(frozen=True, env_nested_delimiter="__", extra="ignore")

    api_database_url: SecretStr
    worker_database_url: SecretStr
    kafka_bootstrap: str = "127.0.0.1:9092"
    http_host: str = "127.0.0.1"
    http_port: int
    public_url: str
    token_keys_file: Path
    service_token: SecretStr
    ingest_url: str
    engine_url: str
    notifier_url: str
    kpi_url: str
    public_urls: dict[str, str] = {}
    anti_entropy_s: float = 60.0
    watchdog_s: float = 60.0
    log_json: bool = True
    log_level: str = "info"

"""The ledger's settings, from environment variables that begin with `INGEST_`."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from dunning_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """`master_key_file` holds the key that wraps every debtor's key (see `adapters.master_key`)."""

    model_config = SettingsConfigDict(
        env_prefix="INGEST_", frozen=True, env_nested_delimiter="__", extra="ignore"
    )

    http_port: int = 8010
    master_key_file: Path
    pool_size: int = 8

"""Settings of the catcher, read from the environment (`CATCHER_…`)."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class CatcherSettings(BaseSettings):
    """`folder` keeps what was caught; `spool_folder` is where the notifier puts letters.

    `segments_max` times `segment_messages` bounds how much is kept: the oldest go first.
    """

    model_config = SettingsConfigDict(env_prefix="CATCHER_", frozen=True)

    folder: Path
    spool_folder: Path | None = None
    host: str = "127.0.0.1"
    smtp_port: int = 1025
    http_port: int = 8025
    segment_messages: int = 5_000
    segments_max: int = 20

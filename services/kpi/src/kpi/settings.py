"""Settings of the kpi service, read from the environment with the prefix `KPI_`."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from dunning_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """Nothing beyond what every service has, but its own port."""

    model_config = SettingsConfigDict(
        env_prefix="KPI_", frozen=True, env_nested_delimiter="__", extra="ignore"
    )

    http_port: int = 8040

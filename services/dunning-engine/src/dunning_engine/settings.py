"""The engine's settings, read from `ENGINE_*`. Built once, in `__main__` or by a launcher."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from dunning_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the engine needs beside what every service has.

    `sweep_batch` is how many accounts are decided in one transaction, `sweepers` how many such
    transactions may run at the same time, `sweep_idle_s` how long the sweeper sleeps at most when
    nobody wakes it. `settle_s` is how long a real tenant's debtor waits after a new invoice for
    more of them, so that they are asked for in one notice. `silence_minutes` is how long a real
    tenant's notice may be in flight without news before the notifier's feed is asked.
    `clock_silence_s` is the same for a sandbox clock that waits, `ledger_patience_s` how long
    it waits for the ledger to book charges. `walkers` is how many sandbox clocks may move at
    the same time. A simulation speaks of at most `simulation_invoices_max` invoices and
    computes in `simulation_workers` processes; one runs at a time, and `simulations_waiting`
    others may wait for it.
    """

    model_config = SettingsConfigDict(
        env_prefix="ENGINE_", frozen=True, env_nested_delimiter="__", extra="ignore"
    )

    http_port: int = 8020
    sweep_batch: int = Field(default=500, ge=1, le=10_000)
    sweepers: int = Field(default=2, ge=1, le=16)
    sweep_idle_s: float = Field(default=5.0, gt=0)
    settle_s: float = Field(default=2.0, ge=0, le=3600)
    silence_minutes: float = Field(default=15.0, gt=0)
    clock_silence_s: float = Field(default=1.0, gt=0)
    ledger_patience_s: float = Field(default=5.0, ge=0)
    walkers: int = Field(default=4, ge=1, le=100)
    policy_watch_s: float = Field(default=2.0, gt=0)
    migration_batch: int = Field(default=200, ge=1, le=10_000)
    simulation_invoices_max: int = Field(default=100_000, ge=1)
    simulation_workers: int = Field(default=2, ge=1, le=64)
    simulations_waiting: int = Field(default=4, ge=0, le=1_000)

    @property
    def silence(self) -> timedelta:
        """`silence_minutes` as a duration."""
        return timedelta(minutes=self.silence_minutes)

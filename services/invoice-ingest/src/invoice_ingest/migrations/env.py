"""Alembic's entry; everything is in `dunning_common.migrate`."""

from dunning_common.migrate import run_env

run_env()

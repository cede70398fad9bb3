"""Where the engine keeps its tables; used by its migrations and by the launchers."""

from __future__ import annotations

from dunning_common.migrate import ServiceSchema

SCHEMA = ServiceSchema(package="dunning_engine", schema="engine")

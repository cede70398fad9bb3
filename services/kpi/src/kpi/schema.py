"""Where this service keeps its tables."""

from __future__ import annotations

from dunning_common.migrate import ServiceSchema

SCHEMA = ServiceSchema(package="kpi", schema="kpi")

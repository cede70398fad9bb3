"""Where the notifier keeps its tables; read by the launchers and by the migrations."""

from __future__ import annotations

from dunning_common.migrate import ServiceSchema

SCHEMA = ServiceSchema(package="notifier", schema="notifier")

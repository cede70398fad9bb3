"""Where the ledger keeps its tables."""

from __future__ import annotations

from dunning_common.migrate import ServiceSchema

SCHEMA = ServiceSchema(package="invoice_ingest", schema="ingest")

"""The four services as whoever deploys them sees them: names, prefixes of settings, ports, schemas.

The one list from which the launcher, the migration job, `doctor` and the tests of the container
description are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from dunning_common.migrate import ServiceSchema
from dunning_engine.schema import SCHEMA as ENGINE
from invoice_ingest.schema import SCHEMA as INGEST
from kpi.schema import SCHEMA as KPI
from notifier.schema import SCHEMA as NOTIFIER


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service. `key` is its name in URLs' settings and ports: `ingest`, `engine`, ..."""

    name: str
    key: str
    port: int
    schema: ServiceSchema

    @property
    def package(self) -> str:
        """Its Python package, runnable with `python -m`."""
        return self.schema.package

    @property
    def prefix(self) -> str:
        """What its environment variables begin with."""
        return f"{self.key.upper()}_"


SERVICES = (
    Service(name="invoice-ingest", key="ingest", port=8010, schema=INGEST),
    Service(name="dunning-engine", key="engine", port=8020, schema=ENGINE),
    Service(name="notifier", key="notifier", port=8030, schema=NOTIFIER),
    Service(name="kpi", key="kpi", port=8040, schema=KPI),
)

"""Checks of a running platform: services, broker, database, clocks, queues. Changes nothing."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from alembic.script import ScriptDirectory
from prometheus_client.parser import text_string_to_metric_families

from dunning_common.clock import SystemClock
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.legal_identity import lacks_of
from standalone import tokens
from standalone.catalog import SERVICES, Service
from standalone.checkup.finding import Check, Finding, failed, ok, skipped, warning
from standalone.state import Connection

SKEW_S_MAX = 5.0
OUTBOX_AGE_S_MAX = 60.0
_TIMEOUT_S = 5.0
_RESTART = "look into logs/services.log in the data folder; `make run` starts it again"


class Patient:
    """The running platform, as the checks look at it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._http = httpx.Client(timeout=_TIMEOUT_S)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def checks(self) -> Iterator[tuple[str, Check]]:
        """All checks, from the ground up."""
        yield "database", self._database
        yield "migrations", self._migrations
        yield "broker", self._broker
        for service in SERVICES:
            yield service.name, partial(self._service, service)
        yield "mail catcher", self._catcher
        yield "clocks", self._clocks
        yield "outbox", self._outbox
        yield "parked events", self._parked
        yield "creditors", self._creditors

    def _service(self, service: Service) -> Finding:
        url = self._connection.urls[service.key]
        try:
            answer = self._http.get(f"{url}/health/ready")
        except httpx.TransportError as error:
            return failed(service.name, f"no answer at {url} ({error})", _RESTART)
        body = _json(answer)
        broken = {name: state for name, state in body.get("checks", {}).items() if state != "ok"}
        if answer.is_success and not broken:
            return ok(service.name, url)
        shown = f"{url}: " + ", ".join(f"{name} {state}" for name, state in broken.items())
        if answer.is_success:
            return warning(service.name, shown, "it works on, and catches up when that is back")
        return failed(service.name, shown, _RESTART)

    def _catcher(self) -> Finding:
        url = self._connection.urls.get("catcher")
        if not url:
            return skipped("mail catcher", "this platform has none")
        try:
            self._http.get(f"{url}/health/live").raise_for_status()
        except httpx.HTTPError as error:
            return failed("mail catcher", f"no answer at {url} ({error})", _RESTART)
        return ok("mail catcher", url)

    def _broker(self) -> Finding:
        address = self._connection.kafka
        if not address:
            return skipped("broker", "not reachable from here")
        try:
            topics = asyncio.run(asyncio.wait_for(_list_topics(address), _TIMEOUT_S * 3))
        except (KafkaError, OSError, TimeoutError) as error:
            return failed(
                "broker",
                f"no answer at {address} ({error!r})",
                "events wait in the outboxes and go out when it is back; is its process running?",
            )
        return ok("broker", f"{topics} topics at {address}")

    def _admin_url(self) -> str:
        password = Path(self._connection.postgres_password_file).read_text().strip()
        return f"postgresql://postgres:{password}@{self._connection.postgres}/dunning"

    def _database(self) -> Finding:
        if not self._connection.postgres:
            return skipped("database", "not reachable from here")
        try:
            version = asyncio.run(_fetch(self._admin_url(), "SHOW server_version"))
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            return failed("database", f"{self._connection.postgres}: {error!r}", _RESTART)
        return ok("database", f"PostgreSQL {version} at {self._connection.postgres}")

    def _migrations(self) -> Finding:
        if not self._connection.postgres:
            return skipped("migrations", "the database is not reachable from here")
        behind = []
        for service in SERVICES:
            table = f"{service.schema.schema}.alembic_version"
            try:
                found = asyncio.run(_fetch(self._admin_url(), f"SELECT version_num FROM {table}"))
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                return failed("migrations", f"{service.name}: {error}", "run `make run` again")
            head = head_of(service)
            if found != head:
                behind.append(f"{service.name} is at {found}, not at {head}")
        if behind:
            return failed("migrations", "; ".join(behind), "stop and run `make run` again")
        return ok("migrations", "all at head")

    def _clocks(self) -> Finding:
        """Tokens live by the clock: machines that disagree refuse each other's."""
        now = SystemClock().now()
        apart: dict[str, float] = {}
        try:
            answer = self._http.get(f"{self._connection.urls['ingest']}/health/live")
            if self._connection.postgres:
                theirs = asyncio.run(_fetch(self._admin_url(), "SELECT clock_timestamp()"))
                apart["database"] = _apart(theirs, now)
        except (OSError, asyncpg.PostgresError, TimeoutError, httpx.HTTPError) as error:
            return skipped("clocks", f"cannot compare: {error!r}")
        if "date" in answer.headers:
            served_at = parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
            apart["services"] = max(
                0.0, _apart(served_at, now) - 1.0
            )  # the header has no fractions
        if not apart:
            return skipped("clocks", "nobody says what time it is")
        worst = max(apart, key=lambda name: apart[name])
        if apart[worst] > SKEW_S_MAX:
            return failed(
                "clocks", f"{worst} is {apart[worst]:.0f} s apart", "set the clocks by NTP"
            )
        return ok("clocks", f"within {max(apart.values()):.1f} s")

    def _outbox(self) -> Finding:
        ages: dict[str, float] = {}
        for service in SERVICES:
            try:
                text = self._http.get(f"{self._connection.urls[service.key]}/metrics").text
            except httpx.TransportError:
                continue
            ages[service.name] = max(outbox_ages(text), default=0.0)
        if not ages:
            return skipped("outbox", "no service answers")
        oldest = max(ages, key=lambda name: ages[name])
        shown = f"oldest unpublished event: {ages[oldest]:.0f} s ({oldest})"
        if ages[oldest] > OUTBOX_AGE_S_MAX:
            return failed("outbox", shown, "is the broker reachable? see the check `broker`")
        return ok("outbox", shown)

    def _parked(self) -> Finding:
        """Events that a consumer could not apply wait for a person."""
        token = tokens.for_services(Path(self._connection.signing_key_file), SystemClock())
        headers = {"authorization": f"Bearer {token}"}
        counts: dict[str, int] = {}
        for service in SERVICES:
            url = f"{self._connection.urls[service.key]}/internal/parked"
            try:
                answer = self._http.get(url, headers=headers)
            except httpx.TransportError:
                continue
            if answer.is_success:
                counts[service.name] = len(_json(answer).get("items", ()))
        parked = {name: count for name, count in counts.items() if count}
        if parked:
            return failed(
                "parked events",
                ", ".join(f"{name}: {count}" for name, count in parked.items()),
                "GET /internal/parked shows why; mend the cause, then retry or discard them there",
            )
        return ok("parked events", "none") if counts else skipped("parked events", "no answer")

    def _creditors(self) -> Finding:
        """What formal notices would fail for."""
        if not self._connection.postgres:
            return skipped("creditors", "the database is not reachable from here")
        sql = "SELECT coalesce(jsonb_agg(profile ORDER BY tenant), '[]')::text FROM ingest.tenant"
        try:
            found = asyncio.run(_fetch(self._admin_url(), sql))
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            return skipped("creditors", f"cannot be read: {error!r}")
        return creditors([TenantRegisteredV1.model_validate(one) for one in json.loads(found)])


def creditors(tenants: Sequence[TenantRegisteredV1]) -> Finding:
    """Whether every tenant is registered with what its country wants on formal letters."""
    lacking = {tenant.tenant_id: lacks_of(tenant) for tenant in tenants}
    shown = [
        f"{name}: {', '.join(lack.pointer[1:].replace('/', '.') for lack in lacks)}"
        for name, lacks in lacking.items()
        if lacks
    ]
    if shown:
        return warning(
            "creditors",
            f"formal notices will fail without {'; '.join(shown)}",
            "register the tenant again with it; GET /v1/tenants/{tenant} names the law",
        )
    return ok("creditors", f"{len(tenants)} registered with what their formal notices need")


def head_of(service: Service) -> str | None:
    """The newest migration that is installed."""
    package = importlib.import_module(service.package)
    folder = Path(str(package.__file__)).parent / "migrations"
    return ScriptDirectory(str(folder)).get_current_head()


def outbox_ages(metrics: str) -> list[float]:
    """Seconds, from a Prometheus exposition."""
    return [
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "dunning_outbox_age_seconds"
    ]


async def _list_topics(address: str) -> int:
    client = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=4_000)
    try:
        await client.start()
        return len(await client.list_topics())
    finally:
        await client.close()


async def _fetch(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url, timeout=_TIMEOUT_S)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def _apart(one: datetime, other: datetime) -> float:
    return abs((one - other).total_seconds())


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

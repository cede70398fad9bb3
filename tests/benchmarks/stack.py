"""Services as processes of their own, as in containers, on an empty database and an empty broker.

The processes get the variables that the launcher would give them.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from dunning_common.clock import SystemClock
from dunning_common.db import Database
from dunning_common.migrate import ServiceSchema
from standalone import environment, ports, tokens
from standalone.catalog import SERVICES
from standalone.client import Client, Target
from standalone.embedded import child
from standalone.embedded.broker import EmbeddedBroker
from standalone.embedded.postgres import EmbeddedPostgres
from standalone.state import State
from tests.benchmarks import smtp_sink
from tests.conftest import PASSWORD, Databases

TENANT = "acme"
ALL = "all"
"""Names the process that runs the four services, as on one machine."""

MODULES: Mapping[str, str] = {s.key: s.package for s in SERVICES} | {ALL: "standalone.services"}
SERVICE_KEYS = [service.key for service in SERVICES]
_PATIENCE_S = 120.0


class Stack:
    """What was started, and how to reach it. Make it with `Stack.make`; `close` ends everything."""

    def __init__(
        self, state: State, *, database: str, databases: Databases, sql: asyncpg.Connection[Any],
        place: environment.Place, broker: EmbeddedBroker,
    ) -> None:  # fmt: skip
        self.sql = sql
        self.place = place
        self.database = database
        self._databases = databases
        self._state = state
        self._broker = broker
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._clients: list[Client] = []

    @classmethod
    async def make(cls, folder: Path, databases: Databases, postgres: EmbeddedPostgres) -> Stack:
        state = State.open(folder)
        state.ensure_secrets()
        broker = EmbeddedBroker(folder / "broker")
        broker.start()
        free = {name: child.free_port() for name in ports.USUAL}
        place = environment.Place(
            ports=free | {"postgres": postgres.port},
            database_password=PASSWORD,
            token_keys_file=state.token_keys_file,
            master_key_file=state.master_key_file,
            evidence_key_file=state.evidence_key_file,
            service_token=tokens.for_services(state.signing_key_file, SystemClock()),
            provider_secret="none",
            spool_folder=state.private("spool"),
            kafka=broker.bootstrap,
            log_level="warning",
        )
        database = await databases.clone(*(service.schema for service in SERVICES))
        sql = await asyncpg.connect(databases.admin_url(database))
        return cls(
            state, database=database, databases=databases, sql=sql, place=place, broker=broker
        )

    async def close(self) -> None:
        for client in self._clients:
            await client.__aexit__(None, None, None)
        for process in self._children.values():
            child.stop(process, how=signal.SIGTERM, timeout_s=10)
        self._broker.stop()
        await self.sql.close()
        self._state.close()

    async def start(self, key: str, *, replica: int = 1, **variables: str) -> int:
        """Start a service and wait until it is ready; its process id.

        A second replica listens on a port of its own and shares everything else with the first.
        """
        env = environment.variables(self.place)
        env = {
            name: value.removesuffix("/dunning") + f"/{self.database}"
            if name.endswith("_DATABASE_URL")
            else value
            for name, value in env.items()
        }
        urls = [self.place.url(name) for name in (SERVICE_KEYS if key == ALL else [key])]
        name = key
        if replica > 1:
            name, port = f"{key}-{replica}", child.free_port()
            urls = [f"http://127.0.0.1:{port}"]
            variables = {f"{key.upper()}_HTTP_PORT": str(port)} | variables
        process = self._run(name, [sys.executable, "-m", MODULES[key]], env | variables)
        async with httpx.AsyncClient(timeout=10) as http:

            async def are_ready() -> bool:
                assert process.poll() is None, self._trouble(name)
                return all([await _is_ready(http, url) for url in urls])

            await until(are_ready, lambda: self._trouble(name))
        return process.pid

    async def start_sink(self) -> None:
        """Start a mail server that takes everything."""
        port = self.place.ports["smtp"]
        script = str(Path(smtp_sink.__file__))
        self._run("sink", [sys.executable, script, str(port)], environment.passed_on())
        await until(lambda: asyncio.to_thread(child.is_listening, port))

    def stop(self, key: str) -> None:
        """End a service."""
        child.stop(self._children.pop(key), how=signal.SIGTERM, timeout_s=10)

    async def client(self) -> Client:
        """Somebody who may do everything for the tenant."""
        token = tokens.for_person(self._state.signing_key_file, SystemClock(), tenant=TENANT)
        urls = {service.key: self.place.url(service.key) for service in SERVICES}
        made = Client(Target(urls=urls, token=lambda: token, tenant=TENANT))
        self._clients.append(made)
        return made

    async def open(self, schema: ServiceSchema) -> Database:
        """The database as a service sees it."""
        return await self._databases.open(schema, self.database)

    async def until_published(self, schema: ServiceSchema) -> None:
        """Wait until the relay of a service has nothing left to publish."""
        await self.until_sql(
            f"SELECT NOT EXISTS (SELECT FROM {schema.schema}.outbox o WHERE NOT EXISTS "
            f"(SELECT FROM {schema.schema}.relay_cursor c "
            "WHERE pg_visible_in_snapshot(o.txid, c.snapshot)))"
        )

    async def until_sql(self, query: str, *arguments: object) -> None:
        """Wait until a query answers true."""
        await until(lambda: self.sql.fetchval(query, *arguments), lambda: self._trouble(query))

    def _run(self, key: str, command: list[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        log = self._state.folder / f"{key}.log"
        self._children[key] = child.start(command, log=log, env=env)
        return self._children[key]

    def _trouble(self, waited_for: str) -> str:
        """What was waited for, and the last words of everything that runs."""
        ends = [
            f"{key}: {log.read_text(errors='replace')[-2000:]}"
            for key, process in self._children.items()
            if (log := self._state.folder / f"{key}.log").exists()
            and (process.poll() is None or process.returncode != 0)
        ]
        return "\n".join([waited_for, *ends])


async def until(probe: Callable[[], Awaitable[Any]], trouble: Callable[[], str] = str) -> None:
    """Wait until the probe answers true."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while not await probe():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"it never came: {trouble()}")
        await asyncio.sleep(0.1)


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    with suppress(httpx.TransportError):
        return (await http.get(f"{url}/health/ready")).is_success
    return False


def tenant_body() -> dict[str, Any]:
    """A creditor that follows the real clock."""
    return {
        "name": "Atelier Dubois",
        "country": "FR",
        "zone": "Europe/Paris",
        "language": "fr",
        "base_currency": "EUR",
        "legal": {
            "legal_name": "Atelier Dubois",
            "form": "SARL",
            "address": {
                "lines": ["1 rue de la Paix"], "postcode": "75002", "city": "Paris",
                "country": "FR",
            },
        },
        "bank": {"holder": "Atelier Dubois SARL", "iban": "FR7630006000011234567890189"},
        "email_from": "compta@dubois.example.com",
    }  # fmt: skip


def debtor_item(number: int) -> dict[str, Any]:
    """One debtor of many, for the bulk endpoint; only e-mail reaches it."""
    return {
        "debtor_id": f"D{number:05}",
        "name": f"Boulangerie {number}",
        "kind": "business",
        "country": "FR",
        "contacts": {"emails": [f"compta@boulangerie-{number}.example.com"]},
    }


def invoice_item(number: int, debtor: int, *, due_on: date, **more: Any) -> dict[str, Any]:
    """One invoice of many, for the bulk endpoint; it was issued 30 days before it is due."""
    return {
        "invoice_id": f"F{number:07}",
        "debtor_id": f"D{debtor:05}",
        "issued_on": date.fromordinal(due_on.toordinal() - 30).isoformat(),
        "due_on": due_on.isoformat(),
        "currency": "EUR",
        "amount": f"{100 + number % 9000}.{number % 100:02}",
    } | more


async def fill(client: Client, kind: str, items: list[dict[str, Any]]) -> None:
    """Send items to a bulk endpoint, a thousand a request; all of them are new and good."""
    for first in range(0, len(items), 1_000):
        batch = items[first : first + 1_000]
        answer = await client.post_lines("ingest", f"/v1/bulk/{kind}", batch)
        assert answer["summary"]["created"] == len(batch), answer["items"][:3]


ALWAYS_OPEN: Mapping[str, Any] = {
    "name": "Always open",
    "calendar": {
        "weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "opens": "00:00",
        "closes": "23:59",
        "holidays": "ignore",
    },
    "levels": [
        {
            "code": "first_reminder", "threshold_days": 0, "channels": ["email"],
            "template": "first_reminder",
        },
    ],
}  # fmt: skip
"""A policy that may write at any hour of any day, so that it does not matter when one measures."""

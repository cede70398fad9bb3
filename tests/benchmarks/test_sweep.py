"""How fast the engine decides about due cases, beside plain SQL claiming and writing the same rows;
and what a sweep costs that finds nothing due among a million open cases.

Deciding includes loading the dossiers, the decision and its record; the limits are told what to
write. There are three: PostgreSQL copies the rows from a table beside, and none leaves it; or a
program sends them, a table a statement or a row a statement (`plain_client`). Sweepers are
processes, one for each of two cores, as in production; each limit has as many connections.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from dunning_common.auth import make_key_pair
from dunning_engine.adapters.pg_signals import CHANNEL, PRODUCTION
from dunning_engine.schema import SCHEMA
from dunning_engine.settings import Settings
from dunning_engine.testing import Bench, Ledger, always_open
from standalone import environment
from standalone.embedded import child
from tests.benchmarks.conftest import Record
from tests.benchmarks.measure import median, scaled
from tests.benchmarks.rows import (
    CLAIM,
    INSERTED,
    UPDATED,
    Table,
    changed_columns,
    plain_update,
    tables_of,
)
from tests.benchmarks.stack import until
from tests.conftest import Databases

pytestmark = pytest.mark.benchmark

PROCESSES = 2
ROUNDS = 3
DUE_CASES = 20_000
"""In each round."""
CASES_PER_ACCOUNT = 2
OPEN_CASES = 1_000_000
IDLE_SWEEPS = 200
FED = 1_000
MIB = 2**20

Sql: TypeAlias = "asyncpg.Connection[Any]"

ROOT = Path(__file__).resolve().parents[2]
COMPILED = os.environ.get("DUNNING_COMPILED_CORE")
"""Where `make compiled` put the engine's core; `make bench` says so."""
CORES: Mapping[str, Mapping[str, str]] = (
    {"sweep": {"PYTHONPATH": COMPILED}, "sweep_uncompiled": {}} if COMPILED else {"sweep": {}}
)

BATCH = Settings.model_fields["sweep_batch"].default
PROBE = """
SELECT next_action_at FROM account
WHERE time_source = 'real' AND next_action_at <= statement_timestamp()
  AND returns = returns_checked
ORDER BY next_action_at LIMIT 1
"""
WAKE = """
UPDATE account SET next_action_at = clock_timestamp()
WHERE substr(debtor_id, 2)::int % $1 = $2
"""
WAYS_TO_SEND = ("rows", "sets")
"""Of `plain_client`."""


async def test_sweep(databases: Databases, record: Record, tmp_path: Path) -> None:
    accounts = scaled(DUE_CASES) // CASES_PER_ACCOUNT
    rounds = ROUNDS * len(CORES)
    name = await databases.clone(SCHEMA)
    bench = Bench(await databases.open(SCHEMA, name))
    await open_cases(bench, accounts * rounds)
    await bench.db.close()
    await grow_older(databases, name)
    copy_name = await copy_database(databases, name, "plain")

    done = await connect(databases, name)
    values: dict[str, list[float]] = {figure: [] for figure in CORES}
    memory: dict[str, list[float]] = {figure: [] for figure in CORES}
    for place, (figure, core) in enumerate(CORES.items()):
        async with sweepers(databases, name, tmp_path, core) as pids:
            for number in range(place * ROUNDS, (place + 1) * ROUNDS):
                seconds = await swept(done, number, rounds)
                values[figure].append(accounts * CASES_PER_ACCOUNT / seconds)
                memory[figure].append(max(map(child.memory_bytes, pids)) / MIB)
    counted = await done.fetchval("SELECT count(*) FROM case_level WHERE outcome = 'in_flight'")
    assert counted == accounts * rounds * CASES_PER_ACCOUNT

    tables = await tables_of(done, (*UPDATED, *INSERTED))
    await keep(databases, done, copy_name, tables)
    copies = {way: await copy_database(databases, copy_name, way) for way in WAYS_TO_SEND}
    plain = [await connect(databases, copy_name) for _ in range(PROCESSES)]
    limits = []
    for number in range(rounds):
        await plain[0].execute(WAKE, rounds, number)
        started = time.perf_counter()
        await asyncio.gather(*(write_all_plainly(sql, tables) for sql in plain))
        limits.append(accounts * CASES_PER_ACCOUNT / (time.perf_counter() - started))
    await check_same(done, plain[0], tables)
    sent: dict[str, list[float]] = {}
    for way, copied in copies.items():
        sent[way] = [
            accounts * CASES_PER_ACCOUNT / seconds
            async for seconds in sending(databases, copied, way, rounds)
        ]
        async with connected(databases, copied) as sql:
            await check_same(done, sql, tables)

    for sql in (done, *plain):
        await sql.close()
    for figure, found in values.items():
        record(figure, median(found), "cases/s", median(limits))
    for way, found in sent.items():
        record(f"sweep_of_{way}_sent", median(values["sweep"]), "cases/s", median(found))
    # Of memory less is better, so the ratio is limit / value (see `Line.ratio`).
    first, *_, last = memory["sweep"]
    record("sweep_memory_mib", last, "MiB", first)


@asynccontextmanager
async def sweepers(
    databases: Databases, name: str, folder: Path, core: Mapping[str, str]
) -> AsyncIterator[list[int]]:
    """`python -m dunning_engine sweep`, several times, ready for work; their process ids."""
    make_key_pair(folder / "private.pem", folder / "keys.json")
    started: list[subprocess.Popen[bytes]] = []
    logs = [folder / f"sweeper-{number}.log" for number in range(PROCESSES)]
    try:
        for log in logs:
            port = child.free_port()
            env = environment.passed_on() | {
                **core,
                "ENGINE_API_DATABASE_URL": databases.role_url(SCHEMA.api_role, name),
                "ENGINE_WORKER_DATABASE_URL": databases.role_url(SCHEMA.worker_role, name),
                "ENGINE_TOKEN_KEYS_FILE": str(folder / "keys.json"),
                "ENGINE_SERVICE_TOKEN": "none",
                "ENGINE_HTTP_PORT": str(port),
                "ENGINE_LOG_LEVEL": "warning",
                **{
                    f"ENGINE_{url}_URL": "http://127.0.0.1:9"
                    for url in ("PUBLIC", "INGEST", "ENGINE", "NOTIFIER", "KPI")
                },
            }
            command = [sys.executable, "-m", "dunning_engine", "sweep"]
            started.append(child.start(command, log=log, env=env))
            await until(partial(asyncio.to_thread, child.is_listening, port), log.read_text)
        yield [process.pid for process in started]
    finally:
        for process in started:
            child.stop(process, how=signal.SIGTERM, timeout_s=10)


async def swept(sql: Sql, number: int, rounds: int) -> float:
    """Make the accounts of a round due and call the sweepers; the seconds until none is."""
    async with sql.transaction():
        await sql.execute(WAKE, rounds, number)
        await sql.execute("SELECT pg_notify($1, $2)", CHANNEL, PRODUCTION)
    started = time.perf_counter()

    async def none_is_due() -> bool:
        return await sql.fetchval(PROBE) is None

    await until(none_is_due)
    return time.perf_counter() - started


async def test_sweep_idle(databases: Databases, record: Record) -> None:
    name = await databases.clone(SCHEMA)
    bench = Bench(await databases.open(SCHEMA, name))
    sql = await connect(databases, name)
    await fill_with_open_cases(sql, scaled(OPEN_CASES, least=1_000))

    values, limits = [], []
    for _ in range(scaled(IDLE_SWEEPS, least=10)):
        started = time.perf_counter()
        assert await bench.sweep() == 0
        swept = time.perf_counter()
        assert await sql.fetchval(PROBE) is None
        values.append((swept - started) * 1000)
        limits.append((time.perf_counter() - swept) * 1000)

    plan = "\n".join(row[0] for row in await sql.fetch(f"EXPLAIN {PROBE}"))
    assert "Index Only Scan using account_due_real" in plan, plan
    await sql.close()
    # Of times less is better, so the ratio is limit / value (see `Line.ratio`).
    record("sweep_idle_ms", median(values), "ms", median(limits))


async def open_cases(bench: Bench, accounts: int) -> None:
    """Cases of a real tenant under a policy that may write at any hour; none of them is due."""
    ledger = Ledger()
    today = datetime.now(UTC).date()
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", always_open("always"), source="", stored_by="me")
        await stores.policies.set_default("acme", "always")
    await bench.feed(ledger.registered())
    events = [ledger.debtor(f"d{n}", zone="UTC") for n in range(accounts)]
    events += [
        ledger.invoice(
            f"i{n}-{m}", debtor_id=f"d{n}", issued_on=today, due_on=today + timedelta(days=30)
        )
        for n in range(accounts)
        for m in range(CASES_PER_ACCOUNT)
    ]
    for first in range(0, len(events), FED):
        await bench.feed(*events[first : first + FED])
    while await bench.sweep():
        pass


async def grow_older(databases: Databases, name: str) -> None:
    """Let time pass: all invoices are a month older; none of the accounts is due yet."""
    sql = await connect(databases, name)
    await sql.execute("UPDATE dunning_case SET issued_on = issued_on - 31, due_on = due_on - 31")
    await sql.execute("UPDATE account SET next_action_at = clock_timestamp() + interval '1 day'")
    await sql.execute("VACUUM ANALYZE")
    await sql.close()


async def copy_database(databases: Databases, name: str, way: str) -> str:
    """The same once more; nobody may be connected."""
    copied = f"{name}_{way}"
    sql = await asyncpg.connect(databases.admin_url("postgres"))
    await sql.execute(f"CREATE DATABASE {copied} TEMPLATE {name}")
    await sql.close()
    return copied


async def connect(databases: Databases, name: str) -> Sql:
    """The owner of everything, in the engine's schema."""
    return await asyncpg.connect(
        databases.admin_url(name), server_settings={"search_path": SCHEMA.schema, "jit": "off"}
    )


@asynccontextmanager
async def connected(databases: Databases, name: str) -> AsyncIterator[Sql]:
    """As `connect`, closed at the end."""
    sql = await connect(databases, name)
    yield sql
    await sql.close()


async def keep(databases: Databases, done: Sql, copy_name: str, tables: Sequence[Table]) -> None:
    """Bring what the sweep wrote, to be written again: each table's rows into `kept`."""
    async with connected(databases, copy_name) as plain:
        await _keep(done, plain, tables)


async def _keep(done: Sql, plain: Sql, tables: Sequence[Table]) -> None:
    await plain.execute("CREATE SCHEMA kept")
    for table in tables:
        rows = io.BytesIO()
        await done.copy_from_table(table.name, columns=table.columns, output=rows, format="binary")
        columns = ", ".join(table.columns)
        await plain.execute(
            f"CREATE TABLE kept.{table.name} AS SELECT {columns} FROM {table.name} WITH NO DATA"
        )
        await plain.copy_to_table(
            table.name, schema_name="kept", columns=table.columns,
            source=io.BytesIO(rows.getvalue()), format="binary",
        )  # fmt: skip
        if table.name in INSERTED:  # what the opening wrote is there already
            await plain.execute(
                f"DELETE FROM kept.{table.name} k USING {table.name} t {table.same}"
            )
        await plain.execute(f"CREATE INDEX ON kept.{table.name} ({table.owner})")
    await plain.execute("ANALYZE")


async def write_all_plainly(sql: Sql, tables: Sequence[Table]) -> None:
    """Batch by batch, each in one transaction, as a sweeper does it."""
    while await write_plainly(sql, tables):
        pass


async def write_plainly(sql: Sql, tables: Sequence[Table]) -> int:
    """One batch. Returns the number of accounts."""
    async with sql.transaction():
        debtors = [row["debtor_id"] for row in await sql.fetch(CLAIM, BATCH)]
        keys = [f"acme:{debtor}" for debtor in debtors]
        for table in tables if debtors else ():
            of_these = keys if table.owner == "key" else debtors
            if table.name in UPDATED:
                await sql.execute(plain_update(table), of_these)
            else:
                columns = ", ".join(table.columns)
                await sql.execute(
                    f"INSERT INTO {table.name} ({columns}) SELECT {columns} "
                    f"FROM kept.{table.name} WHERE {table.owner} = ANY($1)",
                    of_these,
                )
    return len(debtors)


async def sending(databases: Databases, name: str, way: str, rounds: int) -> AsyncIterator[float]:
    """Make the accounts of each round due and let programs send their rows; the seconds of each."""
    command = [
        sys.executable, "-m", "tests.benchmarks.plain_client",
        databases.admin_url(name), SCHEMA.schema, way, str(BATCH),
    ]  # fmt: skip
    clients = [
        subprocess.Popen(  # noqa: ASYNC220 -- nothing else waits meanwhile
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(PROCESSES)
    ]
    listening = [client.stdin for client in clients if client.stdin]
    talking = [client.stdout for client in clients if client.stdout]

    async def heard(word: str) -> None:
        for talk in talking:
            assert (await asyncio.to_thread(talk.readline)).strip() == word

    try:
        await heard("ready")
        async with connected(databases, name) as sql:
            for number in range(rounds):
                await sql.execute(WAKE, rounds, number)
                started = time.perf_counter()
                for listen in listening:
                    print("go", file=listen, flush=True)
                await heard("done")
                yield time.perf_counter() - started
    finally:
        for client in clients:
            client.communicate(timeout=60)


async def check_same(done: Sql, plain: Sql, tables: Sequence[Table]) -> None:
    """Every row that the sweep wrote was written again."""
    for table in tables:
        count = f"SELECT count(*) FROM {table.name}"
        assert await plain.fetchval(count) == await done.fetchval(count), table.name
        assert await changed_columns(plain, table) == [], table.name


async def fill_with_open_cases(sql: Sql, cases: int) -> None:
    """Open cases of a real tenant whose next reminder is days away."""
    await sql.execute(
        "INSERT INTO tenant VALUES ('acme', 'Acme', 'FR', 'Europe/Paris', 'fr', 'EUR', false)"
    )
    await sql.execute(
        """
        INSERT INTO account (tenant, debtor_id, time_source, kind, country, zone, language,
            next_action_at)
        SELECT 'acme', 'd' || n, 'real', 'business', 'FR', 'Europe/Paris', 'fr',
            clock_timestamp() + interval '1 day' + n * interval '1 second'
        FROM generate_series(1, $1::int) AS n
        """,
        cases // CASES_PER_ACCOUNT,
    )
    await sql.execute(
        """
        INSERT INTO dunning_case (tenant, invoice_id, debtor_id, number, issued_on, due_on,
            currency, amount_minor, open_minor, charges_open_minor, status, version, policy_id,
            policy_version, opened_at, state, next_level_no, next_level, next_at)
        SELECT 'acme', 'i' || n, 'd' || 1 + n % $2, 'N' || n, current_date - 20, current_date + 10,
            'EUR', 10000, 10000, 0, 'open', 1, 'france-b2b', 1, clock_timestamp(), 'scheduled', 1,
            'courtesy', clock_timestamp() + interval '1 day'
        FROM generate_series(1, $1::int) AS n
        """,
        cases,
        cases // CASES_PER_ACCOUNT,
    )
    await sql.execute("VACUUM ANALYZE")

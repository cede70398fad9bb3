"""The parts that all runs share, on this machine: PostgreSQL, a broker, the nursery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from standalone.embedded.broker import EmbeddedBroker
from standalone.embedded.postgres import EmbeddedPostgres
from tests.conftest import Databases
from tests.faults.nursery import Nursery
from tests.faults.world import Machine


@contextmanager
def _servers(kafka: str | None) -> Iterator[tuple[Path, EmbeddedPostgres, str]]:
    memory = Path("/dev/shm")
    with ExitStack() as stack:
        place = memory if memory.is_dir() else None
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dunning-faults-", dir=place)))
        folder.chmod(0o755)
        postgres = EmbeddedPostgres(folder / "postgres", durable=False)
        postgres.start()
        stack.callback(postgres.stop)
        if kafka is None:
            broker = EmbeddedBroker(folder / "broker")
            broker.start()
            stack.callback(broker.stop)
            kafka = broker.bootstrap
        yield folder, postgres, kafka


@asynccontextmanager
async def open_machine(kafka: str | None = None) -> AsyncIterator[Machine]:
    """Start everything in a folder that is deleted afterwards; `kafka` is a broker that runs."""
    with _servers(kafka) as (folder, postgres, bootstrap):
        databases = Databases(postgres)
        async with Nursery() as nursery:
            yield Machine(databases=databases, kafka=bootstrap, nursery=nursery, folder=folder)
        await databases.close()

"""Apache Kafka itself for tests: gathered by Maven, started as KRaft on loopback, gone afterwards.

`python -m standalone.embedded.kafka run -- COMMAND …` runs a command with `DUNNING_TEST_KAFKA`
naming the broker. Not part of the platform: standalone uses the embedded broker, production a
cluster.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from standalone.embedded import child

VARIABLES = ("DUNNING_TEST_KAFKA", "DUNNING_KAFKA")
"""What tests look at, and what `dunning up` looks at."""
_START_TIMEOUT_S = 60.0
_CHECKOUT = Path(__file__).resolve().parents[5]
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class KafkaError(RuntimeError):
    """Kafka cannot be had or did not start; the message says what to do."""


class ApacheKafka:
    """One broker that is its own controller, with data in `folder`."""

    def __init__(self, folder: Path, jars: Path, *, port: int | None = None) -> None:
        """Args: an empty folder, the jars that `gather` found, the preferred port."""
        self._folder = folder
        self._jars = jars
        self.port = child.free_port(port)
        self._log = folder / "kafka.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """What a Kafka client needs to know."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Format its storage, start it, wait until it accepts connections.

        Raises:
            KafkaError: it did not come up.
        """
        properties = self._folder / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=self.port, controller_port=child.free_port(), folder=self._folder
            )
        )
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formatting = child.start(
            self._java(
                "kafka.tools.StorageTool", "format", "--standalone",
                "-t", cluster, "-c", str(properties),
            ),
            log=self._log,
        )  # fmt: skip
        if formatting.wait(_START_TIMEOUT_S) != 0:
            raise KafkaError(self._with_log("its storage could not be formatted"))
        self._process = child.start(self._java("kafka.Kafka", str(properties)), log=self._log)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if child.is_listening(self.port):
                return
            time.sleep(0.1)
        raise KafkaError(self._with_log("it did not start"))

    def stop(self) -> None:
        """End it; the data in its folder are of no use any more."""
        if self._process is not None:
            child.stop(self._process, how=signal.SIGTERM, timeout_s=15)
            self._process = None

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        options = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true"]
        return [_program("java"), *options, "-cp", f"{self._jars}/*", main_class, *arguments]

    def _with_log(self, what: str) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return f"Apache Kafka: {what}; the end of its log:\n" + "\n".join(lines[-15:])


def gather(pom: Path, target: Path) -> Path:
    """The folder of Kafka's jars below `target`, filled by Maven unless it is filled already.

    Raises:
        KafkaError: Java or Maven is missing, or Maven failed.
    """
    version = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    jars = target / version
    if jars.is_dir():
        return jars
    _program("java")
    maven = _program("mvn")
    target.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=target))
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    done = subprocess.run([*command, f"-DoutputDirectory={fresh}"], check=False)
    if done.returncode != 0:
        shutil.rmtree(fresh)
        raise KafkaError("Maven could not gather Apache Kafka; the lines above say why")
    fresh.rename(jars)
    return jars


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise KafkaError(
            f"Apache Kafka needs Java 17 and Maven, and there is no `{name}`: "
            "apt-get install openjdk-17-jre-headless maven"
        )
    return found


async def wipe(bootstrap: str) -> None:
    """Delete all topics: the next platform on this broker finds it as new.

    Without it a platform with an empty database would read what an earlier one wrote.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        while topics := [name for name in await admin.list_topics() if not name.startswith("__")]:
            await admin.delete_topics(topics)
            await asyncio.sleep(0.2)  # the broker deletes in the background
    finally:
        await admin.close()


def run(command: list[str]) -> int:
    """Run a command beside a fresh broker; its exit status.

    Raises:
        KafkaError: there is no broker to run it with.
    """
    jars = gather(_CHECKOUT / "deploy" / "kafka" / "pom.xml", _CHECKOUT / "build" / "kafka")
    with tempfile.TemporaryDirectory(prefix="dunning-kafka-") as folder:
        kafka = ApacheKafka(Path(folder), jars)
        kafka.start()
        print(f"Apache Kafka at {kafka.bootstrap}", flush=True)
        try:
            names = dict.fromkeys(VARIABLES, kafka.bootstrap)
            environment = os.environ | names
            return subprocess.run(command, check=False, env=environment).returncode
        finally:
            kafka.stop()


def main(arguments: list[str]) -> int:
    """`run -- COMMAND …`."""
    if arguments[:2] != ["run", "--"] or not arguments[2:]:
        print("usage: python -m standalone.embedded.kafka run -- COMMAND …", file=sys.stderr)
        return 2
    try:
        return run(arguments[2:])
    except KafkaError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

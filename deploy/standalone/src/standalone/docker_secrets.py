"""Makes what docker-compose.yml asks for: passwords, a token, a key pair, addresses for `dunning`.

`python -m standalone.docker_secrets FOLDER ENV_FILE` (that is `make docker-secrets`). Whatever
exists is kept, so running it again changes nothing.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from dunning_common.auth import make_key_pair
from dunning_common.clock import SystemClock
from invoice_ingest.adapters.master_key import make_master_key
from notifier.adapters.evidence_key import make_evidence_key
from standalone import tokens
from standalone.catalog import SERVICES
from standalone.state import Connection

VARIABLES = ("DUNNING_POSTGRES_PASSWORD", "DUNNING_DATABASE_PASSWORD", "DUNNING_SERVICE_TOKEN")


def make(folder: Path, env_file: Path) -> None:
    """Fill `folder` with keys and `connection.json`, and add what is missing to `env_file`."""
    folder.mkdir(parents=True, exist_ok=True)
    key_file, keys_file = folder / "signing-key.pem", folder / "token-keys.json"
    folder.chmod(0o700)
    if not keys_file.exists():
        make_key_pair(key_file, keys_file)
    make_master_key(folder / "master-key")
    make_evidence_key(folder / "evidence-key.pem")
    for name in ("master-key", "evidence-key.pem"):
        # A container reads it as another user; the folder keeps others out.
        (folder / name).chmod(0o644)
    known = _variables(env_file)
    lines = [f"{name}={_value(name, key_file)}\n" for name in VARIABLES if name not in known]
    env_file.touch(mode=0o600)
    with env_file.open("a") as file:
        file.writelines(lines)
    _connection(folder, key_file).write(folder / "connection.json")


def _variables(env_file: Path) -> set[str]:
    if not env_file.exists():
        return set()
    return {line.partition("=")[0].strip() for line in env_file.read_text().splitlines()}


def _value(name: str, key_file: Path) -> str:
    if name == "DUNNING_SERVICE_TOKEN":
        return tokens.for_services(key_file, SystemClock())
    return secrets.token_urlsafe(24)


def _connection(folder: Path, key_file: Path) -> Connection:
    ports = {service.key: service.port for service in SERVICES} | {"catcher": 8025}
    return Connection(
        urls={key: f"http://127.0.0.1:{port}" for key, port in ports.items()},
        smtp="",
        kafka="",
        postgres="",
        postgres_password_file="",
        signing_key_file=str(key_file.resolve()),
        spool_folder="",
        data=str(folder.resolve()),
        pid=0,
    )


def main(arguments: list[str]) -> int:
    """Make everything and say where it is."""
    folder, env_file = (Path(argument) for argument in arguments)
    make(folder, env_file)
    print(f"passwords and token: {env_file}\nkeys: {folder}")
    print(f"for the command line: export DUNNING_CONNECTION={folder / 'connection.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

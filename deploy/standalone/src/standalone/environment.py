"""The environment variables that the services get on one machine: addresses, roles, the token.

The same variables that a container gets, so a service never knows that it is embedded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from standalone.catalog import SERVICES

HOST = "127.0.0.1"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Everything the variables are made of. `ports` is as `ports.choose` gives it."""

    ports: Mapping[str, int]
    database_password: str
    token_keys_file: Path
    master_key_file: Path
    evidence_key_file: Path
    service_token: str
    provider_secret: str
    spool_folder: Path
    kafka: str
    log_level: str = "info"

    def url(self, key: str) -> str:
        """Base URL of a service, or of the catcher."""
        return f"http://{HOST}:{self.ports[key]}"


def passed_on() -> dict[str, str]:
    """What every process of ours gets from the environment of the launcher."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def variables(place: Place) -> dict[str, str]:
    """The whole environment of the process that runs the services.

    Variables of ours that the user has set (`NOTIFIER_…`) come last: they win.
    """
    found = passed_on()
    for service in SERVICES:
        found |= {service.prefix + name: value for name, value in _common(place, service.key)}
    found |= _notifier(place)
    found["INGEST_MASTER_KEY_FILE"] = str(place.master_key_file)
    prefixes = tuple(service.prefix for service in SERVICES)
    found |= {name: value for name, value in os.environ.items() if name.startswith(prefixes)}
    return found | {"PYTHONUNBUFFERED": "1"}


def _common(place: Place, key: str) -> list[tuple[str, str]]:
    service = next(service for service in SERVICES if service.key == key)
    database = f"{HOST}:{place.ports['postgres']}/dunning"
    roles = (("API", service.schema.api_role), ("WORKER", service.schema.worker_role))
    urls = [
        (
            f"{role}_DATABASE_URL",
            f"postgresql+asyncpg://{user}:{place.database_password}@{database}",
        )
        for role, user in roles
    ]
    peers = [(f"{peer.key.upper()}_URL", place.url(peer.key)) for peer in SERVICES]
    return [
        *urls,
        *peers,
        ("KAFKA_BOOTSTRAP", place.kafka),
        ("HTTP_HOST", HOST),
        ("HTTP_PORT", str(place.ports[key])),
        ("PUBLIC_URL", place.url(key)),
        ("TOKEN_KEYS_FILE", str(place.token_keys_file)),
        ("SERVICE_TOKEN", place.service_token),
        ("LOG_JSON", "false"),
        ("LOG_LEVEL", place.log_level),
    ]


def _notifier(place: Place) -> dict[str, str]:
    """Every channel leads to the catcher or to the spool folder."""
    return {
        "NOTIFIER_SMTP_HOST": HOST,
        "NOTIFIER_SMTP_PORT": str(place.ports["smtp"]),
        "NOTIFIER_EVIDENCE_KEY_FILE": str(place.evidence_key_file),
        "NOTIFIER_SPOOL_FOLDER": str(place.spool_folder),
        "NOTIFIER_BATCH_FOLDER": str(place.spool_folder.with_name("batches")),
        "NOTIFIER_TWILIO_URL": place.url("catcher"),
        "NOTIFIER_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "NOTIFIER_TWILIO_AUTH_TOKEN": place.provider_secret,
        "NOTIFIER_TWILIO_FROM": "+33639980000",
    }

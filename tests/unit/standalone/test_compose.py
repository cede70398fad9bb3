"""The container description fits the code: entry points, settings, roles, versions, secrets."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from standalone import docker_secrets
from standalone.catalog import SERVICES
from standalone.catcher.settings import CatcherSettings
from standalone.migrate import MigrateSettings

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
OURS = {name: body for name, body in COMPOSE["services"].items() if "build" in body}


def settings_of(name: str) -> type[BaseSettings]:
    """The settings class that a container's program builds."""
    special: dict[str, type[BaseSettings]] = {
        "migrate": MigrateSettings,
        "catcher": CatcherSettings,
    }
    if name in special:
        return special[name]
    (service,) = [service for service in SERVICES if service.name == name]
    found: type[BaseSettings] = importlib.import_module(f"{service.package}.settings").Settings
    return found


def test_all_services_are_there_with_migrations_and_catcher() -> None:
    assert set(OURS) == {service.name for service in SERVICES} | {"migrate", "catcher"}
    assert set(COMPOSE["services"]) - set(OURS) == {"postgres", "kafka"}


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_an_entry_point(name: str) -> None:
    python, flag, module = OURS[name]["command"]

    assert (python, flag) == ("python", "-m")
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    if spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{module}.__main__")
        assert spec is not None, f"{module} has no __main__"
    assert spec.origin is not None
    assert "__main__" in Path(spec.origin).read_text()


@pytest.mark.parametrize("name", OURS)
def test_its_variables_are_the_settings_that_the_code_reads(name: str) -> None:
    settings = settings_of(name)
    prefix = settings.model_config["env_prefix"]
    given = set(OURS[name]["environment"])
    known = {f"{prefix}{field}".upper() for field in settings.model_fields}
    required = {
        f"{prefix}{field}".upper()
        for field, about in settings.model_fields.items()
        if about.is_required()
    }

    assert given - known == set(), "set, but nothing reads it"
    assert required - given == set(), "needed, but not set"


@pytest.mark.parametrize("name", OURS)
def test_its_values_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in OURS[name]["environment"].items():
        filled = re.sub(r"\$\{\w+(:\?[^}]*)?\}", "x" * 40, str(value))
        monkeypatch.setenv(variable, filled)

    settings = settings_of(name)()

    port = getattr(settings, "http_port", None)
    if port is not None:
        assert OURS[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert f":{port}/" in OURS[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_its_roles_are_the_ones_that_the_migration_makes(service: Any) -> None:
    environment = OURS[service.name]["environment"]

    api = environment[f"{service.prefix}API_DATABASE_URL"]
    worker = environment[f"{service.prefix}WORKER_DATABASE_URL"]
    assert api.startswith(f"postgresql+asyncpg://{service.schema.api_role}:")
    assert worker.startswith(f"postgresql+asyncpg://{service.schema.worker_role}:")


def test_services_start_after_migrations_and_the_broker() -> None:
    for service in SERVICES:
        waits = OURS[service.name]["depends_on"]
        assert waits["migrate"]["condition"] == "service_completed_successfully"
        assert waits["kafka"]["condition"] == "service_healthy"
    assert OURS["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_everything_that_stays_has_a_health_check() -> None:
    without = [name for name, body in COMPOSE["services"].items() if "healthcheck" not in body]

    assert without == ["migrate"]


def test_health_checks_call_a_program_that_is_in_the_image() -> None:
    for body in OURS.values():
        if "healthcheck" in body:
            assert body["healthcheck"]["test"][:3] == ["CMD", "python", "-m"]
            assert importlib.util.find_spec(body["healthcheck"]["test"][3]) is not None


def test_the_broker_is_the_one_that_the_tests_ran_on() -> None:
    tested = re.search(r"<kafka.version>([\d.]+)<", (ROOT / "deploy/kafka/pom.xml").read_text())

    assert tested is not None
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{tested[1]}"


def test_what_it_takes_from_outside_is_what_docker_secrets_makes(tmp_path: Path) -> None:
    docker_secrets.make(tmp_path / "secrets", tmp_path / ".env")
    first = (tmp_path / ".env").read_text()
    docker_secrets.make(tmp_path / "secrets", tmp_path / ".env")

    made = {line.partition("=")[0] for line in first.splitlines()}
    assert made == set(re.findall(r"\$\{(\w+)", TEXT))
    assert (tmp_path / ".env").read_text() == first
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_the_image_installs_every_distribution_of_ours_from_the_lock() -> None:
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    distributions = {path.parent for path in ROOT.glob("*/*/pyproject.toml")}

    assert "--require-hashes -r requirements.lock" in dockerfile
    for distribution in distributions:
        assert f"./{distribution.relative_to(ROOT)}" in dockerfile

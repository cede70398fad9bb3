"""Schemas, roles and migrations of all services: `python -m standalone.migrate`, a job.

Runs as the database's owner before the services start; running it again changes nothing.
"""

from __future__ import annotations

import asyncio
import sys

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from dunning_common.migrate import ServiceSchema, provision, upgrade
from standalone.catalog import SERVICES


class MigrateSettings(BaseSettings):
    """`admin_database_url` is the owner's, `database_password` is what all service roles get."""

    model_config = SettingsConfigDict(env_prefix="MIGRATE_", frozen=True)

    admin_database_url: SecretStr
    database_password: SecretStr


def migrate(admin_url: str, schema: ServiceSchema, *, password: str) -> None:
    """Make a service's schema and roles, and bring its tables to their head.

    Args:
        admin_url: `postgresql://…` of the database's owner.
        schema: whose.
        password: of the service's two roles.
    """
    asyncio.run(provision(admin_url, schema, password=password))
    upgrade(admin_url, schema)


def main() -> int:
    """Migrate every service in the database that the environment names."""
    settings = MigrateSettings()
    for service in SERVICES:
        migrate(
            settings.admin_database_url.get_secret_value(),
            service.schema,
            password=settings.database_password.get_secret_value(),
        )
        print(f"migrated {service.name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

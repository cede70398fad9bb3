"""Where the pages and the API docs of the four services are, as a browser reaches them.

Only builds addresses; whether anything answers there is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

from dunning_common.settings import ServiceSettings

INGEST = "invoice-ingest"
ENGINE = "dunning-engine"
NOTIFIER = "notifier"
KPI = "kpi"


@dataclass(frozen=True, slots=True, kw_only=True)
class NavLink:
    """One entry of the navigation bar; `current` marks the page that is shown."""

    label: str
    url: str
    current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Base URLs by service name, without a slash at the end."""

    base: dict[str, str]

    @classmethod
    def from_settings(cls, settings: ServiceSettings) -> Links:
        """The peers' URLs, or their public ones where `public_urls` names them."""
        base = {
            INGEST: settings.ingest_url,
            ENGINE: settings.engine_url,
            NOTIFIER: settings.notifier_url,
            KPI: settings.kpi_url,
        } | settings.public_urls
        return cls(base={name: url.rstrip("/") for name, url in base.items()})

    def navigation(self, *, service: str, path: str) -> tuple[NavLink, ...]:
        """The entries in order; those of `service` itself are relative: any host name works."""
        wanted = (
            ("Dashboard", KPI, "/"),
            ("Work", ENGINE, "/work"),
            ("Messages", NOTIFIER, "/desk"),
            ("Ledger API", INGEST, "/docs"),
            ("Dunning API", ENGINE, "/docs"),
            ("Messages API", NOTIFIER, "/docs"),
            ("Figures API", KPI, "/docs"),
        )
        return tuple(
            NavLink(
                label=label,
                url=target if owner == service else self.base[owner] + target,
                current=owner == service and (path == target or path.startswith(f"{target}/")),
            )
            for label, owner, target in wanted
        )

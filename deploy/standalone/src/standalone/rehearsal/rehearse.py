"""The rehearsal itself: makes the sandbox tenant, plays the plan, asks what came of it.

Talks to the services by their public interfaces only, as an ERP would. A rehearsal that was
interrupted goes on where it stopped: the tenant is named after file, mapping and policy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from standalone.client import Client
from standalone.rehearsal.plan import Plan
from standalone.rehearsal.report import report_of
from standalone.timeline import Player, Progress

_PAGE = 1_000
_ZONES = {"FR": "Europe/Paris", "DE": "Europe/Berlin", "GB": "Europe/London"}
_LANGUAGES = {"FR": "fr", "DE": "de", "GB": "en"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which policy to rehearse: the id of a known one, or the text of a new one."""

    policy_id: str
    document: str | None = None


async def rehearse(
    client: Client, plan: Plan, rules: Rules, *, tell: Callable[[Progress], None]
) -> dict[str, Any]:
    """Play a plan and report (see `report.report_of`).

    Raises:
        standalone.client.ClientError: a service refused, or stayed away for too long.
        standalone.timeline.TimelineError: the ledger refused items.
    """
    zone = _ZONES.get(plan.country, "Europe/Paris")
    await client.put("ingest", f"/v1/tenants/{client.tenant}", _tenant(plan, zone))
    if rules.document is not None:
        await client.ask(
            "PUT",
            "engine",
            f"/v1/policies/{rules.policy_id}",
            content=rules.document.encode(),
            headers={"content-type": "application/yaml"},
        )
    await client.put("engine", "/v1/default-policy", {"policy_id": rules.policy_id})
    player = Player(client, zone=ZoneInfo(zone), tell=tell)
    await player.play(plan.days, until=plan.ends_on)
    return report_of(
        plan,
        tenant=client.tenant,
        policy=rules.policy_id,
        levels=await _all(client, "engine", "/v1/levels"),
        messages=await _all(client, "notifier", "/v1/messages"),
    )


async def _all(client: Client, service: str, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        query: dict[str, str | int] = {"limit": _PAGE} | ({"cursor": cursor} if cursor else {})
        page = await client.get(service, path, **query)
        found += page["items"]
        cursor = page["next_cursor"]
    return found


def _tenant(plan: Plan, zone: str) -> dict[str, Any]:
    address = {
        "lines": ["1 Example Street"],
        "postcode": "75001",
        "city": "PARIS",
        "country": plan.country,
    }
    return {
        "name": "Example Creditor",
        "country": plan.country,
        "zone": zone,
        "language": _LANGUAGES.get(plan.country, "en"),
        "base_currency": plan.currency,
        "legal": {
            "legal_name": "Example Creditor SAS",
            "form": "SAS",
            "capital": "10 000 EUR",
            "register_entry": "RCS Paris 000 000 000",
            "address": address,
            "email": "receivables@rehearsal.example",
        },
        "bank": {"holder": "Example Creditor SAS", "iban": "FR7630006000011234567890189"},
        "email_from": "receivables@rehearsal.example",
        "sms_from": "+33639980000",
        "sandbox": True,
        "sandbox_starts_on": (plan.starts_on - timedelta(days=1)).isoformat(),
    }

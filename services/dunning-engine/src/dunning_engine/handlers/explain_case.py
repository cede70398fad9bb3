"""Explain a case to a person: where it stands, what comes next, what is in the way, what was done.

Restates facts and recorded verdicts; decides nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from dunning_engine.domain.explain import LAPSES, explain, explain_verdict
from dunning_engine.domain.record import recorded_verdict
from dunning_engine.handlers.explain_selection import PinShelf, explain_selection
from dunning_engine.handlers.open_cases import open_cases
from dunning_engine.handlers.sweep_accounts import Law, PolicyShelf, policies_of
from dunning_engine.records import Dossier

Row = Mapping[str, Any]


class CaseReader(Protocol):
    """Where cases are read."""

    async def case(self, tenant: str, invoice_id: str) -> Row | None:
        """A case with the state of its account and of the notice in flight."""
        ...

    async def history(self, tenant: str, invoice_id: str) -> list[Row]:
        """Every level that was asked for."""
        ...

    async def records(self, tenant: str, decisions: Sequence[UUID]) -> dict[UUID, bytes]:
        """Decision records by id."""
        ...


class DossierReader(Protocol):
    """Where the facts about one debtor are read."""

    async def read(self, tenant: str, debtor_id: str) -> Dossier | None:
        """The dossier; None when too little is known to decide."""
        ...


class Shelf(PolicyShelf, PinShelf, Protocol):
    """Where policies are found, and why which case follows which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What explaining reads from, all in one transaction."""

    cases: CaseReader
    accounts: DossierReader
    shelf: Shelf
    law: Law
    silence: timedelta


async def explain_case(reader: Reader, tenant: str, invoice_id: str) -> dict[str, Any] | None:
    """Everything there is to say about an invoice; None when it is not known."""
    row = await reader.cases.case(tenant, invoice_id)
    if row is None:
        return None
    dossier = await reader.accounts.read(tenant, row["debtor_id"])
    said = _waiting(row) if dossier is None else await _standing(reader, dossier, row)
    said["obstacles"] += _shell_obstacles(row, reader.silence)
    zone = dossier.account.zone if dossier else "UTC"
    said["history"] = await _history(reader, tenant, row, zone)
    said |= await explain_selection(reader.shelf, tenant, invoice_id, dossier)
    return said


async def _standing(reader: Reader, dossier: Dossier, row: Row) -> dict[str, Any]:
    (opened,) = await open_cases(reader.shelf, [dossier])
    policies = (await policies_of(reader.shelf, [opened]))[dossier.account.tenant]
    account = opened.dossier.account
    case = next(
        stored.case
        for stored in opened.dossier.cases
        if stored.case.invoice_id == row["invoice_id"]
    )
    calendar = reader.law.calendar(account.country, account.region, account.zone, dossier.now)
    present = [
        stored.case
        for stored in opened.dossier.cases
        if stored.case is case or stored.case.closed is None or not stored.case.settled
    ]
    found = explain(
        account, present, case.invoice_id, policies, dossier.now, calendar, reader.law.rates
    )
    words = list(found.words)
    if case.policy_id and case.policy_key not in policies:
        words.append(f"It asks for the policy {case.policy_id!r}, of which no version is active.")
    return {
        "invoice_id": row["invoice_id"],
        "debtor_id": row["debtor_id"],
        "state": found.state,
        "words": words,
        "next": None
        if found.next is None
        else {
            "level": found.next.level,
            "level_no": found.next.level_no,
            "at": found.next.at,
            "why": found.next.why,
        },
        "obstacles": [
            {"code": obstacle.code, "words": obstacle.words, "until": obstacle.until}
            for obstacle in found.obstacles
        ],
        "now": dossier.now,
    }


def _waiting(row: Row) -> dict[str, Any]:
    """Too little is known to decide: say what is missing."""
    missing = []
    if row["time_source"] == "unknown":
        missing.append("the tenant has not been registered yet")
    if not row["terms_known"]:
        missing.append("the debtor's country, zone and kind are not known yet")
    words = f"Nothing can be decided: {' and '.join(missing)}."
    return {
        "invoice_id": row["invoice_id"],
        "debtor_id": row["debtor_id"],
        "state": "waiting",
        "words": [words],
        "next": None,
        "obstacles": [{"code": "facts_missing", "words": words, "until": None}],
        "now": row["real_now"],
    }


def _shell_obstacles(row: Row, silence: timedelta) -> list[dict[str, Any]]:
    """What stands in the way outside the rules: a defect, or a notifier that says nothing."""
    found = []
    if row["trouble"]:
        words = f"Deciding about the debtor failed and is tried again: {row['trouble']}"
        found.append({"code": "undecidable", "words": words, "until": None})
    if row["requested_at"] and row["real_now"] - row["heard_at"] > silence:
        words = (
            f"Nothing was heard of notice {row['flight_notice']} since {_minute(row['heard_at'])}."
        )
        found.append({"code": "notifier_silent", "words": words, "until": None})
    return found


async def _history(reader: Reader, tenant: str, row: Row, zone: str) -> list[dict[str, Any]]:
    levels = await reader.cases.history(tenant, row["invoice_id"])
    records = await reader.cases.records(tenant, sorted({e["decision_id"] for e in levels}))
    return [
        {
            "at": entry["decided_at"],
            "on": entry["decided_on"],
            "level": entry["level"],
            "level_no": entry["level_no"],
            "outcome": entry["outcome"],
            "why": _why(entry, records.get(entry["decision_id"]), row, zone),
            "notice_id": entry["notice_id"],
            "decision_id": entry["decision_id"],
        }
        for entry in levels
    ]


def _why(entry: Row, record: bytes | None, row: Row, zone: str) -> str:
    """The recorded reasons in words; what became of the try comes last."""
    verdict = recorded_verdict(record, row["invoice_id"]) if record else None
    said = list(explain_verdict(verdict, row["currency"], zone)) if verdict else []
    if entry["outcome"] == "lapsed":
        why = LAPSES.get(entry["reason"] or "too_late", entry["reason"])
        said = [f"The level was dropped: {why}."]
    elif entry["outcome"] in ("failed", "returned"):
        said.append(f"It did not go out: {entry['reason']}.")
    return " ".join(said)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"

"""The ledger's and the engine's records over their public HTTP interfaces, with the caller's token.

So nobody gets more in an archive than they may read anyway. A few questions for each invoice, some
at a time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from notifier.ports.evidence import Record, RecordsUnavailableError

_AT_A_TIME = 8
_PAGE = 500
_NOT_FOUND = 404


class HttpRecords:
    """See `notifier.ports.evidence.Records`."""

    def __init__(
        self, client: httpx.AsyncClient, *, ledger_url: str, engine_url: str, timeout_s: float
    ) -> None:
        """Args: timeout_s is of each call."""
        self._client = client
        self._ledger_url = ledger_url.rstrip("/")
        self._engine_url = engine_url.rstrip("/")
        self._timeout_s = timeout_s

    async def invoices_of(self, tenant: str, token: str, debtor_id: str) -> list[str]:
        """All invoices of a debtor, by id."""
        asker = _Asker(self._client, tenant, token, self._timeout_s)
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"debtor_id": debtor_id, "limit": str(_PAGE)} | (
                {"cursor": cursor} if cursor else {}
            )
            page = await asker.get(f"{self._ledger_url}/v1/invoices", query)
            if page is None:
                break
            found += [str(item["invoice_id"]) for item in page["items"]]
            cursor = page["next_cursor"]
        return found

    async def debtor_of(self, tenant: str, token: str, invoice_id: str) -> str:
        """Whose invoice it is."""
        asker = _Asker(self._client, tenant, token, self._timeout_s)
        invoice = await asker.get(f"{self._ledger_url}/v1/invoices/{quote(invoice_id, safe='')}")
        if invoice is None:
            raise LookupError(invoice_id)
        return str(invoice["debtor_id"])

    async def records(
        self, tenant: str, token: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> list[Record]:
        """The debtor's account, each invoice with its payments, each case with its decisions."""
        asker = _Asker(self._client, tenant, token, self._timeout_s)
        debtor = await asker.get(f"{self._ledger_url}/v1/debtors/{quote(debtor_id, safe='')}")
        of_invoices = await asyncio.gather(*(self._of_invoice(asker, one) for one in invoice_ids))
        records = [record for several in of_invoices for record in several]
        if debtor is not None:
            records.append(_record("ledger", "debtor.json", f"the debtor {debtor_id}", debtor))
        return _each_once(records)

    async def _of_invoice(self, asker: _Asker, invoice_id: str) -> list[Record]:
        name = quote(invoice_id, safe="")
        invoice, case, decisions = await asyncio.gather(
            asker.get(f"{self._ledger_url}/v1/invoices/{name}"),
            asker.get(f"{self._engine_url}/v1/explain/{name}"),
            asker.get(f"{self._engine_url}/v1/cases/{name}/decisions"),
        )
        records: list[Record] = []
        file = _file(invoice_id)
        if invoice is not None:
            says = f"invoice {invoice.get('number', invoice_id)} with payments and charges"
            at = _day(invoice.get("issued_on"))
            records.append(_record("ledger", f"invoice-{file}.json", says, invoice, at))
            for paid in invoice["allocations"]:
                what = str(paid["kind"]).replace("_", " ")
                says = (
                    f"{what} {paid['id']}: {paid['booked']} {invoice['currency']} of {invoice_id}"
                )
                name = f"{paid['kind']}-{file}-{_file(paid['id'])}.json"
                records.append(_record("ledger", name, says, paid, _day(paid["effective_on"])))
        if case is not None:
            says = f"case {invoice_id}: where it stands, its history, in words"
            records.append(_record("engine", f"case-{file}.json", says, case))
        for decision in (decisions or {"items": []})["items"]:
            says = f"decision {decision['decision_id']}, its record as it was stored"
            at = _moment(decision["record"])
            name = f"decision-{decision['decision_id']}.json"
            records.append(_record("engine", name, says, decision, at))
        return records


class _Asker:
    """Asks for JSON, a few questions at a time."""

    def __init__(
        self, client: httpx.AsyncClient, tenant: str, token: str, timeout_s: float
    ) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {token}", "x-tenant": tenant}
        self._timeout_s = timeout_s
        self._gate = asyncio.Semaphore(_AT_A_TIME)

    async def get(self, url: str, query: dict[str, str] | None = None) -> Any:
        """The answer, or None where there is no such thing.

        Raises:
            RecordsUnavailableError: no answer, or not to this caller.
        """
        async with self._gate:
            try:
                answer = await self._client.get(
                    url, params=query, headers=self._headers, timeout=self._timeout_s
                )
            except httpx.HTTPError as error:
                raise RecordsUnavailableError(f"{url} does not answer") from error
        if answer.status_code == _NOT_FOUND:
            return None
        if answer.is_client_error:
            raise RecordsUnavailableError(
                f"{url} refuses this token: {_title(answer)}", status=answer.status_code
            )
        if answer.is_error:
            raise RecordsUnavailableError(f"{url} fails with {answer.status_code}")
        return answer.json()


def _title(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["title"])
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)


def _record(folder: str, name: str, says: str, content: Any, at: datetime | None = None) -> Record:
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    return Record(folder=folder, name=name, says=says, content=text.encode(), at=at)


def _each_once(records: Sequence[Record]) -> list[Record]:
    """A decision about several invoices comes with each of them."""
    return list({(record.folder, record.name): record for record in records}.values())


def _file(text: str) -> str:
    """A part of a file name out of any id."""
    return quote(text, safe="~")[:80]


def _day(text: str | None) -> datetime | None:
    return datetime.fromisoformat(f"{text}T00:00:00+00:00") if text else None


def _moment(record: dict[str, Any]) -> datetime | None:
    found = record.get("inputs", record).get("now")
    return datetime.fromisoformat(str(found)) if found else None

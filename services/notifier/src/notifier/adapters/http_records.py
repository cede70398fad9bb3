"""The ledger's and the engine's records over their public HTTP interfaces, with the caller's token.

So nobody gets more in an archive than they may read anyway. A few questions for each invoice, some
invoices at a time, so that no more than theirs is in memory. Never leaves anything out for its
size: what cannot be had is an error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from notifier.ports.evidence import Record, RecordsUnavailableError

_AT_A_TIME = 4
_TRIES = 2
_PAGE = 500
_NOT_FOUND = 404
_DECISION = "decision-"
_NAME_CHARS_MAX = 80


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
        """All invoices of a debtor, by id, the oldest first."""
        asker = _Asker(self._client, tenant, token, self._timeout_s)
        found: list[tuple[str, str]] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"debtor_id": debtor_id, "limit": str(_PAGE)} | (
                {"cursor": cursor} if cursor else {}
            )
            page = await asker.get(f"{self._ledger_url}/v1/invoices", query)
            if page is None:
                break
            found += [(str(item["issued_on"]), str(item["invoice_id"])) for item in page["items"]]
            cursor = page["next_cursor"]
        return [invoice_id for _, invoice_id in sorted(found)]

    async def debtor_of(self, tenant: str, token: str, invoice_id: str) -> str:
        """Whose invoice it is."""
        asker = _Asker(self._client, tenant, token, self._timeout_s)
        invoice = await asker.get(f"{self._ledger_url}/v1/invoices/{quote(invoice_id, safe='')}")
        if invoice is None:
            raise LookupError(invoice_id)
        return str(invoice["debtor_id"])

    async def records(
        self, tenant: str, token: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> AsyncIterator[Record]:
        """The debtor's account, each invoice with its payments, each case with its decisions.

        Each once, with the original documents, a few at a time.
        """
        asker = _Asker(self._client, tenant, token, self._timeout_s)
        debtor = await asker.get(f"{self._ledger_url}/v1/debtors/{quote(debtor_id, safe='')}")
        if debtor is not None:
            yield _record("ledger", "debtor.json", f"the debtor {debtor_id}", debtor)
        decided: set[str] = set()  # a decision about several invoices comes with each of them
        for start in range(0, len(invoice_ids), _AT_A_TIME):
            some = invoice_ids[start : start + _AT_A_TIME]
            for records in await asyncio.gather(*(self._of_invoice(asker, one) for one in some)):
                for record in records:
                    if record.name in decided:
                        continue
                    if record.name.startswith(_DECISION):
                        decided.add(record.name)
                    yield record

    async def _of_invoice(self, asker: _Asker, invoice_id: str) -> list[Record]:
        name = quote(invoice_id, safe="")
        invoice, original, case, decisions = await asyncio.gather(
            asker.get(f"{self._ledger_url}/v1/invoices/{name}"),
            asker.bytes_of(f"{self._ledger_url}/v1/invoices/{name}/document"),
            asker.get(f"{self._engine_url}/v1/explain/{name}"),
            asker.get(f"{self._engine_url}/v1/cases/{name}/decisions"),
        )
        records: list[Record] = []
        file = _file(invoice_id)
        if invoice is not None:
            says = f"invoice {invoice.get('number', invoice_id)} with payments and charges"
            issued_on = invoice.get("issued_on")
            records.append(_record("ledger", f"invoice-{file}.json", says, invoice, on=issued_on))
            for paid in invoice["allocations"]:
                what = str(paid["kind"]).replace("_", " ")
                says = (
                    f"{what} {paid['id']}: {paid['booked']} {invoice['currency']} of {invoice_id}"
                )
                name = f"{paid['kind']}-{file}-{_file(paid['id'])}.json"
                records.append(_record("ledger", name, says, paid, on=paid["effective_on"]))
        if original is not None:
            records.append(
                Record(
                    folder="ledger",
                    name=f"invoice-{file}.pdf",
                    says=f"the document of invoice {invoice_id}",
                    content=original,
                    original_of=invoice_id,
                )
            )
        if case is not None:
            says = f"case {invoice_id}: where it stands, its history, in words"
            records.append(_record("engine", f"case-{file}.json", says, case))
        for decision in (decisions or {"items": []})["items"]:
            says = f"decision {decision['decision_id']}, its record as it was stored"
            at = _moment(decision["record"])
            name = f"{_DECISION}{decision['decision_id']}.json"
            records.append(_record("engine", name, says, decision, at=at))
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
        """The JSON of the answer, or None where there is no such thing; raises as `_get`."""
        answer = await self._get(url, query)
        return None if answer is None else answer.json()

    async def bytes_of(self, url: str) -> bytes | None:
        """The bytes of the answer, or None where there is no such thing; raises as `_get`."""
        answer = await self._get(url, None)
        return None if answer is None else answer.content

    async def _get(self, url: str, query: dict[str, str] | None) -> httpx.Response | None:
        """The answer, or None where there is no such thing.

        Raises:
            RecordsUnavailableError: no answer, or not to this caller.
        """
        async with self._gate:
            answer = await self._answer(url, query)
        if answer.status_code == _NOT_FOUND:
            return None
        if answer.is_client_error:
            raise RecordsUnavailableError(
                f"{url} refuses this token: {_title(answer)}", status=answer.status_code
            )
        if answer.is_error:
            raise RecordsUnavailableError(f"{url} fails with {answer.status_code}")
        return answer

    async def _answer(self, url: str, query: dict[str, str] | None) -> httpx.Response:
        """Asks again once: among thousands of questions one may get lost, and reading is safe."""
        tries = 0
        while True:
            tries += 1
            try:
                return await self._client.get(
                    url, params=query, headers=self._headers, timeout=self._timeout_s
                )
            except httpx.HTTPError as error:
                if tries == _TRIES:
                    raise RecordsUnavailableError(f"{url} does not answer") from error


def _title(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["title"])
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)


def _record(
    folder: str,
    name: str,
    says: str,
    content: Any,
    *,
    at: datetime | None = None,
    on: str | None = None,
) -> Record:
    """A document of JSON, of an instant or of a day."""
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    return Record(
        folder=folder,
        name=name,
        says=says,
        content=text.encode(),
        at=datetime.fromisoformat(f"{on}T00:00:00+00:00") if on else at,
        day_only=on is not None,
    )


def _file(text: str) -> str:
    """A part of a file name out of any id."""
    return quote(text, safe="~")[:_NAME_CHARS_MAX]


def _moment(record: dict[str, Any]) -> datetime | None:
    found = record.get("inputs", record).get("now")
    return datetime.fromisoformat(str(found)) if found else None

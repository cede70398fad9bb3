"""A debtor's account over the ledger's public HTTP interface: three questions at once, no loops.

Only asks for what is owed, so that a debtor with years of paid invoices costs no more. Never
retries: whoever looks at the page can look again.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import structlog

from dunning_common.events.contacts import Contacts, PostalAddress
from dunning_common.money import MoneyError, parse_minor
from notifier.portal.account import Account, Owed
from notifier.ports.portal import AccountsUnavailableError, Document

log = structlog.get_logger()

_PAGE = 500
_PAGES_MAX = 20
"""10,000 open invoices of one debtor; a page that long helps nobody."""


class HttpAccounts:
    """The ledger as `notifier.ports.portal.Accounts`."""

    def __init__(
        self, client: httpx.AsyncClient, *, base_url: str, token: str, timeout_s: float
    ) -> None:
        """Args: timeout_s is of each call."""
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    async def account(self, tenant: str, debtor_id: str) -> Account | None:
        """A debtor with all that is owed now; None when there is none, or it was erased.

        Raises:
            AccountsUnavailableError: no answer, or not a usable one.
        """
        try:
            debtor, opened, charged = await asyncio.gather(
                self._get(tenant, f"/v1/debtors/{quote(debtor_id, safe='')}", {}),
                self._invoices(tenant, {"debtor_id": debtor_id, "status": "open"}),
                self._invoices(tenant, {"debtor_id": debtor_id, "charges_open": "true"}),
            )
            if debtor is None or not (contacts := _contacts(debtor)):
                return None
            owed = {row["invoice_id"]: _owed(row) for row in (*opened, *charged)}
            return Account(
                contacts=contacts,
                owed=tuple(owed.values()),
                unallocated=tuple(
                    (row["currency"], parse_minor(row["unallocated"], row["currency"]))
                    for row in debtor["balances"]
                ),
            )
        except (httpx.HTTPError, KeyError, TypeError, ValueError, MoneyError) as error:
            raise AccountsUnavailableError(f"account: {error!r}") from error

    async def documented(self, tenant: str, invoice_ids: Sequence[str]) -> frozenset[str]:
        """Those of these invoices that have a document. Never raises: no answer is none."""
        wanted = [{"tenant": tenant, "invoice_id": one} for one in invoice_ids]
        try:
            # With no room in the answer, all that exist are said to be left out of it.
            response = await self._client.post(
                f"{self._base_url}/internal/documents",
                json={"invoices": wanted, "bytes_max": 0},
                headers={"authorization": f"Bearer {self._token}"},
                timeout=self._timeout_s,
            )
            response.raise_for_status()
            return frozenset(orjson.loads(response.content)["left_out"])
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            log.warning("documents_unknown", error=type(error).__name__)
            return frozenset()

    async def document(self, tenant: str, invoice_id: str) -> Document | None:
        """The document of an invoice, if there is one.

        Raises:
            AccountsUnavailableError: no answer.
        """
        wanted = [{"tenant": tenant, "invoice_id": invoice_id}]
        try:
            response = await self._client.post(
                f"{self._base_url}/internal/documents",
                json={"invoices": wanted},
                headers={"authorization": f"Bearer {self._token}"},
                timeout=self._timeout_s,
            )
            response.raise_for_status()
            found = orjson.loads(response.content)["documents"]
            return None if not found else _document(found[0])
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            raise AccountsUnavailableError(f"document: {type(error).__name__}") from error

    async def _invoices(self, tenant: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            more = {"cursor": cursor} if cursor else {}
            page = await self._get(tenant, "/v1/invoices", {**query, "limit": str(_PAGE), **more})
            if page is None:
                break
            found.extend(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return found

    async def _get(self, tenant: str, path: str, query: Mapping[str, str]) -> Any:
        """The JSON of an answer; None for what does not exist, or cannot (an id of odd signs)."""
        response = await self._client.get(
            f"{self._base_url}{path}",
            params=dict(query),
            headers={"authorization": f"Bearer {self._token}", "x-tenant": tenant},
            timeout=self._timeout_s,
        )
        if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY):
            return None
        response.raise_for_status()
        return orjson.loads(response.content)


def _document(row: Mapping[str, Any]) -> Document:
    return Document(
        file_name=row["file_name"],
        media_type=row["media_type"],
        content=base64.b64decode(row["content"]),
    )


def _contacts(debtor: Mapping[str, Any]) -> Contacts | None:
    """Who the debtor is; None after erasure."""
    given = debtor.get("contacts")
    if given is None or not debtor.get("name"):
        return None
    address = given.get("address")
    return Contacts(
        name=debtor["name"],
        language=given.get("language") or debtor.get("language") or "",
        emails=tuple(given.get("emails") or ()),
        phones=tuple(given.get("phones") or ()),
        address=None if address is None else PostalAddress(**address),
    )


def _owed(row: Mapping[str, Any]) -> Owed:
    currency = row["currency"]
    return Owed(
        invoice_id=row["invoice_id"],
        number=row["number"],
        issued_on=date.fromisoformat(row["issued_on"]),
        due_on=date.fromisoformat(row["due_on"]),
        currency=currency,
        amount_minor=parse_minor(row["amount"], currency),
        open_minor=parse_minor(row["open"], currency),
        charges_minor=parse_minor(row["charges_open"], currency),
    )

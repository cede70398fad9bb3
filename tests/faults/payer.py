"""Pays on purpose at the worst moment, and notes when the payment was acknowledged.

It watches the postman's queue: when a message is about to leave, its invoices are paid. Some payers
lose patience and send the same payment again, as clients do.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from dunning_common.clock import monotonic
from tests.faults.checker import InvoiceRef

_LOOK_EVERY_S = 0.015
_PATIENCE_S = 10.0
_ON_THEIR_WAY = """
SELECT tenant, message_id, debtor_id, invoice_ids, state FROM notifier.message
WHERE state IN ('planned', 'sending')
"""


class Payer:
    """Races messages with payments; `acknowledged` says when each invoice's first one was."""

    def __init__(
        self,
        *,
        ledger_url: str,
        token: str,
        dice: random.Random,
        amounts: dict[InvoiceRef, int],
        share: float = 0.45,
    ) -> None:
        """Make a payer; it races a `share` of the messages. `amounts` are in minor units."""
        self._dice = dice
        self._amounts = amounts
        self._share = share
        self._client = httpx.AsyncClient(
            base_url=ledger_url, headers={"authorization": f"Bearer {token}"}
        )
        self._seen: dict[UUID, str] = {}
        self._paid: set[tuple[str, str]] = set()
        self._paying: set[asyncio.Task[None]] = set()
        self.acknowledged: dict[InvoiceRef, float] = {}
        self.payments = 0
        self.repeats = 0

    async def watch(self, database: asyncpg.Connection[Any]) -> None:
        """Pay what is on its way, until cancelled."""
        while True:
            for row in await database.fetch(_ON_THEIR_WAY):
                self._consider(row)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _consider(self, row: asyncpg.Record) -> None:
        """Decide once a message, when to pay: while it is planned, while it is sending, never."""
        chosen = self._seen.get(row["message_id"])
        if chosen is None:
            chosen = self._dice.choices(
                ["never", "planned", "sending"],
                [1 - self._share, self._share * 0.25, self._share * 0.75],
            )[0]
            self._seen[row["message_id"]] = chosen
        account = (row["tenant"], row["debtor_id"])
        if chosen == row["state"] and account not in self._paid:
            self._paid.add(account)
            invoices = [invoice for invoice in row["invoice_ids"] if self._dice.random() < 0.8]
            paying = self._pay(
                row["tenant"], row["debtor_id"], invoices or row["invoice_ids"][:1],
                payment_id=f"p-{row['debtor_id']}",
            )  # fmt: skip
            task = asyncio.ensure_future(paying)
            self._paying.add(task)
            task.add_done_callback(self._paying.discard)

    async def _pay(
        self, tenant: str, debtor_id: str, invoices: Sequence[str], *, payment_id: str
    ) -> None:
        part = self._dice.choice((1, 1, 2))  # the whole amount, or half of it
        amounts = {i: self._amounts[tenant, i] // part for i in invoices}
        body = {
            "debtor_id": debtor_id,
            "currency": "EUR",
            "amount": _decimal(sum(amounts.values())),
            "value_date": "2026-03-02",
            "allocations": [
                {"invoice_id": i, "amount": _decimal(amount)} for i, amount in amounts.items()
            ],
        }
        patience_s = self._dice.choice((0.2, 0.6, _PATIENCE_S, _PATIENCE_S))
        await asyncio.sleep(self._dice.uniform(0.0, 0.05))
        while not await self._put(tenant, payment_id, body, patience_s):
            self.repeats += 1
            patience_s = _PATIENCE_S
            await asyncio.sleep(0.03)
        at = monotonic()
        self.payments += 1
        for invoice_id in invoices:
            self.acknowledged.setdefault((tenant, invoice_id), at)

    async def _put(
        self, tenant: str, payment_id: str, body: dict[str, Any], patience_s: float
    ) -> bool:
        """Send it; whether it was acknowledged. A refusal that is not ours to cause is an error."""
        try:
            answer = await self._client.put(
                f"/v1/payments/{payment_id}",
                json=body,
                headers={"x-tenant": tenant},
                timeout=patience_s,
            )
        except httpx.HTTPError:
            return False
        if answer.status_code >= 500:
            return False
        if not answer.is_success:
            raise AssertionError(f"the ledger refused a payment: {answer.text}")
        return True

    async def finish(self) -> None:
        """Until every payment that was begun is acknowledged."""
        while self._paying:
            done, _ = await asyncio.wait(self._paying)
            for task in done:
                task.result()

    async def close(self) -> None:
        """Stop paying."""
        for task in self._paying:
            task.cancel()
        await self._client.aclose()


def _decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"

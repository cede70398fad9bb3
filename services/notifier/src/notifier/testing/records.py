"""The ledger's and the engine's records in memory, as archives of evidence ask for them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from notifier.ports.evidence import Record, RecordsUnavailableError


@dataclass(slots=True)
class FakeRecords:
    """Records in memory. `invoices` are ids by debtor, oldest first.

    Set `refuses_records`, and it tells the caller whose an invoice is and nothing more. `asked` are
    the tenants and tokens of all questions.
    """

    invoices: dict[str, list[str]] = field(default_factory=dict)
    originals: dict[str, bytes] = field(default_factory=dict)
    refuses_records: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def invoices_of(self, tenant: str, token: str, debtor_id: str) -> list[str]:
        """All invoices of a debtor."""
        self.asked.append((tenant, token))
        return list(self.invoices.get(debtor_id, ()))

    async def debtor_of(self, tenant: str, token: str, invoice_id: str) -> str:
        """Whose invoice it is."""
        self.asked.append((tenant, token))
        for debtor_id, ids in self.invoices.items():
            if invoice_id in ids:
                return debtor_id
        raise LookupError(invoice_id)

    async def records(
        self, tenant: str, token: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> AsyncIterator[Record]:
        """The debtor, and each invoice with its original."""
        self.asked.append((tenant, token))
        if self.refuses_records:
            raise RecordsUnavailableError("the engine refuses this token", status=403)
        yield _record("debtor.json", f"the debtor {debtor_id}")
        for one in invoice_ids:
            yield _record(f"invoice-{one}.json", f"invoice {one} with payments and charges")
            if one in self.originals:
                yield Record(
                    folder="ledger",
                    name=f"invoice-{one}.pdf",
                    says=f"the document of invoice {one}",
                    content=self.originals[one],
                    original_of=one,
                )


def _record(name: str, says: str) -> Record:
    return Record(folder="ledger", name=name, says=says, content=json.dumps(says).encode())

"""What an acknowledgement speaks of: none is given while a reminder about it is on its way out.

Pure; the waiting is `handlers.grant_permits.acknowledge`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Invoices that others know and that changed, and accounts of orders that changed nothing.

    An order that changes nothing may be one sent again, because the answer to the first was lost:
    the change is stored, and a reminder from before it may still be on its way. It no longer says
    which invoices it changed then, so it speaks of all of its debtor's (`accounts`).
    """

    invoices: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()

    def __or__(self, other: Touched) -> Touched:
        """Both together."""
        return Touched(
            invoices=self.invoices | other.invoices, accounts=self.accounts | other.accounts
        )

    def __bool__(self) -> bool:
        """Whether there is anything to wait for."""
        return bool(self.invoices or self.accounts)

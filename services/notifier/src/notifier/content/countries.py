"""What depends on a country: whose law is spoken of, envelope window, imprint, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from babel import Locale, UnknownLocaleError

from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.legal_identity import IDENTITIES, missing_identity
from notifier.content.clean import clean
from notifier.content.model import RenderRequest
from notifier.content.prose import Block
from notifier.content.standing import LeastDays
from notifier.content.variables import Data, account_of, address_of, sender_of

OTHER = "other"
MAX_ADDRESS_LINES = 6
"""Lines that fit into the smallest of the windows."""

MAX_NAME_CHARS = 76
"""Signs of the name and of each line: twice the 38 of the French norm, printed on two lines."""


class UndeliverableError(ValueError):
    """A letter to this address would not arrive; says what is missing."""


_MAX_CREDITORS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Creditor:
    """A tenant as the texts' `sender`, and the line that has to stand on its letters and e-mails.

    `account` says where it is paid. `imprint` has register data and seat, as the creditor's country
    wants them; `missing` says what it lacks of them, or is empty.
    """

    tenant: TenantRegisteredV1
    sender: Data
    account: Data
    imprint: str
    missing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Countries:
    """The table `countries.yaml`."""

    policies: Mapping[str, str]
    windows: Mapping[str, str]
    other_window: str
    addresses: Mapping[str, tuple[str, ...]]
    without_postcode: frozenset[str]
    imprints: Mapping[str, Block]
    least_days: Mapping[str, LeastDays]
    creditors: dict[str, Creditor] = field(default_factory=dict)

    def law(self, request: RenderRequest) -> str:
        """Country whose law the notice is under.

        That of its built-in policy; for a policy of the tenant's own making the debtor's country,
        and where that is unknown the creditor's.
        """
        address = request.contacts.address
        debtor = request.notice.debtor_country or (address.country if address else "")
        own = debtor.upper() or request.tenant.country.upper()
        return self.policies.get(request.notice.policy_id) or own

    def window(self, country: str) -> str:
        """The layout whose address stands in the envelope window of the creditor's country."""
        return self.windows.get(country.upper(), self.other_window)

    def creditor(self, tenant: TenantRegisteredV1) -> Creditor:
        """The creditor and its imprint; worked out once for each version of the tenant."""
        known = self.creditors.get(tenant.tenant_id)
        if known is None or (known.tenant is not tenant and known.tenant != tenant):
            if len(self.creditors) >= _MAX_CREDITORS:
                self.creditors.clear()
            known = self.creditors[tenant.tenant_id] = self._creditor(tenant)
        return known

    def _creditor(self, tenant: TenantRegisteredV1) -> Creditor:
        block = self.imprints.get(tenant.country.upper(), self.imprints[OTHER])
        sender = sender_of(tenant, postal=", ".join(self._lines(address_of(tenant.legal.address))))
        imprint = block.line({"sender": sender, "address": sender["postal"]})
        return Creditor(
            tenant=tenant,
            sender=sender,
            account=account_of(tenant.bank),
            imprint=imprint,
            missing=self._missing(tenant),
        )

    @staticmethod
    def _missing(tenant: TenantRegisteredV1) -> str:
        names = missing_identity(tenant, IDENTITIES)
        if not names:
            return ""
        source = IDENTITIES[tenant.country.upper()].source
        fields = " and ".join(f"legal.{name}" for name in names)
        return f"{fields} must stand on it ({source}); register the tenant with it"

    def sender_lines(self, request: RenderRequest) -> list[str]:
        """The creditor's address below its name."""
        return self._lines(address_of(request.tenant.legal.address))

    def debtor_lines(self, request: RenderRequest, name: str) -> list[str]:
        """Name and address for the window; mail that crosses a border names the country.

        Of more lines than a window shows, the first ones of the address share a line.

        Raises:
            UndeliverableError: a part of the address is missing without which no post delivers.
        """
        address = request.contacts.address
        if address is None:
            raise UndeliverableError("there is none")
        country = address.country.strip().upper()
        if not address.city.strip():
            raise UndeliverableError("the city is missing")
        if not address.postcode.strip() and country not in self.without_postcode:
            raise UndeliverableError("the postcode is missing")
        lines = self._lines(address_of(address))
        if country != request.tenant.legal.address.country.upper():
            lines.append(_country_name(country, request.tenant.language))
        spare = len(lines) - (MAX_ADDRESS_LINES - 1)
        if spare > 0:
            lines = [", ".join(lines[: spare + 1]), *lines[spare + 1 :]]
        return [clean(line, limit=MAX_NAME_CHARS) for line in (name, *lines)]

    def _lines(self, address: object) -> list[str]:
        if not isinstance(address, dict):
            raise TypeError("an address is a dict")
        patterns = self.addresses.get(address["country"], ("{postcode} {city}",))
        names = {
            "{postcode}": address["postcode"],
            "{POSTCODE}": address["postcode"].upper(),
            "{city}": address["city"],
            "{CITY}": address["city"].upper(),
        }
        last = []
        for pattern in patterns:
            parts = [names.get(part, part) for part in pattern.split(" ")]
            last.append(" ".join(part for part in parts if part))
        return [line for line in (*address["lines"], *last) if line]


def _country_name(country: str, language: str) -> str:
    try:
        locale = Locale.parse(language.replace("-", "_").split("_")[0])
    except (UnknownLocaleError, ValueError):
        locale = Locale.parse("en")
    return str(locale.territories.get(country, country)).upper()

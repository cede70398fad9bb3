"""What depends on a country: whose law is spoken of, envelope window, imprint, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from babel import Locale, UnknownLocaleError

from notifier.content.clean import clean
from notifier.content.model import RenderRequest
from notifier.content.prose import Block
from notifier.content.variables import Data, address_of

OTHER = "other"
MAX_ADDRESS_LINES = 6
"""Lines that fit into the smallest of the windows."""

MAX_NAME_CHARS = 76
"""Signs of the name: twice the 38 of the French norm, printed on two smaller lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Countries:
    """The table `countries.yaml`."""

    policies: Mapping[str, str]
    windows: Mapping[str, str]
    other_window: str
    addresses: Mapping[str, tuple[str, ...]]
    imprints: Mapping[str, Block]

    def law(self, request: RenderRequest) -> str:
        """Country whose law the notice is under.

        That of its built-in policy; for a policy of the tenant's own making the debtor's country,
        and where that is unknown the creditor's.
        """
        address = request.contacts.address
        debtor = address.country.upper() if address else ""
        return self.policies.get(request.notice.policy_id) or debtor or request.tenant.country

    def window(self, country: str) -> str:
        """The layout whose address stands in the envelope window of the creditor's country."""
        return self.windows.get(country.upper(), self.other_window)

    def imprint(self, country: str, data: Data) -> str:
        """Register data and seat, as the creditor's country wants it on letters and e-mails."""
        block = self.imprints.get(country.upper(), self.imprints[OTHER])
        sender = data["sender"]
        if not isinstance(sender, dict):
            raise TypeError("sender is a dict")
        address = ", ".join(self._lines(sender["address"]))
        return block.line({**data, "address": address})

    def sender_lines(self, request: RenderRequest) -> list[str]:
        """The creditor's address below its name."""
        return self._lines(address_of(request.tenant.legal.address))

    def debtor_lines(self, request: RenderRequest, name: str) -> list[str]:
        """Name and address for the window; mail that crosses a border names the country."""
        address = request.contacts.address
        if address is None:
            return [clean(name, limit=MAX_NAME_CHARS)]
        lines = self._lines(address_of(address))
        country = address.country.upper()
        if country != request.tenant.legal.address.country.upper():
            lines.append(_country_name(country, request.tenant.language))
        room = MAX_ADDRESS_LINES - 1
        if len(lines) > room:
            spare = len(lines) - room
            lines = [", ".join(lines[: spare + 1]), *lines[spare + 1 :]]
        return [clean(name, limit=MAX_NAME_CHARS), *lines]

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

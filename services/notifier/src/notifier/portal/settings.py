"""What a tenant lets its debtors do on their page, and how they can pay there.

Plain values and their checks. What may be promised and how small an instalment may be are the
engine's rules (`notifier.portal.rules`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import quote, urlsplit

from dunning_common.money import to_decimal_string

Action = Literal["paid", "promise", "plan", "dispute", "contact", "sms", "message"]
ACTIONS: tuple[Action, ...] = get_args(Action)
Interval = Literal["weekly", "fortnightly", "monthly"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = ("reference", "amount", "currency")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSettings:
    """A tenant's choices.

    `pay_link` is an https address with `{reference}`, `{amount}` and `{currency}` in it; empty:
    there is none. `email` and `phone` go before those of the tenant's legal identity.
    `instalments_max` and `intervals` are what the form for instalments offers. `link_days` is how
    long a link works. A text takes its link along while it has at most `sms_parts_max` parts.
    """

    enabled: bool = True
    pay_link: str = ""
    email: str = ""
    phone: str = ""
    actions: tuple[Action, ...] = ACTIONS
    instalments_max: int = 12
    intervals: tuple[Interval, ...] = INTERVALS
    link_days: int = 90
    sms_parts_max: int = 2

    def document(self) -> dict[str, Any]:
        """As it is stored and shown: JSON."""
        return {
            "enabled": self.enabled,
            "pay_link": self.pay_link,
            "email": self.email,
            "phone": self.phone,
            "actions": list(self.actions),
            "instalments_max": self.instalments_max,
            "intervals": list(self.intervals),
            "link_days": self.link_days,
            "sms_parts_max": self.sms_parts_max,
        }


def settings_of(document: Mapping[str, Any]) -> PortalSettings:
    """Settings from what `document` made; what is missing has its default."""
    defaults = PortalSettings()
    known = {**defaults.document(), **document}
    return PortalSettings(
        enabled=bool(known["enabled"]),
        pay_link=str(known["pay_link"]),
        email=str(known["email"]),
        phone=str(known["phone"]),
        actions=tuple(action for action in ACTIONS if action in known["actions"]),
        instalments_max=int(known["instalments_max"]),
        intervals=tuple(interval for interval in INTERVALS if interval in known["intervals"]),
        link_days=int(known["link_days"]),
        sms_parts_max=int(known["sms_parts_max"]),
    )


def pay_link_fault(template: str) -> str | None:
    """Why a template of a payment link cannot be used, and the remedy; None when it can.

    The host must stand fast: a placeholder in it would let an invoice number choose the site.
    """
    unknown = [name for name in _PLACEHOLDER.findall(template) if name not in _PLACEHOLDERS]
    if unknown or "{" in _PLACEHOLDER.sub("", template) or "}" in _PLACEHOLDER.sub("", template):
        return "use no other braces than {reference}, {amount} and {currency}"
    if (
        not template.isascii()
        or not template.isprintable()
        or any(c in template for c in " \\\"'<>")
    ):
        return "write the address in plain ASCII, percent-encoded where needed"
    try:
        parts = urlsplit(template)
    except ValueError:
        return "give an address such as https://pay.example.com/?ref={reference}"
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        return "give an https address without user name, such as https://pay.example.com/"
    if "{" in parts.netloc:
        return "keep placeholders out of the host; put them into the path or the query"
    return None


def pay_url(template: str, *, reference: str, amount_minor: int, currency: str) -> str:
    """The address at which this amount can be paid."""
    values = {
        "reference": reference,
        "amount": to_decimal_string(amount_minor, currency),
        "currency": currency,
    }
    return _PLACEHOLDER.sub(lambda found: quote(values[found.group(1)], safe=""), template)

"""Whose doing a failed try is: the debtor's address, or ours and our providers'. Pure, no words.

An address that is dead stays dead however often it is tried, so tries with it are counted. A mail
server that is down, a provider that refuses our key, a text that lacks the tenant's legal form will
be mended some day: such tries do not use up a level's attempts.
"""

from __future__ import annotations

import re

_OURS = frozenset(
    {
        "not_connected",
        "channel_not_configured",
        "channel_failed",
        "content",
        "contacts",
        "contacts_unreadable",
        "deadline_passed",
        "no_sms_sender",
        "bad_sms_sender",
        "sms_daily_limit",
        "sms_limits_unavailable",
        "sms_number_limit",
        "not_uploaded",
        "permit_refused",
        "quiet_hours",
        "returned",
        "revoked",
        "changed",
        "spool",
        "unknown_tenant",
    }
)
"""Codes of the postman that say nothing about the debtor's address."""
_HTTP = re.compile(r"http_(?:3\d\d|40[1235-8]|409|413|415|42[1569]|431|451|5\d\d)\b")
"""Answers about our key, our account, our rate or the provider's health (RFC 9110, section 15).

Not 400, 404, 410 and 422: with these a provider refuses what we said, most often the address.
"""
_SMTP = re.compile(r"(?:4\d\d(?! 4\.2\.)|53[0458])(?: |$)")
"""Replies that may pass, and those about our own log-in (RFC 5321 4.2, RFC 4954 6).

Not a mailbox that is full or closed (RFC 3463: X.2.X), which is the debtor's.
"""


def is_ours(reason: str | None) -> bool:
    """Will the same address work once we, or a provider, have mended something?

    Args:
        reason: why one channel came to nothing: a code, or a code and what was found.
    """
    if not reason:
        return False
    code = reason.partition(":")[0].strip()
    return code in _OURS or bool(_HTTP.match(reason) or _SMTP.match(reason))

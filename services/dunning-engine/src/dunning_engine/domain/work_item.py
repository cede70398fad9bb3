"""What people may have to act on: the kinds of items, and ids that stay the same between reads.

An item is not a thing that is stored: it is what the facts say now. Its id names the reason and
what it is about, so the same situation has the same id whenever somebody looks.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Literal, get_args

WorkKind = Literal[
    "approval",
    "broken_promise",
    "broken_plan",
    "undeliverable",
    "delayed",
    "dispute_overdue",
    "hand_over",
    "court_file",
    "write_off",
    "missing_rate",
    "policy_missing",
    "no_permitted_day",
    "silent_overdue",
    "stale_feed",
    "unmatched_receipt",
    "response",
]
WORK_KINDS: tuple[WorkKind, ...] = get_args(WorkKind)
SEPARATOR = "\x1f"
"""Between the parts of a target; no id contains it."""


class UnknownItemError(LookupError):
    """Not the id of an item, or nothing has to be done about it any more."""


@dataclass(frozen=True, slots=True)
class ItemKey:
    """Why something has to be done, and about what.

    `target` is one text: an invoice and its level, a hold, or a debtor, a policy or a reason and a
    currency.
    """

    kind: WorkKind
    target: str

    @property
    def item_id(self) -> str:
        """The id as it is shown: opaque, and safe in a path."""
        text = json.dumps([self.kind, self.target], ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def item_key(item_id: str) -> ItemKey:
    """What an id stands for.

    Raises:
        UnknownItemError: it is none.
    """
    try:
        padded = item_id + "=" * (-len(item_id) % 4)
        kind, target = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise UnknownItemError("there is no such item") from error
    key = ItemKey(kind, target)
    if kind not in WORK_KINDS or not isinstance(target, str) or "\x00" in target:
        raise UnknownItemError("there is no such item")
    if key.item_id != item_id:
        raise UnknownItemError("there is no such item")
    return key

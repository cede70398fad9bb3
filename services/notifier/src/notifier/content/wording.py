"""One language: its labels, phrases, legal sentences and habits, read from `language.yaml`.

Holds words only; what is said where is up to the families' texts and the layouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from notifier.content.formats import Formats
from notifier.content.prose import Block, Spacing

WORDS = frozenset(
    {
        *(
            "account_holder",
            "account_number",
            "amount",
            "amount_due",
            "bic",
            "by_date",
            "coming_due",
        ),
        *(
            "compensation",
            "date",
            "days",
            "disputed",
            "disputed_part",
            "due_on",
            "earlier",
            "email",
            "fee",
        ),
        *("iban", "interest", "invoice"),
        *("issued_on", "kind_registered", "level", "of", "our_reference", "overdue", "page"),
        *(
            "paid",
            "pay_code",
            "pay_online",
            "payment",
            "portal_button",
            "portal_sms",
            "portal_words",
            "phone",
            "place_date",
            "principal",
            "reference",
            "sort_code",
        ),
        *("subject", "total", "total_with_charges"),
    }
)
"""Labels that the layouts print; a language has exactly these."""

NOTES = ("rate", "basis", "disputed", "unallocated")
"""Phrases that the layouts print below the tables, each where it says something."""

COUNTED = frozenset({"days_late", "due_in", "more_invoices"})
"""Labels that depend on a count, one form for each plural form, with `{n}` for the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Everything a language says outside the families' own texts."""

    code: str
    locale: str
    spacing: Spacing
    words: Mapping[str, str]
    counted: Mapping[str, tuple[str, ...]]
    levels: Mapping[str, str]
    due_today: str
    other_level: str
    phrases: Mapping[str, Block]
    law: Mapping[str, Mapping[str, Block]]
    _memory: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def level_name(self, code: str, number: int) -> str:
        """How the level is called; a level of the policy's own making gets its number."""
        return self.levels.get(code) or self.other_level.replace("{n}", str(number))

    def counted_words(self, name: str, number: int, formats: Formats) -> str:
        """`12 days late`, in the right plural form."""
        key = (name, formats.tag, number)
        if key not in self._memory:
            forms = self.counted[name]
            categories = formats.plural_forms()
            place = categories.index(formats.plural_form(number))
            form = forms[-1] if place == len(categories) - 1 else forms[min(place, len(forms) - 1)]
            self._memory[key] = form.replace("{n}", formats.count(number))
        return self._memory[key]

    def lateness(self, days_late: int, formats: Formats) -> str:
        """`12 days late`, `in 3 days` or `today`."""
        if days_late > 0:
            return self.counted_words("days_late", days_late, formats)
        if days_late == 0:
            return self.due_today
        return self.counted_words("due_in", -days_late, formats)

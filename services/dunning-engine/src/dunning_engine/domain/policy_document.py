"""Policies as documents: reading and checking them. Writing them is `policy_writing`'s business.

Nothing here knows files or line numbers: a problem names its place by path. Every problem is
collected, not only the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dunning_engine.domain.conditions import Conditions
from dunning_engine.domain.document import DocumentReader, Path, PolicyInvalidError, listed
from dunning_engine.domain.fees import Fee, FeeTier
from dunning_engine.domain.interest import RATE_SERIES
from dunning_engine.domain.policy import (
    ANCHORS,
    BUDGET_DAYS_MAX,
    CHANNELS,
    CHARGES,
    CONSOLIDATIONS,
    COUNTINGS,
    DELIVERY_DAYS,
    FINAL_ACTIONS,
    SERVED_WHEN,
    TEMPLATES,
    UNMATCHED_RULES,
    Channel,
    ContactBudget,
    Level,
    Policy,
)

COUNTRIES = tuple(RATE_SERIES)
"""Countries whose law of late payment is known."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAYS = ("observe", "ignore")
DAYS_MAX = 3650
LEVELS_MAX = 20
DELIVERY_DAYS_MAX = 60

KINDS = ("business", "consumer", "public")
OTHERWISE = ("skip", "wait")
FEE_PER = ("invoice", "notice")

POLICY_KEYS = (
    "name",
    "country",
    "calendar",
    "grace_days",
    "resume_days",
    "quiet_after_payment_days",
    "max_attempts",
    "contact_budget",
    "consolidation",
    "separate_tags",
    "payment_feed_hours",
    "unmatched_receipts",
    "served_when",
    "delivery_days",
    "levels",
)
CALENDAR_KEYS = ("weekdays", "opens", "closes", "holidays")
BUDGET_KEYS = ("max_contacts", "days", "quiet_days")
LEVEL_KEYS = (
    "code",
    "threshold_days",
    "anchor",
    "gap_days",
    "counting",
    "channels",
    "fallback",
    "must_arrive",
    "template",
    "charges",
    "fee",
    "pay_within_days",
    "minimum",
    "when",
    "otherwise",
    "approval",
    "credit_block",
    "beyond_budget",
    "final",
)
MESSAGE_KEYS = (
    "channels",
    "fallback",
    "must_arrive",
    "template",
    "charges",
    "fee",
    "pay_within_days",
    "minimum",
    "credit_block",
    "beyond_budget",
)
"""Keys of a level that sends something."""
AMOUNT_CONDITIONS = ("minimum", "maximum", "debtor_minimum")
COUNT_CONDITIONS = ("invoices_at_least", "invoices_at_most")
NAME_CONDITIONS = ("segments", "risks", "tags", "without_tags")
CONDITION_KEYS = (*AMOUNT_CONDITIONS, *COUNT_CONDITIONS, "kinds", "countries", *NAME_CONDITIONS)
FEE_KEYS = ("fixed", "percent", "tiers", "maximum", "per", "consumers")


def read_policy(document: object, *, policy_id: str, version: int) -> Policy:
    """Check a document and make a policy of it.

    Raises:
        PolicyInvalidError: with every problem found.
    """
    reader = _PolicyReader()
    policy = reader.policy(document, policy_id, version)
    if reader.problems:
        raise PolicyInvalidError(reader.problems)
    return policy


class _PolicyReader(DocumentReader):
    """Walks a policy; a wrong value is replaced, so that it can go on."""

    def policy(self, document: object, policy_id: str, version: int) -> Policy:
        fields = self.mapping(document, (), POLICY_KEYS, required=("name", "levels"))
        country = fields.get("country")
        if country is not None:
            country = self.choice(country, ("country",), COUNTRIES, "the law that charges follow")
        calendar = self.mapping(fields.get("calendar", {}), ("calendar",), CALENDAR_KEYS)
        opens = self.clock(calendar.get("opens", "08:00"), ("calendar", "opens"))
        closes = self.clock(calendar.get("closes", "20:00"), ("calendar", "closes"))
        if opens >= closes:
            self.conflict(
                ("calendar", "opens"), f"opens at {opens:%H:%M}; must be before {closes:%H:%M}"
            )
        grace_days = self.integer(fields.get("grace_days", 0), ("grace_days",), 0, 365)
        max_attempts = self.integer(fields.get("max_attempts", 3), ("max_attempts",), 1, 20)
        return Policy(
            policy_id=policy_id,
            version=version,
            name=self.text(fields.get("name", ""), ("name",)),
            country=country,
            levels=self.levels(fields.get("levels"), country),
            weekdays=self.weekdays(calendar.get("weekdays", list(WEEKDAYS[:5]))),
            opens=opens,
            closes=closes,
            observe_holidays=self.choice(
                calendar.get("holidays", "observe"), ("calendar", "holidays"), HOLIDAYS
            )
            == "observe",
            grace_days=grace_days,
            max_attempts=max_attempts,
            resume_days=self.integer(fields.get("resume_days", 0), ("resume_days",), 0, 365),
            quiet_after_payment_days=self.integer(
                fields.get("quiet_after_payment_days", 0), ("quiet_after_payment_days",), 0, 365
            ),
            budget=self.budget(fields.get("contact_budget")),
            consolidation=self.choice(
                fields.get("consolidation", "debtor"), ("consolidation",), CONSOLIDATIONS
            ),
            separate_tags=self.names(fields.get("separate_tags"), ("separate_tags",)),
            payment_feed_hours=self.optional(
                fields.get("payment_feed_hours"), ("payment_feed_hours",), 1, 24 * 90
            ),
            unmatched_receipts=self.choice(
                fields.get("unmatched_receipts", "ignore"), ("unmatched_receipts",), UNMATCHED_RULES
            ),
            **self.served(fields),
        )

    def served(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """When a level counts as done, as far as the next one is concerned."""
        when = self.choice(fields.get("served_when", "sent"), ("served_when",), SERVED_WHEN)
        if "delivery_days" in fields and when != "delivered":
            self.conflict(
                ("delivery_days",), "is waited for only with 'served_when: delivered'; remove it"
            )
        days = self.integer(
            fields.get("delivery_days", DELIVERY_DAYS), ("delivery_days",), 1, DELIVERY_DAYS_MAX
        )
        return {"served_when": when, "delivery_days": days}

    def budget(self, value: object) -> ContactBudget | None:
        if value is None:
            return None
        path: Path = ("contact_budget",)
        fields = self.mapping(value, path, BUDGET_KEYS, required=("max_contacts", "days"))
        return ContactBudget(
            max_contacts=self.integer(
                fields.get("max_contacts", 1), (*path, "max_contacts"), 1, 1000
            ),
            days=self.integer(fields.get("days", 7), (*path, "days"), 1, BUDGET_DAYS_MAX),
            quiet_days=self.integer(
                fields.get("quiet_days", 0), (*path, "quiet_days"), 0, BUDGET_DAYS_MAX - 1
            ),
        )

    def weekdays(self, value: object) -> frozenset[int]:
        names = self.choices(value, ("calendar", "weekdays"), WEEKDAYS)
        return frozenset(WEEKDAYS.index(name) for name in names)

    def levels(self, value: object, country: str | None) -> tuple[Level, ...]:
        if not isinstance(value, list) or not value:
            if value is not None:
                self.problem(("levels",), "must be a list of at least one level")
            return ()
        if len(value) > LEVELS_MAX:
            self.problem(("levels",), f"has {len(value)} levels; at most {LEVELS_MAX} are possible")
            return ()
        levels: list[Level] = []
        for index, item in enumerate(value):
            previous = levels[-1] if levels else None
            levels.append(self.level(item, index, previous, country))
            self.order(index, levels)
            if _ends_every_ladder(levels[-1]) and index + 1 < len(value):
                self.problem(
                    ("levels", index, "final"),
                    "a final level must be the last; move it to the end, say in 'when' whom it is "
                    "for, or remove 'final'",
                )
        return tuple(levels)

    def order(self, index: int, levels: Sequence[Level]) -> None:
        """What must hold between a level and those before it."""
        level, earlier = levels[-1], levels[:-1]
        if level.code in {other.code for other in earlier}:
            self.conflict(
                ("levels", index, "code"), f"{level.code!r} is used before; give it its own code"
            )
        if not earlier:
            return
        previous = earlier[-1]
        comparable = level.anchor == previous.anchor != "previous_level"
        if comparable and level.threshold_days <= previous.threshold_days:
            self.conflict(
                ("levels", index, "threshold_days"),
                f"{level.threshold_days} must be more than {previous.threshold_days}, "
                f"the threshold of {previous.code!r} before it",
            )
            return
        spacing_days = level.gap_days
        if level.anchor == "previous_level":
            spacing_days = max(spacing_days, level.threshold_days)
        if not previous.is_pre_due and spacing_days < 1:
            self.conflict(
                ("levels", index, "gap_days"),
                f"must be at least 1: {previous.code!r} and {level.code!r} would go out on one day",
            )

    def level(
        self, value: object, index: int, previous: Level | None, country: str | None
    ) -> Level:
        path: Path = ("levels", index)
        fields = self.mapping(value, path, LEVEL_KEYS, required=("code", "threshold_days"))
        place = self.place(fields, path, index, previous)
        if "final" in fields:
            self.no_message(fields, path)
            return Level(
                **place, final=self.choice(fields["final"], (*path, "final"), FINAL_ACTIONS)
            )
        for key in ("channels", "template"):
            if key not in fields and isinstance(value, Mapping):
                self.problem(
                    path, f"{key!r} is missing; a level sends something, or it is 'final: agency'"
                )
        is_pre_due = place["anchor"] == "due_date" and place["threshold_days"] < 0
        fallback = fields.get("fallback")
        channels = self.choices(fields.get("channels", ["email"]), (*path, "channels"), CHANNELS)
        return Level(
            **place,
            channels=channels,
            fallback=()
            if fallback is None
            else self.choices(fallback, (*path, "fallback"), CHANNELS),
            template=self.choice(
                fields.get("template", "courtesy"), (*path, "template"), TEMPLATES
            ),
            charges=self.charges(fields.get("charges"), path, country, is_pre_due=is_pre_due),
            fee=self.fee(fields.get("fee"), (*path, "fee"), is_pre_due=is_pre_due),
            pay_within_days=self.optional(
                fields.get("pay_within_days"), (*path, "pay_within_days"), 1, 365
            ),
            minimum_minor=self.amounts(fields.get("minimum", {}), (*path, "minimum")),
            credit_block=self.flag(fields.get("credit_block", False), (*path, "credit_block")),
            beyond_budget=self.flag(fields.get("beyond_budget", False), (*path, "beyond_budget")),
            must_arrive=self.must_arrive(fields.get("must_arrive"), path, channels),
        )

    def must_arrive(
        self, value: object, path: Path, channels: tuple[Channel, ...]
    ) -> tuple[Channel, ...] | None:
        if value is None or value == []:  # an empty list: any of them is enough
            return None if value is None else ()
        path = (*path, "must_arrive")
        found = self.choices(value, path, CHANNELS)
        for channel in found:
            if channel not in channels:
                self.conflict(path, f"{channel!r} is not among its 'channels'; add it there")
        return found

    def place(
        self, fields: Mapping[str, Any], path: Path, index: int, previous: Level | None
    ) -> dict[str, Any]:
        """What every level has: its code, its time, and when it applies."""
        threshold_days = self.integer(
            fields.get("threshold_days", index), (*path, "threshold_days"), -365, DAYS_MAX
        )
        anchor = self.choice(fields.get("anchor", "due_date"), (*path, "anchor"), ANCHORS)
        if anchor == "previous_level" and previous is None:
            self.problem((*path, "anchor"), "the first level has none before it; choose another")
        if anchor != "due_date" and threshold_days < 0:
            self.conflict(
                (*path, "threshold_days"),
                f"must be 0 or more: days before it are known for 'due_date', not for {anchor!r}",
            )
        return {
            "code": self.code(fields.get("code", f"level_{index + 1}"), (*path, "code")),
            "level_no": index + 1,
            "threshold_days": threshold_days,
            "anchor": anchor,
            "gap_days": self.integer(
                fields.get("gap_days", _usual_gap(threshold_days, anchor, previous)),
                (*path, "gap_days"),
                0,
                DAYS_MAX,
            ),
            "counting": self.choice(
                fields.get("counting", "calendar_days"), (*path, "counting"), COUNTINGS
            ),
            "when": self.conditions(fields.get("when"), (*path, "when")),
            "otherwise": self.choice(
                fields.get("otherwise", "skip"), (*path, "otherwise"), OTHERWISE
            ),
            "needs_approval": self.flag(fields.get("approval", False), (*path, "approval")),
        }

    def conditions(self, value: object, path: Path) -> Conditions | None:
        if value is None:
            return None
        fields = self.mapping(value, path, CONDITION_KEYS)
        if isinstance(value, Mapping) and not value:
            self.problem(path, "asks nothing; name a condition or remove it")
        amounts = {
            f"{key}_minor": self.amounts(fields.get(key, {}), (*path, key))
            for key in AMOUNT_CONDITIONS
        }
        counts = {
            key: self.optional(fields.get(key), (*path, key), 0, 100_000)
            for key in COUNT_CONDITIONS
        }
        names = {key: self.names(fields.get(key), (*path, key)) for key in NAME_CONDITIONS}
        kinds = fields.get("kinds")
        asked: dict[str, Any] = {**amounts, **counts, **names}
        found = Conditions(
            **asked,
            kinds=frozenset(self.choices(kinds, (*path, "kinds"), KINDS) if kinds else ()),
            countries=self.countries(fields.get("countries"), (*path, "countries")),
        )
        self.contradictions(found, path)
        return found

    def contradictions(self, when: Conditions, path: Path) -> None:
        """Conditions that nothing can fulfil at once."""
        most = dict(when.maximum_minor)
        for currency, least in when.minimum_minor:
            if least > most.get(currency, least):
                self.conflict((*path, "minimum", currency), "is more than the maximum")
        least_count, most_count = when.invoices_at_least, when.invoices_at_most
        if least_count is not None and most_count is not None and least_count > most_count:
            self.conflict((*path, "invoices_at_least"), f"is more than the {most_count} at most")
        for tag in sorted(when.tags & when.without_tags):
            self.conflict((*path, "without_tags"), f"{tag!r} is asked for in 'tags' as well")

    def fee(self, value: object, path: Path, *, is_pre_due: bool) -> Fee | None:
        if value is None:
            return None
        fields = self.mapping(value, path, FEE_KEYS)
        if is_pre_due:
            self.problem(path, "nothing can be charged before the due date; remove it")
        if isinstance(value, Mapping) and not {"fixed", "percent", "tiers"} & fields.keys():
            self.problem(path, "names no fee; give at least one of fixed, percent, tiers")
        percent = fields.get("percent")
        return Fee(
            fixed_minor=self.amounts(fields.get("fixed", {}), (*path, "fixed")),
            percent=None if percent is None else self.percent(percent, (*path, "percent")),
            tiers=self.tiers(fields.get("tiers", {}), (*path, "tiers")),
            maximum_minor=self.amounts(fields.get("maximum", {}), (*path, "maximum")),
            per=self.choice(fields.get("per", "invoice"), (*path, "per"), FEE_PER),
            consumers=self.flag(fields.get("consumers", False), (*path, "consumers")),
        )

    def tiers(self, value: object, path: Path) -> tuple[tuple[str, tuple[FeeTier, ...]], ...]:
        if not isinstance(value, Mapping):
            self.problem(path, "must map currencies to lists of {up_to, amount}")
            return ()
        return tuple(
            sorted(
                (str(currency), self.tiers_of(str(currency), items, (*path, str(currency))))
                for currency, items in value.items()
            )
        )

    def tiers_of(self, currency: str, value: object, path: Path) -> tuple[FeeTier, ...]:
        if not isinstance(value, list) or not value:
            self.problem(path, 'must be a list such as [{up_to: "100.00", amount: "5.00"}]')
            return ()
        found: list[FeeTier] = []
        for index, item in enumerate(value):
            place = (*path, index)
            fields = self.mapping(item, place, ("up_to", "amount"), required=("amount",))
            up_to = fields.get("up_to")
            tier = FeeTier(
                up_to_minor=None
                if up_to is None
                else self.minor(up_to, currency, (*place, "up_to")),
                amount_minor=self.minor(fields.get("amount", "0"), currency, (*place, "amount")),
            )
            before = found[-1].up_to_minor if found else 0
            if before is None or (tier.up_to_minor is not None and tier.up_to_minor <= before):
                self.conflict((*place, "up_to"), "must be more than that of the tier before it")
            found.append(tier)
        return tuple(found)

    def no_message(self, fields: Mapping[str, Any], path: Path) -> None:
        for key in MESSAGE_KEYS:
            if key in fields:
                self.problem(
                    (*path, key), "a final level sends nothing; remove this or remove 'final'"
                )

    def charges(
        self, value: object, path: Path, country: str | None, *, is_pre_due: bool
    ) -> frozenset[Any]:
        if value is None:
            return frozenset()
        path = (*path, "charges")
        found = self.choices(value, path, CHARGES)
        if country is None:
            self.problem(path, f"charges need a 'country': one of {listed(COUNTRIES)}")
        if is_pre_due:
            self.problem(path, "nothing can be charged before the due date; remove it")
        return frozenset(found)


def _ends_every_ladder(level: Level) -> bool:
    """Is nothing after it ever reached? One for some debtors only is skipped by the others."""
    return level.final is not None and (level.when is None or level.otherwise == "wait")


def _usual_gap(threshold_days: int, anchor: str, previous: Level | None) -> int:
    """Without a gap of its own a level keeps the distance of the thresholds."""
    if previous is None or previous.is_pre_due or anchor == "previous_level":
        return 0
    if anchor != previous.anchor:
        return 1
    return max(0, threshold_days - previous.threshold_days)

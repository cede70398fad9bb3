"""The forms of the portal as lists of fields, with what was typed and what is wrong with it. Pure.

Knows nothing of HTML: the templates print any list of fields. What a form asks for is what
`notifier.portal.answers` reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from dunning_common.money import to_decimal_string
from notifier.content.clean import clean
from notifier.portal.account import Owed
from notifier.portal.answers import (
    FIRST_DAYS_MAX,
    INVOICES_LISTED_MAX,
    PAID_DAYS_BACK_MAX,
    REASON_CODES,
    Ground,
)
from notifier.portal.fields import LINE_MAX, TEXT_MAX, Fault, Faults
from notifier.portal.files import ACCEPTED, FILE_MEGABYTES_MAX
from notifier.portal.settings import Action
from notifier.portal.words import Words

Kind = Literal["text", "email", "tel", "date", "amount", "count", "select", "radio", "area", "file"]
_EXAMPLE_MINOR = 123_450


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that is asked for. `group` heads the fields from here on.

    `depends`: whether it is needed depends on another field, so nothing is said of it.
    """

    name: str
    kind: Kind
    label: str
    value: str = ""
    hint: str = ""
    error: str = ""
    required: bool = True
    depends: bool = False
    options: tuple[tuple[str, str], ...] = ()
    least: str = ""
    most: str = ""
    fill: str = ""
    unit: str = ""
    group: str = ""
    accept: str = ""
    max_chars: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form: its words and fields.

    `rules` must be kept; what keeps to `easy` is agreed to most easily. `takes_file` says how the
    form must be sent.
    """

    title: str
    intro: str
    rules: tuple[str, ...]
    fields: tuple[Field, ...]
    submit: str
    easy: tuple[str, ...] = ()
    fault: str = ""

    @property
    def takes_file(self) -> bool:
        """Whether a file can go with it."""
        return any(one.kind == "file" for one in self.fields)

    @property
    def wrong(self) -> tuple[Field, ...]:
        """The fields that have to be mended."""
        return tuple(one for one in self.fields if one.error)


def form_of(
    action: Action,
    words: Words,
    ground: Ground,
    typed: Mapping[str, str] | None = None,
    faults: Faults | None = None,
) -> Form:
    """A form, empty or with what was typed and what is wrong with it.

    Args:
        action: which one.
        words: the language.
        ground: what is owed and allowed.
        typed: the fields as they were sent; None for a fresh form.
        faults: what is wrong with them.
    """
    form = _FORMS[action](words, ground)
    found = faults.found if faults else {}
    currency = ground.statement.totals[0].currency if ground.statement.totals else "EUR"
    if typed is not None:
        form = replace(
            form,
            fields=tuple(replace(one, value=typed.get(one.name, "")) for one in form.fields),
        )
    shown = {
        name: fault_text(words, fault, currency, ground.today) for name, fault in found.items()
    }
    names = {one.name for one in form.fields}
    return replace(
        form,
        fields=tuple(replace(one, error=shown.get(one.name, "")) for one in form.fields),
        fault=" ".join(text for name, text in shown.items() if name not in names),
    )


def fault_text(words: Words, fault: Fault, currency: str, today: date) -> str:
    """What is wrong with a field, and what to do, in the visitor's language."""
    values = dict(fault.values)
    if "minor" in values:
        values["amount"] = words.money(int(str(values.pop("minor"))), str(values.pop("currency")))
    if fault.word == "date_wrong":
        values["example"] = words.day(today, "short")
    if fault.word == "amount_wrong":
        values["example"] = words.money(_EXAMPLE_MINOR, currency)
    return words.say(f"e_{fault.word}", **values)


def _paid(words: Words, ground: Ground) -> Form:
    earliest = ground.today - timedelta(days=PAID_DAYS_BACK_MAX)
    return Form(
        title=words["paid_title"],
        intro=words["paid_intro"],
        rules=(),
        submit=words["paid_submit"],
        fields=(
            *_currency(words, ground),
            _amount("amount", words["paid_amount"], ground, value=_owed(ground)),
            _day("paid_on", words["paid_on"], earliest, ground.today),
            Field(
                name="reference",
                kind="text",
                label=words["paid_reference"],
                required=False,
                max_chars=LINE_MAX,
            ),
        ),
    )


def _promise(words: Words, ground: Ground) -> Form:
    latest = ground.rules.promise_latest(ground.today)
    return Form(
        title=words["promise_title"],
        intro=words.say("promise_intro", latest=latest),
        rules=(),
        submit=words["promise_submit"],
        fields=(
            *_currency(words, ground),
            Field(
                name="extent",
                kind="radio",
                label=words["extent_pay"],
                value="whole",
                options=(("whole", _whole(words, ground)), ("part", words["part_pay"])),
            ),
            _amount("amount", words["part_amount"], ground, required=False),
            _day("on", words["promise_on"], ground.today, latest),
        ),
    )


def _plan(words: Words, ground: Ground) -> Form:
    settings, totals = ground.settings, ground.statement.totals
    held, easy = _limits(words, ground)
    intro = words["plan_intro_plain"]
    if len(totals) == 1:
        intro = words.say("plan_intro", amount=words.money(totals[0].minor, totals[0].currency))
    latest = ground.today + timedelta(days=FIRST_DAYS_MAX)
    return Form(
        title=words["plan_title"],
        intro=intro,
        rules=(words.say("plan_rule_count", count=settings.instalments_max), *held),
        easy=easy,
        submit=words["plan_submit"],
        fields=(
            *_currency(words, ground),
            _amount("first", words["plan_first"], ground),
            _day("first_on", words["plan_first_on"], ground.today, latest),
            Field(
                name="count",
                kind="count",
                label=words["plan_count"],
                least="2",
                most=str(settings.instalments_max),
            ),
            Field(
                name="interval",
                kind="select",
                label=words["plan_interval"],
                value="monthly" if "monthly" in settings.intervals else "",
                options=tuple((one, words[one]) for one in settings.intervals),
            ),
            Field(
                name="text",
                kind="area",
                label=words["plan_text"],
                required=False,
                max_chars=TEXT_MAX,
            ),
        ),
    )


def _limits(words: Words, ground: Ground) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tenant's limits for plans in words: those that are held, and those a person may lift."""
    rules, held, easy = ground.rules, list[str](), list[str]()

    def say(rule: str, text: str) -> None:
        (held if rule in rules.refuse else easy).append(text)

    for total in ground.statement.totals:
        if rules.min_first_percent:
            first = words.money(rules.first_of(total.minor), total.currency)
            say("min_first_percent", words.say("plan_rule_first", amount=first))
        if minimum := min(rules.minimum_of(total.currency), total.minor):
            each = words.money(minimum, total.currency)
            say("min_instalment", words.say("plan_rule_each", amount=each))
    if last := rules.last_latest(ground.today):
        say("max_months", words.say("plan_rule_last", date=last))
    return tuple(held), tuple(easy)


def _dispute(words: Words, ground: Ground) -> Form:
    return Form(
        title=words["dispute_title"],
        intro=words["dispute_intro"],
        rules=(),
        submit=words["dispute_submit"],
        fields=(
            _which(words, ground.statement.owed),
            Field(
                name="reason",
                kind="select",
                label=words["dispute_reason"],
                options=tuple((code, words[f"reason_{code}"]) for code in REASON_CODES),
            ),
            Field(
                name="extent",
                kind="radio",
                label=words["extent_dispute"],
                value="whole",
                options=(("whole", words["whole_dispute"]), ("part", words["part_dispute"])),
            ),
            _amount("amount", words["dispute_amount"], ground, required=False),
            Field(name="text", kind="area", label=words["dispute_text"], max_chars=TEXT_MAX),
            _file(words),
        ),
    )


def _which(words: Words, owed: Sequence[Owed]) -> Field:
    """Which invoice is meant: chosen from a list, or, where that would be endless, typed."""
    if len(owed) > INVOICES_LISTED_MAX:
        hint, label = words["dispute_number_hint"], words["dispute_invoice"]
        return Field(name="invoice", kind="text", label=label, hint=hint, max_chars=LINE_MAX)
    return Field(
        name="invoice",
        kind="select",
        label=words["dispute_invoice"],
        options=tuple(
            (
                item.invoice_id,
                f"{clean(item.number)} · {words.money(item.open_minor, item.currency)}",
            )
            for item in owed
        ),
        value=owed[0].invoice_id if len(owed) == 1 else "",
    )


def _contact(words: Words, ground: Ground) -> Form:
    def line(name: str, fill: str, *, kind: Kind = "text", group: str = "") -> Field:
        return Field(
            name=name,
            kind=kind,
            label=words[f"contact_{name}"],
            required=False,
            fill=fill,
            group=group,
            max_chars=LINE_MAX,
        )

    return Form(
        title=words["contact_title"],
        intro=words["contact_intro"],
        rules=(),
        submit=words["contact_submit"],
        fields=(
            line("email", "email", kind="email"),
            line("phone", "tel", kind="tel"),
            line("name", "organization"),
            line("street", "address-line1", group=words["contact_address"]),
            line("postcode", "postal-code"),
            line("city", "address-level2"),
            Field(
                name="country",
                kind="select",
                label=words["contact_country"],
                value=ground.country,
                options=tuple(words.countries()),
                fill="country",
                required=False,
            ),
        ),
    )


def _sms(words: Words, _: Ground) -> Form:
    return Form(
        title=words["sms_title"],
        intro=words["sms_intro"],
        rules=(),
        submit=words["sms_submit"],
        fields=(),
    )


def _message(words: Words, _: Ground) -> Form:
    return Form(
        title=words["message_title"],
        intro=words["message_intro"],
        rules=(),
        submit=words["message_submit"],
        fields=(
            Field(name="text", kind="area", label=words["message_text"], max_chars=TEXT_MAX),
            _file(words),
        ),
    )


def _currency(words: Words, ground: Ground) -> tuple[Field, ...]:
    """Asked for only when several are owed."""
    totals = ground.statement.totals
    if len(totals) < 2:
        return ()
    return (
        Field(
            name="currency",
            kind="select",
            label=words["currency"],
            options=tuple(
                (total.currency, f"{total.currency} · {words.money(total.minor, total.currency)}")
                for total in totals
            ),
        ),
    )


def _amount(
    name: str, label: str, ground: Ground, *, value: str = "", required: bool = True
) -> Field:
    totals = ground.statement.totals
    unit = totals[0].currency if len(totals) == 1 else ""
    return Field(name=name, kind="amount", label=label, value=value, required=required, unit=unit)


def _day(name: str, label: str, earliest: date, latest: date) -> Field:
    return Field(
        name=name,
        kind="date",
        label=label,
        least=earliest.isoformat(),
        most=latest.isoformat(),
    )


def _file(words: Words) -> Field:
    return Field(
        name="file",
        kind="file",
        label=words["file"],
        hint=words.say("file_hint", megabytes=FILE_MEGABYTES_MAX),
        required=False,
        accept=ACCEPTED,
    )


def _owed(ground: Ground) -> str:
    """What is owed, as a start, when it is in one currency only."""
    totals = ground.statement.totals
    return to_decimal_string(totals[0].minor, totals[0].currency) if len(totals) == 1 else ""


def _whole(words: Words, ground: Ground) -> str:
    totals = ground.statement.totals
    if len(totals) != 1:
        return words["whole_pay_plain"]
    return words.say("whole_pay", amount=words.money(totals[0].minor, totals[0].currency))


_FORMS: Mapping[Action, Callable[[Words, Ground], Form]] = {
    "paid": _paid,
    "promise": _promise,
    "plan": _plan,
    "dispute": _dispute,
    "contact": _contact,
    "sms": _sms,
    "message": _message,
}

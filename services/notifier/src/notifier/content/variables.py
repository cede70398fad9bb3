"""What templates may say: one request as plain dicts of text, numbers, amounts and dates.

Every name always exists, whatever the message, so a template can be checked once for all of them.
Text from outside is cleaned here and nowhere later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from operator import attrgetter
from zoneinfo import ZoneInfo

from dunning_common.events.contacts import PostalAddress
from dunning_common.events.dunning import NoticeItemV2
from dunning_common.events.tenants import BankDetails, TenantRegisteredV1
from dunning_common.money import to_decimal
from notifier.content.account import british_account, compact
from notifier.content.clean import clean
from notifier.content.grounds import announced_of, grounds_of
from notifier.content.model import RenderRequest
from notifier.content.reference import notice_reference, payment_reference
from notifier.content.standing import Standing, names_its_form
from notifier.content.summary import Section, Summary, Total, total_of
from notifier.content.wording import Wording

MAX_LINES = 50
"""How many invoices a section lists one by one outside letters; a mail above 100 kB is clipped."""

ALSO = ("email", "sms", "letter", "registered_letter")
"""The channels of which a text can say that the same notice comes by them too."""

NAMED_NUMBERS = 3
"""How many invoice numbers fit into a sentence."""

Data = dict[str, object]
"""Variables by name; nobody changes one that is made, so that messages can share it."""


def gather(
    request: RenderRequest,
    summary: Summary,
    wording: Wording,
    *,
    locale: str,
    deadline_days: int,
    standing: Standing,
    sender: Data,
    account: Data,
    lists: bool,
    others: frozenset[str],
) -> Data:
    """The variables of one message, without phrases and law sentences.

    Args:
        request: what is to be written.
        summary: its invoices in sections.
        wording: the language, for the names of levels.
        locale: how money and dates are written, e.g. `fr_FR`.
        deadline_days: days to pay where the notice names no date; 0 means it asks for none.
        standing: consumer or business, and how long the law leaves.
        sender: the creditor, by `sender_of`.
        account: where the creditor is paid, by `account_of`.
        lists: whether a text loops over `lines` or `totals`; without, they stay empty.
        others: the other channels that carry the same notice (`ALSO`).
    """
    today = letter_date(request)
    number = request.message.level_no
    reference = notice_reference(request.notice.notice_id)
    overdue = _section(summary.overdue, wording, lists=lists)
    coming_due = _section(summary.coming_due, wording, lists=lists)
    return {
        "locale": locale,
        "date": today,
        "deadline": _deadline(request, today, deadline_days, standing.least_days),
        "reference": reference,
        "level": {
            "code": clean(request.message.level),
            "number": number,
            "name": wording.level_name(request.message.level, number),
        },
        "sender": sender,
        "debtor": {
            "name": clean(request.contacts.name),
            "business": standing.business,
            "protocol": standing.protocol,
            "jurisdiction": standing.jurisdiction,
        },
        "overdue": overdue,
        "coming_due": coming_due,
        "demanded": overdue if summary.demanded is summary.overdue else coming_due,
        "charges": _charges(summary.demanded),
        "announced": announced_of(summary.demanded.items),
        "disputed": _disputed(summary.everything),
        "unallocated": _unallocated(request),
        "payment": {**account, "reference": _remittance(request, summary.demanded, reference)},
        "also": {name: name in others for name in ALSO},
    }


def letter_date(request: RenderRequest) -> date:
    """The day of the decision where the debtor is; it stands on the letter and starts deadlines."""
    return request.notice.decided_at.astimezone(ZoneInfo(request.notice.zone)).date()


def money(minor: int, currency: str) -> Data:
    """An amount as templates hold it: exact, with its currency."""
    return {"amount": to_decimal(minor, currency), "currency": currency}


def sender_of(tenant: TenantRegisteredV1, *, postal: str) -> Data:
    """The creditor, with everything that has to stand on a business letter.

    `postal` is its address on one line, as its country writes it.
    """
    legal = tenant.legal
    return {
        "name": clean(tenant.name),
        "legal_name": clean(legal.legal_name),
        "form": clean(legal.form),
        "form_apart": "" if names_its_form(legal) else clean(legal.form),
        "capital": clean(legal.capital),
        "register_entry": clean(legal.register_entry),
        "vat_id": clean(legal.vat_id),
        "directors": [clean(name) for name in legal.directors],
        "address": address_of(legal.address),
        "postal": postal,
        "email": clean(legal.email),
        "phone": clean(legal.phone),
    }


def address_of(address: PostalAddress) -> Data:
    """A postal address, cleaned."""
    return {
        "lines": [line for line in map(clean, address.lines) if line],
        "postcode": clean(address.postcode),
        "city": clean(address.city),
        "country": clean(address.country).upper(),
    }


def account_of(bank: BankDetails) -> Data:
    """Where the creditor is paid, cleaned."""
    british = british_account(bank.iban)
    return {
        "holder": clean(bank.holder),
        "iban": compact(clean(bank.iban)),
        "bic": compact(clean(bank.bic)),
        "sort_code": british[0] if british else "",
        "account_number": british[1] if british else "",
    }


def _remittance(request: RenderRequest, demanded: Section, reference: str) -> str:
    numbers = [clean(item.number) for item in demanded.items]
    return payment_reference(numbers, reference, request.tenant.bank.iban)


def _deadline(request: RenderRequest, today: date, default_days: int, least_days: int) -> Data:
    """The notice's own date, moved on where the law leaves longer."""
    day = request.notice.pay_by
    if day is None and default_days:
        day = today + timedelta(days=default_days)
    if day is not None:
        day = max(day, today + timedelta(days=least_days))
    return {"known": day is not None, "date": day, "days": (day - today).days if day else 0}


def _section(section: Section, wording: Wording, *, lists: bool) -> Data:
    if not section.items:
        return _NO_INVOICES
    found = _invoices(section)
    if lists:
        found["totals"] = [_total(total) for total in section.totals]
        found["lines"] = [_line(item, wording) for item in section.items[:MAX_LINES]]
    return found


def _invoices(section: Section) -> Data:
    """What a section says without listing its invoices and totals."""
    items, totals = section.items, section.totals
    oldest = items[0] if items else None
    numbers = [clean(item.number) for item in items[:NAMED_NUMBERS]]
    return {
        "count": len(items),
        "number": numbers[0] if numbers else "",
        "numbers": ", ".join(numbers) + (", …" if len(items) > NAMED_NUMBERS else ""),
        "issued_on": oldest.issued_on if oldest else None,
        "due_on": oldest.due_on if oldest else None,
        "days_late": oldest.days_late if oldest else 0,
        "days_left": -oldest.days_late if oldest else 0,
        "open": [money(total.open_minor, total.currency) for total in totals],
        "total": [money(total.due_minor, total.currency) for total in totals],
        "totals": [],
        "lines": [],
    }


_NO_INVOICES = _invoices(Section(items=(), totals=()))


def _total(total: Total) -> Data:
    return {
        "currency": total.currency,
        "count": total.count,
        **_amounts(total),
        "has_charges": total.charges_minor > 0,
    }


def _line(item: NoticeItemV2, wording: Wording) -> Data:
    total = total_of(item)
    return {
        "number": clean(item.number),
        "level": wording.level_name(item.level, item.level_no),
        "issued_on": item.issued_on,
        "due_on": item.due_on,
        "days_late": item.days_late,
        "amount": money(item.amount_minor, item.currency),
        **_amounts(total),
    }


def _amounts(total: Total) -> Data:
    """What is asked for by kind; `disputed` is not asked for."""
    minors = {
        "paid": total.paid_minor,
        "open": total.open_minor,
        "disputed": total.disputed_minor,
        "interest": total.interest_minor,
        "compensation": total.compensation_minor,
        "fee": total.fee_minor,
        "earlier": total.earlier_minor,
        "total": total.due_minor,
    }
    return {name: money(minor, total.currency) for name, minor in minors.items()}


def _charges(section: Section) -> Data:
    totals, grounds = section.totals, grounds_of(section.items)
    if grounds or any(total.charges_minor for total in totals):
        return _charged(totals, grounds)
    return _NO_CHARGES  # most reminders have none, and working that out took as long as their text


def _charged(totals: Sequence[Total], grounds: list[Data]) -> Data:
    sums = {
        kind: [money(minor, total.currency) for total in totals if (minor := minor_of(total))]
        for kind, minor_of in _CHARGES.items()
    }
    fixed = [t for t in totals if t.compensation_minor]
    each = fixed[0].compensation_each_minor if len(fixed) == 1 else None
    return {
        "any": any(sums.values()),
        **{f"has_{kind}": bool(found) for kind, found in sums.items()},
        **sums,
        "parts": [{"kind": kind, "amount": found} for kind, found in sums.items() if found],
        "grounds": grounds,
        "percents": sorted({percent for t in totals for percent in t.interest_percents}),
        "compensation_count": sum(t.compensation_count for t in fixed),
        "same_compensation": each is not None,
        "compensation_each": money(each, fixed[0].currency) if each is not None else None,
    }


_CHARGES: Mapping[str, Callable[[Total], int]] = {
    kind: attrgetter(f"{kind}_minor") for kind in ("interest", "compensation", "fee", "earlier")
}
_NO_CHARGES = _charged((), [])


def _unallocated(request: RenderRequest) -> Data:
    """Money that came in and that no invoice is paid with yet."""
    sums = [money(u.amount_minor, u.currency) for u in request.notice.unallocated if u.amount_minor]
    return {"any": bool(sums), "amount": sums}


def _disputed(section: Section) -> Data:
    """What is disputed of the message's invoices, and so not asked for."""
    items = [item for item in section.items if item.disputed_minor]
    totals = [total for total in section.totals if total.disputed_minor]
    return {
        "any": bool(items),
        "count": len(items),
        "number": clean(items[0].number) if items else "",
        "amount": [money(total.disputed_minor, total.currency) for total in totals],
    }

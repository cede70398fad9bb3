"""What the overview shows, as finished text in the debtor's language. Pure: values in, values out.

Every amount comes from the ledger's statement as it is now, never from a message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from dunning_common.events.tenants import TenantRegisteredV1
from notifier.content.account import british_account, compact
from notifier.content.clean import clean
from notifier.content.payment import epc_payload
from notifier.content.qr import qr_code
from notifier.content.reference import Reference, notice_reference
from notifier.content.reference import reference_of as transfer_reference
from notifier.portal.account import Owed, Statement
from notifier.portal.history import Said, SentMessage
from notifier.portal.link import PATH, Link
from notifier.portal.paging import Page
from notifier.portal.settings import Action, PortalSettings, pay_url
from notifier.portal.words import Words

LEVELS = (
    "courtesy",
    "first_reminder",
    "second_reminder",
    "final_demand",
    "formal_notice",
    "letter_before_action",
)
"""Template families that the portal has a sentence for; others go by their number."""

_SETTLED_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What surrounds every page: the words, the addresses of its parts, and whose page it is.

    `chosen` is the language that the visitor chose, kept in every address; empty: none.
    """

    words: Words
    token: str
    chosen: str
    languages: Sequence[tuple[str, str]]
    tenant: TenantRegisteredV1 | None = None
    settings: PortalSettings | None = None

    def path(self, part: str = "", **query: str) -> str:
        """The address of a part of the page."""
        place = f"{PATH}/{self.token}" + (f"/{part}" if part else "")
        asked = query | ({"lang": self.chosen} if self.chosen else {})
        return f"{place}?{urlencode(asked)}" if asked else place

    def in_language(self, code: str, part: str = "") -> str:
        """The same part in another language."""
        return f"{PATH}/{self.token}" + (f"/{part}" if part else "") + f"?lang={code}"

    @property
    def company(self) -> str:
        """The creditor's name; empty while nobody may know."""
        return clean(self.tenant.name) if self.tenant else ""

    @property
    def imprint(self) -> list[str]:
        """Who the creditor is by law."""
        if self.tenant is None:
            return []
        legal = self.tenant.legal
        address = legal.address
        place = f"{clean(address.postcode)} {clean(address.city)}".strip()
        lines = [clean(legal.legal_name), *map(clean, address.lines), place]
        return [line for line in (*lines, clean(legal.register_entry), clean(legal.vat_id)) if line]

    @property
    def email(self) -> str:
        """Where questions go."""
        own = self.settings.email if self.settings else ""
        return own or (clean(self.tenant.legal.email) if self.tenant else "")

    @property
    def phone(self) -> str:
        """Whom to call."""
        own = self.settings.phone if self.settings else ""
        return own or (clean(self.tenant.legal.phone) if self.tenant else "")


def overview(
    frame: Frame,
    *,
    link: Link,
    statement: Statement,
    debtor: str,
    today: date,
    actions: Sequence[Action],
    sent: Sequence[SentMessage],
    said: Sequence[Said],
    page: Page,
    documented: Collection[str] = (),
) -> dict[str, Any]:
    """Everything that the template of the overview needs; `documented` invoices link to theirs."""
    words = frame.words
    tenant = frame.tenant
    if tenant is None or frame.settings is None:
        raise ValueError("the overview belongs to a tenant")
    zone = ZoneInfo(tenant.zone)
    # The link's own message says at which level it stands; links of people say nothing.
    level = level_sentence(words, sent[0]) if sent and link.message_id else ""
    return {
        "debtor": clean(debtor),
        "level": level,
        "as_of": words.say("as_of", date=today),
        "totals": [
            {
                "amount": words.money(total.minor, total.currency),
                "charges": words.say(
                    "charges_part", amount=words.money(total.charges_minor, total.currency)
                )
                if total.charges_minor
                else "",
            }
            for total in statement.totals
        ],
        "unallocated": [
            words.say("unallocated", amount=words.money(minor, currency))
            for currency, minor in statement.unallocated
        ],
        "invoices": [
            _invoice(words, item, today)
            | {
                "document": frame.path("document", invoice=item.invoice_id)
                if item.invoice_id in documented
                else ""
            }
            for item in page.items
        ],
        "paging": _paging(frame, page),
        "settled": words.say("settled_list", numbers=_some(statement.settled))
        if statement.settled
        else "",
        "ways": _ways(frame, tenant, frame.settings, statement, link),
        "actions": [
            {
                "url": frame.path(action),
                "title": words[f"do_{action}"],
                "hint": words[f"do_{action}_hint"],
            }
            for action in actions
        ],
        "sent": [
            {
                "day": words.day(message.at.astimezone(zone).date()),
                "how": words[f"by_{message.channel}"],
                "what": level_sentence(words, message),
            }
            for message in sent
        ],
        "said": [
            {
                "day": words.day(answer.at.astimezone(zone).date()),
                "what": said_sentence(words, answer, statement),
                "state": state_words(words, answer),
            }
            for answer in said
        ],
    }


def _paging(frame: Frame, page: Page) -> dict[str, str]:
    """Where in a long list one is, and the ways on; nothing where all of it is shown."""
    if page.pages == 1:
        return {}

    def to(number: int) -> str:
        return f"{frame.path(page=str(number))}#invoices" if 1 <= number <= page.pages else ""

    shown = {"first": page.first, "last": page.last, "count": page.count}
    return {
        "where": frame.words.say("invoices_shown", **shown),
        "before": to(page.number - 1),
        "after": to(page.number + 1),
    }


def _some(numbers: Sequence[str]) -> str:
    """The first of these numbers."""
    more = ", …" if len(numbers) > _SETTLED_SHOWN else ""
    return ", ".join(map(clean, numbers[:_SETTLED_SHOWN])) + more


def level_sentence(words: Words, message: SentMessage) -> str:
    """What kind of message it was, in plain words."""
    if message.template in LEVELS:
        return words[f"level_{message.template}"]
    return words.say("level_other", level=message.level_no)


def said_sentence(words: Words, answer: Said, statement: Statement) -> str:
    """What the debtor answered, from its facts."""
    facts = answer.facts
    match answer.kind:
        case "payment_claimed" | "promise":
            day = date.fromisoformat(facts["paid_on" if "paid_on" in facts else "on"])
            amount = words.money(facts["amount_minor"], facts["currency"])
            return words.say(f"said_{answer.kind}", amount=amount, date=day)
        case "plan_request":
            return words.say("said_plan_request", count=len(facts["instalments"]))
        case "dispute":
            invoice_id = answer.invoice_ids[0] if answer.invoice_ids else ""
            invoice = statement.invoice(invoice_id)
            number = clean(invoice.number if invoice else invoice_id)
            return words.say("said_dispute", number=number)
        case kind:
            return words[f"said_{kind}"]


def state_words(words: Words, answer: Said) -> str:
    """What became of an answer, as far as it is known."""
    verdict = answer.verdict
    if verdict is None or answer.state != "received":
        return words[f"state_{answer.state}"]
    if verdict.outcome == "refused":
        return words.say("state_refused", why=words[f"why_{verdict.why or 'other'}"])
    return words[_STATE_OF[verdict.outcome]]


_STATE_OF = {"agreed": "state_accepted", "waits": "state_proposed", "not_needed": "state_settled"}


def reference_of(link: Link, statement: Statement, iban: str) -> Reference:
    """What to quote on a transfer: as in the message that carried the link."""
    named: UUID = link.notice_id or link.link_id
    numbers = [clean(item.number) for item in statement.owed]
    return transfer_reference(numbers, notice_reference(named), iban)


def _invoice(words: Words, item: Owed, today: date) -> dict[str, Any]:
    late = item.due_on < today
    return {
        "number": clean(item.number),
        "issued": words.day(item.issued_on, "short"),
        "due": words.say("overdue_since" if late else "due_on", date=item.due_on),
        "is_late": late,
        "amount": words.money(item.amount_minor, item.currency),
        "open": words.money(item.open_minor, item.currency),
        "charges": words.money(item.charges_minor, item.currency) if item.charges_minor else "",
        "total": words.money(item.total_minor, item.currency),
        "is_part": item.open_minor != item.amount_minor,
    }


def _ways(
    frame: Frame,
    tenant: TenantRegisteredV1,
    settings: PortalSettings,
    statement: Statement,
    link: Link,
) -> dict[str, Any]:
    """Ways to pay: a link per currency, the account, the code for euros."""
    words, bank = frame.words, tenant.bank
    reference = reference_of(link, statement, bank.iban)
    online = []
    for total in statement.totals if settings.pay_link else ():
        url = pay_url(
            settings.pay_link,
            reference=reference.shown,
            amount_minor=total.minor,
            currency=total.currency,
        )
        online.append(
            {
                "url": url,
                "label": words.say("pay_online", amount=words.money(total.minor, total.currency)),
                "hint": words.say("pay_online_hint", host=urlsplit(url).hostname or ""),
            }
        )
    british = british_account(bank.iban)
    iban = compact(clean(bank.iban))
    lines: Mapping[str, str] = {
        "holder": clean(bank.holder),
        "sort_code": british[0] if british else "",
        "account_number": british[1] if british else "",
        "iban": " ".join(iban[start : start + 4] for start in range(0, len(iban), 4)),
        "bic": compact(clean(bank.bic)),
        "reference": reference.shown,
    }
    return {
        "online": online,
        "lines": [{"label": words[name], "value": value} for name, value in lines.items() if value],
        **_code(words, tenant, statement, reference),
    }


def _code(
    words: Words, tenant: TenantRegisteredV1, statement: Statement, reference: Reference
) -> dict[str, str]:
    euros = statement.total_of("EUR")
    payload = epc_payload(tenant.bank, euros, reference) if euros else None
    if payload is None:
        return {"code": "", "code_alt": ""}
    return {
        "code": qr_code(payload).svg_inline(border=0, omitsize=True),
        "code_alt": words.say("code_alt", amount=words.money(euros, "EUR")),
    }

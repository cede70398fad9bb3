"""What a letter says, as plain data for Typst: no layout here, no computing there."""

from __future__ import annotations

from dunning_common.money import to_decimal
from notifier.content.clean import breakable, clean
from notifier.content.countries import Countries
from notifier.content.payment import payment_code, svg_of
from notifier.content.prepared import Prepared
from notifier.content.prose import Paragraph
from notifier.content.tables import amounts
from notifier.content.variables import Data, letter_date


def letter_data(prepared: Prepared, countries: Countries) -> Data:
    """What `letter.typ` prints, every amount and date as finished text."""
    request, script = prepared.request, prepared.script
    words, formats = script.wording.words, prepared.formats
    sender = prepared.part("sender")
    lines = countries.sender_lines(request)
    name = str(prepared.part("debtor")["name"])
    today = formats.day(letter_date(request))
    subject = prepared.line("subject")
    city = clean(request.tenant.legal.address.city)
    registered = request.channel == "registered_letter"
    contact = [str(sender[key]) for key in ("phone", "email") if sender[key]]
    return {
        "language": script.wording.code,
        "region": formats.locale.territory or "",
        "accent": script.family.accent,
        "title": subject,
        "words": words,
        "date": today,
        "reference": prepared.data["reference"],
        "sender": {
            "name": sender["name"],
            "legal_name": sender["legal_name"],
            "lines": lines,
            "contact": contact,
            "return_line": " · ".join([str(sender["legal_name"]), *lines]),
        },
        "debtor": [breakable(line, 26) for line in countries.debtor_lines(request, name)],
        "kind": words["kind_registered"] if registered else "",
        "place_date": words["place_date"].replace("{place}", city).replace("{date}", today),
        "info": _info(prepared, today),
        "subject": breakable(subject, 50),
        "greeting": prepared.line("greeting"),
        "opening": [_letter_part(part) for part in prepared.paragraphs("opening")],
        "tables": prepared.tables(None, longest_number=18),
        "notes": [_letter_part(part) for part in prepared.notes()],
        "payment": _payment(prepared),
        "closing": [_letter_part(part) for part in prepared.paragraphs("closing")],
        "sign_off": prepared.line("sign_off"),
        "imprint": prepared.imprint,
    }


def _info(prepared: Prepared, today: str) -> list[Data]:
    """References and contacts; each window prints those that its country expects."""
    words, sender = prepared.script.wording.words, prepared.part("sender")
    values = (
        ("reference", "our_reference", prepared.data["reference"]),
        ("date", "date", today),
        ("phone", "phone", sender["phone"]),
        ("email", "email", sender["email"]),
    )
    return [
        {"key": key, "label": words[word], "value": breakable(str(value), 36)}
        for key, word, value in values
    ]


def _payment(prepared: Prepared) -> Data:
    demanded, words = prepared.summary.demanded, prepared.script.wording.words
    reference = str(prepared.part("payment")["reference"])
    code = payment_code(prepared.request.tenant.bank, demanded, reference)
    return {
        "title": words["payment"],
        "amount": amounts(demanded, prepared.formats),
        "lines": [
            {**line, "value": breakable(str(line["value"]), 36)} for line in prepared.accounts()
        ],
        "code": svg_of(code) if code else "",
        "code_label": f"{words['pay_code']}{_code_amount(prepared)}",
    }


def _code_amount(prepared: Prepared) -> str:
    """What the code pays, where that is not everything: it can only pay euros."""
    totals = prepared.summary.demanded.totals
    if len(totals) == 1:
        return ""
    euros = next((total.due_minor for total in totals if total.currency == "EUR"), 0)
    return f" ({prepared.formats.money(to_decimal(euros, 'EUR'), 'EUR')})"


def _letter_part(part: Paragraph) -> Data:
    return {
        "entry": part.entry,
        "runs": [{"text": breakable(run.text, 60), "bold": run.bold} for run in part.runs],
    }

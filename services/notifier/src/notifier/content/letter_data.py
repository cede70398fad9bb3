"""What a letter says, as plain data for Typst: no layout here, no computing there."""

from __future__ import annotations

from notifier.content.clean import breakable, clean
from notifier.content.countries import Countries, UndeliverableError
from notifier.content.letter_payment import payment_data
from notifier.content.mail import web_address
from notifier.content.model import TemplateError
from notifier.content.prepared import Prepared
from notifier.content.prose import Paragraph
from notifier.content.qr import qr_code, svg_of
from notifier.content.variables import Data, letter_date


def letter_data(prepared: Prepared, countries: Countries) -> Data:
    """What `letter.typ` prints, every amount and date as finished text.

    Raises:
        TemplateError: no post could deliver to the debtor's address.
    """
    request, script = prepared.request, prepared.script
    words, formats = script.wording.words, prepared.formats
    sender = prepared.part("sender")
    lines = countries.sender_lines(request)
    name = str(prepared.part("debtor")["name"])
    try:
        debtor = countries.debtor_lines(request, name)
    except UndeliverableError as error:
        raise TemplateError(
            script.name,
            "the debtor's address",
            f"{error}; correct the debtor's contacts, the next attempt uses them",
        ) from error
    today = formats.day(letter_date(request))
    subject = prepared.line("subject")
    city = clean(request.tenant.legal.address.city)
    registered = request.channel == "registered_letter"
    contact = [str(sender[key]) for key in ("phone", "email") if sender[key]]
    payment, slips, remarks = payment_data(prepared)
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
        "debtor": [breakable(line, 26) for line in debtor],
        "kind": words["kind_registered"] if registered else "",
        "place_date": words["place_date"].replace("{place}", city).replace("{date}", today),
        "info": _info(prepared, today),
        "subject": breakable(subject, 50),
        "greeting": prepared.line("greeting"),
        "opening": [_letter_part(part) for part in prepared.paragraphs("opening")],
        "tables": prepared.tables(None, longest_number=18),
        "notes": [_letter_part(part) for part in prepared.notes()],
        "payment": payment,
        "slips": slips,
        "portal": _portal(prepared),
        "remarks": list(remarks),
        "closing": [_letter_part(part) for part in prepared.paragraphs("closing")],
        "sign_off": prepared.line("sign_off"),
        "imprint": prepared.imprint,
        "annexes": prepared.annexes(),
    }


def remarks_of(data: Data) -> tuple[str, ...]:
    """What `letter_data` had to leave out, and why."""
    remarks = data["remarks"]
    return tuple(map(str, remarks)) if isinstance(remarks, list) else ()


def _portal(prepared: Prepared) -> Data | None:
    """The link to the debtor's page, to type and to scan; None where there is none."""
    words = prepared.script.wording.words
    url = web_address(prepared.request.portal_url, prepared.script.name)
    if not url:
        return None
    return {
        "url": breakable(url, 60),
        "code": svg_of(qr_code(url.encode("ascii"))),
        "code_label": words["portal_button"],
        "words": words["portal_words"],
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


def _letter_part(part: Paragraph) -> Data:
    return {
        "entry": part.entry,
        "runs": [{"text": breakable(run.text, 60), "bold": run.bold} for run in part.runs],
    }

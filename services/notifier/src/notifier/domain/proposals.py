"""What an answer in free words seems to say: a proposal that a person accepts or not.

Words alone never act on money or dates; nothing here is ever carried out by itself. The most
cautious reading comes first: who pays and disputes, disputes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from notifier.domain.replies import folded


class ProposalKind(StrEnum):
    """What a person may want to record after reading an answer."""

    PAYMENT_CLAIMED = "payment_claimed"
    PROMISE = "promise"
    DISPUTE = "dispute"
    PLAN = "plan"
    OPT_OUT = "opt_out"
    WRONG_RECIPIENT = "wrong_recipient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What an answer seems to say, and the first date in it."""

    kind: ProposalKind
    on: date | None = None


# Without accents and in lower case, as `folded` leaves them: EN, FR, DE, ES, IT, PT, NL, PL.
_SIGNS = {
    ProposalKind.OPT_OUT: (
        r"stop (?:texting|writing|contacting|emailing|sending|calling)",
        r"do(?: not|n't) (?:text|contact|write|email) me",
        r"ne (?:m'ecrivez|me contactez) plus",
        r"keine (?:weiteren )?(?:nachrichten|sms)",
        r"no me (?:escriban|contacten)",
        r"non (?:scrivetemi|contattatemi)",
    ),
    ProposalKind.WRONG_RECIPIENT: (
        r"wrong (?:number|person|address)|no longer works? here",
        r"mauvais (?:numero|destinataire)|ne travaille plus",
        r"falsche (?:nummer|adresse)|nicht mehr (?:bei uns|im unternehmen)",
        r"numero (?:equivocado|sbagliato|errado)|verkeerd nummer|zly numer",
    ),
    ProposalKind.DISPUTE: (
        r"\bdisput|\bcontest|never (?:ordered|received)|wrong amount|not correct|incorrect",
        r"litige|jamais (?:commande|recu)",
        r"reklam|beanstand|nicht einverstanden|nie (?:bestellt|erhalten)",
        r"reclamaci|reclamo|betwist|kwestion",
    ),
    ProposalKind.PLAN: (
        r"instal?ments?|payment plan|echeancier|plusieurs fois|ratenzahlung|in raten",
        r"a plazos|\ba rate|rateizza|parcela|in termijnen|na raty|ratach",
    ),
    ProposalKind.PROMISE: (
        r"\b(?:will|shall|'ll|going to) (?:\w+ ){0,2}(?:pay|transfer|settle)",
        r"(?:je|nous) (?:vais |allons )?(?:paierai|payer|reglerai|regler|paierons)",
        r"werden? .{0,40}(?:zahlen|uberweisen|begleichen)",
        r"pagare\b|pagaremos|paghero|pagheremo|pagarei|zal .{0,30}betalen|zaplace",
    ),
    ProposalKind.PAYMENT_CLAIMED: (
        r"\b(?:have|has|was|were|been|already|i|we) (?:\w+ ){0,2}(?:paid|transferred|settled)\b",
        r"\bpaid (?:on|by|last|yesterday|today|this)|payment (?:was )?(?:made|sent|done)",
        r"deja (?:paye|regle)|(?:ai|avons|ete|est|a) (?:deja )?(?:paye|regle|vire)",
        r"virement effectue|bezahlt|uberwiesen|beglichen",
        r"(?:he|hemos|ya|esta) (?:ya )?pagad|(?:ho|abbiamo|gia|stat[ao]) (?:gia )?pagat",
        r"ja (?:foi )?pag|paguei|pagamos|(?:heb|hebben|al|is) .{0,20}(?:betaald|overgemaakt)",
        r"zaplacil|zaplacon",
    ),
}
_READINGS = [(kind, re.compile("|".join(signs))) for kind, signs in _SIGNS.items()]
_NOT_PAID = re.compile(
    r"(?:\b(?:not|never|cannot)|n't) (?:\w+ ){0,2}(?:paid|pay)\b|pas (?:encore )?(?:paye|regle)"
    r"|nicht (?:\w+ ){0,2}(?:bezahlt|uberwiesen|beglichen)|no (?:he|hemos) pagad"
    r"|non (?:ho|abbiamo) .{0,10}pagat|niet .{0,20}betaald|nao (?:paguei|foi pag)|nie zaplac"
)


def propose(text: str, *, today: date) -> Proposal | None:
    """What the text seems to say, or None.

    Args:
        text: what the debtor wrote.
        today: settles the year of a date written without one: a payment was, a promise will be,
            anything else is nearest.
    """
    plain = folded(text.replace("’", "'"))
    for kind, signs in _READINGS:
        if signs.search(plain):
            if kind is ProposalKind.PAYMENT_CLAIMED and _NOT_PAID.search(plain):
                return None
            return Proposal(kind=kind, on=_date_in(plain, today, kind))
    return None


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january janvier januar enero gennaio janeiro januari stycznia",
            "february fevrier februar febrero febbraio fevereiro februari lutego",
            "march mars marz marzo marco maart marca",
            "april avril abril aprile kwietnia",
            "may mai mayo maggio maio mei maja",
            "june juin juni junio giugno junho czerwca",
            "july juillet juli julio luglio julho lipca",
            "august aout agosto augustus sierpnia",
            "september septembre septiembre settembre setembro wrzesnia",
            "october octobre oktober octubre ottobre outubro pazdziernika",
            "november novembre noviembre novembro listopada",
            "december decembre dezember diciembre dicembre dezembro grudnia",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})\b"),
    re.compile(r"\b(?P<d>\d{1,2})[./](?P<m>\d{1,2})(?:[./](?P<y>\d{4}|\d{2}))?(?!\d)"),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.)? (?:de )?(?P<n>{_MONTH})\b"
               r"(?:,? (?:de )?(?P<y>\d{4}))?"),
    re.compile(rf"\b(?P<n>{_MONTH}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<y>\d{{4}}))?"),
)  # fmt: skip


def _date_in(plain: str, today: date, kind: ProposalKind) -> date | None:
    """The first date, day before month as in Europe; None when there is none that exists."""
    found = [match for pattern in _DATES if (match := pattern.search(plain))]
    for match in sorted(found, key=lambda match: match.start()):
        parts = match.groupdict()
        month = _MONTHS[parts["n"]] if parts.get("n") else int(parts["m"])
        year = parts.get("y")
        years = (
            [int(year) + (2000 if len(year) == 2 else 0)]
            if year
            else [today.year - 1, today.year, today.year + 1]
        )
        days = [day for y in years if (day := _day(y, month, int(parts["d"])))]
        if kind is ProposalKind.PAYMENT_CLAIMED:
            days = [day for day in days if day <= today] or days
        elif kind is ProposalKind.PROMISE:
            days = [day for day in days if day >= today] or days
        if days:
            return min(days, key=lambda day: abs((day - today).days))
    return None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None

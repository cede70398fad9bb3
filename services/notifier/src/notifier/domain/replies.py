"""What a debtor's answer by text or e-mail means: a stop word, a start word, or words for a person.

Pure. What words for a person may say is guessed in `proposals`.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum


class Intent(StrEnum):
    """What an answer asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    WORDS = "words"
    """Anything else: a person reads it."""


# The words of carriers in the US and Canada (CTIA, FCC 47 CFR 64.1200(a)(10)) and of each language.
# All of them count in every language: who writes one of them alone wants to be left in peace.
STOP_WORDS = {
    "en": ("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke",
           "opt out", "opt-out", "optout", "remove"),
    "fr": ("stop", "arret", "arrêt", "désabonner", "td"),
    "de": ("stop", "stopp", "abmelden"),
    "es": ("stop", "baja", "alto", "parar"),
    "it": ("stop", "basta"),
    "pt": ("stop", "parar", "sair", "cancelar"),
    "nl": ("stop", "afmelden"),
    "pl": ("stop", "rezygnuję"),
}  # fmt: skip
_START_WORDS = frozenset({"start", "unstop", "yes"})
_HELP_WORDS = frozenset({"help", "info", "aide"})


def folded(text: str) -> str:
    """Lower case, without accents, outer signs and double spaces: `« Arrêt ! »` is `arret`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ł", "l"))
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return re.sub(r"\s+", " ", re.sub(r"^\W+|\W+$", "", bare))


_STOPS = frozenset(folded(word) for words in STOP_WORDS.values() for word in words)


def intent_of(text: str) -> Intent:
    """What the whole text asks for; a word inside a sentence asks for nothing by itself."""
    word = folded(text)
    if word in _STOPS:
        return Intent.STOP
    if word in _START_WORDS:
        return Intent.START
    return Intent.HELP if word in _HELP_WORDS else Intent.WORDS


_QUOTE_HEADS = (
    re.compile(r"^-{2,}\s*(original|forwarded|message|urspr|messagg|mensa|oryg)", re.IGNORECASE),
    re.compile(r"^_{8,}\s*$"),
    re.compile(r"^(on|le|am|el|il|em|op|dnia|w dniu)\b.{4,200}"
               r"(wrote|[ée]crit|schrieb|escribi[óo]|scritto|escreveu|schreef|napisał\w*)"
               r".{0,40}:\s*$", re.IGNORECASE | re.DOTALL),
    re.compile(r"^(from|de|von|da|van|od)\s?: .+@", re.IGNORECASE),
)  # fmt: skip


def fresh_text(text: str) -> str:
    """What the writer of an e-mail added: without the quoted mail below and the signature."""
    kept: list[str] = []
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines):
        # Mail programs break the line "On …, … wrote:" in two.
        opening = f"{line.strip()} {lines[number + 1].strip()}" if number + 1 < len(lines) else ""
        if line.rstrip() == "--" or any(
            head.search(line.strip()) or (opening.endswith(":") and head.search(opening))
            for head in _QUOTE_HEADS
        ):
            break
        if not line.lstrip().startswith(">"):
            kept.append(line.rstrip())
    return "\n".join(kept).strip()

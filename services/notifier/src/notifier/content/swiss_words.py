"""The headings on a Swiss QR-bill, which the Style Guide fixes in four languages."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = (
    *("payment_part", "receipt", "account", "reference", "message"),
    *("payable_by", "payable_by_blank", "currency", "amount", "acceptance_point", "separate"),
)
_WORDS = {
    "de": (
        *("Zahlteil", "Empfangsschein", "Konto / Zahlbar an", "Referenz"),
        *("Zusätzliche Informationen", "Zahlbar durch", "Zahlbar durch (Name/Adresse)"),
        *("Währung", "Betrag", "Annahmestelle", "Vor der Einzahlung abzutrennen"),
    ),
    "fr": (
        *("Section paiement", "Récépissé", "Compte / Payable à", "Référence"),
        *("Informations supplémentaires", "Payable par", "Payable par (nom/adresse)"),
        *("Monnaie", "Montant", "Point de dépôt", "A détacher avant le versement"),
    ),
    "it": (
        *("Sezione pagamento", "Ricevuta", "Conto / Pagabile a", "Riferimento"),
        *("Informazioni supplementari", "Pagabile da", "Pagabile da (nome/indirizzo)"),
        *("Valuta", "Importo", "Punto di accettazione", "Da staccare prima del versamento"),
    ),
    "en": (
        *("Payment part", "Receipt", "Account / Payable to", "Reference"),
        *("Additional information", "Payable by", "Payable by (name/address)"),
        *("Currency", "Amount", "Acceptance point", "Separate before paying in"),
    ),
}

LANGUAGES = tuple(_WORDS)
"""Languages that a QR-bill can be in."""


def words_of(language: str) -> Mapping[str, str]:
    """The headings by name; in English where the language is not one of `LANGUAGES`."""
    return dict(zip(_NAMES, _WORDS.get(language, _WORDS["en"]), strict=True))

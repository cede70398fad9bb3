"""What a creditor of a country has to say of itself on its letters and e-mails, and what it lacks.

Pure data and rules. The ledger warns with them when a tenant is registered, the notifier refuses
formal letters by them. How an imprint is worded is not decided here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from dunning_common.events.tenants import LegalIdentity, TenantRegisteredV1

FIELD_NAMES = {
    "form": "the legal form",
    "capital": "the share capital",
    "register_entry": "the entry in the register",
    "vat_id": "the VAT or tax number",
    "directors": "the directors",
}
"""Fields of a legal identity that a law may ask for, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a creditor of a country has to say of itself on its letters, and where that is written.

    `always` names fields of the legal identity; `of_companies` those that only the legal forms in
    `forms` have to state as well.
    """

    source: str
    always: tuple[str, ...] = ()
    of_companies: tuple[str, ...] = ()
    forms: frozenset[str] = frozenset()

    def missing(self, legal: LegalIdentity) -> tuple[str, ...]:
        """Fields that are empty though they have to be stated."""
        wanted = [*self.always]
        if legal_form(legal.form) in self.forms:
            wanted += self.of_companies
        return tuple(name for name in wanted if not getattr(legal, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A field that a tenant has to state on its letters and left empty.

    `pointer` is where it stands in the tenant's registration (a JSON pointer).
    """

    pointer: str
    detail: str
    remedy: str


def legal_form(form: str) -> str:
    """A legal form without dots, spaces and accents: `S.A.S.` and `SAS` are the same."""
    plain = unicodedata.normalize("NFKD", form)
    return "".join(char for char in plain if char.isalnum()).upper()


def missing_identity(
    tenant: TenantRegisteredV1, identities: Mapping[str, Identity]
) -> tuple[str, ...]:
    """What the tenant would have to state on its letters and has not told us, as field names."""
    identity = identities.get(tenant.country.upper())
    return identity.missing(tenant.legal) if identity else ()


def lacks_of(tenant: TenantRegisteredV1) -> tuple[Lack, ...]:
    """The same, each with its law and the remedy."""
    return tuple(
        Lack(
            pointer=f"/legal/{name}",
            detail=f"{FIELD_NAMES[name]} must stand on letters and e-mails of a creditor in "
            f"{tenant.country.upper()} ({IDENTITIES[tenant.country.upper()].source}); without it "
            "formal notices and letters of claim fail, gentler ones go out incomplete",
            remedy=f"register the tenant again with legal.{name}",
        )
        for name in missing_identity(tenant, IDENTITIES)
    )


def _forms(*forms: str) -> frozenset[str]:
    return frozenset(map(legal_form, forms))


IDENTITIES: Mapping[str, Identity] = {
    "FR": Identity(
        source="C. com. R123-237 and R123-238",
        always=("form", "register_entry"),
        of_companies=("capital",),
        forms=_forms("SA", "SAS", "SASU", "SARL", "EURL", "SCA", "SELARL", "SELAS"),
    ),
    "DE": Identity(
        source="HGB § 37a, GmbHG § 35a, AktG § 80",
        always=("form",),
        of_companies=("register_entry", "directors"),
        forms=_forms(
            "GmbH",
            "gGmbH",
            "UG",
            "UG (haftungsbeschränkt)",
            "AG",
            "SE",
            "KGaA",
            "GmbH & Co. KG",
            "eG",
        ),
    ),
    "AT": Identity(source="UGB § 14", always=("form", "register_entry")),
    "GB": Identity(
        source="Companies Act 2006 s. 82, SI 2015/17 reg. 25",
        of_companies=("register_entry",),
        forms=_forms("Limited", "Ltd", "PLC", "LLP", "CIC"),
    ),
    "IE": Identity(
        source="Companies Act 2014 s. 151",
        of_companies=("register_entry", "directors"),
        forms=_forms("Limited", "Ltd", "DAC", "PLC"),
    ),
    "IT": Identity(
        source="c.c. art. 2250",
        always=("form",),
        of_companies=("capital", "register_entry"),
        forms=_forms("S.p.A.", "S.r.l.", "S.r.l.s.", "S.a.p.a."),
    ),
    "ES": Identity(source="C. Com. art. 24", always=("form", "register_entry")),
    "PT": Identity(
        source="CSC art. 171",
        always=("form",),
        of_companies=("capital", "register_entry", "vat_id"),
        forms=_forms("Lda", "Lda.", "Unipessoal Lda", "S.A.", "SA"),
    ),
    "NL": Identity(source="Handelsregisterwet 2007 art. 27", always=("register_entry",)),
    "BE": Identity(source="CSA / WVV art. 2:20", always=("form", "register_entry")),
    "PL": Identity(
        source="KSH art. 206 and 374",
        always=("form",),
        of_companies=("register_entry", "capital", "vat_id"),
        forms=_forms("sp. z o.o.", "S.A."),
    ),
}
"""By the creditor's country; elsewhere nothing is known to be required."""

"""What a creditor has to say of itself, country by country."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.tenants import LegalIdentity
from dunning_common.legal_identity import (
    FIELD_NAMES,
    IDENTITIES,
    lacks_of,
    legal_form,
    missing_identity,
)
from notifier.content.samples import TENANTS

FRENCH = TENANTS["fr"]


@pytest.mark.parametrize("country", IDENTITIES)
def test_every_rule_names_fields_that_there_are_and_its_law(country: str) -> None:
    identity = IDENTITIES[country]

    assert {*identity.always, *identity.of_companies} <= set(LegalIdentity.model_fields)
    assert {*identity.always, *identity.of_companies} <= set(FIELD_NAMES)
    assert identity.source
    assert bool(identity.of_companies) == bool(identity.forms)


def test_what_is_missing_is_pointed_at_with_the_law_and_the_remedy() -> None:
    bare = FRENCH.model_copy(update={"legal": FRENCH.legal.model_copy(update={"capital": ""})})

    (lack,) = lacks_of(bare)

    assert lack.pointer == "/legal/capital"
    assert "C. com. R123-237" in lack.detail
    assert lack.remedy == "register the tenant again with legal.capital"
    assert lacks_of(FRENCH) == ()


def test_nothing_is_asked_of_a_creditor_where_no_rule_is_known() -> None:
    assert lacks_of(FRENCH.model_copy(update={"country": "US"})) == ()


@given(
    form=st.sampled_from(["SAS", "S.A.S.", "EI", "GmbH", "Ltd", "sp. z o.o.", ""]),
    country=st.sampled_from([*IDENTITIES, "US"]),
    filled=st.sets(st.sampled_from(["capital", "register_entry", "vat_id"])),
)
def test_a_field_that_is_filled_in_is_never_missing(
    form: str, country: str, filled: set[str]
) -> None:
    values = {
        name: "x" if name in filled else "" for name in ("capital", "register_entry", "vat_id")
    }
    legal = FRENCH.legal.model_copy(update=values | {"form": form, "directors": ()})
    tenant = FRENCH.model_copy(update={"country": country, "legal": legal})

    missing = missing_identity(tenant, IDENTITIES)

    assert not filled & set(missing)
    assert legal_form(form) == legal_form(form.lower())

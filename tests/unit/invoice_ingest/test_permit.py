from hypothesis import given
from hypothesis import strategies as st

from invoice_ingest.domain.permit import PermitRequest, Standing, answer


def request(*invoices: tuple[str, int], tenant: str = "acme") -> PermitRequest:
    return PermitRequest(permit_id="m1", tenant=tenant, invoices=invoices)


def test_an_open_unchanged_invoice_may_be_reminded() -> None:
    [given_] = answer([request(("i", 3))], {("acme", "i"): Standing(status="open", version=3)})

    assert given_.is_granted


def test_each_reason_is_named() -> None:
    standings = {
        ("acme", "paid"): Standing(status="paid", version=1),
        ("acme", "cancelled"): Standing(status="cancelled", version=1),
        ("acme", "off"): Standing(status="written_off", version=1),
        ("acme", "moved"): Standing(status="open", version=2),
        ("acme", "fine"): Standing(status="open", version=1),
    }

    [given_] = answer(
        [request(*((i, 1) for i in ("paid", "cancelled", "off", "moved", "none", "fine")))],
        standings,
    )

    assert not given_.is_granted
    assert given_.refused == (
        ("paid", "paid"),
        ("cancelled", "cancelled"),
        ("off", "written_off"),
        ("moved", "changed"),
        ("none", "unknown"),
    )


def test_nothing_goes_to_an_erased_debtor() -> None:
    [given_] = answer(
        [request(("i", 1))], {("acme", "i"): Standing(status="open", version=1, is_erased=True)}
    )

    assert given_.refused == (("i", "changed"),)


def test_another_tenants_invoice_is_unknown() -> None:
    [given_] = answer(
        [request(("i", 1), tenant="other")], {("acme", "i"): Standing(status="open", version=1)}
    )

    assert given_.refused == (("i", "unknown"),)


standing = st.builds(
    Standing,
    status=st.sampled_from(["open", "paid", "cancelled", "written_off"]),
    version=st.integers(1, 3),
)


@given(
    standings=st.dictionaries(st.tuples(st.just("acme"), st.sampled_from("abcd")), standing),
    invoices=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), min_size=1),
)
def test_a_permit_is_granted_exactly_when_all_invoices_are_open_and_unmoved(
    standings: dict[tuple[str, str], Standing], invoices: list[tuple[str, int]]
) -> None:
    [given_] = answer([request(*invoices)], standings)

    assert given_.is_granted == all(
        standings.get(("acme", i)) == Standing(status="open", version=v) for i, v in invoices
    )

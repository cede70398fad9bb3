"""Which original documents go with a message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from notifier.content.model import Attachment
from notifier.domain.enclosure import ENCLOSED_BYTES_MAX, ENCLOSED_MAX, enclose, left_out


def paper(content: bytes) -> Attachment:
    return Attachment(file_name="f.pdf", media_type="application/pdf", content=content)


def test_documents_go_in_the_order_of_the_invoices_and_missing_ones_are_left_out() -> None:
    papers = {"b": paper(b"2"), "a": paper(b"1")}

    assert enclose(["a", "x", "b"], papers) == (paper(b"1"), paper(b"2"))


def test_instalments_of_one_document_bring_it_once() -> None:
    assert enclose(["a~1", "a~2"], {"a~1": paper(b"1"), "a~2": paper(b"1")}) == (paper(b"1"),)


def test_a_document_too_large_makes_room_for_the_next() -> None:
    large = paper(b"x" * (ENCLOSED_BYTES_MAX + 1))

    assert enclose(["a", "b"], {"a": large, "b": paper(b"1")}) == (paper(b"1"),)


def remarks(invoice_ids: list[str], papers: dict[str, Attachment]) -> tuple[str, ...]:
    return left_out(invoice_ids, papers, enclose(invoice_ids, papers))


def test_nothing_is_said_where_all_documents_go() -> None:
    assert remarks(["a", "b~1", "b~2"], {n: paper(b"1") for n in ("a", "b~1", "b~2")}) == ()
    assert remarks([str(n) for n in range(ENCLOSED_MAX)], {"0": paper(b"1")}) == ()


def test_nothing_is_said_of_a_tenant_who_keeps_no_documents_here() -> None:
    assert remarks([str(n) for n in range(3 * ENCLOSED_MAX)], {}) == ()


def test_documents_without_room_are_counted() -> None:
    large = {n: paper(n.encode() + b"x" * (ENCLOSED_BYTES_MAX // 2)) for n in ("a", "b", "c")}

    (remark,) = remarks(list(large), large)

    assert remark.endswith("8 MB: 2")


def test_a_mail_about_more_invoices_than_it_carries_says_so() -> None:
    (remark,) = remarks([str(n) for n in range(12)], {"0": paper(b"1")})

    assert remark == (
        "it is about 12 invoices and carries the original documents of the first 10 at most"
    )


@given(st.lists(st.integers(0, 3_000_000), max_size=30))
def test_whatever_there_is_the_mail_stays_within_its_bounds(sizes: list[int]) -> None:
    papers = {str(n): paper(bytes([n]) + b"x" * size) for n, size in enumerate(sizes)}

    enclosed = enclose(list(papers), papers)

    assert len(enclosed) <= ENCLOSED_MAX
    assert sum(len(each.content) for each in enclosed) <= ENCLOSED_BYTES_MAX

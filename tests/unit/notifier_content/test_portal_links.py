"""The link to the debtor's page in texts and on paper: what it costs, and that it can be scanned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.model import TemplateError
from notifier.content.render import Renderer
from notifier.content.samples import sample_request
from notifier.content.sms import LINKED_PARTS_MAX, segments, with_link

from .paper import Sheet
from .swiss import swiss_request

URL = "https://pay.creditor.example/p/7k3q-w9tb-4mxa-d2hf-0zre"
SHORT = URL.replace("-", "")


@given(st.text(st.characters(max_codepoint=0x17F), max_size=400), st.integers(1, 6))
def test_a_link_never_makes_a_text_longer_than_is_allowed_and_is_never_changed(
    text: str, parts_max: int
) -> None:
    written, remarks = with_link(text, "Détails :", SHORT, parts_max=parts_max)

    if remarks:
        assert written == text
    else:
        assert written.endswith(f" {SHORT}")
        assert segments(written) <= min(max(parts_max, segments(text)), LINKED_PARTS_MAX)


def test_a_text_that_would_get_too_long_goes_without_its_link_and_says_so() -> None:
    text = "x" * 150

    with_it, silent = with_link(text, "Details:", SHORT, parts_max=2)
    without, remarks = with_link(text, "Details:", SHORT, parts_max=1)

    assert (with_it, silent) == (f"{text} Details: {SHORT}", ())
    assert without == text
    why = "with it the text has 2 parts instead of 1, and 1 are allowed"
    assert remarks == (f"no link to the debtor's page: {why}",)


def test_a_link_that_costs_no_further_part_comes_along_whatever_is_allowed() -> None:
    assert with_link("x" * 170, "Details:", SHORT, parts_max=1)[1] == ()


def test_every_language_puts_the_link_at_the_end_of_its_text(renderer: Renderer) -> None:
    for language in renderer.languages:
        request = sample_request("first_reminder", "sms", language, invoices=1)
        plain = renderer.render(request)
        linked = renderer.render(replace(request, portal_url=SHORT, sms_parts_max=3))

        assert linked.text is not None
        assert linked.text.startswith(f"{plain.text} ")
        assert linked.text.endswith(f" {SHORT}")
        assert linked.remarks == ()


def test_a_letter_says_in_type_and_in_a_code_of_its_own_where_the_page_is(
    renderer: Renderer,
) -> None:
    request = sample_request("second_reminder", "letter", "fr")

    sheet = Sheet(renderer.render(replace(request, portal_url=URL)).pdf or b"", scan=True)
    codes = sorted(sheet.codes(), key=lambda code: code.box.left)

    assert URL in sheet.text
    assert [code.content[:3] for code in codes] == [b"BCD", b"htt"]
    assert codes[1].content.decode() == URL
    # A camera that is held over one of them does not see the other.
    assert codes[1].box.left - codes[0].box.right > 10
    assert codes[0].box.width == pytest.approx(26, abs=0.3)
    assert codes[1].box.width == pytest.approx(20, abs=0.3)


def test_beside_a_qr_bill_the_code_of_the_page_stands_in_the_letter_and_not_on_the_slips() -> None:
    request = replace(swiss_request("de", invoices=1), portal_url=URL)

    pdf = Renderer().render(request).pdf or b""
    first, last = Sheet(pdf, 0, scan=True), Sheet(pdf, -1, scan=True)

    assert [code.content.decode() for code in first.codes()] == [URL]
    assert [code.content[:3] for code in last.codes()] == [b"SPC"]


def test_without_a_link_a_letter_is_as_before(renderer: Renderer) -> None:
    request = sample_request("second_reminder", "letter", "fr")

    sheet = Sheet(renderer.render(request).pdf or b"", scan=True)

    assert [code.content[:3] for code in sheet.codes()] == [b"BCD"]


@pytest.mark.parametrize("channel", ["sms", "letter"])
def test_only_a_web_address_is_printed(renderer: Renderer, channel: str) -> None:
    request = sample_request("first_reminder", "letter" if channel == "letter" else "sms", "fr")

    with pytest.raises(TemplateError, match="no web address"):
        renderer.render(replace(request, portal_url="javascript:alert(1)"))

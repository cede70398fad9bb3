"""The page of an e-mail: light, whole for Outlook as for the others, and as its layout says it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.mjml import compile_mjml, light
from notifier.content.model import TemplateError
from notifier.content.render import TEMPLATES, Renderer
from notifier.content.samples import sample_request

LAYOUT = TEMPLATES / "email" / "layout.mjml"
FOR_OUTLOOK = re.compile(r"<!--\[if (?:mso \| IE|mso)\]>(.*?)<!\[endif\]-->", re.DOTALL)
LIQUID = re.compile(r"\{[{%].*?[}%]\}")
VOID = {"br", "meta"}

MAIL_BYTES_MAX = 12_500
"""Of the page of a reminder of two invoices: a limit for us, so that a mail stays cheap."""


class _Nesting(HTMLParser):
    """Refuses an end tag that does not close what was opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    return compile_mjml(LAYOUT)


def reminder(renderer: Renderer, language: str) -> str:
    html = renderer.render(sample_request("first_reminder", "email", language, invoices=2)).html
    assert html is not None
    return html


@pytest.mark.parametrize("language", ["fr", "de", "en", "pl"])
def test_the_page_of_a_reminder_is_light(renderer: Renderer, language: str) -> None:
    html = reminder(renderer, language)

    assert len(html.encode("ascii", "xmlcharrefreplace")) <= MAIL_BYTES_MAX


@pytest.mark.parametrize("language", ["fr", "de", "en", "pl"])
def test_the_lines_of_a_page_are_short_enough_to_travel_as_they_are(
    renderer: Renderer, language: str
) -> None:
    lines = reminder(renderer, language).encode("ascii", "xmlcharrefreplace").split(b"\n")

    assert max(map(len, lines)) <= 990


@pytest.mark.parametrize("in_outlook", [True, False])
def test_tags_close_in_order_for_outlook_and_for_the_others(
    renderer: Renderer, *, in_outlook: bool
) -> None:
    html = reminder(renderer, "fr")
    nesting = _Nesting()

    nesting.feed(FOR_OUTLOOK.sub(r"\1" if in_outlook else "", html))
    nesting.close()

    assert nesting.open == []
    assert nesting.seen.count("h1") == 1


def test_tables_of_600_pixels_hold_the_page_together_in_outlook(page: str) -> None:
    frames = re.findall(r'<table [^>]*width="600"[^>]*>', "".join(FOR_OUTLOOK.findall(page)))

    assert len(frames) == page.count("max-width:600px")
    assert len(frames) >= 2


def test_the_frame_of_a_page_is_ascii_so_that_references_stand_in_words_only(page: str) -> None:
    assert page.isascii()


def test_comments_of_the_layout_are_not_sent(page: str) -> None:
    said = re.findall(r"<!--(.*?)-->", LAYOUT.read_text(encoding="utf-8"), re.DOTALL)

    assert said
    assert re.findall(r"<!--(?!\[if mso)", page) == []


def test_what_is_filled_in_stays_as_the_layout_says_it(page: str) -> None:
    wanted = set(LIQUID.findall(LAYOUT.read_text(encoding="utf-8")))

    assert set(LIQUID.findall(page)) == wanted


@given(st.lists(st.sampled_from(["a", " ", "<b>", "</b>", "{{ x }}", ", "]), max_size=12))
def test_white_space_within_a_line_stays(parts: list[str]) -> None:
    line = "".join(parts)

    assert light(line) == line


def test_a_line_that_ends_between_tags_ends_nothing_on_the_page() -> None:
    source = "<td>\n  <b>a</b> <i>b</i>\n  {% if x %}\n  <b>c\n d</b>{% endif %}\n</td>"

    assert light(source) == "<td><b>a</b> <i>b</i>{% if x %}<b>c\n d</b>{% endif %}</td>"


def test_a_colour_is_said_once_and_only_where_both_words_agree() -> None:
    same = '<p style="background:#fff;background-color:#fff;margin:0px;">'
    other = '<p style="background:url(x);background-color:#fff">'

    assert light(same) == '<p style="background-color:#fff;margin:0">'
    assert light(other) == other


def test_style_rules_lose_their_white_space_and_keep_their_selectors() -> None:
    source = (
        "<style>\n .a > td,\n .b td { color : red; margin: 0 0 14px; }\n .c { top: 0; }</style>"
    )

    assert light(source) == "<style>.a>td,.b td{color :red;margin:0 0 14px}\n.c{top:0}</style>"


def test_a_rule_of_the_layout_may_say_what_tags_are_like_anyway() -> None:
    source = '<style>td{border:none;margin:0}</style><td style="border:none;padding:0">'

    assert light(source) == '<style>td{border:none;margin:0}</style><td style="padding:0">'


def test_mjml_that_is_refused_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "layout.mjml"
    path.write_text("<mjml>\n<mj-body>\n<mj-section></mj-body></mjml>", encoding="utf-8")

    with pytest.raises(TemplateError, match=r"layout\.mjml, the MJML"):
        compile_mjml(path)

"""Templates are code from outside: what is refused, and how it is said."""

from __future__ import annotations

import contextlib
import string
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.content.model import TemplateError
from notifier.content.sandbox import MAX_SOURCE_CHARS, Compiled, Sandbox
from notifier.content.shape import Shape

DATA: dict[str, object] = {
    "locale": "fr_FR",
    "name": "Dupont",
    "count": 2,
    "day": date(2026, 3, 12),
    "none": None,
    "yes": True,
    "price": {"amount": Decimal("1234.50"), "currency": "EUR"},
    "prices": [{"amount": Decimal("1.00"), "currency": "EUR"}] * 2,
    "rate": Decimal("12.4"),
    "rates": [Decimal("4.125"), Decimal(5)],
    "lines": [{"number": f"F-{place}", "level": "x"} for place in range(200)],
}
SHAPE = Shape.of(DATA)
TEXT = Sandbox(html=False, max_output_chars=64 * 1024)
PAGE = Sandbox(html=True, max_output_chars=64 * 1024)


def compiled(source: str, sandbox: Sandbox = TEXT) -> Compiled:
    return sandbox.compile(source, name="fr/test", place="opening", data=SHAPE)


def shown(source: str, sandbox: Sandbox = TEXT) -> str:
    return compiled(source, sandbox).render(DATA)


REFUSED = {
    # Reaching out of the data.
    "{{ name.__class__ }}": "does not exist",
    "{{ name.__class__.__mro__[1].__subclasses__() }}": "",
    "{{ lines.append }}": "does not exist",
    "{{ ''.__class__ }}": "",
    "{{ self }}": "does not exist",
    "{{ config.items }}": "does not exist",
    "{{ name['__init__'] }}": "does not exist",
    "{{ lines[count] }}": "write the name itself",
    "{{ [name] }}": "",
    "{{ forloop.parentloop }}": "does not exist",
    # Tags.
    "{% include 'letter' %}": "'include' is not allowed",
    "{% render 'letter' %}": "'render' is not allowed",
    "{% extends 'letter' %}": "'extends' is not allowed",
    "{% block a %}{% endblock %}": "'block' is not allowed",
    "{% capture a %}{{ name }}{% endcapture %}": "'capture' is not allowed",
    "{% liquid assign a = 1 %}": "'liquid' is not allowed",
    "{% echo name %}": "'echo' is not allowed",
    "{% cycle 'a', 'b' %}": "'cycle' is not allowed",
    "{% increment a %}": "'increment' is not allowed",
    "{% tablerow x in lines %}{% endtablerow %}": "'tablerow' is not allowed",
    "{% macro a %}{% endmacro %}": "'macro' is not allowed",
    "{% raw %}{{ name }}{% endraw %}": "'raw' is not allowed",
    "{% doc %}a{% enddoc %}": "'doc' is not allowed",
    "{% import os %}": "'import' is not allowed",
    "{% %}": "is not allowed",
    # Filters that multiply text, read clocks or run long.
    "{{ name | replace: 'u', name }}": "'replace' is not allowed",
    "{{ name | append: name }}": "'append' is not allowed",
    "{{ lines | join: ',' }}": "'join' is not allowed",
    "{{ name | split: '' }}": "'split' is not allowed",
    "{{ count | times: 1000000 }}": "'times' is not allowed",
    "{{ name | attr: '__class__' }}": "'attr' is not allowed",
    "{{ name | safe }}": "'safe' is not allowed",
    "{{ name | prepend: name | url_encode }}": "'prepend' is not allowed",
    "{% assign a = name | base64_decode %}": "'base64_decode' is not allowed",
    "{% for x in lines | concat: lines %}{% endfor %}": "",
    "{{ 'now' | date: '%Y' }}": "needs a date",
    # Ranges, numbers, loops.
    "{{ (1..100000000) }}": "ranges",
    "{% for x in (1..100000000) %}a{% endfor %}": "ranges",
    "{% if (1..9) contains 3 %}a{% endif %}": "ranges",
    "{% for x in lines limit: 1.5 %}{% endfor %}": "decimal point",
    "{{ 0.1 }}": "decimal point",
    "{{ 99999999999999999999 }}": "numbers go up to",
    "{% for x in name %}{% endfor %}": "is not a list",
    "{% for x in price %}{% endfor %}": "is not a list",
    "{% for a in lines %}{% for b in lines %}{% for c in lines %}{% endfor %}{% endfor %}{% endfor %}": "deeper than 2",
    "{% for a in lines %}{% endfor %}" * 9: "more than 8 loops",
    "{% for a in lines %}" + "{{ a.number }}" * 200 + "{% endfor %}": "parts inside loops",
    "{% case 1 %}{% when 1, 1, 1 %}a{% endcase %}": "each once",
    "{% case 1 %}{% when count, 1 %}a{% endcase %}": "each once",
    # Sizes.
    "a" * (MAX_SOURCE_CHARS + 1): "at most 32768",
    "{{ name }}" * 1_001: "more than 1000 tags",
    "{{ '" + "a" * 600 + "' }}": "at most 500 characters",
    "{% if yes %}" * 12 + "{% endif %}" * 12: "deeper than 10",
    "{{ " + "lines." * 15 + "number }}": "at most 10 parts",
    "{% if yes" + " and yes" * 55 + " %}a{% endif %}": "nested too deep",
    # Crooked delimiters, on which the parser's own scanner takes minutes.
    "{{" * 16_000: "not closed",
    "{%" * 16_000: "not closed",
    "{{ name {{ name }} }}": "not closed",
    "{% if yes %}a": "",
    "{{ name": "not closed; write }}",
    "{% if yes %": "not closed; write %}",
    "{{ ((((((name)))))) }}": "",
    "{{ name | }}": "",
    "{{ | money }}": "",
    "{% if %}a{% endif %}": "",
    "{% else %}": "",
    "{% for %}{% endfor %}": "",
}


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: source[:50])
def test_a_malicious_or_broken_template_is_refused_with_its_place(source: str) -> None:
    with pytest.raises(TemplateError) as refused:
        compiled(source).render(DATA)

    assert REFUSED[source] in refused.value.reason
    assert refused.value.template == "fr/test"
    assert refused.value.place.startswith("opening")
    assert str(refused.value).startswith("fr/test, opening")


def test_the_line_is_named() -> None:
    with pytest.raises(TemplateError) as unknown:
        compiled("Bonjour,\n\n{{ nom }}")
    with pytest.raises(TemplateError) as tag:
        compiled("a\nb\nc\n{% include 'x' %}")
    with pytest.raises(TemplateError) as used:
        compiled("a\n{{ name\n  | join }}")

    assert unknown.value.place == "opening line 3"
    assert "known are count, day" in unknown.value.reason
    assert tag.value.place == "opening line 4"
    assert used.value.place == "opening line 3"


@pytest.mark.parametrize(
    "source",
    [
        "{% if yes %}{% else %}{{ nmae }}{% endif %}",
        "{% unless yes %}{{ price.amonut }}{% endunless %}",
        "{% for line in lines %}{{ line.nubmer }}{% endfor %}",
        "{% case count %}{% when 9 %}{{ gone }}{% endcase %}",
        "{% if none %}{{ none.below }}{% endif %}",
        "{% if yes %}{% assign x = 1 %}{% endif %}{{ x }}",
        "{% for line in lines %}{% endfor %}{{ line.number }}",
        "{% for line in lines %}{% else %}{{ line.number }}{% endfor %}",
        "{{ name | default: nmae }}",
        "{% for line in lines limit: limt %}{% endfor %}",
    ],
)
def test_a_wrong_name_is_found_in_branches_that_no_sample_takes(source: str) -> None:
    with pytest.raises(TemplateError, match="does not exist; known are"):
        compiled(source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ price | money }}", "1\u202f234,50\u00a0€"),
        ("{{ prices | money }}", "1,00\u00a0€ et 1,00\u00a0€"),
        ("{{ rate | percent }}", "12,40\u00a0%"),
        ("{{ rates | percent }}", "4,125\u00a0% et 5,00\u00a0%"),
        ("{{ day | date }}", "12\u00a0mars\u00a02026"),
        ("{{ day | date: 'short' }}", "12/03/2026"),
        ("{{ count }} {{ count | plural: 'jour', 'jours' }}", "2 jours"),
        ("{{ 1 | plural: 'jour', 'jours' }}", "jour"),
        ("{{ 0 | plural: 'jour', 'jours' }}", "jour"),
        ("{{ 12345 | number }}", "12\u202f345"),
        ("{{ name | upcase }} {{ name | downcase }}", "DUPONT dupont"),
        ("{{ 'école SAS' | capitalize }}", "École SAS"),
        ("{{ name | shorten: 4 }}", "Dup…"),
        ("{{ 'FR7630006000011234567890189' | iban }}", "FR76 3000 6000 0112 3456 7890 189"),
        ("{{ none | default: 'rien' }}", "rien"),
        ("{{ lines.size }} {{ lines | size }} {{ lines.first.number }}", "200 200 F-0"),
        (
            "{% for l in lines limit: 2 %}{{ forloop.index }}{{ l.number }} {% endfor %}",
            "1F-0 2F-1 ",
        ),
        ("{% for l in lines %}{% if forloop.index > 1 %}{% break %}{% endif %}a{% endfor %}", "a"),
        ("{% case count %}{% when 1, 2 %}few{% else %}many{% endcase %}", "few"),
        ("{% assign a = price %}{{ a | money }}", "1\u202f234,50\u00a0€"),
        ("{% comment %} {{ wrong }} {% endcomment %}{% # note %}a", "a"),
        ("{{ '<b>' }}{{ '  a ' | strip }}", "<b>a"),
        ("100 % }} and %} alone are only text", "100 % }} and %} alone are only text"),
    ],
)
def test_what_is_allowed_works(source: str, text: str) -> None:
    assert shown(source) == text


@pytest.mark.parametrize(
    "source",
    ["{{ name | money }}", "{{ count | percent }}", "{{ lines | percent }}", "{{ 40 | money }}", "{{ count | date }}", "{{ name | plural: 'a', 'b' }}",
     "{{ count | plural }}", "{{ name | shorten: 0 }}", "{{ day | date: 'soon' }}", "{{ yes | number }}"],
)  # fmt: skip
def test_a_filter_refuses_what_it_cannot_show(source: str) -> None:
    with pytest.raises(TemplateError, match="line 1"):
        shown(source)


def test_every_value_in_a_page_is_escaped_once() -> None:
    data = {**DATA, "name": "<i>&\"'"}

    def page(source: str) -> str:
        return compiled(source, PAGE).render(data)

    for source in (
        "{{ name }}",
        "{{ name | escape }}",
        "{{ name | strip }}",
        "{{ name | shorten }}",
    ):
        assert page(source) == "&lt;i&gt;&amp;&#34;&#39;"
    assert page("{{ name | upcase }}") == "&lt;I&gt;&amp;&#34;&#39;"
    assert page("{% assign a = name %}{{ a | default: name }}") == "&lt;i&gt;&amp;&#34;&#39;"
    assert compiled("{{ name | escape }}").render(data) == "<i>&\"'"


def test_plural_forms_follow_the_language() -> None:
    polish = {**DATA, "locale": "pl_PL"}
    source = compiled("{{ count | plural: 'dzień', 'dni', 'dni', 'dnia' }}")

    assert [source.render({**polish, "count": n}) for n in (1, 2, 5, 22)] == [
        "dzień", "dni", "dni", "dni",
    ]  # fmt: skip


def test_loops_stop_at_a_budget_however_they_are_arranged() -> None:
    nested = compiled("{% for a in lines %}{% for b in lines %}{% endfor %}{% endfor %}")
    big = {**DATA, "lines": [{"number": "1", "level": "x"}] * 5_000}
    in_a_row = compiled("{% for a in lines %}{% assign b = a %}{% endfor %}" * 5)

    for template in (nested, in_a_row):
        with pytest.raises(TemplateError, match="turns of its loops"):
            template.render(big)


def test_output_stops_at_its_limit() -> None:
    small = Sandbox(html=False, max_output_chars=100)

    with pytest.raises(TemplateError, match="too long; show less"):
        compiled("{% for a in lines %}{{ a.number }}{% endfor %}", small).render(DATA)


PARTS = st.sampled_from(
    ["{{", "}}", "{%", "%}", "{%-", "-%}", "if", "for", "endfor", "endif", "x in lines", "name", "|",
     "money", "plural", ":", "'", '"', "(", ")", "[", "]", "..", "1", "9999999999", ".", ",", "\n", " ",
     "case", "when", "assign", "=", "#", "raw", "comment", "\x00", "é", "__class__", "<", ">=="]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=40).map(" ".join) | st.text(string.printable, max_size=200))
def test_any_source_is_either_rendered_or_refused(source: str) -> None:
    with contextlib.suppress(TemplateError):
        assert isinstance(shown(source), str)

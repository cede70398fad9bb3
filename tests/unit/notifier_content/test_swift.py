"""The swift way of filling in a template and the library's own give the same text, always."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from notifier.content.library import CHANNELS
from notifier.content.mail import mail_data
from notifier.content.model import TemplateError
from notifier.content.prepared import prepare
from notifier.content.render import Renderer
from notifier.content.samples import sample_request
from notifier.content.sandbox import MAX_ITERATIONS, Sandbox
from notifier.content.shape import Shape

DATA: dict[str, object] = {
    "locale": "fr_FR",
    "text": "a <b> & 'c'",
    "empty": "",
    "yes": True,
    "no": False,
    "nothing": None,
    "number": 7,
    "zero": 0,
    "money": {"amount": Decimal("1234.50"), "currency": "EUR"},
    "list": [{"name": "x<", "n": 1}, {"name": "y", "n": 2}, {"name": "", "n": 3}],
    "none": [],
    "deep": {"list": [1, 2], "text": "t"},
}
SHAPE = Shape.of({**DATA, "nothing": "", "none": [{"name": "", "n": 0}]})

CONDITIONS = (
    *("yes", "no", "nothing", "empty", "zero", "list", "none", "text"),
    *('text == "a"', 'empty == ""', "number == 7", "number != 7", "number > 3", "zero >= number"),
    *("number < 7 or yes", "no and yes", "list.size > 2", "none.size == 0", "deep.list.size == 2"),
    *("nothing == empty", "number == text", 'text contains "a"', "yes == true", "no != false"),
)
OUTPUTS = (
    *("text", "number", "yes", "nothing", "empty", "deep.text", "list.size", "deep.list.first"),
    *("list.last.name", "money | money", "text | upcase", "text | shorten: 4", "number | number"),
    *('number | plural: "un", "des"', "text | default: 'x'", "text | escape", "'<i>'", "3"),
    *("text | money", "list", "list[1].name"),
)


@st.composite
def templates(draw: st.DrawFn, depth: int = 0) -> str:
    """Templates of every allowed kind of node."""
    pieces = []
    for _ in range(draw(st.integers(1, 4))):
        kinds = ["words", "output", "assign", "comment"]
        kinds += ["if", "unless", "for", "case"] if depth < 2 else []
        inner = templates(depth=depth + 1)
        match draw(st.sampled_from(kinds)):
            case "words":
                pieces.append(draw(st.sampled_from(("Hello ", "\n", "  ", "<b>", ""))))
            case "output":
                pieces.append("{{ " + draw(st.sampled_from(OUTPUTS)) + " }}")
            case "assign":
                pieces.append("{% assign a = text %}{{ a }}")
            case "comment":
                pieces.append("{% comment %}x{% endcomment %}{% # y %}")
            case "if":
                first, other = (draw(st.sampled_from(CONDITIONS)) for _ in range(2))
                pieces.append(
                    f"{{% if {first} %}}{draw(inner)}{{% elsif {other} %}}{draw(inner)}"
                    f"{{% else %}}{draw(inner)}{{% endif %}}"
                )
            case "unless":
                condition = draw(st.sampled_from(CONDITIONS))
                pieces.append(
                    f"{{% unless {condition} %}}{draw(inner)}{{% else %}}z{{% endunless %}}"
                )
            case "for":
                source = draw(st.sampled_from(("list", "none", "list limit: 2", "list reversed")))
                leave = draw(
                    st.sampled_from(
                        ("", "{% if row.n == 2 %}{% break %}{% endif %}", "{% continue %}")
                    )
                )
                pieces.append(
                    f"{{% for row in {source} %}}{{{{ row.name }}}}{leave}{draw(inner)}"
                    "{{ forloop.index }}{% unless forloop.last %}, {% endunless %}"
                    "{% else %}none{% endfor %}"
                )
            case _:
                pieces.append(
                    f"{{% case number %}}{{% when 7 %}}{draw(inner)}{{% else %}}e{{% endcase %}}"
                )
    return "".join(pieces)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(source=templates(), html=st.booleans())
def test_both_ways_give_the_same_text_or_the_same_complaint(source: str, html: bool) -> None:
    sandbox = Sandbox(html=html, max_output_chars=100_000)
    try:
        compiled = sandbox.compile(source, name="t", data=SHAPE)
    except TemplateError:
        return  # refused before either way is asked

    def told(render: Callable[[dict[str, object]], str]) -> str:
        try:
            return render(DATA)
        except TemplateError as error:
            return f"refused: {error}"

    assert told(compiled.render) == told(compiled.render_slowly)


@pytest.mark.parametrize(
    "source",
    [
        "a{% if yes %} \n {% endif %}b",
        "a{% for row in list %}  {% endfor %}b",
        "{% assign a = number %}{% unless no %} {% assign a = text %} {% endunless %}b{{ a }}",
        "{% for r in list %}{% for x in deep.list %}{{ forloop.rindex }}{% endfor %}{{ forloop.index0 }}{% endfor %}",
        "{% for text in list %}{{ text.n }}{% endfor %}{{ text }}",
        "{% if list %}{% break %}x{% endif %}",
        "{% for r in list %}{% for r in deep.list %}{{ r }}{% endfor %}{{ r.n }}{% endfor %}",
        "{% for r in none %}x{% else %}{{ number }}{% endfor %}{% for r in list %}{% endfor %}",
        "{% if number < 7 %}a{% elsif number <= 7 and zero >= 0 %}b{% else %}c{% endif %}",
        "{% for r in list %}{% for x in none %}{% else %}{% continue %}{% endfor %}y{% endfor %}",
        "{% if number == 0 %}a" + "{% elsif number == 1 %}b" * 900 + "{% endif %}c",
    ],
)
def test_corners_are_the_same_both_ways(source: str) -> None:
    compiled = Sandbox(html=False, max_output_chars=1_000).compile(source, name="t", data=SHAPE)

    def told(render: Callable[[dict[str, object]], str]) -> str:
        try:
            return render(DATA)
        except TemplateError as error:
            return f"refused: {error}"

    assert compiled.is_swift
    assert told(compiled.render) == told(compiled.render_slowly)


@given(
    words=st.text(st.characters(exclude_characters="{}%"), max_size=30),
    quoted=st.text(st.characters(exclude_characters="{}%'"), max_size=30),
)
@example(words='"""\'),)\n raise SystemExit #', quoted='"),)\n raise SystemExit #')
@example(words="\\", quoted="\\")
@example(words="\x00\ud800\u2028", quoted="\\N{BULLET}\r\n")
def test_words_stay_words_and_never_become_code(words: str, quoted: str) -> None:
    source = f"{words}{{{{ '{quoted}' }}}}{{% if text == '{quoted}' %}}x{{% endif %}}"
    for html in (True, False):
        sandbox = Sandbox(html=html, max_output_chars=1_000)
        compiled = sandbox.compile(source, name="t", data=SHAPE)

        assert compiled.is_swift
        assert compiled.render(DATA) == compiled.render_slowly(DATA) == words + quoted


def test_every_text_that_comes_with_the_product_goes_the_swift_way(renderer: Renderer) -> None:
    library = renderer._library
    blocks = [block for script in library.scripts.values() for block in script.blocks.values()]
    for wording in library.wordings.values():
        blocks += wording.phrases.values()
        blocks += [block for law in wording.law.values() for block in law.values()]
    blocks += library.countries.imprints.values()

    assert all(block.is_swift for block in blocks)
    assert renderer._email.is_swift


@pytest.mark.parametrize(("channel", "language"), [*product(CHANNELS, ("fr", "en", "pl"))])
def test_built_in_texts_are_the_same_both_ways(
    renderer: Renderer, channel: str, language: str
) -> None:
    for family in renderer.families:
        request = sample_request(family, channel, language, invoices=4, extras=True)  # type: ignore[arg-type]
        prepared = prepare(renderer._library, request)
        for block in prepared.script.blocks.values():
            assert block.marked(prepared.data) == block.slowly(prepared.data)
        if channel == "email":
            email, data = renderer._email, mail_data(prepared)
            assert email.html(data) == email._page.render_slowly(data)


def test_too_many_turns_are_refused_as_ever() -> None:
    sandbox = Sandbox(html=False, max_output_chars=100_000)
    data = {"locale": "en", "list": [{"n": 1}] * (MAX_ITERATIONS + 1)}
    compiled = sandbox.compile("{% for x in list %}.{% endfor %}", name="t", data=Shape.of(data))

    with pytest.raises(TemplateError, match="turns of its loops"):
        compiled.render(data)


def test_too_long_a_text_is_refused_as_ever() -> None:
    sandbox = Sandbox(html=False, max_output_chars=1_000)
    data = {"locale": "en", "list": [{"n": "x" * 50}] * 2_000}
    for source in ("{% for x in list %}{{ x.n }}{% endfor %}", "{{ list.first.n }}" * 30):
        compiled = sandbox.compile(source, name="t", data=Shape.of(data))

        with pytest.raises(TemplateError, match="the text becomes too long"):
            compiled.render(data)

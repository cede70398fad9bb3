"""Liquid with a short list of what is allowed, checked before anything runs.

A source passes three gates: a linear scan of its delimiters (the parser's own scanner takes minutes
on crooked ones), the parser, and a walk over the parsed template. Must never be given data other
than plain dicts and lists of str, int, bool, Decimal, date and None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from liquid import Environment, RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import (
    FloatLiteral,
    IntegerLiteral,
    RangeLiteral,
    StringLiteral,
)
from liquid.builtin.tags import (
    assign_tag,
    case_tag,
    comment_tag,
    for_tag,
    if_tag,
    inline_comment_tag,
    unless_tag,
)
from liquid.exceptions import (
    BlockNestingError,
    LiquidError,
    LoopIterationLimitError,
    OutputStreamLimitError,
)
from liquid.expression import Expression
from liquid.template import BoundTemplate
from liquid.undefined import StrictUndefined

from notifier.content.filters import FILTERS
from notifier.content.model import TemplateError
from notifier.content.shape import FORLOOP, VALUE, Shape
from notifier.content.swift import Swift
from notifier.content.swift_values import UnusualError

MAX_SOURCE_CHARS = 32 * 1024
MAX_TAG_CHARS = 500
MAX_TAGS = 1_000
MAX_DEPTH = 10
MAX_LOOPS = 8
MAX_LOOP_DEPTH = 2
MAX_NODES_IN_LOOPS = 150
MAX_ITERATIONS = 20_000
MAX_INTEGER = 1_000_000_000

TAGS = (
    if_tag.IfTag,
    unless_tag.UnlessTag,
    case_tag.CaseTag,
    for_tag.ForTag,
    for_tag.BreakTag,
    for_tag.ContinueTag,
    assign_tag.AssignTag,
    comment_tag.CommentTag,
    inline_comment_tag.InlineCommentTag,
)
TAG_NAMES = (
    *("if", "elsif", "else", "endif", "unless", "endunless", "case", "when", "endcase"),
    *("for", "endfor", "break", "continue", "assign", "comment", "endcomment", "#"),
)
"""Everything a template may write between `{%` and `%}`."""

_DELIMITER = re.compile(r"\{\{|\{%|\}\}|%\}")
_TAG_NAME = re.compile(r"-?\s*(#|\w+)")
_CLOSER = {"{{": "}}", "{%": "%}"}


class Sandbox:
    """Compiles template sources for one kind of output.

    Args:
        html: escape every value for HTML. Without it the output is plain text.
        max_output_chars: longest text one template may produce.
    """

    def __init__(self, *, html: bool, max_output_chars: int) -> None:
        self._environment = _Environment(html=html, max_output_chars=max_output_chars)

    @staticmethod
    def scan(source: str, *, name: str, place: str = "") -> None:
        """The first gate alone: sizes and delimiters, in time linear in the source.

        Raises:
            TemplateError: refused; names the line and the remedy.
        """
        _scan(source, _Reporter(name, place), limit=MAX_SOURCE_CHARS)

    def compile(
        self, source: str, *, name: str, place: str = "", data: Shape, long: bool = False
    ) -> Compiled:
        """Check and parse a source.

        Args:
            source: the Liquid text.
            name: the template, for messages.
            place: the part of it, for messages.
            data: what the variables may be; every name in the source must be in it, also in
                branches that the samples do not reach.
            long: a layout of our own, longer and with loops one deeper than what users write.

        Raises:
            TemplateError: refused; names the line and the remedy.
        """
        report = _Reporter(name, place)
        _scan(source, report, limit=MAX_SOURCE_CHARS * (4 if long else 1))
        try:
            template = self._environment.from_string(source, name=name)
        except LiquidError as error:
            raise report.liquid(error, source) from error
        _Walk(template, source, report, loop_depth=MAX_LOOP_DEPTH + long).check(data)
        return Compiled(template, report, source, self._swift(template))

    def _swift(self, template: BoundTemplate) -> Swift | None:
        try:
            return Swift(
                template,
                self._environment,
                max_turns=MAX_ITERATIONS,
                max_chars=self._environment.max_output_chars,
            )
        except UnusualError:
            return None


class Compiled:
    """A template that passed the gates; safe to render from many threads."""

    def __init__(
        self, template: BoundTemplate, report: _Reporter, source: str, swift: Swift | None
    ) -> None:
        self._template = template
        self._report = report
        self._source = source
        self._swift = swift

    @property
    def is_swift(self) -> bool:
        """Whether the library is needed only for what is unusual."""
        return self._swift is not None

    def render(self, data: Mapping[str, object]) -> str:
        """The text for this data.

        Raises:
            TemplateError: a filter refused a value or a limit was reached.
        """
        if self._swift is not None:
            try:
                return self._swift.render(data)
            except UnusualError:
                pass
        return self.render_slowly(data)

    def render_slowly(self, data: Mapping[str, object]) -> str:
        """The same text, by the library itself.

        Raises:
            TemplateError: a filter refused a value or a limit was reached.
        """
        try:
            return self._template.render(data)
        except LiquidError as error:
            raise self._report.liquid(error, self._source) from error


class _Budget(RenderContext):
    """Counts every turn of every loop, so that loops after loops are bounded too."""

    turns = 0

    def loop(self, namespace: Mapping[str, object], forloop: Any) -> Any:
        self.turns += forloop.length
        if self.turns > MAX_ITERATIONS:
            raise LoopIterationLimitError(
                f"more than {MAX_ITERATIONS} turns of its loops; show fewer entries", token=None
            )
        return super().loop(namespace, forloop)


class _Output(StringIO):
    """Counts what is written; the library's own counter encodes every piece first."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._room = limit

    def write(self, text: str) -> int:
        self._room -= len(text)
        if self._room < 0:
            raise OutputStreamLimitError("the text becomes too long; show less", token=None)
        return super().write(text)


class _Template(BoundTemplate):
    context_class = _Budget
    env: _Environment

    def _get_buffer(self) -> StringIO:
        return _Output(self.env.max_output_chars)


class _Environment(Environment):
    template_class = _Template
    block_nesting_limit = MAX_DEPTH

    def __init__(self, *, html: bool, max_output_chars: int) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=html)
        self.max_output_chars = max_output_chars

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:  # noqa: ARG002
        for tag in (content.Literal, output.Output, illegal.Illegal, *TAGS):
            self.add_tag(tag)
        for name, function in FILTERS.items():
            self.add_filter(name, function)
        if not self.autoescape:
            # Plain text is escaped where it is put into a page, not here.
            self.add_filter("escape", str)


class _Reporter:
    """Makes `TemplateError`s that name the template, the part and the line."""

    def __init__(self, name: str, place: str) -> None:
        self._name = name
        self._place = place

    def at(self, line: int | None, reason: str) -> TemplateError:
        where = [self._place] if self._place else []
        if line is not None:
            where.append(f"line {line}")
        return TemplateError(self._name, " ".join(where) or "the whole", reason)

    def liquid(self, error: LiquidError, source: str) -> TemplateError:
        line = None
        if error.token is not None and error.token.start_index >= 0:
            line = _line(source, error.token.start_index)
        reason = str(error.message or error)
        if isinstance(error, BlockNestingError):
            reason = f"blocks are nested deeper than {MAX_DEPTH}; make the template simpler"
        return self.at(line, reason)


def _line(source: str, index: int) -> int:
    return source.count("\n", 0, index) + 1


def _scan(source: str, report: _Reporter, *, limit: int) -> None:
    """First gate, linear in the length of the source."""
    if len(source) > limit:
        raise report.at(None, f"{len(source)} characters; a template has at most {limit}")
    opened, start, tags = "", 0, 0
    for found in _DELIMITER.finditer(source):
        mark, line = found.group(), _line(source, found.start()) if not opened else 0
        if not opened:
            if mark not in _CLOSER:
                continue
            tags += 1
            if tags > MAX_TAGS:
                raise report.at(line, f"more than {MAX_TAGS} tags; make the template simpler")
            opened, start = mark, found.end()
        elif mark in _CLOSER:
            raise _unclosed(source, start, opened, report)
        elif mark == _CLOSER[opened]:
            _check_tag(source[start : found.start()], opened, _line(source, start), report)
            opened = ""
    if opened:
        raise _unclosed(source, start, opened, report)


def _unclosed(source: str, start: int, opened: str, report: _Reporter) -> TemplateError:
    return report.at(_line(source, start), f"{opened} is not closed; write {_CLOSER[opened]}")


def _check_tag(inside: str, opened: str, line: int, report: _Reporter) -> None:
    if len(inside) > MAX_TAG_CHARS:
        raise report.at(line, f"a tag has at most {MAX_TAG_CHARS} characters; split it")
    if opened == "{%":
        name = _TAG_NAME.match(inside)
        if name is None or name.group(1) not in TAG_NAMES:
            word = name.group(1) if name else inside.strip()[:20]
            raise report.at(
                line, f"the tag {word!r} is not allowed; allowed are {', '.join(TAG_NAMES)}"
            )


class _Walk:
    """Third gate: walks the parsed template with the variables in scope at each place."""

    def __init__(
        self, template: BoundTemplate, source: str, report: _Reporter, *, loop_depth: int
    ) -> None:
        self._nodes = template.nodes
        self._loop_depth = loop_depth
        self._context = RenderContext(template)
        self._source = source
        self._report = report
        self._loops = 0
        self._in_loops = 0

    def check(self, data: Shape) -> None:
        self._visit_all(self._nodes, dict(data.fields), loops=0)

    def _visit_all(self, nodes: Iterable[Node], scope: dict[str, Shape], *, loops: int) -> None:
        for node in nodes:
            self._visit(node, scope, loops=loops)

    def _visit(self, node: Node, scope: dict[str, Shape], *, loops: int) -> None:
        if loops:
            self._in_loops += 1
            if self._in_loops > MAX_NODES_IN_LOOPS:
                raise self._refuse(node, f"more than {MAX_NODES_IN_LOOPS} parts inside loops")
        if isinstance(node, case_tag.MultiExpressionBlockNode):
            self._check_when(node)
        shapes = [self._expression(part, scope, depth=0) for part in node.expressions()]
        match node:
            case assign_tag.AssignNode():
                scope[str(node.name)] = shapes[0]
            case for_tag.ForNode():
                self._count_loop(node, loops + 1)
                self._visit(node.block, self._loop_scope(node, scope), loops=loops + 1)
                if node.default is not None:
                    self._visit(node.default, scope, loops=loops)
            case _:
                # A block gets its own copy: what one branch assigns the rest must not rely on.
                inner = dict(scope) if isinstance(node, BlockNode) else scope
                children = node.children(self._context, include_partials=False)
                self._visit_all(children, inner, loops=loops)

    def _check_when(self, node: case_tag.MultiExpressionBlockNode) -> None:
        """The library renders a block once per matching value: `when 1, 1, 1` would multiply."""
        values = list(node.expression.children())
        literal = all(isinstance(value, StringLiteral | IntegerLiteral) for value in values)
        if not literal or len({str(value) for value in values}) < len(values):
            raise self._refuse(node, "after when: write different texts or numbers, each once")

    def _count_loop(self, node: Node, depth: int) -> None:
        self._loops += 1
        if self._loops > MAX_LOOPS:
            raise self._refuse(node, f"more than {MAX_LOOPS} loops; make the template simpler")
        if depth > self._loop_depth:
            raise self._refuse(node, f"loops are nested deeper than {self._loop_depth}")

    def _loop_scope(self, node: for_tag.ForNode, scope: dict[str, Shape]) -> dict[str, Shape]:
        loop = node.expression
        shape = self._expression(loop.iterable, scope, depth=0)
        if shape.kind != "list":
            raise self._refuse(node, f"{loop.iterable} is not a list; loop over a list")
        return {**scope, loop.identifier: shape.element or VALUE, "forloop": FORLOOP}

    def _expression(self, part: Expression, scope: dict[str, Shape], *, depth: int) -> Shape:
        """The shape of an expression; refuses what is not allowed in it."""
        if depth > 4 * MAX_DEPTH:
            raise self._refuse(part, "the expression is nested too deep; use assign")
        match part:
            case RangeLiteral():
                raise self._refuse(part, "ranges such as (1..9) are not allowed; loop over a list")
            case FloatLiteral():
                raise self._refuse(part, "numbers with a decimal point are not allowed")
            case IntegerLiteral() if abs(part.value) > MAX_INTEGER:
                raise self._refuse(part, f"numbers go up to {MAX_INTEGER}")
            case Path():
                return self._path(part, scope)
        shape = VALUE
        if isinstance(part, FilteredExpression):
            self._filters(part)
            if not part.filters and isinstance(part.left, Path):
                shape = self._path(part.left, scope)
        for child in part.children():
            self._expression(child, scope, depth=depth + 1)
        return shape

    def _filters(self, part: FilteredExpression) -> None:
        for used in part.filters or ():
            if used.name not in FILTERS:
                names = ", ".join(FILTERS)
                reason = f"the filter {used.name!r} is not allowed; allowed are {names}"
                raise self._report.at(_line(self._source, used.token.start_index), reason)

    def _path(self, path: Path, scope: dict[str, Shape]) -> Shape:
        if len(path.path) > MAX_DEPTH:
            raise self._refuse(path, f"a name has at most {MAX_DEPTH} parts")
        shape: Shape | None = None
        for place, segment in enumerate(path.path):
            if isinstance(segment, Path):
                raise self._refuse(path, f"{path}: write the name itself inside the brackets")
            shape = scope.get(str(segment)) if place == 0 else shape and shape.step(segment)
            if shape is None:
                known = scope if place == 0 else self._known_below(path, place, scope)
                reason = f"{path} does not exist; known are {', '.join(sorted(known)) or 'none'}"
                raise self._refuse(path, reason)
        return shape or VALUE

    @staticmethod
    def _known_below(path: Path, place: int, scope: dict[str, Shape]) -> Iterable[str]:
        shape: Shape | None = scope[str(path.path[0])]
        for segment in path.path[1:place]:
            shape = shape and shape.step(segment)  # type: ignore[arg-type]
        return shape.fields if shape else ()

    def _refuse(self, part: Node | Expression, reason: str) -> TemplateError:
        index = part.token.start_index
        return self._report.at(_line(self._source, index) if index >= 0 else None, reason)

"""Writes a checked Liquid template as the source of one Python function.

Its names are numbered here and its constants are literals of Python's own making, so nothing that a
template says can become code. What is not covered exactly is refused with `UnusualError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from liquid import Environment
from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.logical import (
    BooleanExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import (
    FalseLiteral,
    IntegerLiteral,
    StringLiteral,
    TrueLiteral,
)
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.inline_comment_tag import InlineCommentNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression

from notifier.content.filters import FILTERS
from notifier.content.swift_values import UnusualError

_OF_THE_LIBRARY = frozenset({"default", "escape"})
"""Filters that are the library's own functions; texts with them are left to it."""

_SPECIAL = frozenset({"forloop", "locale"})
"""Names that the functions look up for themselves; a template may not give them a new meaning."""

_OF_SEQUENCES = frozenset({"size", "first", "last"})

_TOLD = {
    "length": "length{n}",
    "index": "(index{n} + 1)",
    "index0": "index{n}",
    "rindex": "(length{n} - index{n})",
    "rindex0": "(length{n} - index{n} - 1)",
    "first": "(index{n} == 0)",
    "last": "(index{n} == length{n} - 1)",
}
"""What `forloop` has, by the number of the loop."""

_LESS: Mapping[type[Expression], str] = {
    LtExpression: "is_less({left}, {right})",
    GtExpression: "is_less({right}, {left})",
    LeExpression: "(not is_less({right}, {left}))",
    GeExpression: "(not is_less({left}, {right}))",
}


class _Lines:
    """Lines of a function; what is written in a row becomes one of them.

    Args:
        hushed: nothing is written.
    """

    def __init__(self, *, hushed: bool = False) -> None:
        self._lines: list[str] = []
        self._pieces: list[str] = []
        self._text = ""
        self._hushed = hushed

    def text(self, text: str) -> None:
        """Write a text that is always the same."""
        self._text += "" if self._hushed else text

    def value(self, expression: str) -> None:
        """Write the text that an expression gives."""
        self._end_text()
        self._pieces.append(expression)

    def line(self, line: str) -> None:
        """Do something else."""
        self._end_row()
        self._lines.append(line)

    def block(self, head: str, body: Iterable[str]) -> None:
        """Do something to lines of their own."""
        self.line(head)
        self._lines += [f" {line}" for line in body]

    def all(self) -> list[str]:
        """The lines, of which there is one at least."""
        self._end_row()
        return self._lines or ["pass"]

    def _end_text(self) -> None:
        if self._text:
            self._pieces.append(repr(self._text))
            self._text = ""

    def _end_row(self) -> None:
        self._end_text()
        if self._pieces:
            self._lines.append(f"write(({', '.join(self._pieces)},))")
            self._pieces = []


class Source:
    """The source of `fill(names)`, which answers the pieces of the text.

    Args:
        nodes: of a parsed template that the sandbox has checked.
        environment: whose habits it follows.
        max_turns: of all its loops together.
        max_chars: of what it writes.

    Raises:
        UnusualError: it uses something that only the library does.
    """

    def __init__(
        self, nodes: Iterable[Node], environment: Environment, *, max_turns: int, max_chars: int
    ) -> None:
        self._escapes = bool(environment.autoescape)
        self._hushes = bool(environment.suppress_blank_control_flow_blocks)
        self._assigned: set[str] = set()
        self._looped: set[str] = set()
        self._scope: dict[str, str] = {}
        self._loops: list[int] = []
        self._loop_count = 0
        self._counted: set[int] = set()
        self._in_locale = False
        self._kinds: Mapping[type[Node], Callable[[_Lines, Any], None]] = {
            ContentNode: lambda lines, node: lines.text(node.text),
            OutputNode: lambda lines, node: self._output(lines, node.expression),
            IfNode: lambda lines, node: self._branches(lines, node, "if {}:"),
            UnlessNode: lambda lines, node: self._branches(lines, node, "if not {}:"),
            ForNode: self._loop,
            AssignNode: self._assign,
            CommentNode: lambda _lines, _node: None,
            InlineCommentNode: lambda _lines, _node: None,
            BreakNode: lambda lines, _node: self._leave(lines, "break"),
            ContinueNode: lambda lines, _node: self._leave(lines, "continue"),
        }
        lines = self._nodes(nodes, _Lines())
        if self._assigned & (self._looped | _SPECIAL) or self._looped & _SPECIAL:
            raise UnusualError
        self.text = self._function(lines.all(), max_turns, max_chars)

    def _function(self, lines: list[str], max_turns: int, max_chars: int) -> str:
        head = ["written = []", "write = written.extend"]
        if self._looped:
            head.append(f"page = Page(written, {max_turns}, {max_chars})")
        if self._in_locale:
            head.append("context = in_locale(names['locale'])")
        if self._assigned:
            head.append("names = dict(names)")
        function = _Lines()
        function.block("def fill(names):", [*head, *lines, "return written"])
        return "\n".join(function.all())

    def _nodes(self, nodes: Iterable[Node], lines: _Lines) -> _Lines:
        for node in nodes:
            write = self._kinds.get(type(node))
            if write is None:
                raise UnusualError
            write(lines, node)
        return lines

    def _block(self, block: BlockNode) -> list[str]:
        """The lines of a block; one of nothing but white space writes nothing."""
        return self._nodes(block.nodes, _Lines(hushed=self._hushes and block.blank)).all()

    def _assign(self, lines: _Lines, node: AssignNode) -> None:
        self._assigned.add(str(node.name))
        lines.line(f"names[{str(node.name)!r}] = {self._value(node.expression)}")

    def _output(self, lines: _Lines, expression: Expression) -> None:
        value = self._value(expression)
        if self._escapes:
            is_clean = f"(v := {value}).__class__ is str and not is_special(v)"
            lines.value(f"v if {is_clean} else escaped(v)")
        else:
            lines.value(f"v if (v := {value}).__class__ is str else plain(v)")

    def _branches(self, lines: _Lines, node: IfNode | UnlessNode, head: str) -> None:
        lines.block(head.format(self._condition(node.condition)), self._block(node.consequence))
        for other in node.alternatives:
            if not isinstance(other, ConditionalBlockNode):
                raise UnusualError
            lines.block(f"elif {self._condition(other.expression)}:", self._block(other.block))
        if node.default:
            lines.block("else:", self._block(node.default))

    def _loop(self, lines: _Lines, node: ForNode) -> None:
        loop = node.expression
        if loop.limit is not None or loop.offset is not None or loop.reversed or loop.cols:
            raise UnusualError
        self._loop_count += 1
        number = self._loop_count
        lines.line(f"rows{number} = page.turns({self._value(loop.iterable)})")
        body = self._turn(node.block, str(loop.identifier), number)
        head = f"for each{number} in rows{number}:"
        if number in self._counted:
            lines.line(f"length{number} = len(rows{number})")
            head = f"for index{number}, each{number} in enumerate(rows{number}):"
        lines.block(head, body)
        if node.default:
            lines.block(f"if not rows{number}:", self._block(node.default))

    def _turn(self, block: BlockNode, name: str, number: int) -> list[str]:
        """The body of a loop, in which a name means its entry."""
        outer = self._scope
        self._looped.add(name)
        self._scope = {**outer, name: f"each{number}"}
        self._loops.append(number)
        body = self._block(block)
        self._loops.pop()
        self._scope = outer
        return ["if len(written) > page.full: page.weigh()", *body]

    def _leave(self, lines: _Lines, how: str) -> None:
        lines.line(how if self._loops else "raise UnusualError")

    def _value(self, expression: Expression) -> str:
        match expression:
            case FilteredExpression():
                value = self._value(expression.left)
                for used in expression.filters or ():
                    value = self._filtered(value, used)
                return value
            case Path():
                return self._path([*expression.path])
            case StringLiteral():
                text = repr(str(expression.value))
                return f"Markup({text})" if self._escapes else text
            case IntegerLiteral():
                return repr(int(expression.value))
            case TrueLiteral() | FalseLiteral():
                return repr(isinstance(expression, TrueLiteral))
        raise UnusualError

    def _filtered(self, value: str, used: Any) -> str:
        if used.name in _OF_THE_LIBRARY or used.name not in FILTERS:
            raise UnusualError
        if any(getattr(argument, "name", None) for argument in used.args):
            raise UnusualError
        arguments = [value, *(self._value(argument.value) for argument in used.args)]
        if getattr(FILTERS[used.name], "with_context", False):
            self._in_locale = True
            arguments.append("context=context")
        return f"filter_{used.name}({', '.join(arguments)})"

    def _path(self, path: list[object]) -> str:
        """A name and the steps below it; a name that is missing is the library's to complain of."""
        root, *steps = path
        if not isinstance(root, str):
            raise UnusualError
        if root == "forloop" and self._loops:
            return self._of_loop(steps)
        found = self._scope.get(root) or f"names[{root!r}]"
        for step in steps:
            if isinstance(step, str) and step not in _OF_SEQUENCES:
                found += f"[{step!r}]"
            elif isinstance(step, str | int):
                found = f"below({found}, {step!r})"
            else:
                raise UnusualError
        return found

    def _of_loop(self, steps: list[object]) -> str:
        """What a loop tells of its turn."""
        told = _TOLD.get(str(steps[0])) if len(steps) == 1 else None
        if told is None:
            raise UnusualError
        self._counted.add(self._loops[-1])
        return told.format(n=self._loops[-1])

    def _condition(self, expression: Expression) -> str:
        match expression:
            case BooleanExpression():
                return self._condition(expression.expression)
            case LogicalNotExpression():
                return f"(not {self._condition(expression.right)})"
            case LogicalAndExpression() | LogicalOrExpression():
                word = "and" if isinstance(expression, LogicalAndExpression) else "or"
                left, right = self._condition(expression.left), self._condition(expression.right)
                return f"({left} {word} {right})"
            case EqExpression() | NeExpression():
                same = self._same(expression.left, expression.right)
                return same if isinstance(expression, EqExpression) else f"(not {same})"
            case LtExpression() | GtExpression() | LeExpression() | GeExpression():
                left, right = self._value(expression.left), self._value(expression.right)
                return _LESS[type(expression)].format(left=left, right=right)
        # Everything but false and nil is true.
        return f"((v := {self._value(expression)}) is not False and v is not None)"

    def _same(self, left: Expression, right: Expression) -> str:
        if isinstance(right, StringLiteral):
            # By far the most common one; markup or not, it is the same text.
            text, found = repr(str(right.value)), self._value(left)
            return f"(v == {text} if (v := {found}).__class__ is str else is_same(v, {text}))"
        return f"is_same({self._value(left)}, {self._value(right)})"

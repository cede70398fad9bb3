"""Policies and selection rules as YAML text: every problem that is found has line and column.

Reads PyYAML's nodes. Nothing is guessed from YAML 1.1 (NO is text, 20:00 is a time); aliases, tags
and duplicate keys are refused. What a document must look like is the domain's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import yaml

from dunning_engine.domain.document import Path, PolicyInvalidError, PolicyProblem
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_document import read_policy
from dunning_engine.domain.selection import Rules
from dunning_engine.domain.selection_document import Known, read_rules

T = TypeVar("T")
TEXT_MAX = 64 * 1024
RULES_TEXT_MAX = 512 * 1024
DEPTH_MAX = 12
_INTEGER = re.compile(r"[-+]?\d{1,9}", re.ASCII)
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextProblem:
    """A problem at a place in the text; `line` and `column` count from 1."""

    line: int
    column: int
    path: Path
    message: str

    def __str__(self) -> str:
        """`line 12, column 5: levels[2].gap_days: must be ...`."""
        problem = PolicyProblem(path=self.path, message=self.message)
        return f"line {self.line}, column {self.column}: {problem}"


class PolicyTextError(ValueError):
    """Text that is no policy; `problems` lists everything that is wrong, in reading order."""

    def __init__(self, problems: list[TextProblem]) -> None:
        ordered = sorted(problems, key=lambda problem: (problem.line, problem.column))
        super().__init__("\n".join(map(str, ordered)))
        self.problems = tuple(ordered)


def parse_policy(
    text: str | bytes,
    *,
    policy_id: str,
    version: int,
    check: Callable[[Policy], Sequence[PolicyProblem]] | None = None,
) -> Policy:
    """Read a policy from YAML text (JSON is YAML, too).

    Args:
        text: the document.
        policy_id: the policy's id.
        version: the policy's version.
        check: what else must be true of it; told with line and column, too.

    Raises:
        PolicyTextError: with every problem found, each with line, column and remedy.
    """

    def read(document: object) -> Policy:
        policy = read_policy(document, policy_id=policy_id, version=version)
        if check and (problems := check(policy)):
            raise PolicyInvalidError(problems)
        return policy

    return _parse(text, read, TEXT_MAX, empty="a policy has at least 'name' and 'levels'")


def parse_rules(text: str | bytes, *, version: int, known: Known) -> Rules:
    """Read selection rules from YAML text (JSON is YAML, too).

    Raises:
        PolicyTextError: with every problem found, each with line, column and remedy.
    """

    def read(document: object) -> Rules:
        return read_rules(document, version=version, known=known)

    return _parse(text, read, RULES_TEXT_MAX, empty="write 'rules: []' for no rules")


def _parse(text: str | bytes, read: Callable[[object], T], most: int, *, empty: str) -> T:
    walk = _Walk()
    try:
        document = walk.value(_compose(_decode(text, most), empty), ())
    except _UnreadableError as error:
        raise PolicyTextError([error.problem]) from None
    try:
        found = read(document)
    except PolicyInvalidError as error:
        placed = [_placed(problem, walk.places) for problem in error.problems]
        raise PolicyTextError(walk.problems + placed) from None
    if walk.problems:
        raise PolicyTextError(walk.problems)
    return found


def _placed(problem: PolicyProblem, places: Mapping[Path, _Mark]) -> TextProblem:
    """The nearest place that exists in the text: what is missing is reported where it belongs."""
    path = problem.path
    while path not in places:
        path = path[:-1]
    return _problem(problem.message, places[path], problem.path)


def _decode(text: str | bytes, most: int) -> str:
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        raise _UnreadableError("is not UTF-8 text; save it as UTF-8") from None
    if len(decoded) > most:
        raise _UnreadableError(f"is longer than {most} characters")
    return decoded


def _compose(text: str, empty: str) -> yaml.Node:
    """The node tree of the text; aliases, tags and deep nesting are refused before it is built."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise _UnreadableError("uses an alias (*); write the value out", event.start_mark)
            if getattr(event, "tag", None):
                raise _UnreadableError("uses a tag (!); write plain values", event.start_mark)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_MAX:
                raise _UnreadableError(f"is nested deeper than {DEPTH_MAX}", event.start_mark)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _UnreadableError(f"is not valid YAML: {error.problem}", mark) from None
    except yaml.YAMLError as error:
        raise _UnreadableError(f"is not valid YAML: {str(error).splitlines()[0]}") from None
    if root is None:
        raise _UnreadableError(f"is empty; {empty}")
    return root


class _Mark(Protocol):
    """Where something stands in a text; both count from 0."""

    line: int
    column: int


def _problem(message: str, mark: _Mark | None = None, path: Path = ()) -> TextProblem:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return TextProblem(line=line, column=column, path=path, message=message)


class _UnreadableError(Exception):
    """The text cannot even be walked; carries the one problem."""

    def __init__(self, message: str, mark: _Mark | None = None) -> None:
        super().__init__(message)
        self.problem = _problem(message, mark)


class _Walk:
    """Turns nodes into plain values and remembers where each one stands."""

    def __init__(self) -> None:
        self.places: dict[Path, _Mark] = {}
        self.problems: list[TextProblem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.places.setdefault(path, node.start_mark)
        match node:
            case yaml.MappingNode():
                return self.mapping(node, path)
            case yaml.SequenceNode():
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return _scalar(node)
        raise TypeError(f"PyYAML gave a {type(node).__name__}")

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(
                    _problem("a key must be plain text", key_node.start_mark, path)
                )
                continue
            key = str(key_node.value)
            if key in found:
                message = f"{key!r} stands here twice; keep one of them"
                self.problems.append(_problem(message, key_node.start_mark, (*path, key)))
                continue
            # A problem of a key is shown at the key; the value's own parts have their own places.
            self.places[(*path, key)] = key_node.start_mark
            found[key] = self.value(value_node, (*path, key))
        return found


def _scalar(node: yaml.ScalarNode) -> Any:
    """Quoted text is text; plain text is a whole number, true, false, null, or text."""
    text = str(node.value)
    if node.style is not None:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return _WORDS.get(text, text)

"""A posted form of the desk: what was typed is read and acted on, and a page says what came of it.

Every action takes its form through `act_on`, so that all pages answer alike: what cannot be read
brings the page back with the remedy by each field, what is settled meanwhile is said, and what went
well leads on to a page. Who may act, and that the form names its tenant, was held before, by
`Frame.writer`. Decides nothing about what an action does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from dunning_common.problems import ProblemError
from dunning_common.web import Viewer
from notifier.desk.view import HINTS, Form, remedies
from notifier.entrypoints.desk.frame import fields_of, in_words, to

_Body = TypeVar("_Body", bound=BaseModel)


class RefusedError(ValueError):
    """What was typed cannot be acted on; `errors` says why and what to do, by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where a form stands: its path, the page again with what was refused, and what may be late.

    `late` names errors of somebody having been faster, with the code of what is said then.
    """

    path: str
    again: Callable[[Form], Awaitable[Response]]
    late: Mapping[type[Exception], str] = field(default_factory=dict)


async def act_on(
    request: Request,
    viewer: Viewer,
    page: Page,
    act: Callable[[dict[str, str]], Awaitable[str | Response]],
) -> Response:
    """Take a posted form of text fields to its action and answer; see `act_on_fields`."""
    return await act_on_fields(await fields_of(request), viewer, page, act)


async def act_on_fields(
    fields: dict[str, str],
    viewer: Viewer,
    page: Page,
    act: Callable[[dict[str, str]], Awaitable[str | Response]],
) -> Response:
    """Act on what was typed, and say what came of it.

    Args:
        fields: what was typed.
        viewer: who acts, for which tenant.
        page: where the form stands.
        act: does it; gives the code of what its page says then (see `desk.view.SAID`), or an
            answer of its own.

    Raises:
        PageError: the thing is gone, its debtor erased, or the ledger away.
    """
    try:
        with in_words():
            done = await act(fields)
    except RefusedError as refused:
        return await page.again(Form(typed=fields, errors=refused.errors))
    except ProblemError as problem:
        return await page.again(Form(typed=fields, errors=errors_of(problem)))
    except tuple(page.late) as error:
        said = next(said for kind, said in page.late.items() if isinstance(error, kind))
        return to(viewer, page.path, said)
    return to(viewer, page.path, done) if isinstance(done, str) else done


def read(body: type[_Body], typed: Mapping[str, Any]) -> _Body:
    """What was typed as the API's own body.

    Raises:
        RefusedError: with the remedy for each field.
    """
    try:
        return body.model_validate(typed)
    except ValidationError as error:
        wrong = [(each["loc"], each["msg"]) for each in error.errors()]
        raise RefusedError(remedies(wrong)) from error


def errors_of(problem: ProblemError) -> dict[str, str]:
    """What the API would answer, by the field that it points to."""
    found = {}
    for each in problem.errors:
        name = each.pointer.rpartition("/")[2]
        found[name if name in HINTS else "form"] = each.detail
    return found or {"form": problem.detail or problem.title}

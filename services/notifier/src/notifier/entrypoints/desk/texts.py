"""Texts: the list, the editor with its versions, comparing, putting to use, and a trial.

What a text may say, and whether it can be written, is decided by the handlers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dunning_common.web import Viewer
from notifier.content.model import TemplateError
from notifier.content.render import Renderer
from notifier.desk.texts import (
    CHANNELS,
    PLACES,
    TRIAL_CHANNELS,
    diff_lines,
    families_of,
    uses_of,
    versions_of,
)
from notifier.desk.view import HOME, Form
from notifier.domain.outcome import Sent
from notifier.entrypoints.desk.forms import Page, RefusedError, act_on, read
from notifier.entrypoints.desk.frame import Frame, in_words, missing
from notifier.entrypoints.desk.looks import EDITOR_CSP, look_form
from notifier.entrypoints.template_editor import SaveBody
from notifier.entrypoints.templates import TrialBody, busy, refusals
from notifier.handlers.edit_templates import TemplateEditor
from notifier.handlers.send_trial import TrialSender
from notifier.ports.templates import TextKey
from notifier.ports.trial import TrialBusyError

PATH = f"{HOME}/texts"


class TextDesk:
    """What the pages about texts need."""

    def __init__(
        self, frame: Frame, *, editor: TemplateEditor, renderer: Renderer, trials: TrialSender
    ) -> None:
        self._frame = frame
        self._editor = editor
        self._renderer = renderer
        self._trials = trials

    async def list(self, request: Request, viewer: Viewer) -> HTMLResponse:
        """All families in all languages, with what is the tenant's own."""
        own = await self._editor.in_use(viewer.tenant)
        rows = families_of(self._renderer.families, self._renderer.languages, own)
        return self._frame.page(
            request, "texts.html", viewer, families=rows, languages=self._renderer.languages
        )

    async def show(
        self, request: Request, viewer: Viewer, key: TextKey, *, form: Form | None = None
    ) -> HTMLResponse:
        """The editor: with a version's text, what is in use, or what was typed."""
        with in_words():
            state = await self._editor.state(viewer.tenant, key)
        source, shown = state.source, state.version
        wanted = request.query_params.get("version", "")
        if wanted == "0":
            source, shown = self._renderer.source_of(*key), None
        elif wanted:
            found = [each for each in state.versions if str(each.text.version) == wanted]
            if not found:
                raise missing()
            source, shown = found[0].text.source, found[0].text.version
        family, language = key
        return self._frame.page(
            request,
            "text.html",
            viewer,
            csp=EDITOR_CSP,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form and form.errors else HTTPStatus.OK,
            family=family,
            language=language,
            languages=self._renderer.languages,
            base=f"{PATH}/{family}/{language}",
            in_use=state.version,
            shown=shown,
            versions=versions_of(state.versions, state.version),
            uses=uses_of(state.uses),
            channels=CHANNELS,
            trial_channels=TRIAL_CHANNELS,
            places=PLACES,
            form=form or Form.empty(source=source, channel="email", invoices="2", use="yes"),
        )

    async def save(self, request: Request, viewer: Viewer, key: TextKey) -> Response:
        """Store a version, after trying it on every edge case."""

        async def act(fields: dict[str, str]) -> str:
            typed = {
                "source": fields.get("source", ""),
                "note": fields.get("note", "").strip(),
                "use": fields.get("use") == "yes",
            }
            body, person = read(SaveBody, typed), viewer.principal.subject
            try:
                _, is_new = await self._editor.save(
                    viewer.tenant, key, body.source, note=body.note, person=person, use=body.use
                )
            except TemplateError as error:
                words = f"This text was not stored. {error.place}: {error.reason}."
                raise RefusedError({"source": words}) from error
            except TrialBusyError as error:
                raise RefusedError({"source": f"Not stored. {busy().title}"}) from error
            said = "saved" if is_new else "unchanged"
            return f"{said}_used" if body.use else said

        return await act_on(request, viewer, self._page(request, viewer, key), act)

    async def trial(self, request: Request, viewer: Viewer, key: TextKey) -> Response:
        """Send what stands in the editor to one address, marked as a test."""

        async def act(fields: dict[str, str]) -> Response:
            body = read(TrialBody, look_form(key, fields) | {"to": fields.get("to", "").strip()})
            with refusals():
                outcome = await self._trials.send(
                    viewer.tenant, body.look(), to=body.to, person=viewer.principal.subject
                )
            if not isinstance(outcome, Sent):
                reason = getattr(outcome, "reason", "it took too long to begin")
                raise RefusedError({"to": f"Not sent: {reason}."})
            told = Form(typed=fields | {"trial": f"Sent to {body.to}."}, errors={})
            return await self.show(request, viewer, key, form=told)

        return await act_on(request, viewer, self._page(request, viewer, key), act)

    async def use(self, request: Request, viewer: Viewer, key: TextKey) -> Response:
        """Put a version, or the built-in text, to use."""

        async def act(fields: dict[str, str]) -> str:
            version = _version(fields.get("version", "")) or None
            await self._editor.use(viewer.tenant, key, version, person=viewer.principal.subject)
            return "used"

        return await act_on(request, viewer, self._page(request, viewer, key), act)

    def _page(self, request: Request, viewer: Viewer, key: TextKey) -> Page:
        """The editor as the place of a form."""
        return Page(
            path=f"{PATH}/{key[0]}/{key[1]}",
            again=lambda form: self.show(request, viewer, key, form=form),
        )

    async def diff(self, request: Request, viewer: Viewer, key: TextKey) -> HTMLResponse:
        """What changes from one version to another."""
        query: Mapping[str, str] = request.query_params
        before, after = _version(query.get("before", "0")), _version(query.get("after", "0"))
        with in_words():
            state = await self._editor.state(viewer.tenant, key)
            unified = await self._editor.diff(viewer.tenant, key, before, after)
        family, language = key
        return self._frame.page(
            request,
            "diff.html",
            viewer,
            family=family,
            language=language,
            base=f"{PATH}/{family}/{language}",
            before=before,
            after=after,
            versions=versions_of(state.versions, state.version),
            lines=diff_lines(unified),
        )


def _version(text: str) -> int:
    """The number of a version; 0 is the built-in text."""
    if not (text.isascii() and text.isdigit() and len(text) <= len("999999999")):
        raise missing()
    return int(text)


def text_pages(frame: Frame, desk: TextDesk) -> APIRouter:
    """The pages under `/desk/texts`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    async def texts(request: Request, viewer: Viewer = frame.reader) -> HTMLResponse:
        return await desk.list(request, viewer)

    @router.get("/{family}/{language}")
    async def text(
        request: Request, family: str, language: str, viewer: Viewer = frame.reader
    ) -> HTMLResponse:
        return await desk.show(request, viewer, (family, language))

    @router.post("/{family}/{language}")
    async def save(
        request: Request, family: str, language: str, viewer: Viewer = frame.writer
    ) -> Response:
        return await desk.save(request, viewer, (family, language))

    @router.get("/{family}/{language}/trial")
    async def again(family: str, language: str) -> Response:
        target = f"{PATH}/{quote(family, safe='')}/{quote(language, safe='')}"
        return RedirectResponse(target, HTTPStatus.SEE_OTHER)

    @router.post("/{family}/{language}/trial")
    async def trial(
        request: Request, family: str, language: str, viewer: Viewer = frame.writer
    ) -> Response:
        return await desk.trial(request, viewer, (family, language))

    @router.post("/{family}/{language}/use")
    async def use(
        request: Request, family: str, language: str, viewer: Viewer = frame.writer
    ) -> Response:
        return await desk.use(request, viewer, (family, language))

    @router.get("/{family}/{language}/diff")
    async def diff(
        request: Request, family: str, language: str, viewer: Viewer = frame.reader
    ) -> HTMLResponse:
        return await desk.diff(request, viewer, (family, language))

    return router

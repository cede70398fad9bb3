"""Trying texts and writing what people look at, as a port: outside of the process that sends."""

from __future__ import annotations

from typing import Protocol

from notifier.content.model import OwnText, Rendered, RenderRequest


class TrialBusyError(RuntimeError):
    """Too many people try and look at texts at once; later it works."""


class Trial(Protocol):
    """Runs texts under limits of time and memory (`notifier.adapters.trial_process`)."""

    async def check(self, text: OwnText) -> None:
        """Write every message that a draft can be part of, with made-up data.

        Raises:
            TemplateError: refused; names the place, the case and the remedy.
            TrialBusyError: no turn for now.
        """
        ...

    async def render(self, request: RenderRequest) -> Rendered:
        """Write a message, of a draft or not, on made-up data or real data.

        Raises:
            TemplateError: it cannot be written, or takes too much.
            ValueError: it cannot be written.
            TrialBusyError: no turn for now.
        """
        ...

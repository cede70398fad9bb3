"""A client of the services' REST interfaces, patient with services that are being restarted.

Everything it repeats is safe to repeat: uploads carry the ERP's own ids, a clock never goes back.
Turns answers that are errors into `ApiError`; holds no business meaning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from dunning_common.clock import monotonic

RETRY_FOR_S = 120.0
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_NOT_NOW = frozenset({502, 503, 504})
_TIMEOUT = httpx.Timeout(90.0, connect=5.0)
_LONG_TIMEOUT = httpx.Timeout(600.0, connect=5.0)


class ClientError(Exception):
    """The service could not be asked, or said no."""


class UnreachableError(ClientError):
    """Nobody answered for as long as we were willing to wait."""


class ApiError(ClientError):
    """An RFC 9457 problem: `status`, and the whole `problem` document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        super().__init__(_in_one_line(status, problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send requests: base URLs by service key, and how to get a token."""

    urls: Mapping[str, str]
    token: Callable[[], str]
    tenant: str


class Client:
    """Asks the services for one tenant. Use it as an async context manager."""

    def __init__(
        self,
        target: Target,
        *,
        retry_for_s: float = RETRY_FOR_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Args: whom to ask, how long to try while nobody answers, a transport for tests."""
        self.tenant = target.tenant
        self._target = target
        self._retry_for_s = retry_for_s
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, transport=transport)

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, service: str, path: str, **query: str | int) -> Any:
        """GET; the JSON of the answer."""
        return (await self.ask("GET", service, path, params=query)).json()

    async def put(self, service: str, path: str, body: Any) -> Any:
        """PUT JSON; the JSON of the answer."""
        return (await self.ask("PUT", service, path, json=body)).json()

    async def post(self, service: str, path: str, body: Any, **query: str | float) -> Any:
        """POST JSON; the JSON of the answer."""
        return (await self.ask("POST", service, path, json=body, params=query)).json()

    async def post_lines(self, service: str, path: str, items: Sequence[Any]) -> Any:
        """POST newline-delimited JSON; the JSON of the answer."""
        content = b"\n".join(orjson.dumps(item) for item in items)
        headers = {"content-type": "application/x-ndjson"}
        return (await self.ask("POST", service, path, content=content, headers=headers)).json()

    async def ask(
        self,
        method: str,
        service: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Send a request that may be repeated, until there is an answer.

        Args:
            method: HTTP method.
            service: key of the service: `ingest`, `engine`, `notifier`, `kpi` or `catcher`.
            path: path below its base URL.
            headers: more headers.
            options: as for `httpx.AsyncClient.request`.

        Raises:
            UnreachableError: nobody answered in time.
            ApiError: the answer was an error that waiting does not mend.
        """
        url = self._target.urls[service] + path
        give_up_at = monotonic() + self._retry_for_s
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                answer = await self._http.request(
                    method, url, headers=self._headers() | dict(headers or {}), **options
                )
            except httpx.TransportError as error:
                failure = f"{service} does not answer at {self._target.urls[service]}: {error!r}"
            else:
                if answer.status_code not in _NOT_NOW:
                    return _checked(answer)
                failure = f"{service} answers {answer.status_code} at {url}"
            if monotonic() + wait_s > give_up_at:
                raise UnreachableError(failure)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def save(
        self, service: str, path: str, target: Path, *, method: str, params: Mapping[str, str]
    ) -> None:
        """Write what a request answers into a file as it comes, however large; errors as `ask`.

        The file is there only once it is complete.
        """
        url = self._target.urls[service] + path
        part = target.with_name(f"{target.name}.part")
        give_up_at = monotonic() + self._retry_for_s
        while True:
            try:
                async with self._http.stream(
                    method, url, params=params, headers=self._headers(), timeout=_LONG_TIMEOUT
                ) as answer:
                    if answer.is_success:
                        with part.open("wb") as file:
                            async for data in answer.aiter_bytes():
                                file.write(data)
                        part.replace(target)
                        return
                    await answer.aread()
            except httpx.TransportError as error:
                failure = f"{service} does not answer at {self._target.urls[service]}: {error!r}"
            else:
                if answer.status_code not in _NOT_NOW:
                    _checked(answer)
                failure = f"{service} answers {answer.status_code} at {url}"
            finally:
                part.unlink(missing_ok=True)
            if monotonic() + _LONGEST_WAIT_S > give_up_at:
                raise UnreachableError(failure)
            await asyncio.sleep(_LONGEST_WAIT_S)

    def _headers(self) -> dict[str, str]:
        headers = {"authorization": f"Bearer {self._target.token()}"}
        return headers | ({"x-tenant": self.tenant} if self.tenant else {})


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    raise ApiError(answer.status_code, problem if isinstance(problem, dict) else {})


def _in_one_line(status: int, problem: Mapping[str, Any]) -> str:
    parts = [str(problem.get("title") or f"the answer was HTTP {status}")]
    if problem.get("detail"):
        parts.append(str(problem["detail"]))
    errors = list(problem.get("errors") or [])[:5]
    parts += [f"{error.get('pointer', '')}: {error.get('detail', '')}" for error in errors]
    return " · ".join(parts)

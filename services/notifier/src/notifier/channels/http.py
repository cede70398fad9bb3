"""One POST to a provider, and the honest reading of how it ended.

No retries, no redirects. The deadline is checked when the connection stands and the first byte is
about to leave, through httpcore's trace hook.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx

from notifier.channels.base import Deadline, DeadlinePassedError, Late, Refused, Unknown
from notifier.domain.redaction import redact

_NOTHING_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)


def provider_client(
    *, connections: int, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A client for providers: bounded connections, short keep-alive, no proxy."""
    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=5.0
    )
    return httpx.AsyncClient(
        transport=transport or httpx.AsyncHTTPTransport(retries=0, limits=limits),
        timeout=None,  # noqa: S113 -- one timeout spans the whole request, see `post_once`
        follow_redirects=False,
    )


async def post_once(
    client: httpx.AsyncClient, url: str, deadline: Deadline, **request: Any
) -> httpx.Response | Refused | Unknown | Late:
    """Send one request; an answer that proves refusal or acceptance is left to the caller.

    Returns:
        The response when it is 2xx or 4xx or 503; otherwise what the failure means. A 429 and a 503
        say that the provider did not take it; every other 5xx may come from a gateway behind which
        it was taken.
    """
    left = False

    async def watch(event: str, _: dict[str, Any]) -> None:
        nonlocal left
        if event.endswith("send_request_headers.started"):
            deadline.check()
            left = True

    try:
        deadline.check()
        async with asyncio.timeout(deadline.max_send_s):
            response = await client.post(url, extensions={"trace": watch}, **request)
    except DeadlinePassedError:
        return Late()
    except _NOTHING_LEFT as error:
        return Refused(reason=_words("not_connected", error), retry=True)
    except (httpx.HTTPError, OSError) as error:
        if left:
            return Unknown(reason=_words("no_answer", error))
        return Refused(reason=_words("not_connected", error), retry=True)
    return _reading(response)


def _reading(response: httpx.Response) -> httpx.Response | Refused | Unknown:
    if response.status_code >= 500 and response.status_code != 503:
        return Unknown(reason=f"http_{response.status_code}")
    if response.status_code < 400 and not response.is_success:
        return Refused(
            reason=f"http_{response.status_code}: redirects are not followed", retry=True
        )
    return response


def refusal(response: httpx.Response, words: str) -> Refused:
    """A 4xx or 503 as an outcome: overload and our own credentials may pass, the rest does not."""
    passing = {401, 403, 408, 425, 429, 503}
    return Refused(
        reason=redact(f"http_{response.status_code} {words}"),
        retry=response.status_code in passing,
        retry_after_s=retry_after_s(response.headers.get("retry-after", "")),
    )


def retry_after_s(header: str) -> float:
    """Seconds that a `Retry-After` asks for; 0 when it is absent or a date, which is not read."""
    return float(header) if re.fullmatch(r"[0-9]{1,6}", header.strip()) else 0.0


def _words(slug: str, error: Exception) -> str:
    return redact(f"{slug}: {type(error).__name__} {error}")

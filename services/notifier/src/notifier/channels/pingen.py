"""Letters printed and posted by Pingen (api.pingen.com, version 2, JSON:API over HTTPS).

The PDF goes to a signed address first; nothing is printed before the letter itself is created from
it, so everything up to there is definitely not sent. The create carries our message id as its
`Idempotency-Key`: a lost answer is asked for again with the same key at once, while the permit
lives, which cannot print twice. How long Pingen keeps a key is not published, so no later retry
rests on it; what is still unknown then is looked up by the name of its file.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal
from uuid import UUID

import httpx
import orjson
from pydantic import SecretStr

from dunning_common.clock import monotonic
from dunning_common.events.contacts import Contacts
from notifier.channels.addresses import postal_recipient
from notifier.channels.base import (
    Deadline,
    DeadlinePassedError,
    Draft,
    Frozen,
    Late,
    Outcome,
    Parcel,
    Recipient,
    Refused,
    Sent,
    Traced,
    Unknown,
)
from notifier.channels.http import post_once, refusal
from notifier.domain.feedback import Report, Stage
from notifier.domain.redaction import plain, redact

AddressPosition = Literal["left", "right"]

_JSON_API = "application/vnd.api+json"
_TOKEN_SPARE_S = 300.0
_ASK_S = 20.0
_PAGE = 100
_RETURNED = frozenset({"undeliverable"})
_NEVER_PRINTED = frozenset({"invalid", "unprintable", "rejected", "expired", "cancelled"})


class PingenChannel:
    """Letters, or registered letters, by `product` (`cheap`, `fast`, `registered`, …)."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        api_url: str,
        identity_url: str,
        organisation: str,
        client_id: str,
        client_secret: SecretStr,
        product: str,
        address_position: AddressPosition,
        cost_minor: int = 0,
    ) -> None:
        """Make it; `organisation` is the id of the account's organisation."""
        self.provider = "pingen"
        self._client = client
        self._api_url = api_url.rstrip("/")
        self._letters_url = f"{self._api_url}/organisations/{organisation}/letters"
        self._token_url = f"{identity_url.rstrip('/')}/auth/access-tokens"
        self._login = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret.get_secret_value(),
            "scope": "letter",
        }
        self._product = product
        self._address_position = address_position
        self._cost_minor = cost_minor
        self._token = ""
        self._token_until = 0.0
        self._logging_in = asyncio.Lock()

    def addressee(self, contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:  # noqa: ARG002
        """The postal address."""
        return postal_recipient(contacts, tenant=tenant)

    def freeze(self, draft: Draft) -> Frozen:
        """The PDF.

        Raises:
            ValueError: the renderer made no PDF.
        """
        if not draft.rendered.pdf:
            raise ValueError("a letter was rendered without a PDF")
        return Frozen(media_type="application/pdf", body=draft.rendered.pdf)

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """Upload the PDF and have it printed; 201 means taken."""
        prepared = await self._prepare(parcel, deadline)
        if not isinstance(prepared, dict):
            return prepared
        answer = await post_once(self._client, self._letters_url, deadline, **prepared)
        if isinstance(answer, Unknown):
            again = await post_once(self._client, self._letters_url, deadline, **prepared)
            if not (isinstance(again, httpx.Response) and again.is_success):
                return answer
            answer = again
        if not isinstance(answer, httpx.Response):
            return answer
        return self._sent(answer) if answer.is_success else self._not_prepared(answer)

    async def trace(self, *, tenant: str, message_id: UUID) -> Traced | None:  # noqa: ARG002
        """What Pingen says about the letter whose file bears our message's name."""
        name = _file_name(message_id)
        try:
            async with asyncio.timeout(_ASK_S):
                answer = await self._client.get(
                    self._letters_url,
                    params={"q": name, "sort": "-created_at", "page[limit]": _PAGE},
                    headers=await self._headers(),
                )
                answer.raise_for_status()
                found = answer.json()["data"]
            for letter in found:
                if letter["attributes"]["file_original_name"] == name:
                    return _traced(letter)
        except httpx.HTTPStatusError as error:
            self._not_prepared(error.response)
        except (httpx.HTTPError, OSError, LookupError, ValueError, TypeError):
            return None
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _headers(self) -> dict[str, str]:
        """Of a request with a token that lives long enough (OAuth 2, client credentials)."""
        async with self._logging_in:
            if not self._token or monotonic() > self._token_until:
                answer = await self._client.post(self._token_url, data=self._login)
                answer.raise_for_status()
                granted = answer.json()
                self._token = str(granted["access_token"])
                self._token_until = monotonic() + float(granted["expires_in"]) - _TOKEN_SPARE_S
        return {
            "authorization": f"Bearer {self._token}",
            "accept": _JSON_API,
            "content-type": _JSON_API,
        }

    async def _prepare(self, parcel: Parcel, deadline: Deadline) -> dict[str, Any] | Refused | Late:
        """The request that has the letter printed; nothing of what leads there prints it."""
        try:
            deadline.check()
            async with asyncio.timeout(deadline.max_send_s):
                headers = await self._headers()
                file = await self._upload(parcel.body, headers)
        except DeadlinePassedError:
            return Late()
        except httpx.HTTPStatusError as error:
            return self._not_prepared(error.response)
        except (httpx.HTTPError, OSError, LookupError, ValueError, TypeError) as error:
            words = f"not_uploaded: {type(error).__name__} {error}"
            return Refused(reason=redact(words), retry=True)
        return {
            "content": orjson.dumps(self._letter(parcel, file)),
            "headers": headers | {"idempotency-key": str(parcel.message.message_id)},
        }

    async def _upload(self, pdf: bytes, headers: dict[str, str]) -> dict[str, str]:
        """Put the PDF where Pingen wants it; returns its address and the address's signature."""
        answer = await self._client.get(f"{self._api_url}/file-upload", headers=headers)
        answer.raise_for_status()
        place = answer.json()["data"]["attributes"]
        put = await self._client.put(place["url"], content=pdf)
        put.raise_for_status()
        return {"file_url": place["url"], "file_url_signature": place["url_signature"]}

    def _letter(self, parcel: Parcel, file: dict[str, str]) -> dict[str, Any]:
        attributes = file | {
            "file_original_name": _file_name(parcel.message.message_id),
            "address_position": self._address_position,
            "auto_send": not parcel.sender.sandbox,
            "delivery_product": self._product,
            "print_mode": "duplex",
            "print_spectrum": "grayscale",
        }
        return {"data": {"type": "letters", "attributes": attributes}}

    def _sent(self, answer: httpx.Response) -> Outcome:
        try:
            letter_id = plain(str(answer.json()["data"]["id"]))
        except (LookupError, ValueError, TypeError):
            letter_id = ""
        return Sent(provider_ref=letter_id, cost_minor=self._cost_minor)

    def _not_prepared(self, answer: httpx.Response) -> Refused:
        """An error answer where nothing can have been sent."""
        if answer.status_code == 401:
            self._token = ""  # the next try logs in again
        refused = refusal(answer, _complaint(answer))
        if answer.status_code >= 500:
            return Refused(reason=refused.reason, retry=True, retry_after_s=refused.retry_after_s)
        return refused


def _file_name(message_id: UUID) -> str:
    return f"{message_id}.pdf"


def _traced(letter: Any) -> Traced:
    attributes = letter["attributes"]
    status = plain(str(attributes["status"]))
    if status == "delivered":
        stage = Stage.DELIVERED
    elif status in _RETURNED | _NEVER_PRINTED:
        stage = Stage.BOUNCED
    else:
        stage = Stage.ACCEPTED
    report = Report(
        stage=stage,
        provider_ref=plain(str(letter["id"])),
        reason=f"pingen: {status}" if stage is Stage.BOUNCED else "",
        hard=status in _RETURNED,
    )
    tracking = plain(str(attributes.get("tracking_number") or ""))
    return Traced(status=status, report=report, facts={"tracking_number": tracking})


def _complaint(answer: httpx.Response) -> str:
    try:
        errors = answer.json()["errors"]
        listed = errors if isinstance(errors, list) else [errors]
        return "; ".join(f"{error['code']} {error['title']}" for error in listed)
    except (LookupError, ValueError, TypeError):
        return ""

"""E-mail over SendGrid's v3 `mail/send`.

SendGrid has no idempotency key: a lost answer stays unknown until its signed event webhook, which
carries our message id in `custom_args`, tells.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import httpx
import orjson
from pydantic import SecretStr

from dunning_common.events.contacts import Contacts
from notifier.channels import mime
from notifier.channels.addresses import email_recipient
from notifier.channels.base import Deadline, Draft, Frozen, Outcome, Parcel, Recipient, Sent
from notifier.channels.http import post_once, refusal
from notifier.content.model import Attachment
from notifier.domain.redaction import plain

_TRACKING = ("click_tracking", "open_tracking", "subscription_tracking", "ganalytics")


class SendGridChannel:
    """E-mail through SendGrid."""

    def __init__(
        self, client: httpx.AsyncClient, *, base_url: str, api_key: SecretStr, cost_minor: int = 0
    ) -> None:
        self.provider = "sendgrid"
        self._client = client
        self._url = f"{base_url.rstrip('/')}/v3/mail/send"
        self._headers = {
            "authorization": f"Bearer {api_key.get_secret_value()}",
            "content-type": "application/json",
        }
        self._cost_minor = cost_minor

    def addressee(self, contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:  # noqa: ARG002
        """The first usable e-mail address."""
        return email_recipient(contacts, tenant=tenant)

    def freeze(self, draft: Draft) -> Frozen:
        """The JSON that SendGrid turns into an e-mail.

        What an account may have switched on for all its mails is off for these: footers, tags in
        links, pictures that count. The debtor gets what was written, and nobody is watched.

        Raises:
            ValueError: attachments that are too large, or no subject, which SendGrid refuses.
        """
        message, rendered = draft.message, draft.rendered
        subject = mime.one_line(rendered.subject or "").strip()
        if not subject:
            raise ValueError("SendGrid takes no e-mail without a subject: give the text one")
        content = [{"type": "text/plain", "value": rendered.text or " "}]
        if rendered.html is not None:
            content.append({"type": "text/html", "value": rendered.html})
        off = {"enable": False}
        body: dict[str, Any] = {
            "personalizations": [
                {
                    "to": [_mailbox(draft.recipient.name, draft.recipient.address)],
                    "custom_args": {
                        "message_id": str(message.message_id),
                        "tenant": message.tenant,
                    },
                }
            ],
            "from": _mailbox(draft.sender.name, draft.sender.email),
            "subject": subject,
            "content": content,
            "headers": {
                "Message-ID": mime.message_id_header(message.message_id, draft.sender.email),
                "Auto-Submitted": "auto-generated",
                **{
                    name: text
                    for name, text in mime.labels(draft).items()
                    if text.isascii() and len(text) < 900
                },
            },
            "tracking_settings": dict.fromkeys(_TRACKING, off),
            "mail_settings": {"footer": off},
        }
        if rendered.attachments:
            body["attachments"] = _files(rendered.attachments)
        return Frozen(media_type="application/json", body=orjson.dumps(body))

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """Hand the e-mail to SendGrid; 202 means taken."""
        answer = await post_once(
            self._client, self._url, deadline, content=parcel.body, headers=self._headers
        )
        if not isinstance(answer, httpx.Response):
            return answer
        if answer.is_success:
            reference = plain(answer.headers.get("x-message-id", ""))
            return Sent(provider_ref=reference, cost_minor=self._cost_minor)
        return refusal(answer, _complaint(answer))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _files(attachments: Sequence[Attachment]) -> list[dict[str, str]]:
    mime.check_size(attachments)
    return [
        {
            "content": base64.b64encode(attachment.content).decode(),
            "type": attachment.media_type,
            "filename": mime.one_line(attachment.file_name),
            "disposition": "attachment",
        }
        for attachment in attachments
    ]


def _mailbox(name: str, email: str) -> dict[str, str]:
    name = mime.one_line(name)
    return {"email": email, "name": name} if name else {"email": email}


def _complaint(answer: httpx.Response) -> str:
    try:
        return "; ".join(str(error["message"]) for error in answer.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return ""

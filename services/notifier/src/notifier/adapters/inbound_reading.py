"""Reads whatever came in, by the channel it came through; nothing that came can make it raise."""

from __future__ import annotations

import structlog

from notifier.adapters.inbound_mail import read_mail
from notifier.adapters.mime_reading import UnreadableMailError
from notifier.adapters.webhook_bodies import form_fields, json_fields
from notifier.domain.inbound import InboundMail, InboundText
from notifier.ports.inbound import Arrived

log = structlog.get_logger()


def read_inbound(arrived: Arrived) -> InboundMail | InboundText | str:
    """What came, understood; or why it cannot be."""
    item = arrived.item
    try:
        if item.channel == "sms":
            return _read_text(item.external_id, item.content_type, item.raw)
        return read_mail(item.content_type, item.raw)
    except UnreadableMailError as error:
        return str(error)
    except Exception as error:
        # The e-mail package meets what nobody thought of; one mail must not hold up the others.
        log.exception("inbound_unreadable", inbound_id=str(arrived.inbound_id))
        return f"unreadable: {type(error).__name__}"


def _read_text(sid: str, content_type: str, raw: bytes) -> InboundText | str:
    is_json = content_type.lower().startswith("application/json")
    given = json_fields(raw) if is_json else form_fields(raw, content_type)
    fields = {name: values[0] for name, values in given.items() if values}
    sender = fields.get("From", "").strip()
    if not sender:
        return "a text without a sender"
    text = fields.get("Body", "")
    files = fields.get("NumMedia", "0").strip()
    if files not in ("", "0"):
        text = f"{text}\n[{files} files: see the provider's log of message {sid}]".strip()
    return InboundText(
        key=sid, sender=sender, text=text[:5000], provider_intent=fields.get("OptOutType", "")
    )

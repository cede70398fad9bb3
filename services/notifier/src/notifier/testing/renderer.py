"""A renderer that needs no templates."""

from __future__ import annotations

from notifier.content.model import Rendered, RenderRequest, TemplateError


class PlainRenderer:
    """Renders without templates, in no time; `broken` and `crash` are templates that fail."""

    def render(self, request: RenderRequest) -> Rendered:
        """A few words per channel."""
        if request.template == "broken":
            raise TemplateError("broken", "line 1", "it is broken on purpose")
        if request.template == "crash":
            raise KeyError(request.template)
        words = f"{request.template} for {', '.join(request.message.invoice_ids)}"
        match request.channel:
            case "email":
                html = f"<p>{words}</p>"
                return _rendered("multipart/alternative", subject=words, text=words, html=html)
            case "sms":
                return _rendered("text/plain", text=words)
            case _:
                pdf = b"%PDF-1.7\n" + words.encode() + b"\n%%EOF\n"
                return _rendered("application/pdf", subject=words, pdf=pdf)


def _rendered(
    media_type: str,
    *,
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    pdf: bytes | None = None,
) -> Rendered:
    return Rendered(media_type=media_type, subject=subject, text=text, html=html, pdf=pdf)

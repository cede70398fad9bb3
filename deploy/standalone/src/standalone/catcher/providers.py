"""What SendGrid and Twilio would answer: their HTTP APIs for sending, as far as we use them.

Takes everything, sends nothing on. The shapes are the providers' own, errors included.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from standalone.catcher import caught
from standalone.catcher.accepts import AcceptLog


def router(accepts: AcceptLog) -> APIRouter:
    """`POST /v3/mail/send` and `POST /2010-04-01/Accounts/{account}/Messages.json`."""
    routes = APIRouter(tags=["providers"])

    @routes.post("/v3/mail/send", status_code=202)
    async def sendgrid(request: Request) -> Response:
        """202 and an `X-Message-Id`; 400 with `errors`; 401 without a key."""
        if not request.headers.get("authorization", "").lower().startswith("bearer "):
            return _sendgrid_error(401, "The provided authorization grant is invalid")
        raw = await request.body()
        try:
            summary = caught.of_sendgrid(json.loads(raw))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            return _sendgrid_error(400, f"Bad Request: {error}")
        await accepts.append(raw, summary)
        return Response(status_code=202, headers={"X-Message-Id": secrets.token_urlsafe(16)})

    @routes.post("/2010-04-01/Accounts/{account}/Messages.json", status_code=201)
    async def twilio(request: Request, account: str) -> JSONResponse:
        """201 and the message resource; 400 or 401 with a code."""
        if not _has_basic_credentials(request):
            return _twilio_error(401, 20003, "Authenticate")
        form = {key: str(value) for key, value in (await request.form()).items()}
        if not form.get("To"):
            return _twilio_error(400, 21604, "A 'To' phone number is required.")
        if not form.get("Body"):
            return _twilio_error(400, 21602, "Message body is required.")
        raw = json.dumps(form, ensure_ascii=False).encode()
        await accepts.append(raw, caught.of_twilio(form))
        return JSONResponse(_message_resource(account, form), status_code=201)

    return routes


def _message_resource(account: str, form: dict[str, str]) -> dict[str, str | None]:
    sid = "SM" + secrets.token_hex(16)
    return {
        "sid": sid, "account_sid": account, "status": "queued", "to": form["To"],
        "from": form.get("From"), "body": form["Body"], "num_segments": "1",
        "direction": "outbound-api", "error_code": None, "error_message": None,
        "api_version": "2010-04-01", "price": None, "price_unit": "USD",
        "uri": f"/2010-04-01/Accounts/{account}/Messages/{sid}.json",
    }  # fmt: skip


def _has_basic_credentials(request: Request) -> bool:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    try:
        return scheme.lower() == "basic" and b":" in base64.b64decode(value, validate=True)
    except binascii.Error:
        return False


def _sendgrid_error(status: int, message: str) -> JSONResponse:
    errors = [{"message": message, "field": None, "help": None}]
    return JSONResponse({"errors": errors}, status_code=status)


def _twilio_error(status: int, code: int, message: str) -> JSONResponse:
    return JSONResponse(
        {"code": code, "message": message, "status": status, "more_info": None}, status_code=status
    )

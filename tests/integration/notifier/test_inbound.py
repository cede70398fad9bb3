"""Mail and texts to the creditor: checked, stored once, understood once, and never acted on twice."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from dunning_common.db import driver
from dunning_common.events.notifications import NoticeBouncedV2
from dunning_common.events.responses import (
    ChannelOptedInV1,
    ChannelOptedOutV1,
    ReplyReceivedV1,
)
from dunning_common.ids import short_hash
from dunning_common.vault import unseal
from notifier.handlers.take_response import note_context
from notifier.testing import Mode, mails
from tests.integration.notifier.conftest import (
    DECIDED,
    TENANT,
    Postman,
    erased,
    message_id_of,
    notice,
    tenant_event,
)
from tests.integration.notifier.ear import MAIL_URL, SECRET, Ear, make_ear
from tests.integration.notifier.test_suppressions import DAY, SilentSms

ADDRESS = "compta@dupont.example"
PHONE = "+33612345678"


@pytest.fixture
async def ear(postman: Postman, tmp_path: Path) -> AsyncIterator[Ear]:
    made = make_ear(postman, tmp_path)
    async with made.client:
        yield made


async def mailed(postman: Postman, *script: Mode, sandbox: bool = False) -> UUID:
    """A message that went out by mail."""
    tenant = tenant_event().model_copy(update={"sandbox": sandbox})
    await postman.hear(tenant, postman.contacts())
    await postman.hear(notice("n1"))
    postman.smtp.script.extend(script)
    await postman.send_all()
    return message_id_of(await postman.message())


async def texted(postman: Postman) -> UUID:
    """A message that went out by SMS."""
    postman.channels["sms"] = SilentSms()
    await postman.know()
    await postman.hear(notice("n1", channels={"sms": ("i1",)}))
    await postman.sender(clock=DAY).send_due()
    return message_id_of(await postman.message())


async def words(ear: Ear) -> list[dict[str, object]]:
    """What the stored answers say, opened with the debtor's key."""
    found = []
    for row in await ear.rows("SELECT * FROM response ORDER BY seq"):

        class Debtor:
            tenant, debtor_id = row["tenant"], row["debtor_id"]

        context = note_context(Debtor, UUID(str(row["response_id"])))
        key = ear.postman.ledger.debtor_keys[row["tenant"], row["debtor_id"]]
        found.append(orjson.loads(unseal(key, row["note"], context=context)))
    return found


async def clear_bytes(ear: Ear) -> int:
    """How much of what came in still lies in clear."""
    (row,) = await ear.rows("SELECT count(raw) AS n FROM inbound")
    return int(row["n"])


async def test_a_bounce_by_mail_is_told_once_however_often_and_however_packed(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)
    raw = mails.bounce(message_id)
    other, kind = mails.posted(raw, boundary="another")
    password = base64.b64encode(f":{SECRET}".encode()).decode()

    first = await ear.mail(raw)
    again = await ear.mail(raw)
    await ear.understand()
    repacked = await ear.client.post(
        MAIL_URL, content=other, headers={**kind, "authorization": f"Basic {password}"}
    )
    await ear.understand()

    assert {first.status_code, again.status_code, repacked.status_code} == {204}
    assert await postman.told_types() == ["NoticeSentV2", "NoticeBouncedV2"]
    bounced = (await postman.told())[-1]
    assert isinstance(bounced, NoticeBouncedV2)
    assert bounced.hard
    assert await ear.verdicts() == [("bounce", "reported"), ("bounce", "known")]
    assert await ear.suppressed() == [("email", "hard_bounce")]
    assert await clear_bytes(ear) == 0


async def test_a_bounce_by_mail_proves_that_an_unknown_message_was_sent(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman, Mode.LOST)

    await ear.mail(mails.bounce(message_id))
    await ear.understand()

    assert await postman.told_types() == ["NoticeUnknownV2", "NoticeSentV2", "NoticeBouncedV2"]


async def test_a_bounce_that_names_only_the_address_is_told_and_condemns_nobody(
    ear: Ear, postman: Postman
) -> None:
    await mailed(postman)

    await ear.mail(mails.bounce(None, to=ADDRESS))
    await ear.understand()

    assert (await postman.told_types())[-1] == "NoticeBouncedV2"
    assert await ear.suppressed() == []


async def test_a_bounce_of_nothing_of_ours_is_listed_with_a_remedy(ear: Ear) -> None:
    await ear.mail(mails.bounce(None, to="stranger@else.example"))
    await ear.understand()

    (issue,) = (await ear.get("/v1/feedback-issues"))["items"]
    assert issue["kind"] == "unmatched_bounce"
    assert "POST /v1/suppressions" in issue["remedy"]
    assert short_hash(TENANT, "email", "stranger@else.example") in issue["excerpt"]
    assert "else.example" not in str(issue)
    assert await clear_bytes(ear) == 0


async def test_a_bounce_with_an_impossible_date_happened_when_it_came(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)

    await ear.mail(mails.bounce(message_id, date="Thu, 01 Jan 1970 00:00:00 +0000"))
    await ear.understand()

    (listed,) = await ear.rows("SELECT now() - since AS age FROM suppression")
    assert listed["age"].days == 0


async def test_a_delayed_mail_is_no_bounce(ear: Ear, postman: Postman) -> None:
    message_id = await mailed(postman)

    await ear.mail(mails.bounce(message_id, action="delayed", status="4.4.1", said="450 later"))
    await ear.understand()

    assert await postman.told_types() == ["NoticeSentV2"]


async def test_a_complaint_lists_the_address_and_says_so(ear: Ear, postman: Postman) -> None:
    message_id = await mailed(postman)

    await ear.mail(mails.complaint(message_id))
    await ear.understand()

    assert await ear.suppressed() == [("email", "complaint")]
    types = await postman.told_types()
    assert types == ["NoticeSentV2", "NoticeDeliveredV2", "ChannelOptedOutV1"]


async def test_an_answer_is_sealed_for_a_person_and_what_it_seems_to_say_changes_nothing(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)

    await ear.mail(mails.reply("I paid on 3 March.\n\n> please pay", to=message_id))
    await ear.understand()

    told = (await postman.told())[-1]
    assert isinstance(told, ReplyReceivedV1)
    assert (told.debtor_id, told.invoice_ids, told.source) == ("d1", ("i1",), "email")
    (row,) = await ear.rows("SELECT kind, facts::text AS facts, state FROM response")
    facts = orjson.loads(row["facts"])
    assert (row["kind"], row["state"]) == ("message", "received")
    assert (facts["seems_to_say"], facts["on"][5:]) == ("payment_claimed", "03-03")
    (said,) = await words(ear)
    assert (said["text"], said["from"]) == ("I paid on 3 March.", ADDRESS)
    assert await clear_bytes(ear) == 0
    everything = str(await ear.rows("SELECT * FROM inbound")) + str(await ear.issues())
    assert "dupont" not in everything


async def test_an_answer_to_a_sandbox_notice_bears_the_sandbox_clock(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman, sandbox=True)

    await ear.mail(mails.reply("Bonjour", to=message_id))
    await ear.understand()

    told = (await postman.told())[-1]
    assert isinstance(told, ReplyReceivedV1)
    assert told.effective_at == DECIDED


async def test_an_answer_without_references_is_matched_by_who_wrote(
    ear: Ear, postman: Postman
) -> None:
    await mailed(postman)

    await ear.mail(mails.reply("Bonjour", sender=ADDRESS.upper()))
    await ear.understand()

    assert (await postman.told_types())[-1] == "ReplyReceivedV1"


async def test_a_machines_answer_is_kept_and_never_taken_for_one(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)

    await ear.mail(mails.reply("STOP", to=message_id, headers={"Auto-Submitted": "auto-replied"}))
    await ear.understand()

    assert await ear.verdicts() == [("auto_reply", "no_answer")]
    assert await postman.told_types() == ["NoticeSentV2"]
    assert await ear.suppressed() == []


async def test_one_word_by_mail_stops_only_from_the_address_that_was_written_to(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)

    await ear.mail(mails.reply("STOP", to=message_id, sender="colleague@dupont.example"))
    await ear.understand()
    by_colleague = await ear.suppressed()
    await ear.mail(mails.reply("Stop.", to=message_id))
    await ear.understand()

    assert by_colleague == []
    assert await ear.suppressed() == [("email", "opt_out")]
    types = await postman.told_types()
    assert types == ["NoticeSentV2", "ReplyReceivedV1", "ChannelOptedOutV1"]


async def test_stop_and_start_by_text_take_effect_once_in_the_order_they_came(
    ear: Ear, postman: Postman
) -> None:
    await texted(postman)

    answer = await ear.text("ARRÊT", sid="SM1")
    await ear.text("ARRÊT", sid="SM1")
    await ear.understand()
    stopped = await ear.suppressed()
    await ear.text("Start", sid="SM2")
    await ear.understand()
    started = await ear.suppressed()
    await ear.text("ARRÊT", sid="SM1")  # replayed: it was heard before
    await ear.understand()
    replayed = await ear.suppressed()
    for sid, word in (("SM3", "START"), ("SM4", "STOP"), ("SM5", "START"), ("SM6", "STOP")):
        await ear.text(word, sid=sid)
    await ear.understand()

    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.text.endswith("<Response/>")
    assert stopped == [("sms", "opt_out")]
    assert (started, replayed) == ([], [])
    assert await ear.suppressed() == [("sms", "opt_out")]
    told = [e for e in await postman.told() if isinstance(e, ChannelOptedOutV1 | ChannelOptedInV1)]
    assert [type(e).__name__ for e in told] == [
        "ChannelOptedOutV1", "ChannelOptedInV1", "ChannelOptedOutV1",
    ]  # fmt: skip
    assert {(e.channel, e.source, e.recipient_hash) for e in told} == {
        ("sms", "sms", short_hash(TENANT, "phone", PHONE))
    }


async def test_a_stop_from_a_number_nobody_wrote_to_counts_all_the_same(
    ear: Ear, postman: Postman
) -> None:
    await ear.text("STOP", sender="+33798765432")
    await ear.understand()

    assert await ear.suppressed() == [("sms", "opt_out")]
    assert await postman.told() == []  # whose it is nobody knows


async def test_what_twilio_itself_took_for_a_stop_is_one(ear: Ear, postman: Postman) -> None:
    await texted(postman)

    await ear.text("Stahp", OptOutType="STOP")
    await ear.understand()

    assert await ear.suppressed() == [("sms", "opt_out")]


async def test_help_is_listed_and_not_answered(ear: Ear, postman: Postman) -> None:
    await texted(postman)

    await ear.text("AIDE")
    await ear.understand()

    (issue,) = (await ear.get("/v1/feedback-issues"))["items"]
    assert issue["kind"] == "help_asked"
    assert "debtor d1" in issue["detail"]


async def test_other_words_by_text_are_an_answer(ear: Ear, postman: Postman) -> None:
    await texted(postman)

    await ear.text("Please stop texting me", NumMedia="1")
    await ear.understand()

    (said,) = await words(ear)
    assert str(said["text"]).startswith("Please stop texting me\n[1 files")
    (row,) = await ear.rows("SELECT facts->>'seems_to_say' AS says FROM response")
    assert row["says"] == "opt_out"
    assert await ear.suppressed() == []


async def test_while_the_ledger_is_silent_words_wait_and_stops_do_not(
    ear: Ear, postman: Postman
) -> None:
    await texted(postman)
    postman.ledger.down = True
    for number in range(25):
        await ear.text("I paid on 3 March", sid=f"SM{number}")
    await ear.text("STOP", sid="SM99")

    await ear.understand()
    await ear.understand()
    early = await ear.suppressed(), await words(ear)
    postman.ledger.down = False
    while await ear.understand():
        pass

    assert early == ([("sms", "opt_out")], [])
    assert len(await words(ear)) == 25
    assert await clear_bytes(ear) == 0


async def test_the_words_of_an_erased_debtor_are_not_kept(ear: Ear, postman: Postman) -> None:
    message_id = await mailed(postman)
    await postman.hear(erased())
    postman.ledger.debtor_keys.clear()

    await ear.mail(mails.reply("Bonjour", to=message_id))
    await ear.understand()

    assert await ear.verdicts() == [("reply", "erased")]
    assert await clear_bytes(ear) == 0


async def test_a_strangers_words_are_read_given_to_a_debtor_and_gone(
    ear: Ear, postman: Postman
) -> None:
    await postman.know()
    await ear.mail(mails.reply("Bonjour", sender="who@else.example"))
    await ear.understand()
    (issue,) = (await ear.get("/v1/feedback-issues"))["items"]
    url = f"/v1/replies/{issue['ref']}"

    seen = await ear.get(f"{url}/content")
    nobody = await ear.client.post(
        f"{url}/assign", json={"debtor_id": "nobody"}, headers=ear.headers()
    )
    given = await ear.client.post(f"{url}/assign", json={"debtor_id": "d1"}, headers=ear.headers())
    gone = await ear.client.get(f"{url}/content", headers=ear.headers())
    closed = await ear.client.post(
        f"/v1/feedback-issues/{issue['issue_id']}/close",
        json={"note": "given to d1"},
        headers=ear.headers(),
    )

    assert (seen["from"], seen["text"]) == ("who@else.example", "Bonjour")
    assert (nobody.status_code, given.status_code, gone.status_code) == (404, 200, 410)
    assert [said["text"] for said in await words(ear)] == ["Bonjour"]
    assert await postman.told_types() == ["ReplyReceivedV1"]
    assert closed.json()["closed_by"] == "jane"
    assert await ear.issues() == []


async def test_a_strangers_words_are_deleted_after_thirty_days(ear: Ear) -> None:
    await ear.mail(mails.reply("Bonjour", sender="who@else.example"))
    await ear.understand()
    kept = await clear_bytes(ear)
    async with ear.postman.db.worker() as connection:
        await (await driver(connection)).execute(
            "UPDATE inbound SET received_at = received_at - interval '31 days'"
        )
    await ear.understand()

    assert (kept, await clear_bytes(ear)) == (1, 0)


async def test_what_is_no_mail_is_acknowledged_and_listed(ear: Ear) -> None:
    password = base64.b64encode(f":{SECRET}".encode()).decode()
    headers = {"authorization": f"Basic {password}", "content-type": "application/json"}

    taken = await ear.client.post(MAIL_URL, content=b"{}", headers=headers)
    packed = await ear.client.post(
        MAIL_URL, content=b"no gzip", headers={**headers, "content-encoding": "gzip"}
    )
    await ear.understand()

    assert (taken.status_code, packed.status_code) == (204, 204)
    assert await ear.issues() == ["unreadable", "unreadable"]


async def test_only_who_can_prove_it_may_send_mail_in(ear: Ear, postman: Postman) -> None:
    message_id = await mailed(postman)
    raw = mails.bounce(message_id)
    body, kind = mails.posted(raw)
    _, signature = ear.sendgrid.signed([])
    post = ear.client.post
    wrong = base64.b64encode(b"sendgrid:guess").decode()
    refused = [
        await post(MAIL_URL, content=body, headers=kind),
        await post(MAIL_URL, content=body, headers={**kind, "authorization": f"Basic {wrong}"}),
        await post(MAIL_URL, content=body, headers={**kind, "authorization": "Basic %%%"}),
        await post(MAIL_URL, content=body, headers={**kind, **signature, **kind}),
        await post(
            MAIL_URL,
            content=raw,
            headers={"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,eA=="},
        ),
    ]
    not_set_up = await post("/webhooks/inbound-mail/other", content=body, headers=kind)
    await ear.understand()

    assert [answer.status_code for answer in refused] == [401] * 5
    assert not_set_up.status_code == 503  # SendGrid keeps the mail and comes again
    assert await ear.verdicts() == []
    assert await postman.told_types() == ["NoticeSentV2"]


async def test_sendgrids_signature_over_the_form_is_enough(ear: Ear, postman: Postman) -> None:
    message_id = await mailed(postman)
    body, kind = mails.posted(mails.bounce(message_id))
    now = int(datetime.now(UTC).timestamp())
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signature = ear.sendgrid._key.sign(str(now).encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        **kind,
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": str(now),
    }

    taken = await ear.client.post(MAIL_URL, content=body, headers=headers)
    forged = await ear.client.post(MAIL_URL, content=body + b" ", headers=headers)
    await ear.understand()

    assert (taken.status_code, forged.status_code) == (204, 401)
    assert (await postman.told_types())[-1] == "NoticeBouncedV2"


async def test_a_mail_gateway_may_post_the_mail_itself_packed_and_signed(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)
    raw = gzip.compress(mails.bounce(message_id))
    now = str(int(datetime.now(UTC).timestamp()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"), validate=True)
    mac = base64.b64encode(hmac.new(key, f"m1.{now}.".encode() + raw, hashlib.sha256).digest())
    headers = {
        "content-type": "message/rfc822",
        "content-encoding": "gzip",
        "webhook-id": "m1",
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{mac.decode()}",
    }

    answer = await ear.client.post(MAIL_URL, content=raw, headers=headers)
    await ear.understand()

    assert answer.status_code == 204
    assert (await postman.told_types())[-1] == "NoticeBouncedV2"


async def test_a_forged_text_changes_nothing(ear: Ear) -> None:
    answers = [
        await ear.client.post("/webhooks/twilio-inbound/acme", content=b"Body=STOP&From=%2B336"),
        await ear.client.post(
            "/webhooks/twilio-inbound/acme",
            content=b"MessageSid=SM1&Body=STOP&From=%2B336",
            headers={"x-twilio-signature": "eA=="},
        ),
        await ear.client.post("/webhooks/twilio-inbound/other", content=b"Body=STOP"),
    ]
    await ear.understand()

    assert [answer.status_code for answer in answers] == [401] * 3
    assert await ear.suppressed() == []


async def test_a_signed_text_without_an_id_is_listed(ear: Ear) -> None:
    answer = await ear.text("STOP", sid="")
    await ear.understand()

    assert answer.status_code == 200
    assert await ear.issues() == ["unreadable"]


async def test_what_came_in_is_only_for_who_may_see_it(ear: Ear) -> None:
    other = ear.headers(tenant="other")
    await ear.mail(mails.reply("Bonjour", sender="who@else.example"))
    await ear.understand()
    (issue,) = (await ear.get("/v1/feedback-issues"))["items"]
    get, post = ear.client.get, ear.client.post

    statuses = [
        (await get("/v1/replies")).status_code,
        (await get("/v1/feedback-issues", headers=ear.headers("kpi:read"))).status_code,
        (await get(f"/v1/replies/{issue['ref']}/content", headers=other)).status_code,
        (
            await get(f"/v1/replies/{issue['ref']}/content", headers=ear.headers("notices:read"))
        ).status_code,
        (
            await post(
                f"/v1/feedback-issues/{issue['issue_id']}/close",
                json={"note": "mine"},
                headers=other,
            )
        ).status_code,
    ]

    assert statuses == [401, 403, 404, 403, 404]
    assert (await get("/v1/replies", headers=other)).json()["items"] == []

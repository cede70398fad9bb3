"""What does not go with a message: no mail promises it, and the operator hears of it."""

from __future__ import annotations

import email
import email.policy

import pytest
from structlog.testing import capture_logs

from dunning_common.events.contacts import PostalAddress
from notifier.adapters.thread_pool import ThreadPool
from notifier.channels.base import Channel
from notifier.content.model import Attachment
from notifier.content.render import Renderer
from notifier.handlers.write import Scribe
from tests.integration.notifier.conftest import CONTACTS, TENANT, Postman, notice, tenant_event

NO_POSTCODE = PostalAddress(lines=("1 rue",), postcode="", city="Paris", country="FR")


async def test_a_mail_that_leaves_original_documents_out_is_told_to_the_operator_once(
    postman: Postman,
) -> None:
    invoices = [f"i{n}" for n in range(12)]
    for invoice in invoices:
        postman.ledger.originals[TENANT, invoice] = Attachment(
            file_name=f"{invoice}.pdf", media_type="application/pdf", content=invoice.encode()
        )
    await postman.know("d1", "d2")
    await postman.hear(*(notice(f"n-{d}", debtor=d, invoices=invoices) for d in ("d1", "d2")))

    with capture_logs() as logs:
        await postman.send_all()

    assert await postman.states() == ["sent", "sent"]
    assert [log["remark"] for log in logs if log["event"] == "message_remark"] == [
        "it is about 12 invoices and carries the original documents of the first 10 at most"
    ]


async def test_documents_of_other_mails_of_the_same_batch_are_not_missed_in_a_mail(
    postman: Postman,
) -> None:
    for invoice in ("i1", "i2"):
        postman.ledger.originals[TENANT, invoice] = Attachment(
            file_name=f"{invoice}.pdf", media_type="application/pdf", content=invoice.encode()
        )
    await postman.know("d1", "d2")
    await postman.hear(notice("n1", debtor="d1", invoices=["i1"]))
    await postman.hear(notice("n2", debtor="d2", invoices=["i2"]))

    with capture_logs() as logs:
        await postman.send_all()

    sent = [
        email.message_from_bytes(mail, policy=email.policy.default) for mail in postman.smtp.mails
    ]
    names = [[part.get_filename() for part in mail.iter_attachments()] for mail in sent]
    assert sorted(names) == [["i1.pdf"], ["i2.pdf"]]
    assert [log for log in logs if log["event"] == "message_remark"] == []


@pytest.mark.parametrize(
    ("address", "configured", "told"),
    [
        (CONTACTS.address, True, True),
        (CONTACTS.address, False, False),
        (NO_POSTCODE, True, False),
        (None, True, False),
    ],
)
async def test_a_mail_tells_of_a_registered_letter_only_where_one_can_be_made(
    postman: Postman, address: PostalAddress | None, *, configured: bool, told: bool
) -> None:
    channels: dict[str, Channel] = {
        name: channel
        for name, channel in postman.channels.items()
        if configured or name != "registered_letter"
    }
    postman.channels = channels
    postman.writer = Scribe(Renderer(), channels, ThreadPool(1))
    plain = tenant_event()
    legal = plain.legal.model_copy(
        update={"form": "SAS", "capital": "10 000 €", "register_entry": "RCS Lyon 123 456 789"}
    )
    tenant = plain.model_copy(update={"legal": legal})
    contacts = CONTACTS.model_copy(update={"address": address})
    await postman.hear(tenant, postman.contacts(contacts=contacts))
    ways = {"email": ("i1",), "registered_letter": ("i1",)}
    await postman.hear(notice("n1", template="formal_notice", channels=ways))

    await postman.send_all()

    mail = email.message_from_bytes(postman.smtp.mails[0], policy=email.policy.default)
    body = mail.get_body(("plain",))
    assert body is not None
    text = " ".join(body.get_content().split())
    assert ("lettre recommandée" in text) is told
    assert ("vaut mise en demeure" in text) is not told
    assert (len(postman.letters()) == 1) is told

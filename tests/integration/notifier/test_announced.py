"""Costs that the engine only announces reach the consumer's letter through the postman's database."""

from __future__ import annotations

import email
import email.policy
from datetime import date

from dunning_common.events.dunning import AnnouncedCharge, NoticeItemV3, NoticeRequestedV3
from dunning_common.ids import name_id
from notifier.adapters.thread_pool import ThreadPool
from notifier.content.render import Renderer
from notifier.handlers.write import Scribe
from tests.integration.notifier.conftest import (
    CONTACTS,
    Postman,
    notice,
    tenant_event,
)


async def test_the_sum_that_was_announced_stands_in_the_mail_and_none_is_asked_for(
    postman: Postman,
) -> None:
    usual = tenant_event()
    legal = usual.legal.model_copy(update={"form": "BV", "register_entry": "KvK 12345678"})
    postman.writer = Scribe(Renderer(), postman.channels, ThreadPool(1))
    plain = notice("n1", template="consumer_notice")
    (item,) = plain.items
    costs = AnnouncedCharge(
        kind="compensation", amount_minor=4_000, basis="art. 6:96 lid 5 en 6 BW, Besluit BIK"
    )
    asked = NoticeRequestedV3.model_validate(
        plain.model_dump()
        | {
            "notice_id": name_id("notice", "announced"),
            "debtor_kind": "consumer",
            "debtor_country": "NL",
            "policy_id": "netherlands-consumer",
            "pay_by": date(2026, 3, 22),
            "items": [NoticeItemV3(**item.model_dump() | {"announced": (costs,)})],
        }
    )
    await postman.hear(
        usual.model_copy(update={"legal": legal}),
        postman.contacts(contacts=CONTACTS.model_copy(update={"language": "nl"})),
    )

    await postman.hear(asked)
    await postman.send_all()

    assert await postman.states() == ["sent"]
    mail = email.message_from_bytes(postman.smtp.mails[0], policy=email.policy.default)
    body = mail.get_body(("plain",))
    assert body is not None
    text = " ".join(body.get_content().replace("\u00a0", " ").split())
    assert "incassokosten van € 40,00 verschuldigd" in text
    assert "uiterlijk op 22 maart 2026" in text
    assert "Totaal: € 100,00" in text

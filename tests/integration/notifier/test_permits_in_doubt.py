"""A permit is not given back while the message that it allowed may still arrive."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from notifier.testing import Mode
from tests.integration.notifier.conftest import Postman, notice


async def test_no_payment_is_acknowledged_while_a_silent_server_may_still_take_the_mail(
    postman: Postman,
) -> None:
    """Given a mail server that takes a mail after we lost patience with it,

    when the invoice is paid meanwhile, then the payment is acknowledged after the mail was taken.
    """
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.append(Mode.LATE)
    postman.smtp.late_s = 0.8
    order: list[str] = []
    postman.smtp.on_accept = lambda: order.append("mail")
    paying: list[asyncio.Task[None]] = []

    async def pay() -> None:
        await postman.ledger.pay("i1")
        order.append("acknowledged")

    postman.ledger.on_permit = lambda: paying.append(asyncio.ensure_future(pay()))
    timing = replace(postman.timing, lease_s=2.5, max_send_s=0.4, margin_s=0.1)

    await postman.send_all(postman.sender(timing=timing))
    await asyncio.gather(*paying)

    assert order == ["mail", "acknowledged"]
    assert await postman.states() == ["unknown"]


async def test_permits_of_what_is_certain_are_given_back_beside_one_in_doubt(
    postman: Postman,
) -> None:
    await postman.know("d1", "d2")
    await postman.hear(notice("n1", debtor="d1", invoices=("i1",)))
    await postman.hear(notice("n2", debtor="d2", invoices=("i2",)))
    postman.smtp.script.append(Mode.LOST)

    await postman.send_all()

    assert sorted(await postman.states()) == ["sent", "unknown"]
    assert len(postman.ledger.live) == 1

"""Real processes, really killed: no message is taken twice, none is lost."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

from notifier.domain.message import State
from notifier.schema import SCHEMA
from notifier.testing import FakeSmtp, Mode
from tests.conftest import Databases
from tests.integration.notifier.conftest import TENANT, Postman, notice, tenant_event
from tests.integration.notifier.doomed import key_of

ROOT = Path(__file__).resolve().parents[3]
MESSAGES = 400
KILLS = 8


async def start(databases: Databases, postman: Postman) -> asyncio.subprocess.Process:
    name = str(postman.db._api.url.database)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.notifier.doomed",
        databases.role_url(SCHEMA.api_role, name),
        databases.role_url(SCHEMA.worker_role, name),
        str(postman.smtp.port),
        str(postman.spool),
        cwd=ROOT,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def accepted_more(smtp: FakeSmtp, count: int) -> None:
    """Until so many more mails were accepted, or nothing more comes."""
    before = len(smtp.log.accepted)
    for _ in range(200):
        if len(smtp.log.accepted) >= before + count:
            return
        await asyncio.sleep(0.02)


async def all_settled(postman: Postman) -> list[str]:
    while True:
        states = await postman.states()
        if all(State(state).is_terminal for state in states):
            return states
        await asyncio.sleep(0.1)


async def test_kill_9_at_random_moments_sends_nothing_twice_and_loses_nothing(
    databases: Databases, postman: Postman, smtp: FakeSmtp
) -> None:
    """Given 400 messages, a mail server that sometimes hangs up, and 8 kills,

    when all have settled, then every mail was accepted at most once, every accepted one is known as
    sent or unknown, everything else is known, and every letter was posted once: or, where a kill met
    the moment between its mark and its name, at most once, and is unknown.
    """
    luck = random.Random(20261121)
    debtors = [f"d{n}" for n in range(MESSAGES)]
    for debtor in debtors:
        postman.ledger.debtor_keys[TENANT, debtor] = key_of(debtor)
    await postman.hear(tenant_event(), *(postman.contacts(debtor) for debtor in debtors))
    await postman.hear(
        *(
            notice(f"n{d}", debtor=d, channels={"letter" if n % 5 == 0 else "email": ("i1",)})
            for n, d in enumerate(debtors)
        )
    )
    smtp.script.extend(
        luck.choices([Mode.OK, Mode.LOST, Mode.BUSY, Mode.CUT], [90, 4, 4, 2], k=MESSAGES)
    )

    for _ in range(KILLS):
        process = await start(databases, postman)
        await accepted_more(smtp, luck.randrange(1, 60))
        process.send_signal(signal.SIGKILL)
        await process.wait()
    process = await start(databases, postman)
    states = await all_settled(postman)
    process.send_signal(signal.SIGKILL)
    await process.wait()

    rows = await postman.messages()
    mails = {str(row["message_id"]): row["state"] for row in rows if row["channel"] == "email"}
    accepted = smtp.log.message_ids
    assert len(accepted) == len(set(accepted))
    assert set(states) <= {"sent", "unknown"}
    assert {mails[message_id] for message_id in accepted} <= {"sent", "unknown"}
    assert {m for m, state in mails.items() if state == "sent"} <= set(accepted)
    letters = {str(row["message_id"]): row["state"] for row in rows if row["channel"] == "letter"}
    posted = [letter.stem for letter in postman.letters()]
    in_doubt = {message_id for message_id, state in letters.items() if state == "unknown"}
    assert len(letters) == MESSAGES // 5
    assert set(letters.values()) <= {"sent", "unknown"}
    assert letters.keys() - in_doubt <= set(posted) <= letters.keys()
    assert len(posted) == len(set(posted))
    assert len(in_doubt) <= KILLS
    told = [payload.message_id for payload in await postman.told()]  # type: ignore[attr-defined]
    assert len(told) == len(set(told)) == MESSAGES

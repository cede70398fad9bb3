"""Calls, in-app messages, batches and proofs over HTTP, on a real database."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry

from dunning_common.auth import Verifier, make_key_pair, mint
from dunning_common.clock import SystemClock
from dunning_common.db import driver
from dunning_common.events.dunning import NoticeMessageV2, NoticeRequestedV2
from dunning_common.events.responses import DebtorPromisedV1
from dunning_common.http import create_app
from notifier.carriers import make_batcher, make_carriers
from notifier.channels.call_list import CallListChannel
from notifier.channels.in_app import InAppChannel
from notifier.settings import Settings
from tests.integration.notifier.conftest import (
    TENANT,
    Killed,
    Postman,
    killing_at,
    message_id_of,
    notice,
    revoked,
)
from tests.integration.notifier.post_office import batched, batcher, in_time

PDF = b"%PDF-1.7 proof"


class Noon:
    """A clock that stands still in office hours: nobody is called at night."""

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 11, 0, tzinfo=UTC)


@dataclass
class Desk:
    client: httpx.AsyncClient
    headers: Callable[..., dict[str, str]]
    settings: Settings

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(path, params=query, headers=self.headers())
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = await self.client.post(path, json=body, headers=self.headers())
        assert answer.status_code == status, answer.text
        return answer.json()

    async def prove(self, message_id: UUID, *, content: bytes = PDF, **form: str) -> httpx.Response:
        data = {"kind": "receipt", "date": "2026-03-05", "reference": "RR1"} | form
        return await self.client.post(
            f"/v1/messages/{message_id}/proofs",
            data=data,
            files={"file": ("ar.pdf", content)},
            headers=self.headers(),
        )


@pytest.fixture
async def desk(postman: Postman, tmp_path: Path) -> AsyncIterator[Desk]:
    make_key_pair(tmp_path / "key.pem", tmp_path / "jwks.json")
    postman.channels["call"] = CallListChannel()
    postman.channels["in_app"] = InAppChannel()
    settings = Settings.model_validate(
        {
            "token_keys_file": tmp_path / "jwks.json",
            "spool_folder": postman.spool,
            "batch_folder": tmp_path / "batches",
            "service_token": "t",
            **dict.fromkeys(("api_database_url", "worker_database_url"), "postgresql://x"),
            **dict.fromkeys(
                ("public_url", "ingest_url", "engine_url", "notifier_url", "kpi_url"), "http://x"
            ),
        }
    )
    carriers = make_carriers(
        settings,
        db=postman.db,
        channels=postman.channels,
        ledger=postman.ledger,
        settler=postman.settler,
        clock=SystemClock(),
    )
    app = create_app(
        title="t",
        version="0",
        verifier=Verifier.from_file(tmp_path / "jwks.json"),
        registry=CollectorRegistry(),
        ready={},
    )
    for router in carriers.routers:
        app.include_router(router)

    def headers(*scopes: str, tenant: str = TENANT) -> dict[str, str]:
        token = mint(
            tmp_path / "key.pem",
            subject="jane",
            tenant=tenant,
            scopes=frozenset(scopes or ("notices:read", "notices:write")),
            now=datetime.now(UTC),
            lifetime=timedelta(minutes=5),
        )
        return {"authorization": f"Bearer {token}"}

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
        yield Desk(client=client, headers=headers, settings=settings)


def notice_by(channel: str, name: str = "n1", *, debtor: str = "d1") -> NoticeRequestedV2:
    asked = notice(name, debtor=debtor)
    message = NoticeMessageV2.model_validate(asked.messages[0].model_dump() | {"channel": channel})
    return NoticeRequestedV2.model_validate(asked.model_dump() | {"messages": (message,)})


async def on_the_list(postman: Postman) -> UUID:
    await postman.know()
    await postman.hear(notice_by("call"))
    await postman.sender(clock=Noon()).send_due()
    return message_id_of(await postman.message())


async def learn(postman: Postman) -> None:
    while await postman.feedback.read():
        pass


# --- calls


async def test_a_call_waits_on_the_list_with_number_and_script(
    desk: Desk, postman: Postman
) -> None:
    message_id = await on_the_list(postman)

    listed = await desk.get("/v1/calls", due="true")
    shown = await desk.get(f"/v1/calls/{message_id}")

    assert [item["message_id"] for item in listed["items"]] == [str(message_id)]
    assert "phone" not in listed["items"][0]
    assert (shown["state"], shown["phone"]) == ("on_call_list", "+33612345678")
    assert shown["on_behalf_of"] == "Acme Fournitures"
    assert shown["script"] == "first_reminder for i1"
    assert shown["calls"] == []
    assert await postman.states() == ["planned"]
    assert await postman.told_types() == []


async def test_a_call_that_reached_the_debtor_is_sent_and_delivered(
    desk: Desk, postman: Postman
) -> None:
    message_id = await on_the_list(postman)

    await desk.post(f"/v1/calls/{message_id}/outcome", {"outcome": "reached", "note": "will see"})
    await learn(postman)

    assert await postman.states() == ["sent"]
    assert await postman.told_types() == ["NoticeSentV2", "NoticeDeliveredV2"]
    assert (await desk.get("/v1/calls"))["items"] == []
    shown = await desk.get(f"/v1/calls/{message_id}")
    assert [(c["outcome"], c["person"], c["note"]) for c in shown["calls"]] == [
        ("reached", "jane", "will see")
    ]


async def test_a_promise_on_the_telephone_is_told_like_any_other(
    desk: Desk, postman: Postman
) -> None:
    message_id = await on_the_list(postman)
    promise = {"amount": "100.00", "currency": "EUR", "on": "2026-03-20"}

    await desk.post(f"/v1/calls/{message_id}/outcome", {"outcome": "promised", "promise": promise})

    (told,) = [each for each in await postman.told() if isinstance(each, DebtorPromisedV1)]
    assert (told.amount_minor, told.currency, told.on) == (10_000, "EUR", date(2026, 3, 20))
    assert (told.source, told.invoice_ids) == ("person", ("i1",))


async def test_nobody_answering_is_tried_again_until_it_is_too_often(
    desk: Desk, postman: Postman
) -> None:
    message_id = await on_the_list(postman)
    url = f"/v1/calls/{message_id}/outcome"

    first = await desk.post(url, {"outcome": "no_answer"})
    due = await desk.get("/v1/calls", due="true")
    still = await desk.get("/v1/calls")
    await desk.post(url, {"outcome": "left_message"})
    last = await desk.post(url, {"outcome": "no_answer"})

    assert (first["tries"], first["state"]) == (1, "on_call_list")
    assert (due["items"], len(still["items"])) == ([], 1)
    assert (last["tries"], last["state"]) == (3, "failed")
    assert await postman.told_types() == ["NoticeFailedV2"]


async def test_a_wrong_number_fails_at_once_so_that_another_way_is_tried(
    desk: Desk, postman: Postman
) -> None:
    message_id = await on_the_list(postman)

    await desk.post(f"/v1/calls/{message_id}/outcome", {"outcome": "wrong_number"})

    row = await postman.message()
    assert (row["state"], row["reason"]) == ("failed", "call: wrong_number")


async def test_a_call_that_is_reported_twice_at_once_is_one_call(
    desk: Desk, postman: Postman
) -> None:
    url = f"/v1/calls/{await on_the_list(postman)}"
    said = {"outcome": "no_answer", "tries_seen": 0}

    answers = await asyncio.gather(
        *(desk.client.post(f"{url}/outcome", json=said, headers=desk.headers()) for _ in range(5))
    )

    refused = [answer.json() for answer in answers if answer.status_code == 409]
    shown = await desk.get(url)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert all(problem["type"].endswith(":call-reported-meanwhile") for problem in refused)
    assert (shown["tries"], len(shown["calls"])) == (1, 1)
    again = await desk.post(f"{url}/outcome", said | {"tries_seen": 1})
    assert again["tries"] == 2


async def test_reports_at_once_of_persons_who_say_not_what_they_saw_are_all_counted(
    desk: Desk, postman: Postman
) -> None:
    url = f"/v1/calls/{await on_the_list(postman)}"
    said = {"outcome": "no_answer"}

    answers = await asyncio.gather(
        *(desk.client.post(f"{url}/outcome", json=said, headers=desk.headers()) for _ in range(4))
    )

    # Each saw those before it: the third was the last, and the fourth found the call closed.
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 409]
    assert sorted(a.json()["tries"] for a in answers if a.status_code == 200) == [1, 2, 3]


async def test_a_payment_takes_a_call_off_the_list(desk: Desk, postman: Postman) -> None:
    message_id = await on_the_list(postman)

    await postman.hear(revoked("n1", "i1"))
    said = await desk.post(f"/v1/calls/{message_id}/outcome", {"outcome": "reached"}, status=409)

    assert (await desk.get("/v1/calls"))["items"] == []
    assert said["type"].endswith("call-not-open")
    assert await postman.states() == ["suppressed"]


async def test_a_call_that_nobody_made_is_written_anew_and_given_up_at_last(
    desk: Desk, postman: Postman
) -> None:
    await on_the_list(postman)

    async def let_pass(interval: str) -> None:
        async with postman.db.worker() as connection:
            await (await driver(connection)).execute(
                f"UPDATE message SET not_before = now(), planned_at = now() - interval '{interval}'"
            )
        await postman.send_all(postman.sender(clock=Noon()))

    await let_pass("2 days")
    renewed = await postman.message()
    await let_pass("15 days")

    assert (renewed["state"], renewed["attempts"]) == ("planned", 2)
    assert await postman.states() == ["failed"]


@pytest.mark.parametrize(
    "body",
    [
        {"outcome": "promised"},
        {"outcome": "reached", "promise": {"amount": "1", "currency": "EUR", "on": "2026-03-20"}},
        {"outcome": "promised", "promise": {"amount": "0", "currency": "EUR", "on": "2026-03-20"}},
        {
            "outcome": "promised",
            "promise": {"amount": "1.001", "currency": "EUR", "on": "2026-03-20"},
        },
        {"outcome": "sang"},
    ],
)
async def test_an_outcome_that_makes_no_sense_is_refused(
    desk: Desk, postman: Postman, body: dict[str, Any]
) -> None:
    message_id = await on_the_list(postman)

    await desk.post(f"/v1/calls/{message_id}/outcome", body, status=422)

    assert await postman.states() == ["planned"]


# --- in the ERP's own app


async def test_an_in_app_message_is_fetched_and_delivered_when_it_is_acknowledged(
    desk: Desk, postman: Postman
) -> None:
    await postman.know("d1", "d2")
    await postman.hear(notice_by("in_app"), notice_by("in_app", "n2", debtor="d2"))
    await postman.send_all()

    first = await desk.get("/v1/in-app", limit=1)
    rest = await desk.get("/v1/in-app", limit=1, after=first["next_after"])
    fetched = await postman.told_types()
    ids = [item["message_id"] for item in first["items"] + rest["items"]]
    acknowledged = await desk.post("/v1/in-app/acknowledge", {"message_ids": ids})
    again = await desk.post("/v1/in-app/acknowledge", {"message_ids": ids})
    await learn(postman)

    assert [item["text"] for item in first["items"]] == ["first_reminder for i1"]
    assert [item["debtor_id"] for item in rest["items"]] == ["d2"]
    assert fetched == ["NoticeSentV2"] * 2
    assert acknowledged["acknowledged"] == again["acknowledged"] == ids
    assert await postman.told_types() == ["NoticeSentV2"] * 2 + ["NoticeDeliveredV2"] * 2
    assert (await desk.get("/v1/in-app"))["items"] == []


async def test_nobody_fetches_what_another_tenant_or_an_erased_debtor_was_told(
    desk: Desk, postman: Postman
) -> None:
    await postman.know()
    await postman.hear(notice_by("in_app"))
    await postman.send_all()

    other = await desk.client.get("/v1/in-app", headers=desk.headers(tenant="other"))
    postman.ledger.debtor_keys.clear()
    erased = await desk.get("/v1/in-app")

    assert other.json()["items"] == erased["items"] == []


# --- batches and proofs


async def registered(postman: Postman) -> UUID:
    await postman.know()
    await postman.hear(notice("n1", channels={"registered_letter": ("i1",)}))
    await postman.send_all()
    return message_id_of(await postman.message())


async def test_batches_are_cut_on_demand_listed_and_shown_with_their_sheet(
    desk: Desk, postman: Postman
) -> None:
    batched(postman)
    message_id = await registered(postman)
    batcher = make_batcher(
        desk.settings,
        db=postman.db,
        ledger=postman.ledger,
        settler=postman.settler,
        clock=SystemClock(),
    )
    assert batcher is not None

    cut = await desk.post("/v1/letter-batches")
    again = await desk.post("/v1/letter-batches")
    (listed,) = (await desk.get("/v1/letter-batches"))["items"]
    url = f"/v1/letter-batches/{listed['batch_id']}"
    early = await desk.client.get(f"{url}/cover", headers=desk.headers())
    await batcher.work()
    shown = await desk.get(url)
    cover = await desk.client.get(f"{url}/cover", headers=desk.headers())

    assert (cut, again) == ({"cut": 1}, {"cut": 0})
    assert (listed["state"], listed["reference"]) == ("cut", "R1")
    assert early.status_code == 409
    assert [(i["reference"], i["message_id"]) for i in shown["items"]] == [
        ("R1-0001", str(message_id))
    ]
    assert (shown["state"], shown["withdrawn"], shown["remedy"]) == ("handed_over", 0, None)
    assert [i["state"] for i in shown["items"]] == ["sent"]
    assert cover.content.startswith(b"%PDF")


async def unknown_batch(desk: Desk, postman: Postman) -> str:
    """A batch of one letter that vanished when its process died."""
    batched(postman)
    await registered(postman)
    out = desk.settings.batch_folder
    assert out is not None
    with pytest.raises(Killed):
        await batcher(postman, out, crash=killing_at("after_release")).work()
    shutil.rmtree(out)
    await in_time(postman)
    await batcher(postman, out).work()
    (listed,) = (await desk.get("/v1/letter-batches"))["items"]
    return f"/v1/letter-batches/{listed['batch_id']}"


@pytest.mark.parametrize(
    ("outcome", "state", "letter", "told"),
    [
        ("sent", "handed_over", "sent", "NoticeSentV2"),
        ("not_sent", "withdrawn", "failed", "NoticeFailedV2"),
    ],
)
async def test_a_person_says_what_became_of_an_unknown_batch(
    desk: Desk, postman: Postman, outcome: str, state: str, letter: str, told: str
) -> None:
    url = await unknown_batch(desk, postman)
    before = await desk.get(url)
    body = {"outcome": outcome, "note": "asked the printer by telephone"}

    said = [await desk.post(f"{url}/resolve", body) for _ in range(2)]
    other = {"sent": "not_sent", "not_sent": "sent"}[outcome]
    refused = await desk.client.post(
        f"{url}/resolve", json=body | {"outcome": other}, headers=desk.headers()
    )

    after = await desk.get(url)
    assert (before["state"], before["items"][0]["state"]) == ("unknown", "unknown")
    assert "/resolve" in before["remedy"]
    assert [each["state"] for each in said] == [state, state]
    assert refused.status_code == 409
    assert [each["state"] for each in after["items"]] == [letter]
    assert await postman.told_types() == ["NoticeUnknownV2", told]
    cost_minor = desk.settings.registered_letter_cost_minor if letter == "sent" else None
    assert (await postman.message())["cost_minor"] == cost_minor


async def test_batches_are_read_page_by_page(desk: Desk, postman: Postman) -> None:
    batched(postman)
    await postman.know()
    for name, channel in (("n1", "letter"), ("n2", "registered_letter")):
        await postman.hear(notice(name, channels={channel: ("i1",)}))
        await postman.send_all()
        await desk.post("/v1/letter-batches")

    first = await desk.get("/v1/letter-batches", limit=1)
    rest = await desk.get("/v1/letter-batches", limit=2, cursor=first["next_cursor"])
    nonsense = await desk.client.get(
        "/v1/letter-batches", params={"cursor": "?"}, headers=desk.headers()
    )

    assert [each["reference"] for each in first["items"] + rest["items"]] == ["L1", "R2"]
    assert rest["next_cursor"] is None
    assert nonsense.status_code == 422


async def test_a_proof_of_receipt_delivers_a_registered_letter(
    desk: Desk, postman: Postman
) -> None:
    message_id = await registered(postman)

    deposit = await desk.prove(message_id, kind="deposit", content=PDF + b" deposit")
    await learn(postman)
    before = await postman.told_types()
    receipt = await desk.prove(message_id)
    again = await desk.prove(message_id)
    await learn(postman)

    assert [deposit.status_code, receipt.status_code, again.status_code] == [201] * 3
    assert receipt.json()["proof_id"] == again.json()["proof_id"]
    assert before == ["NoticeSentV2"]
    assert await postman.told_types() == ["NoticeSentV2", "NoticeDeliveredV2"]
    listed = await desk.get(f"/v1/messages/{message_id}/proofs")
    assert [(p["kind"], p["date"], p["reference"]) for p in listed["items"]] == [
        ("deposit", "2026-03-05", "RR1"),
        ("receipt", "2026-03-05", "RR1"),
    ]
    content = await desk.client.get(
        f"/v1/messages/{message_id}/proofs/{receipt.json()['proof_id']}/content",
        headers=desk.headers(),
    )
    assert content.content == PDF


async def test_a_letter_that_came_back_has_bounced(desk: Desk, postman: Postman) -> None:
    message_id = await registered(postman)

    await desk.prove(message_id, kind="return")
    await learn(postman)

    assert await postman.told_types() == ["NoticeSentV2", "NoticeBouncedV2"]


async def test_papers_are_sealed_and_gone_with_the_debtor(desk: Desk, postman: Postman) -> None:
    message_id = await registered(postman)
    proof_id = (await desk.prove(message_id)).json()["proof_id"]
    async with postman.db.worker() as connection:
        stored = await (await driver(connection)).fetchval("SELECT content FROM message_proof")

    postman.ledger.debtor_keys.clear()
    content = await desk.client.get(
        f"/v1/messages/{message_id}/proofs/{proof_id}/content", headers=desk.headers()
    )
    new = await desk.prove(message_id, content=PDF + b"2")

    assert PDF not in stored
    assert (content.status_code, new.status_code) == (410, 410)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"content": b"MZ program"}, "neither PDF"),
        ({"date": "2999-01-01"}, "future"),
        ({"content": b"%PDF-" + b"x" * 5 * 1024 * 1024}, "smaller scan"),
    ],
)
async def test_a_paper_that_proves_nothing_is_refused_with_the_reason(
    desk: Desk, postman: Postman, form: dict[str, Any], words: str
) -> None:
    message_id = await registered(postman)

    answer = await desk.prove(message_id, **form)

    assert answer.status_code == 422
    assert words in answer.json()["detail"]


async def test_only_letters_that_left_can_be_proved(desk: Desk, postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"), notice("n2", channels={"letter": ("i1",)}))
    email, letter = [message_id_of(row) for row in await postman.messages()]

    answers = [await desk.prove(each) for each in (email, letter, uuid4())]

    assert [answer.status_code for answer in answers] == [422, 422, 404]
    assert "channel email" in answers[0].json()["detail"]
    assert "planned" in answers[1].json()["detail"]


async def test_every_route_wants_its_scope(desk: Desk, postman: Postman) -> None:
    message_id = await on_the_list(postman)
    get, post = desk.client.get, desk.client.post
    nothing = desk.headers("dunning:read")
    paths = ("/v1/calls", "/v1/in-app", "/v1/letter-batches", f"/v1/messages/{message_id}/proofs")

    reading = [await get(path, headers=nothing) for path in paths]
    writing = [
        await post(path, headers=desk.headers("notices:read"))
        for path in (
            f"/v1/calls/{message_id}/outcome",
            "/v1/in-app/acknowledge",
            "/v1/letter-batches",
        )
    ]
    strangers = [
        await get(f"/v1/calls/{message_id}", headers=desk.headers(tenant="other")),
        await get(f"/v1/letter-batches/{uuid4()}", headers=desk.headers()),
    ]

    assert [answer.status_code for answer in reading + writing] == [403] * 7
    assert [answer.status_code for answer in strangers] == [404, 404]

"""The debtor's page over HTTP: links, answers, and that looking changes nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from dunning_common.auth import Verifier, make_key_pair, mint
from dunning_common.clock import SystemClock
from dunning_common.db import driver
from dunning_common.events.contacts import ContactCorrection
from dunning_common.events.responses import (
    ChannelOptedOutV1,
    ContactCorrectedV1,
    DebtorDisputedV1,
    DebtorPromisedV1,
    PaymentClaimedV1,
    PlanRequestedV1,
    ReplyReceivedV1,
)
from dunning_common.http import create_app
from dunning_common.vault import open_personal, unseal
from notifier.adapters.sql_portal import SqlLinks
from notifier.content.model import Rendered, RenderRequest
from notifier.handlers.portal_links import Inviter
from notifier.handlers.send import Sender
from notifier.handlers.take_response import ANSWERS_A_DAY_MAX
from notifier.handlers.write import Scribe
from notifier.portal.account import Account, Owed
from notifier.portal.link import token_hash
from notifier.portal.verdicts import Verdict
from notifier.ports.portal import Document
from notifier.reception import make_reception
from notifier.schema import SCHEMA
from notifier.settings import Settings
from notifier.testing import FakeAccounts, FakeArrangements
from tests.integration.notifier.conftest import (
    CONTACTS,
    TENANT,
    Killed,
    Postman,
    killing_at,
    notice,
)

PUBLIC = "https://pay.acme.example"


class LinkPrinter:
    """Writes nothing but the link."""

    def render(self, request: RenderRequest) -> Rendered:
        text = f"see {request.portal_url} or {request.pay_url} !"
        return Rendered(
            media_type="multipart/alternative", subject="s", text=text, html=text, pdf=None
        )


@dataclass
class Portal:
    """The service on the postman's database, its debtors' accounts, and a visitor."""

    client: httpx.AsyncClient
    accounts: FakeAccounts
    arrangements: FakeArrangements
    postman: Postman
    keys: Path

    async def link(self, *, debtor: str = "d1", invoices: tuple[str, ...] | None = None) -> str:
        """The path of a link that a person made."""
        body: dict[str, Any] = {"debtor_id": debtor}
        if invoices:
            body["invoice_ids"] = invoices
        answer = await self.client.post("/v1/portal-links", json=body, headers=self.headers())
        assert answer.status_code == 201, answer.text
        return str(answer.json()["url"]).removeprefix(PUBLIC)

    def headers(self, *scopes: str, tenant: str = TENANT) -> dict[str, str]:
        clock = SystemClock()
        token = mint(
            self.keys,
            subject="jane",
            tenant=tenant,
            scopes=frozenset(scopes or ("notices:read", "notices:write")),
            now=clock.now(),
            lifetime=timedelta(minutes=5),
        )
        return {"authorization": f"Bearer {token}"}

    async def rows(self, table: str) -> list[dict[str, Any]]:
        async with self.postman.db.worker() as connection:
            found = await (await driver(connection)).fetch(f"SELECT * FROM {table} ORDER BY 1, 2")
        return [dict(row) for row in found]

    async def everything(self) -> dict[str, list[str]]:
        """All rows of all tables but the count of visits."""
        async with self.postman.db.worker() as connection:
            names = await (await driver(connection)).fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = $1 "
                "AND tablename <> 'portal_visit' AND has_table_privilege(schemaname || '.' || tablename, 'SELECT') ORDER BY 1",
                SCHEMA.schema,
            )
            return {
                row["tablename"]: [
                    found["row"]
                    for found in await (await driver(connection)).fetch(
                        f"SELECT t::text AS row FROM {row['tablename']} AS t ORDER BY 1"
                    )
                ]
                for row in names
            }

    async def opened(self, response_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/responses/{response_id}", headers=self.headers())
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
async def portal(postman: Postman, tmp_path: Path) -> AsyncIterator[Portal]:
    """The portal's part of the service on the postman's database."""
    make_key_pair(tmp_path / "key.pem", tmp_path / "jwks.json")
    accounts, unused = FakeAccounts(), httpx.AsyncClient()
    arrangements = FakeArrangements()
    settings = Settings(
        api_database_url=SecretStr("postgresql+asyncpg://x"),
        worker_database_url=SecretStr("postgresql+asyncpg://x"),
        public_url=PUBLIC,
        token_keys_file=tmp_path / "jwks.json",
        service_token=SecretStr("t"),
        ingest_url="http://127.0.0.1:1",
        engine_url="http://127.0.0.1:1",
        notifier_url="http://127.0.0.1:1",
        kpi_url="http://127.0.0.1:1",
        spool_folder=tmp_path / "spool",
        portal_proxies=1,
    )
    reception = make_reception(
        settings,
        db=postman.db,
        ledger=postman.ledger,
        clock=SystemClock(),
        client=unused,
        accounts=accounts,
        arrangements=arrangements,
    )
    app = create_app(
        title="notifier",
        version="0",
        verifier=Verifier.from_file(tmp_path / "jwks.json"),
        registry=CollectorRegistry(),
        ready={},
    )
    for router in reception.routers:
        app.include_router(router)
    reception.pages.install(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
        made = Portal(client, accounts, arrangements, postman, tmp_path / "key.pem")
        await postman.know("d1")
        accounts.accounts[TENANT, "d1"] = account(owed("i1", 10_000), owed("i2", 5_000))
        yield made
    await unused.aclose()


def owed(invoice_id: str, minor: int) -> Owed:
    return Owed(
        invoice_id=invoice_id,
        number=f"F-{invoice_id}",
        issued_on=date(2026, 1, 1),
        due_on=date(2026, 2, 1),
        currency="EUR",
        amount_minor=minor,
        open_minor=minor,
    )


def account(*items: Owed) -> Account:
    return Account(contacts=CONTACTS, owed=items)


def sender_with_links(postman: Postman, token: str, **more: Any) -> Sender:
    postman.writer = Scribe(LinkPrinter(), postman.channels, postman.writer._pool)
    inviter = Inviter(SqlLinks(), public_url=PUBLIC, token=lambda: token)
    return postman.sender(inviter=inviter, **more)


def words_of(mail: bytes) -> str:
    """The text of a mail as people read it."""
    body = message_from_bytes(mail, policy=default).get_body(("plain",))
    return str(body.get_content()) if body else ""


TOKEN = "AAAAAAAAAAAAAAAAAAAAAA"


async def test_the_link_in_a_mail_opens_the_invoices_of_its_notice(portal: Portal) -> None:
    postman = portal.postman
    await postman.hear(notice("n1", invoices=("i1",)))

    await postman.send_all(sender_with_links(postman, TOKEN))

    assert f"{PUBLIC}/p/{TOKEN}" in words_of(postman.smtp.mails[0])
    (link,) = await portal.rows("portal_link")
    message = await postman.message()
    assert link["token_hash"] == token_hash(TOKEN)
    assert TOKEN not in str(link)
    assert (link["message_id"], link["invoice_ids"]) == (message["message_id"], ["i1"])
    page = await portal.client.get(f"/p/{TOKEN}")
    assert page.status_code == 200
    assert "F-i1" in page.text
    assert "F-i2" not in page.text
    assert "Acme Fournitures" in page.text


async def test_a_link_is_stored_before_a_byte_of_its_message_leaves(portal: Portal) -> None:
    postman = portal.postman
    await postman.hear(notice("n1", invoices=("i1",)))

    with pytest.raises(Killed):
        await sender_with_links(postman, TOKEN, crash=killing_at("after_sending")).send_due()

    assert len(postman.smtp.mails) == 0
    assert [row["token_hash"] for row in await portal.rows("portal_link")] == [token_hash(TOKEN)]


async def test_a_message_also_says_where_exactly_its_amount_can_be_paid(portal: Portal) -> None:
    await portal.client.put(
        "/v1/portal-settings",
        json={"pay_link": "https://pay.example/{reference}/{amount}/{currency}"},
        headers=portal.headers(),
    )
    await portal.postman.hear(notice("n1", invoices=("i1",)))

    await portal.postman.send_all(sender_with_links(portal.postman, TOKEN))

    assert "https://pay.example/i1/100.00/EUR" in words_of(portal.postman.smtp.mails[0])


async def test_a_tenant_that_closed_its_portal_sends_no_links_and_old_ones_stop(
    portal: Portal,
) -> None:
    path = await portal.link()
    await portal.client.put(
        "/v1/portal-settings", json={"enabled": False}, headers=portal.headers()
    )
    await portal.postman.hear(notice("n1", invoices=("i1",)))

    await portal.postman.send_all(sender_with_links(portal.postman, TOKEN))

    assert "/p/" not in words_of(portal.postman.smtp.mails[0])
    assert (await portal.client.get(path)).status_code == 404


async def test_no_page_can_be_kept_framed_tracked_or_found(portal: Portal) -> None:
    path = await portal.link()
    for part in ("", "/paid", "/nonsense", "/document?invoice=i1"):
        answer = await portal.client.get(path + part)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"].startswith("noindex")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers
        assert "<script" not in answer.text
    assert (await portal.client.head(path)).status_code == 200


async def test_links_that_do_not_work_answer_alike_whatever_the_reason(portal: Portal) -> None:
    revoked, expired, erased = [await portal.link() for _ in range(3)]
    (link_id,) = [
        row["link_id"]
        for row in await portal.rows("portal_link")
        if row["token_hash"] == token_hash(revoked.removeprefix("/p/"))
    ]
    await portal.client.post(f"/v1/portal-links/{link_id}/revoke", headers=portal.headers())
    async with portal.postman.db.worker() as connection:
        await (await driver(connection)).execute(
            "UPDATE portal_link SET expires_at = now() - interval '1 s' WHERE token_hash = $1",
            token_hash(expired.removeprefix("/p/")),
        )
    working = await portal.client.get(erased)
    del portal.accounts.accounts[TENANT, "d1"]

    paths = [revoked, expired, erased, "/p/" + "B" * 21 + "A", "/p/x", "/p/x/y/z", "/p/" + "%00"]
    answers = [await portal.client.get(path) for path in paths]

    assert working.status_code == 200
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert "Acme" not in answers[0].text


async def test_when_everything_is_paid_the_link_says_so_and_shows_nothing_else(
    portal: Portal,
) -> None:
    path = await portal.link(invoices=("i1",))
    portal.accounts.accounts[TENANT, "d1"] = account(owed("i2", 5_000))

    for part in ("", "/paid", "/document?invoice=i1"):
        answer = await portal.client.get(path + part)
        assert answer.status_code == 200
        assert "Plus rien n’est dû" in answer.text
        assert "F-i" not in answer.text
        assert "Dupont" not in answer.text
    posted = await portal.client.post(path + "/paid", data={"form_id": str(uuid4())})
    assert "Plus rien n’est dû" in posted.text
    assert await portal.rows("response") == []


async def test_without_the_ledger_there_is_a_clear_page_and_no_figure(portal: Portal) -> None:
    path = await portal.link()
    portal.accounts.down = True

    answer = await portal.client.get(path, headers={"accept-language": "de-AT,de"})

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "Bitte versuchen Sie es gleich noch einmal" in answer.text


async def test_a_promise_is_held_to_the_engines_rules_and_taken_unseen_when_it_is_silent(
    portal: Portal,
) -> None:
    path = await portal.link()
    shown = await portal.client.get(f"{path}/promise")
    today = date.fromisoformat(found_in(r'type="date" min="([0-9-]+)"', shown.text))
    fields = {
        "form_id": str(uuid4()), "extent": "whole", "on": str(today + timedelta(days=31)),
    }  # fmt: skip

    refused = await portal.client.post(f"{path}/promise", data=fields)
    portal.arrangements.down = True
    taken = await portal.client.post(f"{path}/promise", data=fields)

    assert (refused.status_code, taken.status_code) == (422, 303)
    (row,) = await portal.rows("response")
    assert (row["kind"], row["state"]) == ("promise", "received")


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        (None, "received"),
        (Verdict("agreed"), "accepted"),
        (Verdict("waits"), "being checked"),
        (Verdict("refused", "agreed_before"), "not accepted: there is an earlier promise or plan"),
        (Verdict("not_needed"), "no longer needed"),
    ],
)
async def test_the_page_says_what_became_of_a_promise(
    portal: Portal, verdict: Verdict | None, says: str
) -> None:
    path = await portal.link()
    done = (await portal.client.post(f"{path}/promise", data=filled("promise"))).headers["location"]
    (row,) = await portal.rows("response")
    if verdict:
        portal.arrangements.found[TENANT, "d1"] = {UUID(str(row["response_id"])): verdict}

    overview = await portal.client.get(f"{path}?lang=en")
    thanks = await portal.client.get(f"{done}?lang=en")
    portal.arrangements.down = True
    silent = await portal.client.get(f"{path}?lang=en")

    assert f'<span class="tag">{says}</span>' in overview.text
    assert (f'<span class="tag">{says}</span>' in thanks.text) is (verdict is not None)
    assert ("We expect" in thanks.text) is (verdict is None)
    assert '<span class="tag">received</span>' in silent.text


def found_in(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match[1]


async def test_what_other_processes_counted_holds_here_too(portal: Portal) -> None:
    path = await portal.link()
    first = await portal.client.get(path)
    async with portal.postman.db.worker() as connection:
        await (await driver(connection)).execute(
            "UPDATE portal_visit SET full_at = now() + interval '1 day'"
        )

    second = await portal.client.get(path.upper().replace("/P/", "/p/"))

    assert (first.status_code, second.status_code) == (200, 429)
    assert "retry-after" in second.headers


async def test_looking_at_any_page_twice_changes_nothing_but_the_count_of_visits(
    portal: Portal,
) -> None:
    path = await portal.link()
    portal.accounts.documents[TENANT, "i1"] = Document(
        file_name="f.pdf", media_type="application/pdf", content=b"%PDF-x"
    )
    before = await portal.everything()

    parts = [
        "",
        *(f"/{a}" for a in ("paid", "promise", "plan", "dispute", "contact", "sms", "message")),
    ]
    for part in [*parts, "?lang=pl", "/document?invoice=i1", f"/done/{uuid4()}", "/nonsense"] * 2:
        answer = await portal.client.get(path + part)
        assert answer.status_code in (200, 303), part

    assert await portal.everything() == before


async def test_the_document_of_an_invoice_is_offered_only_through_its_own_link(
    portal: Portal,
) -> None:
    path = await portal.link(invoices=("i1",))
    for invoice in ("i1", "i2"):
        portal.accounts.documents[TENANT, invoice] = Document(
            file_name="f.pdf", media_type="application/pdf", content=b"%PDF-" + invoice.encode()
        )

    own = await portal.client.get(path + "/document?invoice=i1")
    foreign = await portal.client.get(path + "/document?invoice=i2")

    assert own.content == b"%PDF-i1"
    assert own.headers["content-disposition"] == 'attachment; filename="f.pdf"'
    assert foreign.status_code == 303


FORMS: dict[str, tuple[dict[str, str], type]] = {
    "paid": ({"amount": "150,00", "paid_on": "TODAY", "reference": "VIR 77"}, PaymentClaimedV1),
    "promise": ({"extent": "whole", "on": "TODAY"}, DebtorPromisedV1),
    "plan": (
        {"first": "50", "first_on": "TODAY", "count": "3", "interval": "monthly", "text": "hm"},
        PlanRequestedV1,
    ),
    "dispute": (
        {"invoice": "i2", "reason": "price", "extent": "part", "amount": "10", "text": "zu teuer"},
        DebtorDisputedV1,
    ),
    "contact": ({"email": "neu@dupont.example", "country": "FR"}, ReplyReceivedV1),
    "sms": ({}, ChannelOptedOutV1),
    "message": ({"text": "Bonjour"}, ReplyReceivedV1),
}


def filled(action: str, **more: str) -> dict[str, str]:
    fields, _ = FORMS[action]
    today = SystemClock().now().date().isoformat()
    return {
        "form_id": str(uuid4()),
        **{name: value.replace("TODAY", today) for name, value in fields.items()},
        **more,
    }


@pytest.mark.parametrize("action", sorted(FORMS))
async def test_a_form_sent_twice_is_one_answer_and_one_event(portal: Portal, action: str) -> None:
    path = await portal.link()
    form = filled(action)

    first = await portal.client.post(f"{path}/{action}", data=form)
    again = await portal.client.post(f"{path}/{action}", data=form)

    assert (first.status_code, again.status_code) == (303, 303), first.text
    assert first.headers["location"] == again.headers["location"]
    done = await portal.client.get(first.headers["location"])
    assert done.status_code == 200
    assert "Merci" in done.text
    (row,) = await portal.rows("response")
    told = [e for e in await portal.postman.told() if e.topic == "responses.v1"]
    assert [type(event) for event in told] == [FORMS[action][1]]
    assert told[0].debtor_id == "d1"  # type: ignore[attr-defined]
    assert row["source"] == "portal"
    overview = await portal.client.get(path)
    assert overview.status_code == 200
    assert "Ce que vous nous avez indiqué" in overview.text


async def test_what_was_changed_and_sent_again_is_another_answer(portal: Portal) -> None:
    path = await portal.link()
    form = filled("promise")

    await portal.client.post(f"{path}/promise", data=form)
    await portal.client.post(f"{path}/promise", data=form | {"extent": "part", "amount": "10"})

    told = [e for e in await portal.postman.told() if isinstance(e, DebtorPromisedV1)]
    assert [event.amount_minor for event in told] == [15_000, 1_000]


async def test_words_and_files_are_stored_sealed_and_opened_for_people_who_are_logged(
    portal: Portal,
) -> None:
    path = await portal.link()
    photo = b"\x89PNG\r\n\x1a\n" + b"photo" * 1000
    sent = await portal.client.post(
        f"{path}/dispute", data=filled("dispute"), files={"file": ("tort.png", photo, "image/png")}
    )
    assert sent.status_code == 303, sent.text

    (row,) = await portal.rows("response")
    (file,) = await portal.rows("response_file")
    assert "teuer" not in str(row)
    assert b"photo" not in file["content"]
    key = portal.postman.ledger.debtor_keys[TENANT, "d1"]
    context = f"{TENANT}|d1|response|{row['response_id']}"
    assert orjson.loads(unseal(key, row["note"], context=context))["text"] == "zu teuer"
    told = str([e for e in await portal.postman.told() if isinstance(e, DebtorDisputedV1)])
    assert "teuer" not in told

    opened = await portal.opened(str(row["response_id"]))
    assert opened["note"] == {"text": "zu teuer", "file_name": "tort.png"}
    assert opened["facts"] == {"reason_code": "price", "currency": "EUR", "disputed_minor": 1000}
    content = await portal.client.get(
        f"/v1/responses/{row['response_id']}/files/1", headers=portal.headers()
    )
    assert content.content == photo
    again = await portal.opened(str(row["response_id"]))
    assert [line["action"] for line in again["history"]] == ["read", "file_read:1", "read"]
    assert {line["actor"] for line in again["history"]} == {"jane"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pdf", b"<html>", "PDF, PNG ou JPEG"),
        ("a.pdf", b"%PDF-" + b"x" * (6 * 1024 * 1024), "5 Mo"),
    ],
)
async def test_a_file_that_is_not_taken_loses_nothing_that_was_typed(
    portal: Portal, name: str, content: bytes, words: str
) -> None:
    path = await portal.link()

    answer = await portal.client.post(
        f"{path}/dispute", data=filled("dispute"), files={"file": (name, content)}
    )

    assert answer.status_code == 422
    assert words in answer.text
    assert "zu teuer" in answer.text
    assert 'value="price" selected' in answer.text
    assert await portal.rows("response") == []


async def test_a_wrong_field_is_named_with_its_remedy_and_what_was_typed_stays(
    portal: Portal,
) -> None:
    path = await portal.link()

    answer = await portal.client.post(
        f"{path}/paid?lang=de", data=filled("paid", amount="viel", reference='"><script>x')
    )

    assert answer.status_code == 422
    assert 'href="#amount"' in answer.text
    assert "Bitte geben Sie einen Betrag wie" in answer.text
    assert 'value="viel"' in answer.text
    assert "<script" not in answer.text
    assert await portal.rows("response") == []


async def test_a_form_of_another_site_is_not_taken(portal: Portal) -> None:
    path = await portal.link()
    foreign = [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
    ]
    own = [
        {"sec-fetch-site": "same-origin", "origin": "null"},
        {"origin": "null"},
        {"origin": PUBLIC},
    ]

    for headers in foreign:
        answer = await portal.client.post(
            f"{path}/message", data=filled("message"), headers=headers
        )
        assert answer.status_code == 403
    assert await portal.rows("response") == []
    for headers in own:
        answer = await portal.client.post(
            f"{path}/message", data=filled("message"), headers=headers
        )
        assert answer.status_code == 303


async def test_an_old_or_broken_form_is_shown_again_and_not_taken(portal: Portal) -> None:
    path = await portal.link()
    answers = [
        await portal.client.post(f"{path}/message", data=filled("message", form_id="x")),
        await portal.client.post(f"{path}/message", content=b"{}"),
        await portal.client.post(
            f"{path}/message",
            content=b"--x\r\nbroken",
            headers={"content-type": "multipart/form-data; boundary=x"},
        ),
        await portal.client.post(
            f"{path}/message", content=b"", headers={"content-type": "multipart/form-data"}
        ),
    ]

    assert [answer.status_code for answer in answers] == [422] * 4
    assert await portal.rows("response") == []


async def test_an_action_that_the_tenant_does_not_allow_is_neither_shown_nor_taken(
    portal: Portal,
) -> None:
    await portal.client.put(
        "/v1/portal-settings", json={"actions": ["message"]}, headers=portal.headers()
    )
    path = await portal.link()

    page = await portal.client.get(path)
    asked = await portal.client.get(f"{path}/plan")
    sent = await portal.client.post(f"{path}/plan", data=filled("plan"))

    assert "/message" in page.text
    assert "/plan" not in page.text
    assert (asked.status_code, sent.status_code) == (303, 303)
    assert await portal.rows("response") == []


async def test_an_accepted_proposal_corrects_the_contacts_once(portal: Portal) -> None:
    path = await portal.link()
    await portal.client.post(f"{path}/contact", data=filled("contact"))
    (row,) = await portal.rows("response")
    assert row["state"] == "proposed"
    place = f"/v1/responses/{row['response_id']}"

    for _ in range(2):
        answer = await portal.client.post(f"{place}/accept", headers=portal.headers())
        assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    too_late = await portal.client.post(f"{place}/reject", headers=portal.headers())

    assert too_late.status_code == 409
    told = [e for e in await portal.postman.told() if isinstance(e, ContactCorrectedV1)]
    assert len(told) == 1
    assert told[0].key_id == "k1"
    assert "dupont" not in told[0].model_dump_json()
    key = portal.postman.ledger.debtor_keys[TENANT, "d1"]
    clear = open_personal(key, told[0].ciphertext, tenant=TENANT, debtor_id="d1")
    correction = ContactCorrection.model_validate_json(clear)
    assert correction == ContactCorrection(emails=("neu@dupont.example",))


async def test_a_rejected_proposal_corrects_nothing_and_other_answers_cannot_be_judged(
    portal: Portal,
) -> None:
    path = await portal.link()
    await portal.client.post(f"{path}/contact", data=filled("contact"))
    await portal.client.post(f"{path}/message", data=filled("message"))
    proposed, message = sorted(await portal.rows("response"), key=lambda row: row["seq"])

    rejected = await portal.client.post(
        f"/v1/responses/{proposed['response_id']}/reject", headers=portal.headers()
    )
    wrong = await portal.client.post(
        f"/v1/responses/{message['response_id']}/accept", headers=portal.headers()
    )

    assert rejected.json()["state"] == "rejected"
    assert wrong.status_code == 409
    assert not [e for e in await portal.postman.told() if isinstance(e, ContactCorrectedV1)]


async def test_texts_stop_at_once_and_the_number_is_on_the_list(portal: Portal) -> None:
    path = await portal.link()

    await portal.client.post(f"{path}/sms", data=filled("sms"))

    (listed,) = await portal.rows("suppression")
    (told,) = [e for e in await portal.postman.told() if isinstance(e, ChannelOptedOutV1)]
    assert (listed["channel"], listed["source"]) == ("sms", "portal")
    assert told.recipient_hash == listed["recipient_hash"]
    assert "33612345678" not in str(listed)


async def test_answers_are_listed_filtered_and_paged_and_never_to_others(portal: Portal) -> None:
    path = await portal.link()
    for action in ("paid", "message", "contact"):
        await portal.client.post(f"{path}/{action}", data=filled(action))

    async def listed(headers: dict[str, str], **query: Any) -> Any:
        answer = await portal.client.get("/v1/responses", params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    mine = portal.headers()
    first = await listed(mine, limit=2)
    rest = await listed(mine, limit=2, cursor=first["next_cursor"])
    assert [i["kind"] for i in first["items"] + rest["items"]] == [
        "payment_claimed",
        "message",
        "contact_change",
    ]
    assert [i["kind"] for i in (await listed(mine, state="proposed"))["items"]] == [
        "contact_change"
    ]
    assert len((await listed(mine, invoice_id="i2"))["items"]) == 1
    assert (await listed(portal.headers(tenant="other")))["items"] == []
    response_id = first["items"][0]["response_id"]
    foreign = await portal.client.get(
        f"/v1/responses/{response_id}", headers=portal.headers(tenant="other")
    )
    unscoped = await portal.client.get("/v1/responses", headers=portal.headers("kpi:read"))
    assert (foreign.status_code, unscoped.status_code) == (404, 403)


async def test_hammering_is_slowed_down_for_a_link_and_for_an_address(portal: Portal) -> None:
    path = await portal.link()
    # Behind one proxy of ours: what the visitor claims before it does not count.
    of_link = await until_refused(
        portal, lambda n: (path, f"10.9.9.{n}, 10.0.{n % 7}.1"), at_most=700
    )
    of_address = await until_refused(
        portal, lambda n: (f"/p/{n:022}", f"{n}, 10.1.1.1"), at_most=2_500
    )

    assert set(of_link[:-1]) == {200}
    assert set(of_address[:-1]) == {404}
    assert of_link[-1] == of_address[-1] == 429


async def until_refused(
    portal: Portal, ask: Callable[[int], tuple[str, str]], *, at_most: int
) -> list[int]:
    """The answers up to the first refusal: how many there are is a matter of the machine's pace."""
    codes: list[int] = []
    while len(codes) < at_most and 429 not in codes[-1:]:
        path, forwarded = ask(len(codes))
        answer = await portal.client.get(path, headers={"x-forwarded-for": forwarded})
        codes.append(answer.status_code)
    return codes


async def test_a_link_takes_no_more_answers_than_anybody_needs_in_a_day(portal: Portal) -> None:
    path = await portal.link()
    codes = [
        (
            await portal.client.post(
                f"{path}/message",
                data=filled("message"),
                headers={"x-forwarded-for": f"10.0.0.{number}"},
            )
        ).status_code
        for number in range(ANSWERS_A_DAY_MAX + 1)
    ]

    assert codes[:-1] == [303] * ANSWERS_A_DAY_MAX
    assert codes[-1] == 429
    assert len(await portal.rows("response")) == ANSWERS_A_DAY_MAX


async def test_settings_are_checked_field_by_field(portal: Portal) -> None:
    body = {"pay_link": "http://pay.example"}

    moved = await portal.client.put(
        "/v1/portal-settings", json={"promise_days_max": 10}, headers=portal.headers()
    )
    wrong = await portal.client.put("/v1/portal-settings", json=body, headers=portal.headers())
    right = await portal.client.put(
        "/v1/portal-settings",
        json={"pay_link": "https://pay.example/{reference}", "sms_parts_max": 3},
        headers=portal.headers(),
    )
    read = await portal.client.get("/v1/portal-settings", headers=portal.headers())

    assert wrong.status_code == 422
    assert {e["pointer"] for e in wrong.json()["errors"]} == {"/pay_link"}
    assert moved.status_code == 422
    assert "PUT /v1/plan-rules" in moved.text
    assert right.json() == read.json()
    assert read.json()["stored_by"] == "jane"
    page = await portal.client.get(await portal.link(invoices=("i1",)))
    assert re.search(r'href="https://pay\.example/F-i1"', page.text)


async def test_a_link_for_nobody_is_not_made(portal: Portal) -> None:
    answer = await portal.client.post(
        "/v1/portal-links", json={"debtor_id": "nobody"}, headers=portal.headers()
    )
    unknown = await portal.client.post(
        f"/v1/portal-links/{UUID(int=1)}/revoke", headers=portal.headers()
    )

    strange = await portal.client.post(
        "/v1/portal-links",
        json={"debtor_id": "d1", "invoice_ids": ["i1", "i9"]},
        headers=portal.headers(),
    )

    assert (answer.status_code, unknown.status_code) == (404, 404)
    assert strange.status_code == 422
    assert "i9" in strange.json()["errors"][0]["detail"]


async def test_lists_of_links_never_show_what_opens_them(portal: Portal) -> None:
    path = await portal.link()

    listed = await portal.client.get("/v1/portal-links", headers=portal.headers())

    (item,) = listed.json()["items"]
    assert item["made_by"] == "person:jane"
    assert path.removeprefix("/p/") not in listed.text

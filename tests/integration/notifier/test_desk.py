"""The operators' pages: they show what the API shows, and their forms do what the API does."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from html import unescape
from importlib.resources import files
from pathlib import Path
from tempfile import SpooledTemporaryFile, gettempdir
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dunning_common.auth import COOKIE
from dunning_common.db import driver
from dunning_common.vault import seal
from notifier.adapters.sql_issues import SqlIssues
from notifier.adapters.sql_responses import SqlResponses
from notifier.channels.call_list import CallListChannel
from notifier.domain.issues import Issue, IssueKind
from notifier.handlers.take_response import note_context
from notifier.ports.responses import NewResponse
from notifier.testing import Mode, mails
from tests.integration.notifier.conftest import (
    CONTACTS,
    DECIDED,
    TENANT,
    Postman,
    message_id_of,
    notice,
)
from tests.integration.notifier.ear import make_ear
from tests.integration.notifier.test_api import House, house, unknown_message

__all__ = ["house"]

HOSTILE = "<script>alert('d&1')</script>"
SAME = {"sec-fetch-site": "same-origin"}


@pytest.fixture
async def browser(house: House) -> httpx.AsyncClient:
    """A browser that is signed in as somebody who may read and write."""
    sign_in(house)
    return house.client


def sign_in(house: House, *scopes: str, tenant: str = TENANT) -> None:
    header = house.headers(*scopes, tenant=tenant)
    house.client.cookies.clear()
    house.client.cookies.set(COOKIE, header["authorization"].removeprefix("Bearer "))


async def failed_message(postman: Postman, debtor: str = "d1", name: str = "f1") -> Any:
    own = CONTACTS.model_copy(update={"emails": (f"{debtor}@dupont.example",)})
    await postman.know(debtor)
    await postman.hear(
        postman.contacts(debtor, own), notice(name, debtor=debtor, invoices=(f"i-{name}",))
    )
    postman.smtp.script.append(Mode.REFUSE)
    await postman.send_all()
    return message_id_of((await postman.messages())[-1])


async def proposal(postman: Postman, *, debtor: str = "d1", name: str = "Dupont") -> Any:
    """A debtor's proposed contacts, sealed with the debtor's key."""
    await postman.know(debtor)
    key = postman.ledger.debtor_keys[TENANT, debtor]
    bare = NewResponse(
        tenant=TENANT,
        response_id=uuid4(),
        debtor_id=debtor,
        kind="contact_change",
        source="portal",
        effective_at=DECIDED,
        facts={"fields": ["emails", "name"]},
        state="proposed",
    )
    words = b'{"correction":{"name":"%s","emails":["new@example.com"]}}' % name.encode()
    sealed = replace(bare, note=seal(key, words, context=note_context(bare, bare.response_id)))
    async with postman.db.worker() as connection:
        await SqlResponses().keep(connection, [sealed])
    return bare.response_id


async def open_call(postman: Postman) -> Any:
    postman.channels["call"] = CallListChannel()
    await postman.know()
    await postman.hear(notice("n1", channels={"call": ("i1",)}))
    await postman.send_all()
    return message_id_of(await postman.message())


def more_of(page: str) -> str:
    """Where a list goes on."""
    return unescape(page.split('class="more"><a href="')[1].split('"', maxsplit=1)[0])


def named(page: str) -> list[str]:
    """The batches of a list."""
    return re.findall(r">(L[0-9]+)</a>", page)


PAGES = [
    "/desk",
    "/desk/messages",
    "/desk/answers",
    "/desk/texts",
    "/desk/texts/first_reminder/en",
    "/desk/texts/first_reminder/en/preview?channel=sms",
    "/desk/texts/first_reminder/en/diff?before=0&after=0",
    "/desk/calls",
    "/desk/suppressions",
    "/desk/suppressions/email/0123456789abcdef",
    "/desk/post",
    "/desk/issues",
]


async def test_every_page_opens_under_a_strict_policy(browser: httpx.AsyncClient) -> None:
    for path in PAGES:
        page = await browser.get(path)

        assert (path, page.status_code) == (path, 200)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert ("script-src 'self';" in policy) != ("/preview" in path)
        assert page.headers["cache-control"] == "no-store"


async def test_nobody_sees_a_page_without_the_scope(house: House) -> None:
    for path in PAGES:
        house.client.cookies.clear()
        unknown = await house.client.get(path)
        sign_in(house, "kpi:read")
        other = await house.client.get(path)

        assert unknown.status_code == 303
        assert unknown.headers["location"].startswith("/login?next=%2Fdesk")
        assert (path, other.status_code) == (path, 403)
        assert "notices:read" in other.text


FORMS = [
    f"/desk/messages/{uuid4()}",
    f"/desk/messages/{uuid4()}/proofs",
    f"/desk/answers/{uuid4()}",
    "/desk/texts/first_reminder/en",
    "/desk/texts/first_reminder/en/trial",
    "/desk/texts/first_reminder/en/use",
    f"/desk/calls/{uuid4()}",
    "/desk/suppressions",
    "/desk/suppressions/email/0123456789abcdef",
    "/desk/post",
    f"/desk/post/{uuid4()}",
    "/desk/issues",
    f"/desk/issues/replies/{uuid4()}",
]


async def test_a_reader_cannot_write(house: House) -> None:
    sign_in(house, "notices:read")

    for path in FORMS:
        refused = await house.client.post(path, data={"note": "x"}, headers=SAME)

        assert (path, refused.status_code) == (path, 403)
        assert "notices:write" in refused.text


@pytest.mark.parametrize(
    "foreign", [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil.test"}]
)
async def test_a_form_from_another_site_is_refused(
    browser: httpx.AsyncClient, foreign: dict[str, str]
) -> None:
    for path in [*FORMS, "/desk/texts/first_reminder/en/preview"]:
        refused = await browser.post(path, data={"note": "x"}, headers=foreign)

        assert (path, refused.status_code) == (path, 403)
        assert "another site" in refused.text


async def test_a_reader_sees_no_buttons_that_would_be_refused(
    house: House, postman: Postman
) -> None:
    message_id = await unknown_message(postman)
    sign_in(house, "notices:read")

    page = await house.client.get(f"/desk/messages/{message_id}")

    assert "What became of it?" not in page.text
    assert "Look for it in the provider&#39;s log" in page.text


async def test_the_first_page_counts_what_waits_and_the_api_counts_the_same(
    house: House, browser: httpx.AsyncClient, postman: Postman
) -> None:
    await unknown_message(postman)
    await failed_message(postman, "d2")
    await proposal(postman, debtor="d3")
    async with postman.db.worker() as connection:
        await SqlIssues().note(
            connection,
            [
                Issue(tenant=t, kind=IssueKind.HELP_ASKED, source="sms", ref="r")
                for t in ("acme", "b")
            ],
        )

    page = await browser.get("/desk")
    counts = (await browser.get("/v1/attention")).json()

    assert page.text.count('<span class="figure">1</span>') == 4
    assert page.text.count('<span class="figure">0</span>') == 2
    assert counts == {
        "unknown": 1, "failed": 1, "proposals": 1, "calls": 0, "batches": 0, "issues": 1,
        "counted_max": 1000,
    }  # fmt: skip


async def test_an_old_failure_is_no_news_any_more(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    await failed_message(postman)
    async with postman.db.worker() as connection:
        await (await driver(connection)).execute(
            "UPDATE message SET settled_at = settled_at - interval '8 days'"
        )

    assert (await browser.get("/v1/attention")).json()["failed"] == 0


async def test_an_unknown_message_is_resolved_with_a_note_and_the_persons_name(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    message_id = await unknown_message(postman)
    path = f"/desk/messages/{message_id}"

    listed = await browser.get("/desk/messages")
    silent = await browser.post(path, data={"outcome": "sent", "note": " "}, headers=SAME)
    done = await browser.post(
        path, data={"outcome": "sent", "note": "seen in the relay's log"}, headers=SAME
    )
    other = await browser.post(path, data={"outcome": "not_sent", "note": "no"}, headers=SAME)
    other = await browser.post(path, data={"outcome": "not_sent", "note": "sure"}, headers=SAME)
    page = await browser.get(done.headers["location"])

    assert str(message_id) in listed.text
    assert silent.status_code == 422
    assert "3 characters at least" in silent.text
    assert (done.status_code, done.headers["location"]) == (303, f"{path}?said=resolved")
    assert "person:jane" in page.text
    assert "resolved_by_person: seen in the relay" in page.text
    assert other.headers["location"] == f"{path}?said=not_unknown"
    assert await postman.states() == ["sent"]


async def test_failed_messages_come_with_their_reason_and_the_newest_first(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    await failed_message(postman, "d1", "f1")
    await failed_message(postman, "d2", "f2")

    page = await browser.get("/desk/messages?state=failed")
    api = (await browser.get("/v1/messages?state=failed&newest_first=true&limit=1")).json()
    rest = await browser.get(
        f"/v1/messages?state=failed&newest_first=true&cursor={api['next_cursor']}"
    )

    assert page.text.index("i-f2") < page.text.index("i-f1")
    assert "Correct the address in the ERP" in page.text
    assert [item["debtor_id"] for item in api["items"]] == ["d2"]
    assert [item["debtor_id"] for item in rest.json()["items"]] == ["d1"]


async def test_lists_go_on_behind_fifty_rows_without_a_gap(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    debtors = [f"d{n:02}" for n in range(53)]
    await postman.know(*debtors)
    await postman.hear(*(notice(d, debtor=d, invoices=(f"inv-{d}",)) for d in debtors))
    async with postman.db.worker() as connection:
        await (await driver(connection)).execute("UPDATE message SET state = 'unknown'")

    first = (await browser.get("/desk/messages")).text
    link = more_of(first)
    second = (await browser.get(link)).text

    assert first.count("<tr>") == 51
    assert second.count("<tr>") == 4
    assert [d for d in debtors if f"inv-{d}" in first + second] == debtors
    assert "More</a>" not in second


async def test_answers_are_listed_newest_first_and_go_on_without_a_gap(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    answers = [
        NewResponse(
            tenant=TENANT,
            response_id=uuid4(),
            debtor_id="d1",
            kind="opt_out",
            source="portal",
            effective_at=DECIDED,
            invoice_ids=(f"inv-{n:02}",),
        )
        for n in range(52)
    ]
    async with postman.db.worker() as connection:
        await SqlResponses().keep(connection, answers)

    first = (await browser.get("/desk/answers?state=")).text
    second = (await browser.get(more_of(first))).text
    api = (await browser.get("/v1/responses?newest_first=true&limit=1")).json()
    rest = await browser.get(f"/v1/responses?newest_first=true&cursor={api['next_cursor']}")

    shown = [str(answer.response_id) for answer in reversed(answers)]
    assert re.findall(r"/desk/answers/([0-9a-f-]{36})", first + second) == shown
    ids = [item["response_id"] for item in api["items"] + rest.json()["items"]]
    assert ids == shown
    assert "More</a>" not in second


async def test_batches_are_listed_newest_first_below_those_that_wait_for_a_person(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    async with postman.db.worker() as connection:
        raw = await driver(connection)
        await raw.execute(
            "INSERT INTO letter_batch (tenant, batch_id, channel, letters, state, error) "
            "SELECT $1, gen_random_uuid(), 'letter', 1, "
            "CASE n WHEN 2 THEN 'unknown' WHEN 3 THEN 'ready' ELSE 'handed_over' END, "
            "CASE n WHEN 3 THEN 'HandOverError: sftp' END "
            "FROM generate_series(1, 53) AS n",
            TENANT,
        )
        rows = await raw.fetch("SELECT seq, state FROM letter_batch ORDER BY seq DESC")

    first = (await browser.get("/desk/post")).text
    second = (await browser.get(more_of(first))).text
    api = (await browser.get("/v1/letter-batches?newest_first=true&limit=2")).json()

    newest = [f"L{row['seq']}" for row in rows]
    wait, all_ = first.split('id="list"')
    assert named(wait) == [
        f"L{row['seq']}" for row in reversed(rows) if row["state"] != "handed_over"
    ]
    assert named(all_) + named(second) == newest
    assert "Waits for a person" not in second
    assert [item["reference"] for item in api["items"]] == newest[:2]


async def test_hostile_names_come_out_as_words(
    house: House, browser: httpx.AsyncClient, postman: Postman
) -> None:
    debtor = HOSTILE
    await postman.know(debtor)
    await postman.hear(notice("n1", debtor=debtor, invoices=(HOSTILE,)))
    postman.smtp.script.append(Mode.LOST)
    await postman.send_all()
    message_id = message_id_of(await postman.message())
    response_id = await proposal(postman, debtor=debtor, name=HOSTILE)
    async with postman.db.worker() as connection:
        await SqlIssues().note(
            connection,
            [Issue(tenant=TENANT, kind=IssueKind.UNREADABLE, source="x", ref="r", excerpt=HOSTILE)],
        )

    for path in (
        "/desk/messages",
        f"/desk/messages/{message_id}",
        "/desk/answers",
        f"/desk/answers/{response_id}",
        "/desk/issues",
        f"/desk/messages?state=&invoice_id={HOSTILE}",
    ):
        page = await browser.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text


async def test_a_draft_cannot_break_out_of_its_frame(browser: httpx.AsyncClient) -> None:
    path = "/desk/texts/first_reminder/en"
    source = (await browser.get("/v1/templates/first_reminder/en")).json()["source"]
    evil = source.replace(
        "We expect this is a simple oversight.", '"></iframe><script>alert(1)</script>'
    )
    assert evil != source

    look = await browser.post(
        f"{path}/preview", data={"source": evil, "channel": "email"}, headers=SAME
    )

    assert look.status_code == 200
    assert "<script" not in look.text
    policy = look.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert look.headers["x-frame-options"] == "SAMEORIGIN"


async def test_a_preview_shows_what_was_typed_on_every_channel(browser: httpx.AsyncClient) -> None:
    path = "/desk/texts/first_reminder/en"
    source = (await browser.get("/v1/templates/first_reminder/en")).json()["source"]
    mine = source.replace("simple oversight", "tiny oversight").replace("unpaid", "not paid")

    async def look(channel: str, **more: str) -> str:
        fields = {"source": mine, "channel": channel, **more}
        answer = await browser.post(f"{path}/preview", data=fields, headers=SAME)
        return answer.text

    assert "tiny oversight" in await look("email")
    assert "not paid" in await look("sms")
    assert "to pay for" in await look("sms")
    assert 'src="data:image/png;base64,' in await look("letter")
    assert "no preview" not in await look("registered_letter", invoices="40", charges="with")
    assert "There is no notice of that id" in await look("email", notice_id=str(uuid4()))
    wrong = await browser.post(
        f"{path}/preview", data={"source": "subject: {{ nonsense }}", "channel": "email"},
        headers=SAME,
    )  # fmt: skip
    assert 'class="wrong"' in wrong.text
    pdf = await browser.post(f"{path}/letter", data={"source": mine}, headers=SAME)
    assert pdf.content.startswith(b"%PDF-")


async def test_a_text_is_stored_refused_compared_and_taken_back(
    browser: httpx.AsyncClient,
) -> None:
    path = "/desk/texts/first_reminder/en"
    source = (await browser.get("/v1/templates/first_reminder/en")).json()["source"]
    mine = source.replace("simple oversight", "tiny oversight")

    stored = await browser.post(
        path, data={"source": mine, "note": "softer", "use": "yes"}, headers=SAME
    )
    again = await browser.post(path, data={"source": mine.replace("\n", "\r\n")}, headers=SAME)
    page = await browser.get(path)
    wrong = await browser.post(
        path, data={"source": mine.replace("sender.name", "sender.nome")}, headers=SAME
    )
    diff = await browser.get(f"{path}/diff?before=0&after=1")
    back = await browser.post(f"{path}/use", data={"version": "0"}, headers=SAME)
    never = await browser.post(f"{path}/use", data={"version": "9"}, headers=SAME)
    state = (await browser.get("/v1/templates/first_reminder/en")).json()

    assert stored.headers["location"] == f"{path}?said=saved_used"
    assert again.headers["location"] == f"{path}?said=unchanged"
    assert "tiny oversight" in page.text
    assert "softer" in page.text
    assert wrong.status_code == 422
    assert "sender.nome does not exist" in wrong.text
    assert "tiny oversight" in wrong.text
    assert 'class="added"' in diff.text
    assert 'class="removed"' in diff.text
    assert back.headers["location"] == f"{path}?said=used"
    assert never.status_code == 404
    assert state["version"] is None
    assert state["uses"][0]["by"] == "jane"


async def test_a_trial_goes_to_one_address_and_says_so(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    path = "/desk/texts/first_reminder/en"
    source = (await browser.get("/v1/templates/first_reminder/en")).json()["source"]
    fields = {"source": source, "channel": "email"}

    sent = await browser.post(
        f"{path}/trial", data={**fields, "to": "me@example.com"}, headers=SAME
    )
    nowhere = await browser.post(f"{path}/trial", data={**fields, "to": "me"}, headers=SAME)
    letter = await browser.post(
        f"{path}/trial", data={**fields, "to": "me@example.com", "channel": "letter"}, headers=SAME
    )

    assert (sent.status_code, nowhere.status_code, letter.status_code) == (200, 422, 422)
    assert "Sent to me@example.com." in sent.text
    (mail,) = postman.smtp.mails
    assert b"[Test]" in mail
    assert await postman.messages() == []


async def test_a_proposal_is_read_and_accepted_once(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    response_id = await proposal(postman)
    path = f"/desk/answers/{response_id}"

    listed = await browser.get("/desk/answers")
    page = await browser.get(path)
    done = await browser.post(path, data={"judgement": "accepted"}, headers=SAME)
    late = await browser.post(path, data={"judgement": "rejected"}, headers=SAME)
    after = await browser.get(done.headers["location"])

    assert str(response_id) in listed.text
    assert "new@example.com" in page.text
    assert "new@example.com" not in listed.text
    assert done.headers["location"] == f"{path}?said=accepted"
    assert late.headers["location"] == f"{path}?said=not_proposed"
    assert "Accept</button>" not in after.text
    assert await postman.told_types() == ["ContactCorrectedV1"]
    async with postman.db.worker() as connection:
        log = await (await driver(connection)).fetch(
            "SELECT action, actor FROM response_log ORDER BY n"
        )
    assert [tuple(line) for line in log] == [
        ("read", "jane"), ("contacts_read", "jane"), ("accepted", "jane"), ("read", "jane")
    ]  # fmt: skip


async def test_a_proposal_stands_beside_the_present_contacts_for_who_may_judge_it(
    house: House, browser: httpx.AsyncClient, postman: Postman, capfd: pytest.CaptureFixture[str]
) -> None:
    response_id = await proposal(postman)
    path = f"/desk/answers/{response_id}"

    judge = (await browser.get(path)).text
    read = await house.client.get(f"/v1/responses/{response_id}", headers=house.headers())
    sign_in(house, "notices:read")
    reader = (await browser.get(path)).text

    email = judge.split("Emails</th>")[1].split("</tr>")[0]
    assert 'data-label="Now">compta@dupont.example<' in email
    assert 'data-label="Proposed">new@example.com<' in email
    assert "Paris" not in judge
    assert "new@example.com" in reader
    assert "compta@dupont.example" not in reader
    assert "contacts read" in reader
    assert read.json()["present"]["emails"] == ["compta@dupont.example"]
    assert "@" not in "".join(capfd.readouterr())


async def test_a_silent_ledger_and_an_erased_debtor_are_said_in_words(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    response_id = await proposal(postman)
    message_id = await unknown_message(postman)
    postman.ledger.down = True
    silent = await browser.get(f"/desk/answers/{response_id}")
    postman.ledger.down = False
    postman.ledger.debtor_keys.clear()
    gone = await browser.get(f"/desk/answers/{response_id}")
    bytes_ = await browser.get(f"/desk/messages/{message_id}/content")

    assert (silent.status_code, gone.status_code, bytes_.status_code) == (503, 410, 410)
    assert "try again in a minute" in silent.text
    assert "The debtor was erased" in gone.text


async def test_the_exact_bytes_are_saved_never_shown(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    await postman.send_all()
    message_id = message_id_of(await postman.message())

    answer = await browser.get(f"/desk/messages/{message_id}/content")

    assert answer.content == postman.smtp.mails[0]
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["content-disposition"].endswith('.eml"')


async def test_a_call_shows_number_and_script_and_takes_its_outcome(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    message_id = await open_call(postman)
    path = f"/desk/calls/{message_id}"
    promise = {"outcome": "promised", "amount": "60.00", "currency": "eur", "on": "2026-04-01"}

    listed = await browser.get("/desk/calls?due=yes")
    page = await browser.get(path)
    vague = await browser.post(path, data={**promise, "amount": "lots"}, headers=SAME)
    nothing = await browser.post(path, data={"outcome": ""}, headers=SAME)
    done = await browser.post(path, data={**promise, "note": "will pay"}, headers=SAME)
    late = await browser.post(path, data={"outcome": "reached"}, headers=SAME)

    assert str(message_id) in listed.text
    assert "+33612345678" in page.text
    assert (vague.status_code, nothing.status_code) == (422, 422)
    assert 'id="amount-wrong"' in vague.text
    assert done.headers["location"] == f"{path}?said=called"
    assert late.headers["location"] == f"{path}?said=call_gone"
    assert "DebtorPromisedV1" in await postman.told_types()


async def test_a_form_about_a_call_that_is_sent_twice_is_one_call(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    path = f"/desk/calls/{await open_call(postman)}"
    form = {"outcome": "no_answer", "tries_seen": "0"}

    first = await browser.post(path, data=form, headers=SAME)
    again = await browser.post(path, data=form, headers=SAME)
    odd = await browser.post(path, data={**form, "tries_seen": "one"}, headers=SAME)
    shown = await browser.get(path)

    assert first.headers["location"].endswith("said=called")
    assert again.headers["location"].endswith("said=call_gone")
    assert odd.status_code == 422
    assert shown.text.count("(jane)") == 1


async def test_an_address_is_suppressed_and_lifted_with_a_reason(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    await postman.know()
    said = {"channel": "email", "address": "compta@dupont.example", "note": "asked by phone"}

    done = await browser.post("/desk/suppressions", data={**said, "debtor_id": "d1"}, headers=SAME)
    twice = await browser.post("/desk/suppressions", data=said, headers=SAME)
    wrong = await browser.post("/desk/suppressions", data={**said, "address": "me"}, headers=SAME)
    letter = await browser.post(
        "/desk/suppressions", data={**said, "channel": "letter"}, headers=SAME
    )
    place = done.headers["location"].partition("?")[0]
    page = await browser.get(place)
    why = await browser.post(place, data={"note": ""}, headers=SAME)
    lifted = await browser.post(
        place, data={"note": "consent is back", "cause": "person"}, headers=SAME
    )
    again = await browser.post(place, data={"note": "consent is back"}, headers=SAME)

    assert done.headers["location"].endswith("?said=listed")
    assert twice.headers["location"].endswith("?said=listed_before")
    assert (wrong.status_code, letter.status_code, why.status_code) == (422, 422, 422)
    assert "person:jane" in page.text
    assert lifted.headers["location"].endswith("?said=lifted")
    assert again.headers["location"].endswith("?said=nothing_lifted")
    assert await postman.told_types() == ["ChannelOptedOutV1", "ChannelOptedInV1"]


async def test_an_issue_is_closed_with_a_note(browser: httpx.AsyncClient, postman: Postman) -> None:
    async with postman.db.worker() as connection:
        await SqlIssues().note(
            connection,
            [Issue(tenant=TENANT, kind=IssueKind.HELP_ASKED, source="sms", ref="r1")],
        )
        raw = await driver(connection)
        issue_id = str(await raw.fetchval("SELECT issue_id FROM feedback_issue"))

    open_ = await browser.get("/desk/issues")
    silent = await browser.post(
        "/desk/issues", data={"issue_id": issue_id, "note": ""}, headers=SAME
    )
    done = await browser.post(
        "/desk/issues", data={"issue_id": issue_id, "note": "rang up"}, headers=SAME
    )
    never = await browser.post(
        "/desk/issues", data={"issue_id": str(uuid4()), "note": "rang up"}, headers=SAME
    )
    after = await browser.get("/desk/issues")
    closed = await browser.get("/desk/issues?closed=yes")

    assert "Call or write back" in open_.text
    assert silent.status_code == 422
    assert done.headers["location"] == "/desk/issues?said=closed"
    assert never.status_code == 404
    assert "was understood" in after.text
    assert "by jane: rang up" in closed.text


async def test_a_strangers_words_are_read_and_given_to_a_debtor(
    browser: httpx.AsyncClient, postman: Postman, tmp_path: Path
) -> None:
    ear = make_ear(postman, tmp_path)
    await postman.know()
    async with ear.client:
        await ear.mail(mails.reply(f"Bonjour {HOSTILE}", sender="who@else.example"))
        await ear.understand()

    listed = await browser.get("/desk/issues")
    reply = listed.text.split('href="/desk/issues/replies/')[1].split('"')[0]
    path = f"/desk/issues/replies/{reply}"
    seen = await browser.get(path)
    nobody = await browser.post(path, data={"debtor_id": "nobody"}, headers=SAME)
    empty = await browser.post(path, data={"debtor_id": ""}, headers=SAME)
    given = await browser.post(path, data={"debtor_id": "d1"}, headers=SAME)
    answer = await browser.get(given.headers["location"])
    gone = await browser.get(path)

    assert "who@else.example" in seen.text
    assert "Bonjour &lt;script&gt;" in seen.text
    assert "who@else.example" not in listed.text
    assert (nobody.status_code, empty.status_code, gone.status_code) == (422, 422, 410)
    assert "The ledger knows no such debtor" in nobody.text
    assert "Bonjour &lt;script&gt;" in answer.text
    assert await postman.told_types() == ["ReplyReceivedV1"]


async def test_batches_are_made_by_hand_and_an_unknown_one_is_resolved(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    none = await browser.post("/desk/post", headers=SAME)
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))
    await postman.send_all()
    message_id = message_id_of(await postman.message())

    done = await browser.post("/desk/post", headers=SAME)
    page = await browser.get("/desk/post")
    batch = page.text.split('scope="row"><a href="')[1].split('"')[0]
    cover = await browser.get(f"{batch}/cover")
    async with postman.db.worker() as connection:
        raw = await driver(connection)
        await raw.execute("UPDATE letter_batch SET state = 'unknown'")
        await raw.execute("UPDATE message SET state = 'unknown'")
    counts = (await browser.get("/v1/attention")).json()
    shown = await browser.get(batch)
    silent = await browser.post(batch, data={"outcome": "sent", "note": ""}, headers=SAME)
    resolved = await browser.post(
        batch, data={"outcome": "sent", "note": "the printer rang"}, headers=SAME
    )
    late = await browser.post(batch, data={"outcome": "not_sent", "note": "no"}, headers=SAME)

    assert none.headers["location"] == "/desk/post?said=nothing_cut"
    assert done.headers["location"] == "/desk/post?said=cut"
    assert str(message_id) in shown.text
    assert "Ask the printer by its reference" in shown.text
    assert cover.status_code == 404
    assert (counts["batches"], counts["unknown"]) == (1, 1)
    assert silent.status_code == 422
    assert resolved.headers["location"] == f"{batch}?said=resolved"
    assert late.headers["location"] == f"{batch}?said=not_unknown"
    assert await postman.states() == ["sent"]


async def test_papers_that_prove_a_letter_are_kept_and_handed_out(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))
    await postman.send_all()
    path = f"/desk/messages/{message_id_of(await postman.message())}"
    paper = {"kind": "deposit", "date": "2026-03-03", "reference": "RR1"}
    scan = {"file": ("r.pdf", b"%PDF-1.7\n", "application/pdf")}

    letter = await browser.get(path)
    kept = await browser.post(f"{path}/proofs", data=paper, files=scan, headers=SAME)
    no_file = await browser.post(f"{path}/proofs", data=paper, headers=SAME)
    later = await browser.post(
        f"{path}/proofs", data={**paper, "date": "2100-01-01"}, files=scan, headers=SAME
    )
    after = await browser.get(path)
    proof = after.text.split('scope="row"><a href="')[1].split('"')[0]

    assert "Proofs of the post" in letter.text
    assert kept.headers["location"] == f"{path}?said=proof_kept"
    assert (no_file.status_code, later.status_code) == (422, 422)
    assert "Choose the scan or the file" in no_file.text
    assert "lies in the future" in later.text
    assert "RR1" in after.text
    assert (await browser.get(proof)).content == b"%PDF-1.7\n"


MISSING = [
    "/desk/messages/nonsense",
    f"/desk/messages/{uuid4()}",
    f"/desk/messages/{uuid4()}/content",
    f"/desk/answers/{uuid4()}",
    f"/desk/answers/{uuid4()}/files/1",
    f"/desk/answers/{uuid4()}/files/x",
    f"/desk/calls/{uuid4()}",
    f"/desk/post/{uuid4()}",
    f"/desk/post/{uuid4()}/cover",
    f"/desk/issues/replies/{uuid4()}",
    "/desk/texts/nonsense/en",
    "/desk/texts/first_reminder/xx",
    "/desk/texts/first_reminder/en?version=7",
    "/desk/texts/first_reminder/en/diff?before=0&after=x",
    "/desk/suppressions/email/%00",
    "/desk/suppressions/pigeon/0123456789abcdef",
]


async def test_what_is_not_there_is_a_page_that_says_so(browser: httpx.AsyncClient) -> None:
    for path in MISSING:
        page = await browser.get(path)

        assert (path, page.status_code) == (path, 404)
        assert "There is no such thing" in page.text


async def test_what_a_list_cannot_read_restricts_nothing(browser: httpx.AsyncClient) -> None:
    for query in (
        "state=zzz", "notice_id=x", "invoice_id=%00", "cursor=!", "cursor=AAAA",
        "state=failed&cursor=x",
    ):  # fmt: skip
        assert (await browser.get(f"/desk/messages?{query}")).status_code == 200


async def test_another_tenants_message_is_not_there(house: House, postman: Postman) -> None:
    message_id = await unknown_message(postman)
    sign_in(house, tenant="other")

    shown = await house.client.get(f"/desk/messages/{message_id}")
    listed = await house.client.get("/desk/messages")

    assert shown.status_code == 404
    assert str(message_id) not in listed.text


async def test_a_token_for_all_tenants_chooses_one_first(house: House, postman: Postman) -> None:
    message_id = await unknown_message(postman)
    sign_in(house, tenant="*")

    asked = await house.client.get("/desk")
    chosen = await house.client.get(f"/desk/messages?tenant={TENANT}")

    assert "Choose a tenant" in asked.text
    assert str(message_id) in chosen.text


async def test_a_form_acts_for_the_tenant_of_its_page_whatever_another_tab_chose(
    house: House, postman: Postman
) -> None:
    message_id = await unknown_message(postman)
    sign_in(house, tenant="*")
    path = f"/desk/messages/{message_id}"
    answer = {"outcome": "sent", "note": "seen in the log"}

    page = await house.client.get(f"{path}?tenant={TENANT}")
    action = page.text.split('class="stack" method="post" action="')[1].split('"')[0]
    await house.client.get("/desk?tenant=other")
    nobody = await house.client.post(path, data=answer, headers=SAME)
    states = await postman.states()
    done = await house.client.post(action, data=answer, headers=SAME)

    assert action == f"{path}?tenant={TENANT}"
    assert nobody.status_code == 409
    assert "does not say for which tenant" in nobody.text
    assert states == ["unknown"]
    assert done.headers["location"] == f"{path}?tenant={TENANT}&said=resolved"
    assert await postman.states() == ["sent"]


async def test_no_form_of_a_token_for_all_tenants_is_taken_without_a_tenant(house: House) -> None:
    sign_in(house, tenant="*")
    await house.client.get(f"/desk?tenant={TENANT}")
    looks = [f"/desk/texts/first_reminder/en/{look}" for look in ("preview", "letter")]

    for path in [*FORMS, *looks]:
        for query in ("", "?tenant=", "?tenant=+"):
            refused = await house.client.post(f"{path}{query}", data={"note": "x"}, headers=SAME)

            assert (path, refused.status_code) == (path, 409)


def test_every_posted_form_of_the_desk_names_its_tenant() -> None:
    sources = {
        each.name: each.read_text("utf-8")
        for each in (files("notifier.desk") / "templates").iterdir()
        if each.name.endswith(".html")
    }
    targets = [
        (name, action)
        for name, source in sources.items()
        for action in [
            *re.findall(r'method="post" action="([^"]*)"', source),
            *re.findall(r'formaction="([^"]*)"', source),
        ]
    ]
    posted = sum(source.count('method="post"') for source in sources.values())
    overridden = sum(source.count("formaction=") for source in sources.values())

    assert len(targets) == posted + overridden
    assert posted > 0
    assert [each for each in targets if not each[1].startswith("{{ target(")] == []


async def test_a_preview_in_the_editor_is_of_the_pages_tenant(house: House) -> None:
    sign_in(house, tenant="*")

    page = await house.client.get(f"/desk/texts/first_reminder/en?tenant={TENANT}")

    assert f'sandbox src="/desk/texts/first_reminder/en/preview?tenant={TENANT}&amp;' in page.text


async def test_a_box_that_was_unticked_stays_so_after_a_trial(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    path = "/desk/texts/first_reminder/en"
    source = (await browser.get("/v1/templates/first_reminder/en")).json()["source"]
    typed = {"source": source, "channel": "email", "to": "me@example.com"}

    fresh = await browser.get(path)
    without = await browser.post(f"{path}/trial", data=typed, headers=SAME)
    ticked = await browser.post(f"{path}/trial", data={**typed, "use": "yes"}, headers=SAME)

    box = 'name="use" value="yes" checked'
    assert [box in page.text for page in (fresh, without, ticked)] == [True, False, True]
    assert len(postman.smtp.mails) == 2


async def test_a_refusal_on_the_second_page_is_shown_where_it_happened(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    async with postman.db.worker() as connection:
        await SqlIssues().note(
            connection,
            [
                Issue(tenant=TENANT, kind=IssueKind.HELP_ASKED, source="sms", ref=f"r{n}")
                for n in range(52)
            ],
        )
    first = (await browser.get("/desk/issues?kind=help_asked")).text
    link = more_of(first)
    second = (await browser.get(link)).text
    form = second.split('class="inline" method="post" action="')[1]
    action, issue_id = unescape(form.split('"')[0]), form.split('value="')[1].split('"')[0]

    refused = await browser.post(action, data={"issue_id": issue_id, "note": ""}, headers=SAME)
    done = await browser.post(action, data={"issue_id": issue_id, "note": "rang"}, headers=SAME)

    assert action == link
    assert refused.status_code == 422
    assert 'class="wrong" id="wrong-' in refused.text
    assert done.headers["location"] == f"{link}&said=closed"


async def test_who_saved_the_exact_bytes_of_a_message_is_written_down(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    await postman.send_all()
    path = f"/desk/messages/{message_id_of(await postman.message())}"

    before = await browser.get(path)
    await browser.get(f"{path}/content")
    after = await browser.get(path)

    assert "Who saved the exact bytes" not in before.text
    assert "the message, by jane</li>" in after.text.split("Who saved the exact bytes")[1]


async def test_whoever_takes_exact_bytes_by_page_or_api_is_written_down_in_the_same_words(
    house: House, browser: httpx.AsyncClient, postman: Postman, tmp_path: Path
) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))
    await postman.send_all()
    message_id = message_id_of(await postman.message())
    await browser.post(
        f"/desk/messages/{message_id}/proofs",
        data={"kind": "deposit", "date": "2026-03-03"},
        files={"file": ("r.pdf", b"%PDF-1.7\n", "application/pdf")},
        headers=SAME,
    )
    api = f"/v1/messages/{message_id}"
    (proof,) = (await browser.get(f"{api}/proofs")).json()["items"]
    (tmp_path / "cover.pdf").write_bytes(b"%PDF-1.7\n")
    async with postman.db.worker() as connection:
        batch_id = await (await driver(connection)).fetchval(
            "INSERT INTO letter_batch (tenant, batch_id, channel, letters, state, folder) "
            "VALUES ($1, gen_random_uuid(), 'letter', 1, 'handed_over', $2) RETURNING batch_id",
            TENANT,
            str(tmp_path),
        )

    taken = [
        await browser.get(path)
        for path in (
            f"/desk/messages/{message_id}/content",
            f"{api}/content",
            f"/desk/messages/{message_id}/proofs/{proof['proof_id']}",
            f"{api}/proofs/{proof['proof_id']}/content",
            f"/desk/post/{batch_id}/cover",
            f"/v1/letter-batches/{batch_id}/cover",
        )
    ]
    asked = [
        await house.client.get(f"/v1/audit?target={target}", headers=house.headers("audit:read"))
        for target in (message_id, batch_id)
    ]
    foreign = await house.client.get(
        f"/v1/audit?target={message_id}", headers=house.headers("audit:read", tenant="other")
    )
    unasked = await house.client.get(f"/v1/audit?target={message_id}", headers=house.headers())
    shown = (await browser.get(f"/desk/messages/{message_id}")).text
    batch = (await browser.get(f"/desk/post/{batch_id}")).text

    paper = f"paper_read:{proof['proof_id']}"
    lines = [[(one["action"], one["person"]) for one in a.json()["items"]] for a in asked]
    assert [answer.status_code for answer in taken] == [200] * 6
    assert lines == [
        [("content_read", "jane")] * 2 + [(paper, "jane")] * 2,
        [("cover_read", "jane")] * 2,
    ]
    assert foreign.json()["items"] == []
    assert unasked.status_code == 403
    assert shown.split("Who saved the exact bytes")[1].count("a paper, by jane</li>") == 2
    assert batch.split("Who saved the cover sheet")[1].count("by jane</li>") == 2


async def test_a_large_scan_is_kept_without_touching_the_disk_and_a_larger_one_is_refused(
    browser: httpx.AsyncClient, postman: Postman
) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))
    await postman.send_all()
    path = f"/desk/messages/{message_id_of(await postman.message())}"
    paper = {"kind": "deposit", "date": "2026-03-03", "reference": "RR1"}
    opened: list[str] = []
    folder = gettempdir()
    is_listening = True

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        is_nameless = event == "open" and str(arguments[0]) == folder
        if is_listening and (is_nameless or event == "tempfile.mkstemp"):
            opened.append(event)

    # An audit hook cannot be taken away again; it falls silent instead.
    sys.addaudithook(listen)
    with SpooledTemporaryFile(max_size=1) as spool:
        spool.write(b"12")
    heard = len(opened)
    answers = []
    for megabytes in (2, 6):
        scan = {"file": ("r.pdf", b"%PDF-1.7\n" + bytes(megabytes * 2**20), "application/pdf")}
        answers.append(await browser.post(f"{path}/proofs", data=paper, files=scan, headers=SAME))
    broken = await browser.post(f"{path}/proofs", content=b"x", headers=SAME)
    is_listening = False

    kept, larger = answers
    assert kept.headers["location"] == f"{path}?said=proof_kept"
    assert larger.status_code == 422
    assert "larger than 5 MB" in larger.text
    assert 'value="RR1"' in larger.text
    assert (broken.status_code, "cannot be read" in broken.text) == (400, True)
    assert heard > 0
    assert opened[heard:] == []

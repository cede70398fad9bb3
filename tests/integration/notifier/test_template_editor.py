"""A tenant's own templates: written, refused, compared, put to use, sent on trial."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
import yaml

from notifier.adapters.thread_pool import ThreadPool
from notifier.content.render import Renderer
from notifier.handlers.write import Scribe
from notifier.testing import FakeSmtp
from tests.integration.notifier.conftest import Postman, notice
from tests.integration.notifier.test_api import House, house

__all__ = ["house"]

URL = "/v1/templates/first_reminder/fr"


def mail_of(smtp: FakeSmtp) -> EmailMessage:
    (mail,) = smtp.mails
    return message_from_bytes(mail, EmailMessage, policy=policy.default)


def text_of(smtp: FakeSmtp) -> str:
    body = mail_of(smtp).get_body(("plain",))
    return str(body.get_content()) if body else ""


async def source_of(house: House) -> str:
    answer = await house.client.get(URL, headers=house.headers())
    return str(answer.json()["source"])


async def saved(house: House, source: str, **more: Any) -> Any:
    return await house.client.put(URL, json={"source": source, **more}, headers=house.headers())


async def test_a_text_begins_as_the_built_in_one_and_gets_versions(house: House) -> None:
    built_in = await source_of(house)
    mine = built_in.replace("simple oubli", "petit oubli")
    assert mine != built_in

    first = await saved(house, mine, note="softer")
    again = await saved(house, mine)
    state = (await house.client.get(URL, headers=house.headers())).json()

    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["version"], again.json()["status"]) == (1, "unchanged")
    assert (state["version"], state["source"]) == (1, mine)
    assert state["versions"][0]["note"] == "softer"
    assert state["versions"][0]["written_by"] == "jane"


async def test_what_cannot_be_said_is_not_stored_and_names_its_line(house: House) -> None:
    source = await source_of(house)
    wrong = source.replace("{{ sender.name | shorten: 30 }}", "{{ sender.nome }}")
    assert wrong != source

    refused = await saved(house, wrong)
    state = (await house.client.get(URL, headers=house.headers())).json()

    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["pointer"] == "/source"
    assert "sender.nome does not exist" in error["detail"]
    assert (state["version"], state["versions"]) == (None, [])


async def test_a_draft_is_shown_before_it_is_saved_and_a_version_after(house: House) -> None:
    source = (await source_of(house)).replace("simple oubli", "petit oubli")
    look = {"template": "first_reminder", "channel": "email", "language": "fr"}
    url, mine = "/v1/templates/preview", house.headers()

    before = (await house.client.post(url, json=look, headers=mine)).json()
    draft = (await house.client.post(url, json={**look, "source": source}, headers=mine)).json()
    await saved(house, source, use=False)
    unused = (await house.client.post(url, json=look, headers=mine)).json()
    version = (await house.client.post(url, json={**look, "version": 1}, headers=mine)).json()

    assert "petit oubli" not in before["text"]
    assert "petit oubli" in draft["text"]
    assert unused["text"] == before["text"]
    assert version["text"] == draft["text"]


async def test_two_versions_are_compared_line_by_line(house: House) -> None:
    source = await source_of(house)
    await saved(house, source.replace("simple oubli", "petit oubli"))

    diff = await house.client.get(
        f"{URL}/diff", params={"before": 0, "after": 1}, headers=house.headers()
    )
    missing = await house.client.get(
        f"{URL}/diff", params={"before": 0, "after": 7}, headers=house.headers()
    )

    assert [line[0] for line in diff.text.splitlines() if line[:1] in "+-"][:2] == ["-", "+"]
    assert "+++ first_reminder/fr version 1" in diff.text
    assert missing.status_code == 404


async def test_the_built_in_text_can_be_put_to_use_again(house: House) -> None:
    source = await source_of(house)
    await saved(house, source.replace("simple oubli", "petit oubli"))

    back = await house.client.post(f"{URL}/use", json={"version": None}, headers=house.headers())
    never = await house.client.post(f"{URL}/use", json={"version": 9}, headers=house.headers())
    state = (await house.client.get(URL, headers=house.headers())).json()

    assert (back.status_code, never.status_code) == (200, 404)
    assert (state["version"], state["source"]) == (None, source)
    assert [use["version"] for use in state["uses"]] == [None, 1]


async def test_a_message_is_written_with_the_text_in_use_and_says_so(
    house: House, postman: Postman, smtp: FakeSmtp
) -> None:
    await saved(house, (await source_of(house)).replace("simple oubli", "petit oubli"))
    threads = ThreadPool(1)
    postman.writer = Scribe(Renderer(), postman.channels, threads)
    await postman.know()
    await postman.hear(notice("own"))

    await postman.send_all()

    threads.close()
    listed = (await house.client.get("/v1/messages", headers=house.headers())).json()["items"]
    assert [(item["state"], item["template_version"]) for item in listed] == [("sent", 1)]
    assert "petit oubli" in text_of(smtp)


async def test_another_tenant_sees_nothing_of_it(house: House) -> None:
    await saved(house, (await source_of(house)).replace("simple oubli", "petit oubli"))

    state = await house.client.get(URL, headers=house.headers(tenant="other"))

    assert (state.json()["version"], state.json()["versions"]) == (None, [])


async def test_a_trial_goes_to_one_address_and_is_marked(house: House, smtp: FakeSmtp) -> None:
    look = {"template": "first_reminder", "channel": "email", "language": "fr"}

    answer = await house.client.post(
        "/v1/templates/trial", json={**look, "to": "me@acme.example"}, headers=house.headers()
    )
    nowhere = await house.client.post(
        "/v1/templates/trial", json={**look, "to": "nobody"}, headers=house.headers()
    )

    assert answer.json()["outcome"] == "sent", answer.text
    assert nowhere.status_code == 422
    assert nowhere.json()["errors"][0]["pointer"] == "/to"
    mail = mail_of(smtp)
    assert "<me@acme.example>" in mail["to"]
    assert mail["subject"].startswith("[Test] ")


def greedy(source: str) -> str:
    """The text with an opening that takes seconds of processor time and passes every gate."""
    cheap = "".join(f"{{% assign a{n} = demanded.total | money | upcase %}}" for n in range(90))
    loops = "{% for a in overdue.lines %}{% for b in overdue.lines %}", "{% endfor %}{% endfor %}x"
    email = dict.fromkeys(("subject", "headline", "preheader", "greeting"), cheap.join(loops))
    table = yaml.safe_load(source)
    return yaml.safe_dump({**table, "email": {**email, "opening": cheap.join(loops)}})


@pytest.mark.parametrize("real", [False, True], ids=["made up", "a notice"])
async def test_a_draft_that_takes_seconds_is_refused_wherever_it_is_written(
    house: House, postman: Postman, smtp: FakeSmtp, real: bool
) -> None:
    await postman.know()
    asked = notice("many", invoices=tuple(f"i{n}" for n in range(60)))
    await postman.hear(asked)
    data = {"notice_id": str(asked.notice_id)} if real else {"invoices": 60}
    source = greedy(await source_of(house))
    look = {"template": "first_reminder", "channel": "email", "language": "fr", "source": source}

    answers = [
        await house.client.post(f"/v1/templates/{way}", json=body, headers=house.headers())
        for way, body in (
            ("preview", {**look, **data}),
            ("trial", {**look, **data, "to": "me@acme.example"}),
        )
    ]

    for answer in answers:
        assert answer.status_code == 422
        assert "takes more than 1.5 s or 256 MiB" in answer.json()["detail"]
    assert smtp.mails == []


async def test_a_look_is_at_whatever_debtor_somebody_asks_for(house: House) -> None:
    look = {"template": "letter_before_action", "channel": "email", "language": "en"}

    async def shown(**debtor: str) -> str:
        answer = await house.client.post(
            "/v1/templates/preview", json={**look, **debtor}, headers=house.headers()
        )
        assert answer.status_code == 200, answer.text
        return " ".join(str(answer.json()["text"]).split())

    assert "fixed compensation" in await shown(kind="business", country="GB")
    assert "fixed compensation" not in await shown(kind="consumer", country="GB")
    assert "Pre-Action Protocol" in await shown(kind="person", jurisdiction="england_wales")
    assert "sheriff court" in await shown(kind="person", jurisdiction="scotland")
    assert "Northern Ireland" in await shown(kind="consumer", jurisdiction="northern_ireland")
    assert "German Civil Code" in await shown(kind="business", country="DE")


@pytest.mark.parametrize(
    ("debtor", "remedy"),
    [
        (
            {"kind": "consumer", "notice_id": "5d7c1c39-2f6b-5a4e-9d0a-8f2f1d3b6a00"},
            "leave out kind, country and jurisdiction, or the notice_id",
        ),
        ({"country": "FR", "jurisdiction": "scotland"}, "leave the country out"),
        ({"country": "France"}, "pattern"),
    ],
)
async def test_a_debtor_that_cannot_be_is_refused(
    house: House, debtor: dict[str, str], remedy: str
) -> None:
    look = {"template": "first_reminder", "channel": "email", "language": "fr"}

    answer = await house.client.post(
        "/v1/templates/preview", json={**look, **debtor}, headers=house.headers()
    )

    assert answer.status_code == 422
    assert remedy in answer.text


async def test_what_would_fail_at_sending_is_refused_at_saving_and_names_the_case(
    house: House,
) -> None:
    listed = "{% for a in demanded.lines %}{{ a.number }}, {{ a.total | money }}; {% endfor %}"
    table = yaml.safe_load(await source_of(house))
    source = yaml.safe_dump({**table, "sms": {"text": listed}}, allow_unicode=True)

    refused = await saved(house, source)

    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["detail"].startswith("sms.text: has ")
    assert "tried on a business, 60 invoices" in error["detail"]


async def test_a_preview_on_a_real_notice_shows_its_invoices(
    house: House, postman: Postman
) -> None:
    await postman.know()
    asked = notice("real")
    await postman.hear(asked)
    look = {
        "template": "second_reminder",
        "channel": "letter",
        "language": "fr",
        "notice_id": str(asked.notice_id),
    }

    shown = await house.client.post(
        "/v1/templates/preview", json={**look, "channel": "email"}, headers=house.headers()
    )
    missing = await house.client.post(
        "/v1/templates/preview",
        json={**look, "notice_id": "5d7c1c39-2f6b-5a4e-9d0a-8f2f1d3b6a00"},
        headers=house.headers(),
    )

    assert "n°\xa0i1 " in shown.json()["text"]
    assert "Acme Fournitures" in shown.json()["text"]
    assert missing.status_code == 404


@pytest.mark.parametrize("scope", ["notices:read"])
async def test_who_may_only_read_changes_nothing(house: House, scope: str) -> None:
    reader = house.headers(scope)
    source = await source_of(house)

    answers = [
        await house.client.put(URL, json={"source": source}, headers=reader),
        await house.client.post(f"{URL}/use", json={"version": None}, headers=reader),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]

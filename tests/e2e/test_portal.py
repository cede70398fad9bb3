"""Given debtors who got a reminder by e-mail, each with a link to a page of its own,
when they answer there (a promise, a dispute with a file, instalments, "I have paid", a new address),
then the engine holds the next reminder back and says why, and those who said nothing get it;
and when an invoice is paid, its link shows nothing of it any more.
Links in texts and on paper open the same page.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pypdfium2  # type: ignore[import-untyped]
import pytest
import zxingcpp

from tests.e2e.stack import Stack
from tests.e2e.visitor import Visitor

TENANT = "counter"
DEBTORS = ("silent", "promise", "dispute", "partly", "plan", "paid", "moved", "payer")
POLICY: dict[str, Any] = {
    "name": "Two reminders, three days apart",
    "country": "FR",
    "calendar": {
        "weekdays": ["mon", "tue", "wed", "thu", "fri"],
        "opens": "08:00",
        "closes": "20:00",
        "holidays": "observe",
    },
    "levels": [
        {
            "code": "first_reminder", "threshold_days": 5, "channels": ["email"],
            "template": "first_reminder",
        },
        {
            "code": "second_reminder", "threshold_days": 8, "gap_days": 3, "channels": ["email"],
            "template": "second_reminder",
        },
    ],
}  # fmt: skip
RULES = {"promise_days_max": 20, "min_instalment": {"EUR": "150.00"}}
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
LINK = re.compile(r"https?://\S+/p/[A-Za-z0-9_-]{22}")


@pytest.fixture(scope="module")
def links(stack: Stack) -> dict[str, str]:
    """On 11 March everybody had a first reminder; the link of each debtor's e-mail."""
    stack.make_tenant(TENANT, sandbox_starts_on=date(2026, 2, 1))
    stack.call("PUT", "engine", "/v1/policies/quick", TENANT, POLICY)
    stack.call("PUT", "engine", "/v1/default-policy", TENANT, {"policy_id": "quick"})
    stack.call("PUT", "engine", "/v1/plan-rules", TENANT, RULES)
    for debtor_id in DEBTORS:
        debtor = {
            "name": f"Boulangerie {debtor_id}", "kind": "business", "country": "FR",
            "contacts": {"emails": [f"{debtor_id}@debtor.example"]},
        }  # fmt: skip
        stack.call("PUT", "ingest", f"/v1/debtors/{debtor_id}", TENANT, debtor)
        invoice = {
            "debtor_id": debtor_id, "issued_on": "2026-02-02", "due_on": "2026-03-05",
            "currency": "EUR", "amount": "1000.00",
        }  # fmt: skip
        stack.call("PUT", "ingest", f"/v1/invoices/i-{debtor_id}", TENANT, invoice)
    walk(stack, "2026-03-11")
    mails = mails_by_recipient(stack)
    assert {name: len(found) for name, found in mails.items()} == {
        f"{debtor_id}@debtor.example": 1 for debtor_id in DEBTORS
    }
    found = {
        debtor_id: LINK.findall(whole(stack, mails[f"{debtor_id}@debtor.example"][0]))
        for debtor_id in DEBTORS
    }
    assert all(len(set(urls)) == 1 for urls in found.values()), found
    return {debtor_id: urls[0] for debtor_id, urls in found.items()}


def walk(stack: Stack, day: str, tenant: str = TENANT) -> None:
    path = "/v1/clock?wait_s=90"
    assert stack.call("POST", "engine", path, tenant, {"advance_to": day})["settled"]


def mails_by_recipient(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """E-mails that were caught, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for mail in stack.caught(TENANT):
        found.setdefault(mail["recipients"][0], []).append(mail)
    return found


def levels_sent(stack: Stack) -> dict[str, list[str]]:
    """The levels of the e-mails that each address got."""
    mails = mails_by_recipient(stack)
    return {
        name.partition("@")[0]: [mail["level"].partition(" ")[0] for mail in found]
        for name, found in mails.items()
    }


def whole(stack: Stack, mail: dict[str, Any]) -> str:
    """The text of a caught e-mail without the limit of the list."""
    url = f"{stack.connection.urls['catcher']}/api/messages/{mail['id']}"
    return str(httpx.get(url, timeout=30).json()["text"])


def await_that(what: str, seen: Callable[[], bool]) -> None:
    """Services hear of one another by events: wait until they did."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if seen():
            return
        time.sleep(0.1)
    raise AssertionError(what)


def taken(stack: Stack, debtor_id: str) -> list[dict[str, Any]]:
    """What the engine made of a debtor's answers."""
    return stack.pages("engine", "/v1/responses", TENANT, debtor_id=debtor_id)


def obstacles(stack: Stack, debtor_id: str) -> dict[str, str]:
    """What stands in the way of the next reminder, in the engine's words by its code."""
    found = stack.call("GET", "engine", f"/v1/explain/i-{debtor_id}", TENANT)
    return {each["code"]: each["words"] for each in found["obstacles"]}


def test_what_debtors_answer_on_their_pages_holds_the_next_reminder_back_and_is_explained(
    stack: Stack, links: dict[str, str]
) -> None:
    answer_all(links)
    answered = sorted(set(DEBTORS) - {"silent", "payer"})
    await_that("the engine took no answer", lambda: all(taken(stack, one) for one in answered))

    made = {one: [(row["kind"], row["state"]) for row in taken(stack, one)] for one in answered}
    assert made == {
        "promise": [("promise", "applied")],
        "dispute": [("dispute", "applied")],
        "partly": [("dispute", "applied")],
        "plan": [("plan", "applied")],
        "paid": [("claim", "applied")],
        "moved": [("reply", "open")],
    }
    said = {one: answers_shown(links[one]) for one in ("promise", "plan", "dispute")}
    assert said == {"promise": ["accepté"], "plan": ["accepté"], "dispute": ["reçu"]}
    holds = {
        one: [hold["kind"] for hold in stack.pages("engine", "/v1/holds", TENANT, debtor_id=one)]
        for one in answered
    }
    assert holds == {
        "promise": ["promise"],
        "dispute": ["dispute"],
        "partly": ["dispute"],
        "plan": ["plan"],
        "paid": ["pending_collection"],
        "moved": [],
    }
    why = {one: obstacles(stack, one) for one in DEBTORS}
    assert {one: sorted(found) for one, found in why.items()} == {
        "silent": [],
        "promise": ["held"],
        "dispute": ["held"],
        "partly": [],
        "plan": ["held"],
        "paid": ["held"],
        "moved": [],
        "payer": [],
    }
    assert "promise to pay" in why["promise"]["held"]
    assert "disputed by the debtor (portal)" in why["dispute"]["held"]
    assert "payment plan" in why["plan"]["held"]
    assert "says it paid on 2026-03-10 (portal)" in why["paid"]["held"]

    accept_the_new_address(stack)
    await_that(
        "what a person accepted is still to be read",
        lambda: [row["state"] for row in taken(stack, "moved")] == ["applied"],
    )
    walk(stack, "2026-03-14")

    both = ["first_reminder", "second_reminder"]
    assert (
        levels_sent(stack)
        == {
            "silent": both,
            "payer": both,
            "partly": both,  # what is not disputed is asked for
            "promise": both[:1],
            "dispute": both[:1],
            "plan": both[:1],
            "paid": both[:1],
            "moved": both[:1],
            "new": both[1:],  # the address that the debtor corrected
        }
    )


def test_a_person_opens_the_words_and_the_file_of_a_dispute_as_they_were_sent(
    stack: Stack,
) -> None:
    disputes = stack.pages("notifier", "/v1/responses", TENANT, kind="dispute", debtor_id="dispute")

    path = f"/v1/responses/{disputes[0]['response_id']}"
    opened = stack.call("GET", "notifier", path, TENANT)
    url = f"{stack.connection.urls['notifier']}{path}/files/1"
    file = httpx.get(url, headers=stack.headers(TENANT), timeout=30)

    assert len(disputes) == 1
    assert opened["note"] == {"text": "Le pain était trop sec.", "file_name": "photo.pdf"}
    assert file.content == PDF


def test_a_link_shows_nothing_and_takes_no_answer_any_more_when_its_invoice_is_paid(
    stack: Stack, links: dict[str, str]
) -> None:
    with Visitor(links["payer"]) as payer:
        payer.look()
        assert "i-payer" in payer.words
        payer.look("promise")
        form = payer.form
        payment = {
            "debtor_id": "payer", "currency": "EUR", "amount": "1000.00",
            "value_date": "2026-03-11",
            "allocations": [{"invoice_id": "i-payer", "amount": "1000.00"}],
        }  # fmt: skip
        stack.call("PUT", "ingest", "/v1/payments/p-payer", TENANT, payment)

        payer.answer({"extent": "whole", "on": form.most["on"]})
        assert (payer.status, payer.links) == (200, ["#main"])
        assert "Plus rien n’est dû" in payer.words
        payer.look()

    assert payer.links == ["#main"]
    assert "i-payer" not in payer.words
    assert "1 000,00" not in payer.words
    assert stack.pages("notifier", "/v1/responses", TENANT, debtor_id="payer") == []


def answers_shown(link: str) -> list[str]:
    """What the page says became of each answer."""
    page = httpx.get(link, timeout=30).text
    return re.findall(r'<span class="tag">([^<]+)</span>', page)


def answer_all(links: dict[str, str]) -> None:
    """What each of them says on the page, as a person would."""
    with Visitor(links["promise"]) as promiser:
        promiser.look().look("promise")
        # Twenty days, as the engine allows, from the 11th, where its clock stands.
        assert (promiser.form.least["on"], promiser.form.most["on"]) == ("2026-03-11", "2026-03-31")
        promiser.answer({"extent": "whole", "on": "2026-03-31"})
        assert "31 mars 2026" in promiser.words
    with Visitor(links["dispute"]) as disputer:
        disputer.look().look("dispute").answer(
            {"reason": "quality", "extent": "whole", "text": "Le pain était trop sec."},
            file=("photo.pdf", PDF, "application/pdf"),
        )
        assert "Merci" in disputer.words
    with Visitor(links["partly"]) as partly:
        partly.look().look("dispute").answer(
            {"reason": "price", "extent": "part", "amount": "400,00", "text": "Trop cher."}
        )
        assert "Merci" in partly.words
    with Visitor(links["plan"]) as planner:
        planner.look().look("plan")
        assert "Chaque versement d’au moins 150,00 €" in planner.words
        planner.answer(
            {"first": "400,00", "first_on": "2026-03-20", "count": "4", "interval": "monthly"}
        )
        assert "20 juin 2026 200,00 €" in planner.words
    with Visitor(links["paid"]) as claimant:
        claimant.look().look("paid").answer({"amount": "1000,00", "paid_on": "2026-03-10"})
        assert "Merci" in claimant.words
    with Visitor(links["moved"]) as mover:
        mover.look().look("contact").answer({"email": "new@debtor.example"})
        assert "Merci" in mover.words


def accept_the_new_address(stack: Stack) -> None:
    """A person looks at the proposal and accepts it; the ledger hears of it."""
    proposals = stack.pages("notifier", "/v1/responses", TENANT, state="proposed")
    assert [row["debtor_id"] for row in proposals] == ["moved"]
    decide = f"/v1/responses/{proposals[0]['response_id']}/accept"
    stack.call("POST", "notifier", decide, TENANT)
    await_that(
        "the ledger heard of no new address",
        lambda: (
            stack.call("GET", "ingest", "/v1/debtors/moved", TENANT)["contacts"]["emails"]
            == ["new@debtor.example"]
        ),
    )


def test_the_link_in_a_text_and_on_paper_opens_the_same_invoices(stack: Stack) -> None:
    tenant = "paper"
    stack.make_tenant(tenant, sandbox_starts_on=date(2026, 2, 1))
    level = {**POLICY["levels"][0], "channels": ["sms", "letter"]}
    stack.call("PUT", "engine", "/v1/policies/paper", tenant, POLICY | {"levels": [level]})
    stack.call("PUT", "engine", "/v1/default-policy", tenant, {"policy_id": "paper"})
    debtor = {
        "name": "Librairie du Port", "kind": "business", "country": "FR",
        "contacts": {
            "phones": ["+33639981234"],
            "address": {
                "lines": ["2 quai du Port"], "postcode": "13002", "city": "Marseille",
                "country": "FR",
            },
        },
    }  # fmt: skip
    stack.call("PUT", "ingest", "/v1/debtors/d-1", tenant, debtor)
    invoice = {
        "debtor_id": "d-1", "issued_on": "2026-02-02", "due_on": "2026-03-05",
        "currency": "EUR", "amount": "1000.00",
    }  # fmt: skip
    stack.call("PUT", "ingest", "/v1/invoices/i-1", tenant, invoice)
    walk(stack, "2026-03-11", tenant)

    texts = [caught["text"] for caught in stack.caught(tenant) if caught["via"] == "twilio"]
    folder = Path(stack.connection.spool_folder) / tenant
    codes = [code for letter in folder.rglob("*.pdf") for code in scanned(letter)]
    in_text, on_paper = texts[0].split()[-1], next(code for code in codes if "/p/" in code)

    assert (len(texts), len(codes)) == (1, 2)
    assert in_text != on_paper
    for url in (in_text, on_paper, on_paper.replace("-", "")):
        with Visitor(url) as visitor:
            visitor.look()
            assert "i-1" in visitor.words
            assert "1 000,00" in visitor.words


def scanned(letter: Path) -> list[str]:
    """What the codes on a letter say."""
    with closing(pypdfium2.PdfDocument(letter)) as document:
        return [
            found.text
            for page in document
            for found in zxingcpp.read_barcodes(_rows(page.render(scale=3, grayscale=True)))
        ]


def _rows(bitmap: pypdfium2.PdfBitmap) -> memoryview:
    return memoryview(bytes(bitmap.buffer)).cast("B", (bitmap.height, bitmap.stride))

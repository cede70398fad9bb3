"""No message says that a letter comes too where nobody can print it or no post could deliver it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dunning_common.events.contacts import PostalAddress
from dunning_common.events.dunning import Channel
from notifier.content.model import RenderRequest, TemplateError
from notifier.content.render import Renderer
from notifier.content.samples import sample_request
from tests.unit.notifier_content.conftest import plain

ADDRESS = PostalAddress(lines=("1 rue A",), postcode="69001", city="Lyon", country="FR")
NO_POSTCODE = ADDRESS.model_copy(update={"postcode": ""})
NO_CITY = ADDRESS.model_copy(update={"city": " "})
NO_STREET = ADDRESS.model_copy(update={"lines": (" ",)})
HOME = PostalAddress(lines=("1 High St",), postcode="HA1 2AB", city="Harrow", country="GB")
BY_POST = "également adressée par lettre recommandée"
EFFECT = "La présente vaut mise en demeure au sens des articles 1231-6 et 1344"
EVERYTHING = frozenset({"email", "sms", "letter", "registered_letter"})


def asked(
    template: str,
    channel: Channel,
    language: str,
    *also: Channel,
    address: PostalAddress | None = ADDRESS,
    ways: frozenset[str] | None = EVERYTHING,
) -> RenderRequest:
    charges = None if template == "formal_notice" else False
    request = sample_request(template, channel, language, charges=charges)
    others = tuple(request.message.model_copy(update={"channel": name}) for name in also)
    return replace(
        request,
        notice=request.notice.model_copy(update={"messages": (request.message, *others)}),
        contacts=request.contacts.model_copy(update={"address": address}),
        ways=ways,
    )


def mail(renderer: Renderer, request: RenderRequest) -> str:
    return plain(renderer.render(request).text or "")


def test_a_formal_notice_tells_of_the_registered_letter_that_goes(renderer: Renderer) -> None:
    text = mail(renderer, asked("formal_notice", "email", "fr", "registered_letter"))

    assert BY_POST in text
    assert EFFECT not in text


@pytest.mark.parametrize("address", [None, NO_POSTCODE, NO_CITY, NO_STREET])
def test_where_no_post_could_deliver_the_mail_is_the_formal_notice_itself(
    renderer: Renderer, address: PostalAddress | None
) -> None:
    text = mail(
        renderer, asked("formal_notice", "email", "fr", "registered_letter", address=address)
    )

    assert BY_POST not in text
    assert EFFECT in text


def test_where_nobody_prints_letters_the_mail_is_the_formal_notice_itself(
    renderer: Renderer,
) -> None:
    ways = frozenset({"email", "letter"})

    text = mail(renderer, asked("formal_notice", "email", "fr", "registered_letter", ways=ways))

    assert BY_POST not in text
    assert EFFECT in text


@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "it", "nl", "pl", "pt"])
def test_a_formal_notice_by_mail_alone_says_what_a_letter_would_say(
    renderer: Renderer, language: str
) -> None:
    """What the mail alone says beside the one that announces a letter is the letter's effect."""
    alone = renderer.fill(asked("formal_notice", "email", language))["closing"]
    announcing = renderer.fill(asked("formal_notice", "email", language, "registered_letter"))
    letter = renderer.fill(asked("formal_notice", "letter", language))["closing"]

    effect = next(iter(set(alone.splitlines()) - set(announcing["closing"].splitlines())))
    assert effect in letter.splitlines()


@pytest.mark.parametrize(("address", "told"), [(ADDRESS, True), (NO_POSTCODE, False)])
def test_a_text_tells_of_a_registered_letter_only_where_one_goes(
    renderer: Renderer, address: PostalAddress, *, told: bool
) -> None:
    request = asked("formal_notice", "sms", "fr", "registered_letter", address=address)

    assert ("lettre recommandée" in plain(renderer.render(request).text or "")) is told


def claim(
    *also: Channel,
    address: PostalAddress | None = HOME,
    ways: frozenset[str] | None = EVERYTHING,
) -> RenderRequest:
    request = asked("letter_before_action", "email", "en", *also, address=address, ways=ways)
    notice = request.notice.model_copy(update={"debtor_kind": "consumer", "debtor_country": "GB"})
    return replace(
        request,
        notice=notice,
        contacts=request.contacts.model_copy(update={"name": "Jane Smith"}),
    )


def test_a_claim_to_a_person_goes_by_mail_beside_the_letter_with_the_forms(
    renderer: Renderer,
) -> None:
    text = mail(renderer, claim("registered_letter"))

    assert "Enclosed with the letter that we are posting to you" in text


@pytest.mark.parametrize(
    ("request_", "remedy"),
    [
        (claim(), "give the level a letter channel too"),
        (
            claim("registered_letter", address=HOME.model_copy(update={"postcode": ""})),
            "the postcode is missing: correct the debtor's contacts",
        ),
        (claim("letter", address=None), "there is none: correct the debtor's contacts"),
        (
            claim("registered_letter", ways=frozenset({"email", "letter"})),
            "no letters are sent from here: configure the channel",
        ),
    ],
)
def test_a_claim_to_a_person_that_cannot_be_posted_is_not_mailed_and_says_what_to_do(
    renderer: Renderer, request_: RenderRequest, remedy: str
) -> None:
    with pytest.raises(TemplateError, match="Pre-Action Protocol") as refused:
        renderer.render(request_)

    assert remedy in str(refused.value)

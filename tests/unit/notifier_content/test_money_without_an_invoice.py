"""Money that came in and pays no invoice yet is shown to who sent it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dunning_common.events.dunning import UnallocatedMoney
from notifier.content.model import RenderRequest
from notifier.content.render import Renderer
from notifier.content.samples import sample_request

SHOWN = {"fr": "75,25\xa0€", "en": "€75.25", "de": "75,25\xa0€"}


def with_money(request: RenderRequest, *money: UnallocatedMoney) -> RenderRequest:
    return replace(request, notice=request.notice.model_copy(update={"unallocated": money}))


@pytest.mark.parametrize("language", SHOWN)
def test_money_that_no_invoice_is_paid_with_is_named_below_the_table(
    renderer: Renderer, language: str
) -> None:
    request = sample_request("first_reminder", "email", language)
    money = UnallocatedMoney(currency="EUR", amount_minor=7_525)

    without = renderer.render(with_money(request))
    shown = renderer.render(with_money(request, money))

    for part in (shown.text, shown.html):
        assert SHOWN[language] in (part or "").replace("&nbsp;", "\xa0")
    assert SHOWN[language] not in (without.text or "")

"""Made-up lives of invoices, for properties."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import strategies as st

from kpi.domain.facts import Outcome
from kpi.testing import Story

START = date(2026, 1, 1)
days = st.integers(min_value=0, max_value=140).map(lambda n: START + timedelta(days=n))


@st.composite
def stories(draw: st.DrawFn, *, in_order: bool = False) -> Story:
    """A tenant with a few invoices to which anything happens; `in_order` keeps to the calendar."""
    story = Story()
    names = [f"I{number}" for number in range(draw(st.integers(min_value=1, max_value=3)))]
    for name in names:
        issued = draw(days)
        story.issue(
            name,
            draw(st.integers(min_value=0, max_value=10_000)),
            on=issued,
            due_on=issued + timedelta(days=draw(st.integers(min_value=0, max_value=60))),
            debtor_id=draw(st.sampled_from(["D-1", "D-2"])),
        )
    when = {name: story._invoices[name].issued_on for name in names}
    for _ in range(draw(st.integers(min_value=0, max_value=12))):
        name = draw(st.sampled_from(names))
        on = (
            when[name] + timedelta(days=draw(st.integers(min_value=0, max_value=20)))
            if in_order
            else draw(days)
        )
        when[name] = max(when[name], on)
        _happen(draw, story, name, on)
    if draw(st.booleans()):
        story.register(zone=draw(st.sampled_from(["Europe/Paris", "Pacific/Auckland", "UTC"])))
    return story


def _happen(draw: st.DrawFn, story: Story, name: str, on: date) -> None:
    owed = story.open_minor(name)
    amount = draw(st.integers(min_value=0, max_value=10_000))
    match draw(
        st.sampled_from(
            [
                "pay",
                "part",
                "reverse",
                "credit",
                "amend",
                "move",
                "cancel",
                "off",
                "charge",
                "pay charge",
                "remind",
                "cash",
            ]
        )
    ):
        case "pay":
            story.pay(name, on=on)
        case "part":
            story.pay(name, min(owed, amount), on=on)
        case "reverse":
            story.reverse(name, amount, on=on)
        case "credit":
            story.credit(name, min(owed, amount), on=on)
        case "amend":
            story.amend(name, on=on, amount_minor=amount)
        case "move":
            story.amend(name, on=on, due_on=draw(days))
        case "cancel":
            story.cancel(name, on=on)
        case "pay charge":
            charged = story._invoices[name].charges_open_minor
            story.pay_charge(name, min(charged, amount), on=on)
        case "off":
            story.write_off(name, on=on)
        case "charge":
            story.charge(name, amount, on=on)
        case "cash":
            story.cash(amount, on=on)
        case _:
            outcomes = draw(st.lists(st.sampled_from(Outcome), min_size=1, max_size=3, unique=True))
            story.remind([name], at=on, outcomes=outcomes, level_no=draw(st.integers(1, 3)))

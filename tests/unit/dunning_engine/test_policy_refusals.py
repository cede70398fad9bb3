"""What is wrong with a policy is refused before it is stored: with line, column and the remedy."""

from __future__ import annotations

import pytest

from dunning_engine.adapters.policy_yaml import PolicyTextError, parse_policy

GOOD = """\
name: Ours
country: FR
calendar: {weekdays: [mon, tue], opens: "08:00", closes: "20:00"}
levels:
  - code: hello
    threshold_days: -3
    channels: [email]
    template: courtesy
  - code: please
    threshold_days: 7
    channels: [email, sms]
    template: first_reminder
    when: {countries: [FR], minimum: {EUR: "15.00"}}
  - code: demand
    threshold_days: 21
    gap_days: 14
    channels: [letter]
    template: formal_notice
    charges: [interest]
  - code: over
    threshold_days: 46
    gap_days: 10
    final: agency
"""


def test_the_policy_that_the_refusals_start_from_is_fine():
    assert parse_policy(GOOD, policy_id="ours", version=1).levels[-1].final == "agency"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("template: formal_notice", "template: threat", 18, "choose one of courtesy"),
        ("channels: [letter]", "channels: [pigeon]", 17, "choose one of email"),
        ("country: FR", "country: XX", 2, "choose one of"),
        ("final: agency", "final: prison", 23, "choose one of agency"),
        ("charges: [interest]", "charges: [tip]", 19, "choose one of interest"),
        ("countries: [FR]", "countries: [France]", 13, "two letters"),
        ("code: demand", "code: please", 14, "is used before"),
        ("threshold_days: 21", "threshold_days: 7", 15, "must be more than 7"),
        ("threshold_days: 21", "threshold_days: -21", 15, "must be more than 7"),
        ("threshold_days: -3", "threshold_days: -400", 6, "from -365 to"),
        ("gap_days: 14", "gap_days: -1", 16, "from 0 to"),
        ("gap_days: 14", "gap_days: 0", 16, "would go out on one day"),
        ("gap_days: 14", "gap_days: 14\n    gap_days: 15", 17, "stands here twice"),
        ("name: Ours", "name: Ours\nname: Mine", 2, "stands here twice"),
        ("gap_days: 14", "gap: 14", 16, "unknown key"),
        ("name: Ours", "nom: Ours", 1, "unknown key"),
        (
            "threshold_days: -3",
            "threshold_days: -3\n    anchor: previous_level",
            7,
            "none before it",
        ),
        (
            "threshold_days: -3",
            "threshold_days: -3\n    charges: [interest]",
            7,
            "before the due date",
        ),
        ('opens: "08:00"', 'opens: "21:00"', 3, "must be before"),
        ("[mon, tue]", "[mon, mon]", 3, "listed twice"),
        ('"15.00"', '"15.001"', 13, "EUR"),
        ("levels:", "levels: []\nlevel:", 4, "at least one level"),
        ("final: agency", "final: agency\n    channels: [email]", 24, "sends nothing"),
        ("country: FR", "grace_days: -1", 2, "from 0 to"),
    ],
)
def test_a_mistake_is_told_at_its_line(old: str, new: str, line: int, words: str):
    assert old in GOOD

    with pytest.raises(PolicyTextError) as refused:
        parse_policy(GOOD.replace(old, new, 1), policy_id="ours", version=1)

    problems = refused.value.problems
    assert any(problem.line == line and words in problem.message for problem in problems), problems
    assert all(problem.column >= 1 for problem in problems)

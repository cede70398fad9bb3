"""Reading and checking policies: documents, YAML text, the built-in ones, the JSON Schema."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from datetime import time

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.adapters.builtin_policies import (
    BUILT_IN_IDS,
    builtin_policies,
    builtin_text,
    builtin_versions,
)
from dunning_engine.adapters.policy_yaml import TEXT_MAX, PolicyTextError, parse_policy
from dunning_engine.domain.document import PolicyInvalidError
from dunning_engine.domain.policy_document import read_policy
from dunning_engine.domain.policy_schema import policy_schema
from dunning_engine.domain.policy_writing import to_document

GOOD = {
    "name": "Ours",
    "country": "FR",
    "calendar": {"weekdays": ["mon", "wed"], "opens": "09:00", "closes": "17:30"},
    "levels": [
        {"code": "hello", "threshold_days": -3, "channels": ["email"], "template": "courtesy"},
        {
            "code": "please",
            "threshold_days": 5,
            "channels": ["sms", "email"],
            "template": "first_reminder",
            "pay_within_days": 7,
            "minimum": {"EUR": "15.00", "JPY": 2000},
        },
        {
            "code": "now",
            "threshold_days": 15,
            "channels": ["letter"],
            "template": "formal_notice",
            "charges": ["interest"],
        },
        {"code": "over", "threshold_days": 30, "gap_days": 9, "final": "agency"},
    ],
}

RICH = {
    "name": "Everything",
    "country": "FR",
    "resume_days": 2,
    "quiet_after_payment_days": 3,
    "contact_budget": {"max_contacts": 3, "days": 7, "quiet_days": 1},
    "consolidation": "invoice",
    "separate_tags": ["export"],
    "payment_feed_hours": 48,
    "unmatched_receipts": "hold",
    "served_when": "delivered",
    "delivery_days": 9,
    "levels": [
        {
            "code": "hello",
            "threshold_days": 10,
            "anchor": "invoice_date",
            "counting": "business_days",
            "channels": ["email"],
            "fallback": ["letter"],
            "template": "courtesy",
            "when": {
                "minimum": {"EUR": "50.00"},
                "maximum": {"EUR": "5000.00"},
                "debtor_minimum": {"EUR": "100.00"},
                "invoices_at_least": 1,
                "invoices_at_most": 9,
                "kinds": ["business"],
                "countries": ["BE", "FR"],
                "segments": ["key"],
                "risks": ["low"],
                "tags": ["a"],
                "without_tags": ["b"],
            },
            "otherwise": "wait",
        },
        {
            "code": "please",
            "threshold_days": 5,
            "anchor": "previous_level",
            "channels": ["email"],
            "template": "first_reminder",
            "approval": True,
            "credit_block": True,
            "beyond_budget": True,
            "fee": {
                "fixed": {"EUR": "5.00"},
                "percent": "1.5",
                "tiers": {"EUR": [{"up_to": "100.00", "amount": "1.00"}, {"amount": "2.00"}]},
                "maximum": {"EUR": "50.00"},
                "per": "notice",
                "consumers": True,
            },
        },
        {"code": "over", "threshold_days": 60, "anchor": "end_of_month", "final": "court_file"},
    ],
}


def read(document):
    return read_policy(document, policy_id="ours", version=3)


def changed(*path_and_value, base=GOOD):
    """The base with one value replaced (or, for REMOVED, taken out)."""
    *path, value = path_and_value
    document = deepcopy(base)
    place = document
    for part in path[:-1]:
        place = place[part]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


REMOVED = object()


class TestReading:
    def test_a_document_becomes_a_policy(self):
        policy = read(GOOD)

        assert policy.key == ("ours", 3)
        assert policy.weekdays == {0, 2}
        assert (policy.opens, policy.closes) == (time(9), time(17, 30))
        assert policy.observe_holidays
        assert policy.levels[1].channels == ("email", "sms")
        assert policy.levels[1].minimum_minor == (("EUR", 1500), ("JPY", 2000))
        assert policy.levels[1].least_minor("EUR") == 1500
        assert policy.levels[1].least_minor("USD") == 0
        assert policy.levels[3].final == "agency"

    def test_without_a_gap_the_distance_of_the_thresholds_is_kept(self):
        assert [level.gap_days for level in read(GOOD).levels] == [0, 0, 10, 9]

    def test_the_canonical_document_reads_back_to_the_same_policy(self):
        policy = read(GOOD)

        again = read_policy(
            json.loads(json.dumps(to_document(policy))), policy_id="ours", version=3
        )

        assert again == policy
        assert to_document(again) == to_document(policy)

    def test_everything_that_can_be_said_is_read_and_written_back(self):
        policy = read(RICH)

        assert to_document(policy) == RICH | {
            "calendar": {
                "weekdays": ["mon", "tue", "wed", "thu", "fri"],
                "opens": "08:00",
                "closes": "20:00",
                "holidays": "observe",
            },
            "grace_days": 0,
            "max_attempts": 3,
            "levels": [
                level | {"gap_days": gap_days}
                for level, gap_days in zip(RICH["levels"], (0, 0, 1), strict=True)
            ],
        }
        assert read(to_document(policy)) == policy

    def test_a_policy_needs_no_country_while_it_charges_nothing(self):
        document = changed("country", REMOVED)
        del document["levels"][2]["charges"]

        assert read(document).country is None


class TestProblems:
    @pytest.mark.parametrize(
        ("document", "problem"),
        [
            ([], "policy: must be a mapping with the keys"),
            (changed("colour", "red"), "colour: unknown key; known ones are name, country"),
            (changed("name", REMOVED), "policy: 'name' is missing"),
            (changed("name", 5), "name: must be text"),
            (changed("levels", REMOVED), "policy: 'levels' is missing"),
            (changed("levels", []), "levels: must be a list of at least one level"),
            (changed("levels", GOOD["levels"] * 6), "levels: has 24 levels; at most 20"),
            (changed("country", "XX"), "country: 'XX' is unknown; choose one of FR, DE, GB"),
            (changed("country", None), "levels[2].charges: charges need a 'country'"),
            (changed("grace_days", -1), "grace_days: must be a whole number from 0 to 365"),
            (changed("grace_days", True), "grace_days: must be a whole number"),
            (changed("max_attempts", 0), "max_attempts: must be a whole number from 1"),
            (changed("calendar", "always"), "calendar: must be a mapping"),
            (changed("calendar", "weekdays", ["funday"]), "calendar.weekdays[0]: 'funday' is"),
            (changed("calendar", "weekdays", []), "calendar.weekdays: must be a list"),
            (changed("calendar", "weekdays", ["mon", "mon"]), "weekdays[1]: 'mon' is listed twice"),
            (
                changed("calendar", "opens", "17:30"),
                "calendar.opens: opens at 17:30; must be before",
            ),
            (
                changed("calendar", "opens", "24:00"),
                'calendar.opens: must be a time of day such as "',
            ),
            (changed("calendar", "closes", 1200), "calendar.closes: must be a time of day"),
            (changed("calendar", "holidays", "maybe"), "calendar.holidays: 'maybe' is unknown"),
            (changed("levels", 0, "level"), "levels[0]: must be a mapping with the keys code"),
            (changed("levels", 0, "code", "Bad Code"), "levels[0].code: must be a code of small"),
            (changed("levels", 0, "code", REMOVED), "levels[0]: 'code' is missing"),
            (changed("levels", 1, "code", "hello"), "levels[1].code: 'hello' is used before"),
            (changed("levels", 1, "threshold_days", -3), "threshold_days: -3 must be more than -3"),
            (changed("levels", 1, "threshold_days", "5"), "threshold_days: must be a whole number"),
            (
                changed("levels", 1, "threshold_days", 10**9),
                "threshold_days: must be a whole number",
            ),
            (
                changed("levels", 2, "gap_days", -1),
                "levels[2].gap_days: must be a whole number from 0",
            ),
            (
                changed("levels", 2, "gap_days", 0),
                "gap_days: must be at least 1: 'please' and 'now'",
            ),
            (changed("levels", 0, "channels", ["fax"]), "levels[0].channels[0]: 'fax' is unknown"),
            (changed("levels", 0, "channels", "email"), "levels[0].channels: must be a list"),
            (changed("levels", 0, "channels", REMOVED), "levels[0]: 'channels' is missing"),
            (changed("levels", 0, "template", "rude"), "levels[0].template: 'rude' is unknown"),
            (
                changed("levels", 0, "charges", ["interest"]),
                "nothing can be charged before the due",
            ),
            (changed("levels", 2, "charges", ["fee"]), "levels[2].charges[0]: 'fee' is unknown"),
            (changed("levels", 0, "pay_within_days", 0), "pay_within_days: must be a whole number"),
            (changed("levels", 1, "minimum", "15"), "levels[1].minimum: must map currencies"),
            (
                changed("levels", 1, "minimum", {"EUR": 15.5}),
                "minimum.EUR: must be an amount in quotes",
            ),
            (
                changed("levels", 1, "minimum", {"EUR": True}),
                "minimum.EUR: must be an amount in quotes",
            ),
            (changed("levels", 1, "minimum", {"EUR": "-1"}), "minimum.EUR: must be an amount of 0"),
            (changed("levels", 1, "minimum", {"XXQ": "1"}), "'XXQ' is not an ISO 4217 currency"),
            (changed("levels", 1, "minimum", {"JPY": "1.5"}), "JPY has 0 decimals"),
            (changed("levels", 3, "final", "mafia"), "levels[3].final: 'mafia' is unknown"),
            (
                changed("levels", 3, "template", "courtesy"),
                "levels[3].template: a final level sends",
            ),
            (
                changed("levels", 1, {"code": "x", "threshold_days": 1, "final": "agency"}),
                "levels[1].final: a final level must be the last",
            ),
        ],
    )
    def test_a_wrong_document_names_place_and_remedy(self, document, problem):
        with pytest.raises(PolicyInvalidError) as caught:
            read(document)

        assert problem in str(caught.value)

    @pytest.mark.parametrize(
        ("path", "value", "problem"),
        [
            (("resume_days",), -1, "resume_days: must be a whole number from 0"),
            (("contact_budget", "days"), REMOVED, "contact_budget: 'days' is missing"),
            (("contact_budget", "max_contacts"), 0, "max_contacts: must be a whole number from 1"),
            (("contact_budget", "per_month"), 3, "contact_budget.per_month: unknown key"),
            (("consolidation",), "company", "consolidation: 'company' is unknown"),
            (("separate_tags",), [], "separate_tags: must be a list of 1 to 50 names"),
            (("separate_tags",), [5], "separate_tags[0]: must be a name"),
            (("payment_feed_hours",), 0, "payment_feed_hours: must be a whole number from 1"),
            (("unmatched_receipts",), "shrug", "unmatched_receipts: 'shrug' is unknown"),
            (("served_when",), "read", "served_when: 'read' is unknown"),
            (("delivery_days",), 61, "delivery_days: must be a whole number from 1"),
            (("levels", 0, "anchor"), "birthday", "levels[0].anchor: 'birthday' is unknown"),
            (("levels", 0, "anchor"), "previous_level", "anchor: the first level has none before"),
            (("levels", 0, "threshold_days"), -1, "must be 0 or more: days before it are known"),
            (("levels", 0, "counting"), "moons", "levels[0].counting: 'moons' is unknown"),
            (("levels", 0, "fallback"), [], "levels[0].fallback: must be a list"),
            (("levels", 0, "when"), {}, "levels[0].when: asks nothing"),
            (("levels", 0, "when", "mood"), "bad", "levels[0].when.mood: unknown key"),
            (("levels", 0, "when", "kinds"), ["alien"], "when.kinds[0]: 'alien' is unknown"),
            (("levels", 0, "when", "countries"), ["France"], "'France' is no country"),
            (
                ("levels", 0, "when", "minimum"),
                {"EUR": "9999"},
                "minimum.EUR: is more than the max",
            ),
            (("levels", 0, "when", "invoices_at_least"), 10, "is more than the 9 at most"),
            (("levels", 0, "when", "tags"), ["b"], "without_tags: 'b' is asked for in 'tags'"),
            (("levels", 0, "otherwise"), "cry", "levels[0].otherwise: 'cry' is unknown"),
            (("levels", 1, "approval"), "yes", "levels[1].approval: must be true or false"),
            (("levels", 1, "fee"), {}, "levels[1].fee: names no fee"),
            (("levels", 1, "fee", "percent"), "101", "fee.percent: must be a percentage"),
            (("levels", 1, "fee", "percent"), 1.5, "fee.percent: must be a percentage"),
            (("levels", 1, "fee", "tiers", "EUR"), [], "fee.tiers.EUR: must be a list"),
            (
                ("levels", 1, "fee", "tiers", "EUR", 1, "up_to"),
                "50.00",
                "tiers.EUR[1].up_to: must be more than that of the tier before",
            ),
            (("levels", 1, "fee", "per"), "day", "levels[1].fee.per: 'day' is unknown"),
            (("levels", 2, "credit_block"), True, "levels[2].credit_block: a final level sends"),
            (("levels", 2, "final"), "duel", "levels[2].final: 'duel' is unknown"),
        ],
    )
    def test_a_wrong_word_of_the_richer_language_names_place_and_remedy(self, path, value, problem):
        with pytest.raises(PolicyInvalidError) as caught:
            read(changed(*path, value, base=RICH))

        assert problem in str(caught.value)

    def test_all_problems_are_reported_at_once(self):
        document = changed("country", "XX")
        document["levels"][0]["channels"] = ["fax", "pigeon"]
        document["levels"][3]["gap_days"] = -5

        with pytest.raises(PolicyInvalidError) as caught:
            read(document)

        assert [".".join(map(str, problem.path)) for problem in caught.value.problems] == [
            "country",
            "levels.0.channels.0",
            "levels.0.channels.1",
            "levels.3.gap_days",
        ]


YAML = """\
name: Ours
country: FR
calendar: {opens: 09:00, closes: 17:00}
levels:
  - code: hello
    threshold_days: 3
    channels: [email]
    template: courtesy
"""


def yaml_problems(text):
    with pytest.raises(PolicyTextError) as caught:
        parse_policy(text, policy_id="ours", version=1)
    return [str(problem) for problem in caught.value.problems]


class TestYaml:
    def test_times_need_no_quotes_and_country_codes_stay_text(self):
        policy = parse_policy(YAML, policy_id="ours", version=1)

        assert (policy.opens, policy.closes) == (time(9), time(17))
        (problem,) = yaml_problems(YAML.replace("FR", "NO"))
        assert problem.startswith("line 2, column 1: country: 'NO' is unknown")

    def test_json_is_read_as_well(self):
        assert parse_policy(json.dumps(GOOD), policy_id="ours", version=3) == read(GOOD)

    def test_problems_name_line_and_column_in_reading_order(self):
        text = YAML.replace("email", "fax").replace("name: Ours", "nmae: Ours").replace("3", "x")

        assert [problem.split(": ")[0] for problem in yaml_problems(text)] == [
            "line 1, column 1",
            "line 1, column 1",
            "line 6, column 5",
            "line 7, column 16",
        ]

    def test_what_is_missing_is_reported_where_it_belongs(self):
        text = YAML.replace("{opens: 09:00, closes: 17:00}", "{closes: 07:00}")

        assert yaml_problems(text) == [
            "line 3, column 1: calendar.opens: opens at 08:00; must be before 07:00"
        ]

    def test_a_key_that_stands_twice_is_refused(self):
        assert yaml_problems(YAML + "    template: formal_notice\n") == [
            "line 9, column 5: levels[0].template: 'template' stands here twice; keep one of them"
        ]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "line 1, column 1: policy: is empty"),
            ("# only a comment", "is empty"),
            ("levels: [", "line 1, column 10: policy: is not valid YAML"),
            ("\tname: x", "is not valid YAML"),
            ("a: &x 1\nb: *x", "line 2, column 4: policy: uses an alias (*)"),
            ("a: &x [*x]", "uses an alias"),
            ("[" * 5000, "is nested deeper than"),
            ("x: \x07", "is not valid YAML"),
            (b"\xff\xfe", "is not UTF-8 text"),
            ("# " + "x" * TEXT_MAX, "is longer than"),
            ("[a]: 1", "a key must be plain text"),
            ("just text", "must be a mapping"),
            ("name: x\n---\nname: y\n", "is not valid YAML"),
            ("!!python/object:os.system {}", "uses a tag (!)"),
        ],
    )
    def test_text_that_is_no_policy_is_refused_politely(self, text, problem):
        assert problem in "\n".join(yaml_problems(text))

    @given(st.text(max_size=300))
    def test_any_text_is_a_policy_or_a_list_of_problems(self, text):
        assert yaml_problems(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from([GOOD, RICH]), json_values, st.data())
def test_a_wrong_value_anywhere_is_a_problem_and_never_a_crash(base, value, data):
    document = deepcopy(base)
    place = document
    while True:
        key = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = value

    with suppress(PolicyTextError):
        parse_policy(json.dumps(document), policy_id="ours", version=3)
    with suppress(PolicyInvalidError):
        policy = read(document)
        assert read(to_document(policy)) == policy
        jsonschema_rs.validate(policy_schema(), to_document(policy))


class TestBuiltIn:
    def test_there_is_one_for_each_of_nine_countries_and_two_for_consumers(self):
        assert BUILT_IN_IDS == (
            "austria-b2b",
            "belgium-b2b",
            "belgium-consumer",
            "france-b2b",
            "germany-b2b",
            "ireland-b2b",
            "italy-b2b",
            "netherlands-b2b",
            "netherlands-consumer",
            "spain-b2b",
            "uk-b2b",
        )

    @pytest.mark.parametrize("policy_id", BUILT_IN_IDS)
    def test_each_satisfies_the_published_schema(self, policy_id):
        jsonschema_rs.validate(policy_schema(), to_document(builtin_policies()[policy_id]))

    @pytest.mark.parametrize("policy_id", BUILT_IN_IDS)
    def test_each_says_where_its_rules_come_from(self, policy_id):
        assert "#" in builtin_text(policy_id)

    def test_an_unknown_one_is_a_key_error(self):
        with pytest.raises(KeyError):
            builtin_text("mars-b2b")
        with pytest.raises(KeyError):
            builtin_text("uk-b2b", 99)

    def test_the_versions_that_open_cases_follow_are_kept_as_they_were(self):
        assert [
            (level.code, level.threshold_days, level.gap_days)
            for level in builtin_versions()["uk-b2b", 1].levels
        ][-2:] == [("letter_before_action", 42, 14), ("hand_over", 56, 14)]
        assert set(BUILT_IN_IDS) == {policy_id for policy_id, _ in builtin_versions()}
        assert all(parsed.key == key for key, parsed in builtin_versions().items())

    def test_the_ladders_of_france_germany_and_the_united_kingdom(self):
        ladders = {
            policy_id: [
                (level.code, level.threshold_days, level.gap_days, "+".join(level.channels))
                for level in builtin_policies()[policy_id].levels
            ]
            for policy_id in ("france-b2b", "germany-b2b", "uk-b2b")
        }

        assert ladders == {
            "france-b2b": [
                ("courtesy", -5, 0, "email"),
                ("first_reminder", 7, 0, "email"),
                ("second_reminder", 21, 14, "email+sms"),
                ("formal_notice", 36, 15, "email+registered_letter"),
                ("hand_over", 46, 10, ""),
            ],
            "germany-b2b": [
                ("first_reminder", 3, 0, "email"),
                ("second_reminder", 14, 11, "email"),
                ("final_demand", 28, 14, "email+letter"),
                ("hand_over", 42, 14, ""),
            ],
            "uk-b2b": [
                ("courtesy", -3, 0, "email"),
                ("first_reminder", 7, 0, "email"),
                ("second_reminder", 15, 8, "email+sms"),
                ("final_demand", 29, 14, "email+letter"),
                ("letter_before_action", 43, 14, "email+registered_letter"),
                ("letter_of_claim", 44, 15, "email+registered_letter"),
                ("hand_over_company", 58, 15, ""),
                ("hand_over", 75, 31, ""),
            ],
        }


class TestSchema:
    def test_it_refuses_what_the_reader_refuses_by_shape(self):
        schema = jsonschema_rs.validator_for(policy_schema())

        assert schema.is_valid(to_document(read(GOOD)))
        assert schema.is_valid(to_document(read(RICH)))
        for wrong in (
            changed("colour", "red"),
            changed("country", "XX"),
            changed("levels", []),
            changed("levels", 0, "channels", ["fax"]),
            changed("levels", 3, "template", "courtesy"),
            changed("calendar", "opens", "8"),
        ):
            assert not schema.is_valid(wrong)


def test_a_wait_for_reports_needs_a_policy_that_waits() -> None:
    with pytest.raises(PolicyInvalidError, match="delivery_days: is waited for only with"):
        read(RICH | {"served_when": "sent"})

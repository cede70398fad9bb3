"""What a new version changes: nothing for the same content, and every field that differs."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.domain.policy_diff import FieldChange, PartDiff, diff_policies, diff_rules
from dunning_engine.domain.policy_writing import to_document

FRANCE = to_document(builtin_policies()["france-b2b"])


def changed(**levels):
    """The French policy with some levels' fields changed."""
    document = deepcopy(FRANCE)
    for level in document["levels"]:
        level.update(levels.get(level["code"], {}))
    return document


def test_the_same_content_has_no_difference():
    assert diff_policies(FRANCE, deepcopy(FRANCE)).is_empty


def test_everything_is_new_when_there_was_nothing():
    found = diff_policies(None, FRANCE)

    assert {part.change for part in found.parts} == {"added"}
    assert len(found.parts) == len(FRANCE["levels"])
    assert FieldChange(field="name", old=None, new=FRANCE["name"]) in found.fields


def test_a_changed_field_of_a_level_is_shown_with_both_values():
    found = diff_policies(FRANCE, changed(first_reminder={"threshold_days": 9}))

    assert found.fields == ()
    assert found.parts == (
        PartDiff(
            code="first_reminder",
            change="changed",
            fields=(FieldChange(field="threshold_days", old=7, new=9),),
        ),
    )


def test_a_field_inside_a_group_is_named_with_dots():
    document = deepcopy(FRANCE)
    document["calendar"]["opens"] = "09:30"

    (change,) = diff_policies(FRANCE, document).fields

    assert (change.field, change.old, change.new) == ("calendar.opens", "08:00", "09:30")


def test_a_level_that_is_gone_and_one_that_came_are_shown_where_they_stand():
    document = deepcopy(FRANCE)
    codes = [level["code"] for level in document["levels"]]
    document["levels"][1] = document["levels"][1] | {"code": "phone_call"}

    found = diff_policies(FRANCE, document)

    assert [(part.code, part.change) for part in found.parts] == [
        (codes[1], "removed"),
        ("phone_call", "added"),
    ]


def test_levels_that_changed_places_say_so():
    document = deepcopy(FRANCE)
    document["levels"][0], document["levels"][1] = document["levels"][1], document["levels"][0]

    found = diff_policies(FRANCE, document)

    places = {part.code: part.fields[0] for part in found.parts}
    assert places["courtesy"] == FieldChange(field="place", old=1, new=2)
    assert places["first_reminder"] == FieldChange(field="place", old=2, new=1)


def test_a_level_put_in_between_moves_no_other():
    document = deepcopy(FRANCE)
    document["levels"].insert(1, {"code": "new_one", "threshold_days": 2})

    assert [part.code for part in diff_policies(FRANCE, document).parts] == ["new_one"]


def test_rules_are_compared_by_their_code():
    old = {"rules": [{"code": "a", "rank": 1, "when": {"tags": ["x"]}, "policy_id": "p"}]}
    new = {"rules": [{"code": "a", "rank": 1, "when": {"risks": ["y"]}, "policy_id": "q"}]}

    (part,) = diff_rules(old, new).parts

    assert {(c.field, str(c.old), str(c.new)) for c in part.fields} == {
        ("policy_id", "p", "q"),
        ("when.tags", "['x']", "None"),
        ("when.risks", "None", "['y']"),
    }


PART = st.fixed_dictionaries({"code": st.sampled_from("abcdef"), "days": st.integers(0, 3)})
DOCUMENTS = st.builds(
    lambda name, parts: {"name": name, "levels": parts},
    st.sampled_from("xy"),
    st.lists(PART, max_size=5, unique_by=lambda part: part["code"]),
)


@given(old=DOCUMENTS, new=DOCUMENTS)
def test_a_diff_is_empty_only_for_equal_documents_and_turns_round(old, new):
    there, back = diff_policies(old, new), diff_policies(new, old)

    assert there.is_empty == (old == new)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(p.code, turned[p.change]) for p in there.parts} == {
        (p.code, p.change) for p in back.parts
    }
    assert len({part.code for part in there.parts}) == len(there.parts)

"""A released contract never changes: every schema equals its snapshot, and the documents are fresh.

After adding a NEW event or shape, write its snapshot with
`python -m tests.unit.common.test_contracts_are_frozen`; it refuses to change one that exists.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dunning_common.events import catalogue
from dunning_common.events.registry import EVENT_TYPES, TOPICS

SNAPSHOTS = Path(__file__).parent / "schemas"
DOCS = Path(__file__).resolve().parents[3] / "docs"


def snapshot(name: str) -> Any:
    return json.loads((SNAPSHOTS / f"{name}.json").read_text())


SCHEMAS = catalogue.schemas()


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_released_contract_never_changes(name: str) -> None:
    path = SNAPSHOTS / f"{name}.json"
    assert path.exists(), f"{name} is new: write its snapshot (see the top of this file)"

    assert SCHEMAS[name] == snapshot(name), (
        f"{name} differs from what was released. Stored events must stay readable: "
        "leave it as it was and publish a V2 beside it."
    )


def test_no_contract_disappears() -> None:
    kept = {path.stem for path in SNAPSHOTS.glob("*.json")}

    assert kept == set(SCHEMAS)


def test_every_event_name_is_a_noun_a_verb_and_a_version() -> None:
    for name, event in EVENT_TYPES.items():
        stem, _, version = name.rpartition("V")
        assert stem, name
        assert version.isdigit(), name
        assert event.__doc__, f"{name} says nothing"


def test_every_event_belongs_to_the_topic_that_lists_it() -> None:
    for topic in TOPICS.values():
        for event in topic.events:
            assert event.topic == topic.name


def test_no_event_is_listed_twice() -> None:
    listed = [event.__name__ for topic in TOPICS.values() for event in topic.events]

    assert len(listed) == len(set(listed)) == len(EVENT_TYPES)


@pytest.mark.parametrize("name", catalogue.DOCUMENTS)
def test_the_documents_are_those_of_the_models(name: str, tmp_path: Path) -> None:
    catalogue.write(tmp_path)

    assert (DOCS / name).read_text() == (tmp_path / name).read_text(), "run `make events-docs`"


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = yaml.safe_load(catalogue.asyncapi_yaml())

    references = list(_references(document))
    for reference in references:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    assert len(references) > len(EVENT_TYPES)


def _references(node: Any) -> Any:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def write_new_snapshots() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for name, schema in SCHEMAS.items():
        path = SNAPSHOTS / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
            print(f"wrote {path.name}")


if __name__ == "__main__":
    write_new_snapshots()

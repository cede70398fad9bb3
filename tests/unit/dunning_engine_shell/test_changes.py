"""What a sweep is going to write, while it decides about one account after the other."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

from dunning_engine.records import Changes, NewRecord

NOW = datetime(2026, 4, 2, 8, tzinfo=UTC)


def test_what_a_failed_decision_added_is_forgotten_and_nothing_else() -> None:
    changes = Changes()
    for table in fields(changes):
        getattr(changes, table.name).append("of the account before")
    before = changes.mark()
    for table in fields(changes):
        getattr(changes, table.name).extend(["half", "of what was decided"])

    changes.back_to(before)

    for table in fields(changes):
        assert getattr(changes, table.name) == ["of the account before"], table.name


def test_nothing_is_forgotten_when_nothing_was_added() -> None:
    record = NewRecord(
        tenant="t", debtor_id="d", decision_id=UUID(int=1), decided_at=NOW, record=b""
    )
    changes = Changes(records=[record])

    changes.back_to(changes.mark())

    assert changes.records == [record]

"""The navigation of all pages: where each entry leads, and which one a page belongs to."""

from __future__ import annotations

import pytest

from dunning_common.web import Links

LINKS = Links(
    base={
        "invoice-ingest": "http://ledger.test",
        "dunning-engine": "http://engine.test",
        "notifier": "http://notifier.test",
        "kpi": "http://kpi.test",
    }
)


def test_the_pages_of_all_services_are_linked_and_ones_own_without_a_host() -> None:
    urls = [link.url for link in LINKS.navigation(service="notifier", path="/desk")]

    assert urls[:3] == ["http://kpi.test/", "http://engine.test/work", "/desk"]


@pytest.mark.parametrize(
    ("service", "path", "label"),
    [
        ("notifier", "/desk", "Messages"),
        ("notifier", "/desk/messages/1", "Messages"),
        ("dunning-engine", "/work", "Work"),
        ("kpi", "/", "Dashboard"),
        ("kpi", "/docs", "Figures API"),
        ("notifier", "/desks", None),
        ("dunning-engine", "/desk", None),
    ],
)
def test_a_page_is_marked_where_it_belongs(service: str, path: str, label: str | None) -> None:
    current = [link.label for link in LINKS.navigation(service=service, path=path) if link.current]

    assert current == ([label] if label else [])

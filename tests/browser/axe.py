"""Asks axe-core, from the package `axe-playwright-python` and so without network, what bars people.

Only finds what a machine can find: keyboard paths, words and looks are other tests' business.
"""

from __future__ import annotations

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
GRAVE = frozenset({"serious", "critical"})
_AXE = Axe()


async def barriers(page: Page, *, grave_only: bool = True) -> list[str]:
    """What axe finds on the page as it is now, one line per rule and element.

    Args:
        page: the page, loaded.
        grave_only: leave out what axe calls minor or moderate.
    """
    options = {"runOnly": {"type": "tag", "values": list(TAGS)}, "resultTypes": ["violations"]}
    response: dict[str, Any] = (await _AXE.run(page, options=options)).response
    return [
        f"{found['impact']} {found['id']}: {found['help']}: {node['html'][:200]}"
        for found in response["violations"]
        if not grave_only or found["impact"] in GRAVE
        for node in found["nodes"]
    ]

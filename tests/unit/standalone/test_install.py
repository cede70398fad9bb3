"""Setting up: an old Python is told what to do; our packages and the script's list agree."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "deploy" / "standalone" / "install.py"


@pytest.fixture(scope="module")
def script() -> Any:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT), run_name="install"))


def test_it_needs_nothing_but_the_standard_library() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(SCRIPT.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported <= sys.stdlib_module_names


def test_an_old_python_can_still_read_it() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))


def test_it_installs_every_distribution_of_ours(script: Any) -> None:
    distributions = {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("*/*/pyproject.toml")}

    assert set(script.OURS) == distributions


def test_make_says_what_can_be_made() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)

    wanted = ["run", "setup", "test", "check", "bench", "test-kafka", "e2e", "lock", "events-docs"]
    assert [name for name in wanted if f"make {name} " not in said.stdout] == []

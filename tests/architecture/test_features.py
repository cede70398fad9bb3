"""`docs/features.md` claims nothing that no test proves: every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "features.md"
ROWS_MIN = 50


def rows() -> list[list[str]]:
    """The cells of every feature: name, verdict, proof, remarks."""
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [found for found in cells if found[0] != "Feature"]


def proofs(cell: str) -> list[tuple[str, str]]:
    """File and name of each test in a cell."""
    return [(path, name) for path, name in re.findall(r"`([^`:]+)::([^`]+)`", cell)]


def names_in(path: Path) -> set[str]:
    """Tests, classes of tests, and what is assigned as one, in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_every_row_has_its_four_cells_and_a_verdict():
    found = rows()

    assert len(found) >= ROWS_MIN
    assert [row for row in found if len(row) != 4 or row[1] not in ("Y", "P", "N")] == []


def test_every_test_that_is_named_exists():
    missing = [
        f"{path}::{name}"
        for row in rows()
        for path, name in proofs(row[2])
        if not (ROOT / path).is_file() or name not in {*names_in(ROOT / path), "*"}
    ]

    assert missing == []


def test_no_claim_stands_without_a_test_and_no_lack_without_a_remark():
    unproved = [row[0] for row in rows() if row[1] != "N" and not proofs(row[2])]
    unsaid = [row[0] for row in rows() if row[1] != "Y" and row[3] == "-"]

    assert unproved == []
    assert unsaid == []

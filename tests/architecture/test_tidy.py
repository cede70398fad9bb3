"""House rules that a linter does not know, held for every file of ours.

Each rule says why it exists. A rule that has to be changed is changed here, with its reason.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for folder in ("libs", "services", "deploy") for path in ROOT.glob(f"{folder}/*/src")
)
PACKAGES = ("dunning_common", "invoice_ingest", "dunning_engine", "notifier", "kpi", "standalone")

FUNCTION_LINES_MAX = 90
COMPOSITION_LINES_MAX = 150  # `bootstrap.build` only names what is plugged into what
MODULE_LINES_MAX = 600

CLOCK_READERS = {
    "dunning_common/clock.py",  # the one place; everybody else is given an instant
    "notifier/testing.py",  # a simulated provider stamps its events with real time
    "dunning_common/events/envelope.py",  # `time` of an envelope is real time, never a business date
}
COMMITTERS = {
    "dunning_common/db.py",  # the unit of work
    "dunning_common/migrate.py",  # session settings of a migration, before its transaction
    "dunning_common/consumer.py",  # offsets at the broker: no transaction
    "dunning_common/kafka.py",
    "dunning_common/testing/bus.py",
}
CLOCK_CALLS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
}  # fmt: skip


@dataclass(frozen=True)
class Module:
    """A Python file of ours; `name` is its path below its source folder."""

    path: Path
    name: str

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


MODULES = [
    Module(path, path.relative_to(source).as_posix())
    for source in SOURCES
    for path in sorted(source.rglob("*.py"))
]
TESTS = [
    Module(path, path.relative_to(ROOT).as_posix()) for path in sorted(ROOT.glob("tests/**/*.py"))
]


def calls(module: Module) -> Iterator[tuple[str, int]]:
    """Every call as dotted words, such as `datetime.now`, with its line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def of_repository(*patterns: str) -> list[Path]:
    """Files that git knows or would take, by pattern."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z", "--", *patterns],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [path for name in names if (path := ROOT / name).is_file()]


def test_the_rules_look_at_something() -> None:
    assert {module.name.split("/", 1)[0] for module in MODULES} == set(PACKAGES)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        module.name
        for module in MODULES
        if module.text.strip()
        and "/migrations/" not in module.name
        and not ast.get_docstring(module.tree)
    ]

    assert silent == []


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {module.path.parent for module in [*MODULES, *TESTS]} - set(SOURCES)
    bare = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if not (folder / "__init__.py").exists() and folder.name not in ("migrations", "versions")
    ]

    assert sorted(bare) == []


def test_only_the_clock_reads_the_clock() -> None:
    """A business date that comes from the machine cannot be replayed, simulated or tested."""
    readers = [
        f"{module.name}:{line} {name}"
        for module in MODULES
        if module.name not in CLOCK_READERS
        for name, line in calls(module)
        if ".".join(name.split(".")[-2:]) in CLOCK_CALLS
    ]

    assert readers == []


def test_only_the_unit_of_work_commits() -> None:
    """A commit elsewhere splits state from its events: the outbox would no longer tell the truth."""
    strays = [
        f"{module.name}:{line}"
        for module in MODULES
        if module.name not in COMMITTERS
        for name, line in calls(module)
        if name.endswith(".commit")
    ]

    assert strays == []


def test_only_commands_print() -> None:
    """Services log: a line without level, time and name is lost in production."""
    printers = [
        f"{module.name}:{line}"
        for module in MODULES
        if not module.name.startswith("standalone/")
        for name, line in calls(module)
        if name == "print"
    ]

    assert printers == []


def test_functions_fit_on_a_screen() -> None:
    def limit(module: Module) -> int:
        return COMPOSITION_LINES_MAX if module.path.name == "bootstrap.py" else FUNCTION_LINES_MAX

    long = [
        f"{module.name}:{node.lineno} {node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for module in MODULES
        if "/versions/" not in module.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > limit(module)
    ]

    assert long == []


def test_modules_keep_to_one_noun() -> None:
    long = [
        f"{module.name} ({module.text.count(chr(10))} lines)"
        for module in MODULES
        if module.text.count("\n") > MODULE_LINES_MAX
    ]

    assert long == []


def test_tests_patch_nothing() -> None:
    """A patch tests how something is written; fakes that ship with the product test what it does."""
    patched = [
        module.name
        for module in TESTS
        if module.path != Path(__file__)
        and re.search(r"unittest\.mock|MagicMock|monkeypatch\.setattr|mocker\.", module.text)
    ]

    assert patched == []


def test_no_module_is_dead() -> None:
    """What nobody imports and nothing starts is not tested by use, and misleads the reader."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    started = {
        module.name.removesuffix(".py").replace("/", ".")
        for module in MODULES
        if "__main__" in module.text or "/migrations/" in module.name
    }
    scripts = {"standalone.cli.main"}
    dead = [
        name
        for name in sorted(graph.modules)
        if not graph.find_modules_that_directly_import(name)
        and not graph.find_children(name)
        and name not in started | scripts
        and ".testing" not in name
        and ".migrations" not in name
    ]

    assert dead == []


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-dev.lock", "requirements-tools.lock"]
)
def test_lock_files_pin_by_hash_and_name_no_index(name: str) -> None:
    """Whoever installs chooses the index: a mirror must do. The hashes say that it is the same."""
    text = (ROOT / name).read_text()
    pins = re.split(r"\n(?=\S)", text.strip())

    assert not re.search(r"https?://|--index|--extra-index|--find-links", text)
    assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_what_testing_installs_is_what_running_installs() -> None:
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)==([\w.+!-]+)", (ROOT / name).read_text(), re.MULTILINE))

    runtime, testing = pins("requirements.lock"), pins("requirements-dev.lock")

    assert {name: testing.get(name) for name in runtime} == runtime


def test_every_requirement_is_locked() -> None:
    def names(path: str, pattern: str) -> set[str]:
        found = re.findall(pattern, (ROOT / path).read_text(), re.MULTILINE)
        return {re.sub("[-_.]+", "-", name).lower() for name in found}

    for stem in ("requirements", "requirements-dev", "requirements-tools"):
        wanted = names(f"{stem}.in", r"^([A-Za-z0-9][\w.-]*)")
        assert wanted - names(f"{stem}.lock", r"^([\w.-]+)==") == set(), stem


def test_no_file_tells_of_one_machine_or_carries_an_index_address() -> None:
    machine = re.compile(r"(?:^|[^\w.])/(?:work|root|home)/[a-z.]")
    told = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in of_repository(
            "*.py", "*.md", "*.yml", "*.yaml", "*.toml", "Makefile", "*.xml", ".ci/run"
        )
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if machine.search(line)
        or re.search(r"https?://(?:[\w.-]*\.)?(?:pypi\.org|pythonhosted\.org)", line)
    ]

    assert told == []


def test_no_large_file_is_kept_in_the_repository() -> None:
    large = [
        str(path.relative_to(ROOT)) for path in of_repository() if path.stat().st_size > 1_500_000
    ]

    assert large == []

"""Policies in files, as they lie in git: find them, compare them with what is stored, apply them.

A file's name is its policy's id; `policy-rules.yaml` holds the rules that choose policies and
`default-policy.yaml` the tenant's default. Nothing is stored before every file was found valid.
Prints nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from standalone.client import ApiError, Client

RULES, DEFAULT = "policy-rules", "default-policy"
ENDINGS = (".yaml", ".yml", ".json")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_YAML = {"content-type": "application/yaml"}

Kind = Literal["policy", "rules", "default"]


class PolicyFileError(Exception):
    """Files that cannot be applied; the message has one line for each thing that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A file, and what it is about; `name` is the id of a policy."""

    path: Path
    kind: Kind
    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What applying a file changes: the engine's diff, or what else has to be done (`notes`)."""

    file: PolicyFile
    from_version: int | None
    diff: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        """Does the file say what is stored and active?"""
        return bool(self.diff["same"]) and not self.notes

    def as_dict(self) -> dict[str, Any]:
        """For other programs."""
        return {
            "file": str(self.file.path),
            "kind": self.file.kind,
            "name": self.file.name,
            "from_version": self.from_version,
            "differs": not self.is_none,
            "notes": list(self.notes),
            "fields": self.diff.get("fields", []),
            "parts": self.diff.get("parts", []),
        }


def find_files(paths: Sequence[Path]) -> list[PolicyFile]:
    """The files named, and those in the folders named: policies first, then rules, then default.

    Raises:
        PolicyFileError: one cannot be read, names no policy, or names one that another names.
    """
    found: dict[tuple[Kind, str], PolicyFile] = {}
    for path in paths:
        for one in _files_at(path):
            file = _read(one)
            key = (file.kind, file.name)
            if key in found and found[key].path != one:
                raise PolicyFileError(f"{found[key].path} and {one} say the same; remove one")
            found[key] = file
    order: tuple[Kind, ...] = ("policy", "rules", "default")
    return sorted(found.values(), key=lambda file: (order.index(file.kind), file.name))


async def compare(
    client: Client, files: Sequence[PolicyFile], *, activate: bool
) -> list[Difference]:
    """What applying the files would change; stores nothing.

    Raises:
        PolicyFileError: files are not valid; every problem of every file, with its place.
    """
    policies = [file.name for file in files if file.kind == "policy"]
    differences, problems = [], []
    for file in files:
        try:
            differences.append(await _compare(client, file, policies, activate=activate))
        except ApiError as error:
            problems += _problems(file, error)
        except PolicyFileError as error:
            problems.append(str(error))
    if problems:
        raise PolicyFileError("\n".join(problems))
    return differences


async def apply_files(
    client: Client, differences: Sequence[Difference], *, activate: bool
) -> list[dict[str, Any]]:
    """Store what differs, in order; what the engine answered for each file.

    Raises:
        PolicyFileError: the engine refused a file now; those before it are stored.
    """
    results = []
    for difference in differences:
        file = difference.file
        if difference.is_none:
            results.append({"file": str(file.path), "name": file.name, "status": "unchanged"})
            continue
        try:
            answer = await _store(client, file, activate=activate)
        except ApiError as error:
            raise PolicyFileError("\n".join(_problems(file, error))) from error
        results.append({"file": str(file.path), "name": file.name, **answer})
    return results


def default_file(policy_id: str, path: Path) -> PolicyFile:
    """As if a file said that this policy is the default."""
    content = f"policy_id: {policy_id}\n".encode()
    return PolicyFile(path=path, kind="default", name=DEFAULT, content=content)


def _files_at(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(
        one
        for one in path.iterdir()
        if one.is_file() and one.suffix in ENDINGS and not one.name.startswith(".")
    )
    if not found:
        raise PolicyFileError(f"there is no file ending in {', '.join(ENDINGS)} in {path}")
    return found


def _read(path: Path) -> PolicyFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PolicyFileError(f"cannot read {path}: {error.strerror}") from error
    name = path.stem
    if name == RULES:
        return PolicyFile(path=path, kind="rules", name=name, content=content)
    if name == DEFAULT:
        return PolicyFile(path=path, kind="default", name=name, content=content)
    if not _ID.fullmatch(name):
        raise PolicyFileError(
            f"{path}: {name!r} cannot be the id of a policy; "
            "name the file with small letters, digits, - and _"
        )
    return PolicyFile(path=path, kind="policy", name=name, content=content)


async def _compare(
    client: Client, file: PolicyFile, policies: Sequence[str], *, activate: bool
) -> Difference:
    if file.kind == "default":
        return await _compare_default(client, file, policies)
    if file.kind == "rules":
        diff = await _post(client, "/v1/policy-rules/diff", file, {"also": list(policies)})
        return Difference(file=file, from_version=diff["from_version"], diff=diff)
    diff = await _post(client, f"/v1/policies/{file.name}/diff", file, {})
    notes = _not_active(diff) if activate and diff["same"] else ()
    return Difference(file=file, from_version=diff["from_version"], diff=diff, notes=notes)


def _not_active(diff: Mapping[str, Any]) -> tuple[str, ...]:
    newest, stage = diff["from_version"], diff["stage"]
    if stage:
        return (f"version {newest} becomes active for all; the stage that is running ends",)
    active = diff["active_version"]
    if active != newest:
        return (f"version {newest} is stored, and becomes active instead of {active or 'none'}",)
    return ()


async def _compare_default(client: Client, file: PolicyFile, policies: Sequence[str]) -> Difference:
    wanted = _default_of(file)
    listed = await client.get("engine", "/v1/policies")
    active = {item["policy_id"] for item in listed["items"] if item["active_version"]}
    if wanted not in active | set(policies):
        raise PolicyFileError(f"{file.path}: there is no active policy {wanted!r}")
    before = listed["default_policy_id"]
    fields = [] if before == wanted else [{"field": "policy_id", "old": before, "new": wanted}]
    diff = {"same": not fields, "fields": fields, "parts": []}
    return Difference(file=file, from_version=None, diff=diff)


def _default_of(file: PolicyFile) -> str:
    try:
        document = yaml.safe_load(file.content)
    except yaml.YAMLError as error:
        raise PolicyFileError(f"{file.path}: is not valid YAML: {error}") from error
    if isinstance(document, dict) and set(document) == {"policy_id"}:
        wanted = document["policy_id"]
        if isinstance(wanted, str) and _ID.fullmatch(wanted):
            return wanted
    raise PolicyFileError(f"{file.path}: must say 'policy_id: ' and the id of a policy, no more")


async def _store(client: Client, file: PolicyFile, *, activate: bool) -> dict[str, Any]:
    if file.kind == "default":
        answer = await client.put("engine", "/v1/default-policy", {"policy_id": _default_of(file)})
        return {**answer, "status": "updated"}
    path = "/v1/policy-rules" if file.kind == "rules" else f"/v1/policies/{file.name}"
    query = {} if activate or file.kind == "rules" else {"activate": "false"}
    answered = await client.ask(
        "PUT", "engine", path, content=file.content, headers=_YAML, params=query
    )
    result: dict[str, Any] = answered.json()
    return result


async def _post(client: Client, path: str, file: PolicyFile, query: Mapping[str, Any]) -> Any:
    answered = await client.ask(
        "POST", "engine", path, content=file.content, headers=_YAML, params=query
    )
    return answered.json()


def _problems(file: PolicyFile, error: ApiError) -> list[str]:
    """One line for each thing that is wrong, as compilers write it."""
    found = [
        f"{file.path}:{one['line']}:{one['column']}: "
        f"{one.get('pointer', '').strip('/').replace('/', '.') or file.name}: {one['detail']}"
        for one in error.problem.get("errors", ())
        if "line" in one
    ]
    return found or [f"{file.path}: {error}"]

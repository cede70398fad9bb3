"""The policies that every tenant knows, read from the YAML files in this package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

from dunning_engine.adapters.policy_yaml import parse_policy
from dunning_engine.domain.policy import Policy

BUILT_IN_VERSION = 1
_FOLDER = files("dunning_engine") / "policies"
BUILT_IN_IDS = tuple(
    sorted(
        file.name.removesuffix(".yaml") for file in _FOLDER.iterdir() if file.name.endswith(".yaml")
    )
)
"""One for every file of the folder."""


@cache
def builtin_policies() -> MappingProxyType[str, Policy]:
    """Every built-in policy by its id."""
    return MappingProxyType(
        {
            policy_id: parse_policy(
                builtin_text(policy_id), policy_id=policy_id, version=BUILT_IN_VERSION
            )
            for policy_id in BUILT_IN_IDS
        }
    )


def builtin_text(policy_id: str) -> str:
    """The YAML text of a built-in policy, with its comments.

    Raises:
        KeyError: there is no built-in policy of that id.
    """
    if policy_id not in BUILT_IN_IDS:
        raise KeyError(policy_id)
    return (_FOLDER / f"{policy_id}.yaml").read_text("utf-8")

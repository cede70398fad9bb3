"""The policies that every tenant knows, read from the YAML files in this package.

`policies/` holds the newest version of each, `policies/earlier/<id>.<version>.yaml` those that open
cases may still follow. Files there never change.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

from dunning_engine.adapters.policy_yaml import parse_policy
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.policy import Policy

_FOLDER = files("dunning_engine") / "policies"
_EARLIER = _FOLDER / "earlier"
BUILT_IN_IDS = tuple(
    sorted(
        file.name.removesuffix(".yaml") for file in _FOLDER.iterdir() if file.name.endswith(".yaml")
    )
)
"""One for every file of the folder."""


@cache
def builtin_policies() -> MappingProxyType[str, Policy]:
    """The newest version of every built-in policy by its id."""
    return MappingProxyType(
        {
            policy_id: parse_policy(
                builtin_text(policy_id), policy_id=policy_id, version=newest_version(policy_id)
            )
            for policy_id in BUILT_IN_IDS
        }
    )


@cache
def builtin_versions() -> MappingProxyType[PolicyKey, Policy]:
    """Every version that there ever was, by id and version."""
    newest = {policy.key: policy for policy in builtin_policies().values()}
    earlier = {
        key: parse_policy(builtin_text(*key), policy_id=key[0], version=key[1])
        for policy_id in BUILT_IN_IDS
        for version in range(1, newest_version(policy_id))
        if (key := (policy_id, version))
    }
    return MappingProxyType(newest | earlier)


@cache
def newest_version(policy_id: str) -> int:
    """One more than there are earlier ones."""
    return 1 + sum(file.name.startswith(f"{policy_id}.") for file in _EARLIER.iterdir())


def builtin_text(policy_id: str, version: int | None = None) -> str:
    """The YAML text of a built-in policy, with its comments: the newest unless one is named.

    Raises:
        KeyError: there is no built-in policy of that id and version.
    """
    if policy_id not in BUILT_IN_IDS:
        raise KeyError(policy_id)
    newest = newest_version(policy_id)
    if version is None or version == newest:
        return (_FOLDER / f"{policy_id}.yaml").read_text("utf-8")
    if not 1 <= version < newest:
        raise KeyError((policy_id, version))
    return (_EARLIER / f"{policy_id}.{version}.yaml").read_text("utf-8")

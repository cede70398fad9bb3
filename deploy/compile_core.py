# ruff: noqa: INP001 -- a script for build machines, no package
"""Compile what decides and writes decisions into machine code: the same sources, an eighth faster.

    python deploy/compile_core.py <folder>

`<folder>` holds the packages `dunning_engine` and `dunning_common`, installed or copied; extension
modules come to lie beside the sources of `MODULES` and are imported instead of them. Nothing
behaves otherwise: `make test-compiled` runs the engine's tests on the result. Never name the folder
you edit: an old extension would hide the new source. Needs Cython and a C compiler.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

_DOMAIN = (
    "account", "arrangement", "budget", "case", "charges", "conditions", "decision", "judgement",
    "notice", "outcome", "policy", "record", "schedule", "spacing", "verdict",
)  # fmt: skip
MODULES = (
    *(f"dunning_engine/domain/{name}" for name in _DOMAIN),
    "dunning_engine/records",
    "dunning_engine/handlers/apply_decision",
    "dunning_engine/handlers/open_cases",
    "dunning_engine/handlers/sweep_accounts",
    "dunning_engine/adapters/case_rows",
    "dunning_engine/adapters/public_law",
    "dunning_common/canonical",
    "dunning_common/columns",
    "dunning_common/ids",
    "dunning_common/outbox",
)
# Annotations speak to readers and to mypy; taken for C types they would refuse what Python accepts.
_DIRECTIVES = {"language_level": "3", "annotation_typing": False, "binding": True}
# Cython's own code hands constants around in a way that compilers suspect.
_FLAGS = ("-O2", "-w")


def main(folder: str) -> None:
    """Compile `MODULES` in place."""
    os.chdir(folder)
    extensions = [
        Extension(name.replace("/", "."), [f"{name}.py"], extra_compile_args=list(_FLAGS))
        for name in MODULES
    ]
    made = cythonize(extensions, compiler_directives=_DIRECTIVES, quiet=True, force=True)
    command = build_ext(Distribution({"name": "core", "ext_modules": made}))
    command.inplace, command.parallel = True, os.cpu_count()
    command.ensure_finalized()
    command.run()
    for name in MODULES:
        Path(f"{name}.c").unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Strict runs: what is not guarded by the snapshot fails, where the run is one of all tests.

A run of some tests only says nothing of the others, so `-k`, `-m`, `--lf` and the like end the judgement, unless the
project's own `addopts` have them. Of a run of some folders or files the entries of other files are not judged.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jaxconv.errors import explain
from jaxconv.testing.snapshot import Tests

# Options that leave tests out: the attribute of `config.option`, and how they are written.
NARROWING = {
    "keyword": ("-k",),
    "markexpr": ("-m",),
    "lf": ("--lf", "--last-failed"),
    "stepwise": ("--sw", "--stepwise"),
    "deselect": ("--deselect",),
    "ignore": ("--ignore",),
    "ignore_glob": ("--ignore-glob",),
    "collectonly": ("--co", "--collect-only"),
    "setuponly": ("--setup-only",),
    "setupplan": ("--setup-plan",),
}
FLAGS = {"lf", "stepwise", "collectonly", "setuponly", "setupplan"}


def wanted(config: pytest.Config) -> bool:
    """Whether the run is strict: by the option, else the ini file, else where the environment has CI set.

    Raises:
        pytest.UsageError: the ini file has another value than auto, true or false.
    """
    chosen = config.getoption("strict_certificates")
    if chosen is not None:
        return chosen
    value = str(config.getini("strict_certificates")).lower()
    if value not in {"auto", "true", "false"}:
        expected, cure = "auto, true or false", "Write strict_certificates = auto, or leave the line out"
        raise pytest.UsageError(explain("certificates", "strict_certificates", repr(value), expected, cure))
    if value != "auto":
        return value == "true"
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def narrowed(config: pytest.Config) -> bool:
    """Whether the command line picks tests: by an option that the project's own addopts do not have, or by name."""
    own = _options(list(config.getini("addopts")))
    picks = lambda name: getattr(config.option, name, None) or None
    if any(picks(name) is not None and picks(name) != getattr(own, name) for name in NARROWING):
        return True
    return config.option.pyargs or any("::" in argument for argument in config.args)


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name, options in NARROWING.items():
        many = {"deselect", "ignore", "ignore_glob"}
        action = "store_true" if name in FLAGS else "append" if name in many else "store"
        parser.add_argument(*options, dest=name, action=action)
    return parser.parse_known_args(words)[0]


def folders(config: pytest.Config) -> list[Path]:
    """The files and folders that the run is of, from the root; none where it is of all that there is."""
    if not config.option.file_or_dir and config.invocation_params.dir == config.rootpath:
        return []
    return [Path(os.path.relpath(config.invocation_params.dir / one, config.rootpath)) for one in config.args]


@dataclass
class Collected:
    """What was collected, before anything was deselected."""

    tests: set[str] = field(default_factory=set)
    recording: set[str] = field(default_factory=set)  # of them those that use the fixture
    skipped: set[str] = field(default_factory=set)  # modules that skip themselves or fail: their tests are not known

    def name(self, test: str) -> str:
        """The name of a test without the group that pytest-xdist's `--dist loadgroup` has added to it."""
        own = test.rpartition("@")[0]
        return own if test not in self.tests and own in self.tests else test

    def plain(self) -> dict[str, list[str]]:
        """For a worker of pytest-xdist to send."""
        return {name: sorted(ids) for name, ids in vars(self).items()}

    def add(self, plain: Mapping[str, list[str]]) -> None:
        """What a worker has sent."""
        for name, ids in plain.items():
            getattr(self, name).update(ids)


def without_tests(before: Tests, collected: Collected, folders: list[Path]) -> list[str]:
    """The entries of the snapshot whose test is not there any more, among the files that the run is of."""
    if not collected.tests:  # pytest's own status says so; and workers that crashed have sent nothing
        return []
    return [
        test for test in sorted(before) if test not in collected.tests and _judged(test, collected.skipped, folders)
    ]


def _judged(test: str, skipped: Set[str], folders: list[Path]) -> bool:
    file = Path(test.partition("::")[0])
    inside = not folders or any(one in (file, *file.parents) for one in folders)
    return inside and not any(not one or test == one or test.startswith((f"{one}::", f"{one}/")) for one in skipped)


def without_entries(
    before: Tests, rows: Mapping[str, Mapping[str, Any]], recording: Set[str], passed: Set[str]
) -> list[str]:
    """What was recorded and is not in the snapshot, and tests that passed and have recorded nothing at all."""
    new = [f"{test}: {name}" for test in sorted(rows) for name in rows[test] if name not in before.get(test, {})]
    return [*new, *sorted(test for test in recording & passed if test not in rows and test not in before)]


def not_recorded(before: Tests, rows: Mapping[str, Mapping[str, Any]], passed: Set[str]) -> list[str]:
    """The entries of tests that passed without recording them."""
    return [
        f"{test}: {name}"
        for test in sorted(passed & before.keys())
        for name in sorted(before[test].keys() - rows.get(test, {}).keys())
    ]

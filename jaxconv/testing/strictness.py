"""Strict runs: in a run of all tests, claims without an entry and entries without a test are errors.

A run of some tests shows nothing about the other tests. So it is not checked if `-k`, `-m`, `--lf` or similar options
are given, unless they are in the project's `addopts`. A run of some folders or files is checked only for entries there.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jaxconv.errors import message
from jaxconv.testing.snapshot import Tests

# Options that deselect tests: attribute of `config.option` -> its spellings.
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
    """Whether the run is strict: according to the option, or the ini file, or the environment variable CI.

    Raises:
        pytest.UsageError: the ini file has a value other than auto, true or false.
    """
    chosen = config.getoption("strict_certificates")
    if chosen is not None:
        return chosen
    value = str(config.getini("strict_certificates")).lower()
    if value not in {"auto", "true", "false"}:
        expected, cure = "auto, true or false", "Write strict_certificates = auto, or leave the line out"
        raise pytest.UsageError(message("certificates", "strict_certificates", repr(value), expected, cure))
    if value != "auto":
        return value == "true"
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def narrowed(config: pytest.Config) -> bool:
    """Whether the command line selects tests: with an option that is not in the project's addopts, or by name."""
    defaults = _options(list(config.getini("addopts")))
    selected = lambda name: getattr(config.option, name, None) or None
    if any(selected(name) is not None and selected(name) != getattr(defaults, name) for name in NARROWING):
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
    """The files and folders of the run, relative to the root; empty if it is a run of all tests."""
    if not config.option.file_or_dir and config.invocation_params.dir == config.rootpath:
        return []
    return [Path(os.path.relpath(config.invocation_params.dir / path, config.rootpath)) for path in config.args]


@dataclass
class Collected:
    """The collected tests, before any of them is deselected."""

    tests: set[str] = field(default_factory=set)
    recording: set[str] = field(default_factory=set)  # the tests that use the fixture
    skipped: set[str] = field(default_factory=set)  # modules that are skipped or fail: their tests are unknown

    def name(self, test: str) -> str:
        """The name of a test without the suffix that pytest-xdist's `--dist loadgroup` adds."""
        without_group = test.rpartition("@")[0]
        return without_group if test not in self.tests and without_group in self.tests else test

    def plain(self) -> dict[str, list[str]]:
        """The data that a pytest-xdist worker sends."""
        return {name: sorted(ids) for name, ids in vars(self).items()}

    def add(self, plain: Mapping[str, list[str]]) -> None:
        """Add the data that a worker has sent."""
        for name, ids in plain.items():
            getattr(self, name).update(ids)


def without_tests(before: Tests, collected: Collected, folders: list[Path]) -> list[str]:
    """The entries of the snapshot whose test no longer exists, in the files of the run."""
    if not collected.tests:  # pytest's status reports this; and crashed workers send nothing
        return []
    return [
        test for test in sorted(before) if test not in collected.tests and _checked(test, collected.skipped, folders)
    ]


def _checked(test: str, skipped: Set[str], folders: list[Path]) -> bool:
    file = Path(test.partition("::")[0])
    inside = not folders or any(folder in (file, *file.parents) for folder in folders)
    is_in = lambda module: not module or test == module or test.startswith((f"{module}::", f"{module}/"))
    return inside and not any(map(is_in, skipped))


def without_entries(
    before: Tests, rows: Mapping[str, Mapping[str, Any]], recording: Set[str], passed: Set[str]
) -> list[str]:
    """Recorded functions that are not in the snapshot, and tests that passed without recording anything."""
    new = [f"{test}: {name}" for test in sorted(rows) for name in rows[test] if name not in before.get(test, {})]
    return [*new, *sorted(test for test in recording & passed if test not in rows and test not in before)]


def not_recorded(before: Tests, rows: Mapping[str, Mapping[str, Any]], passed: Set[str]) -> list[str]:
    """The entries of tests that passed without recording them."""
    return [
        f"{test}: {name}"
        for test in sorted(passed & before.keys())
        for name in sorted(before[test].keys() - rows.get(test, {}).keys())
    ]

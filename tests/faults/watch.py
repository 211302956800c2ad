"""A pytest plugin for runs with a fault: says which test failed first, or that collection did; shrinks nothing.

`-p faults.watch`, with the file to write named by the environment variable FAULT_OUTCOME.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from hypothesis import Phase, settings

OUTCOME = "FAULT_OUTCOME"


def _tell(outcome: str, by: str) -> None:
    path = Path(os.environ[OUTCOME])
    if not path.exists():
        path.write_text(json.dumps({"outcome": outcome, "by": by}))


def pytest_configure(config):
    """A smaller example would not change that a test failed, and each attempt compiles."""
    settings.register_profile("planted", settings.default, phases=[Phase.explicit, Phase.generate])
    settings.load_profile("planted")


def pytest_collectreport(report):
    """A fault that nothing can be collected with is no fault that a test could find."""
    if report.failed:
        _tell("invalid", report.nodeid)


def pytest_runtest_logreport(report):
    """The first test, or its fixture, that fails."""
    if report.failed:
        _tell("killed", report.nodeid)

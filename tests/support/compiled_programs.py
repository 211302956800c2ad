"""A pytest plugin: how many programs XLA compiles for each part of the tests, and that none exceeds its budget.

Compiling takes most of the time of these tests, and is the same on every machine, where seconds are not. The budgets
are in `tests/programs.toml`: some more than were counted, since what Hypothesis draws varies. A run whose tests all
pass fails if a part exceeds its budget. (What subprocesses compile is not counted. Runs of more tests than those of
every day, and of tests with some mark, have no budget.)
"""

import tomllib
from collections import Counter
from pathlib import Path

import jax
import pytest

from support.compilations import COMPILED
from support.selection import EVERY_DAY, USUAL

BUDGETS = Path(__file__).parents[1] / "programs.toml"
PROGRAMS = pytest.StashKey[Counter]()


def part_of(test: str, parts) -> str:
    """The part that a test belongs to: of all that its name begins with, the longest.

    >>> part_of("tests/verify/rules/test_layout.py::test_pad", ["tests/", "tests/verify/"])
    'tests/verify/'
    """
    return max((part for part in parts if test.startswith(part)), key=len, default="others")


def exceeded(programs, budgets) -> list[str]:
    """A line for each part over its budget.

    >>> exceeded({"tests/laws/": 12, "proofs/": 1}, {"tests/laws/": 10, "proofs/": 5})
    ['tests/laws/ compiled 12 programs, and its budget is 10']
    """
    return [
        f"{part} compiled {programs[part]} programs, and its budget is {budgets[part]}"
        for part in programs
        if programs[part] > budgets.get(part, 0)
    ]


class _Counting:
    """Counts what this process compiles; the process that started others adds theirs up."""

    def __init__(self, config):
        self.config, self.part = config, "others"
        self.file = Path(config.getoption("budgets"))
        self.budgets = tomllib.loads(self.file.read_text())["programs"]
        self.programs = config.stash[PROGRAMS] = Counter()

    def listen(self, event, seconds, **_):
        self.programs[self.part] += event == COMPILED

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        self.part = part_of(item.nodeid, self.budgets)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.programs.update(getattr(node, "workeroutput", {}).get("programs", {}))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["programs"] = dict(self.programs)
        elif session.exitstatus == pytest.ExitCode.OK and self.over():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def over(self):
        other_tests = self.config.option.markexpr not in ("", USUAL)
        more_tests = self.config.getoption("sample", EVERY_DAY) < EVERY_DAY
        return [] if other_tests or more_tests else exceeded(self.programs, self.budgets)

    def pytest_terminal_summary(self, terminalreporter):
        each = [f"{part.rstrip('/')} {number}" for part, number in sorted(self.programs.items()) if number]
        terminalreporter.write_line(f"{self.programs.total()} programs compiled: {', '.join(each)}")
        for line in self.over():
            terminalreporter.write_line(
                f"{line} ({self.file.name}): let tests share programs, or draw fewer shapes", red=True
            )


def pytest_addoption(parser):
    parser.addoption("--budgets", default=BUDGETS, metavar="FILE", help="how many programs each part may compile")


def pytest_configure(config):
    counting = _Counting(config)
    config.pluginmanager.register(counting, "compiled-programs")
    jax.monitoring.register_event_duration_secs_listener(counting.listen)
    config.add_cleanup(lambda: jax.monitoring.unregister_event_duration_listener(counting.listen))

"""Which tests execute a line of the library: recorded once, for the mechanical faults. A pytest plugin, and its reader.

`-p faults.executed`, with the file to write named by the environment variable FAULT_LINES. Each test file runs in a
process of its own, so that what one file traced or compiled is not taken from a cache by the next.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from faults.fault import OWN, ROOT

LINES = "FAULT_LINES"
TOOL = 4  # of sys.monitoring; Hypothesis takes 3
_lines: dict[str, set[tuple[str, int]]] = defaultdict(set)
_seconds: dict[str, float] = defaultdict(float)
_failed: set[str] = set()
_now = ""


def pytest_configure(config):
    """Ask for each line of the library once a test; of other code, for no line."""
    package = str(config.rootpath / "jaxconv") + os.sep

    def line(code, number):
        if code.co_filename.startswith(package) and _now:
            _lines[_now].add((code.co_filename[len(package) :], number))
        return sys.monitoring.DISABLE

    sys.monitoring.use_tool_id(TOOL, "faults")
    sys.monitoring.register_callback(TOOL, sys.monitoring.events.LINE, line)
    sys.monitoring.set_events(TOOL, sys.monitoring.events.LINE)


def pytest_runtest_logstart(nodeid, location):
    """Forget which lines were seen."""
    global _now  # noqa: PLW0603 (a callback of sys.monitoring takes no state)
    _now = nodeid
    sys.monitoring.restart_events()


def pytest_runtest_logreport(report):
    """Time each test, its fixtures included."""
    _seconds[report.nodeid] += report.duration
    if report.failed:
        _failed.add(report.nodeid)


def pytest_unconfigure(config):
    """Write one row per test."""
    sys.monitoring.free_tool_id(TOOL)
    with Path(os.environ[LINES]).open("w") as file:
        for test, seconds in _seconds.items():
            modules: dict[str, list[int]] = defaultdict(list)
            for module, number in sorted(_lines[test]):
                modules[module].append(number)
            row = {"test": test, "seconds": round(seconds, 3), "failed": test in _failed, "lines": modules}
            file.write(json.dumps(row) + "\n")


@dataclass(frozen=True)
class Record:
    """Seconds of each test that passes, and the lines of each module that it executes."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, frozenset[int]]]

    def tests(self, file: str, line: int, most: float, number: int = 200) -> tuple[str, ...]:
        """The cheapest tests that execute the line, `most` seconds of them; or, of a table, some line of its module."""
        module = file.removeprefix("jaxconv/")
        found = [test for test, lines in self.lines.items() if line in lines.get(module, ())]
        found = found or [test for test, lines in self.lines.items() if module in lines]
        chosen, spent = [], 0.0
        for test in sorted(found, key=self.seconds.__getitem__):
            spent += self.seconds[test]
            if chosen and (spent > most or len(chosen) == number):
                break
            chosen.append(test)
        return tuple(chosen)


def read(path: Path) -> Record:
    """What was recorded."""
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    rows = [row for row in rows if not row["failed"]]
    return Record(
        {row["test"]: row["seconds"] for row in rows},
        {row["test"]: {module: frozenset(of) for module, of in row["lines"].items()} for row in rows},
    )


def files(root: Path = ROOT) -> list[str]:
    """Every file with tests or examples, but those of the planting itself, which only see that a source has changed."""
    tests = [path for path in (root / "tests").rglob("test_*.py") if path.name != OWN.name]
    modules = [path for path in (root / "jaxconv").rglob("*.py") if ">>> " in path.read_text()]
    finite = [*(root / "proofs" / "finite").glob("test_*.py")]
    return sorted(path.relative_to(root).as_posix() for path in [*modules, *tests, *finite])

"""Which tests execute a line of the library: recorded once, for the mechanical faults. A pytest plugin, and its reader.

`-p faults.executed`, with the file to write named by the environment variable FAULT_LINES. Each test file runs in a
process of its own, so that what one file traced or compiled is not taken from a cache by the next.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from faults.fault import OWN, ROOT

LINES = "FAULT_LINES"
TOOL = 4  # of sys.monitoring; Hypothesis takes 3


class Recorder:
    """Which lines of the library each test executes, and how long it takes."""

    def __init__(self, package: str) -> None:
        self.package, self.running = package, ""
        self.lines: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: set[str] = set()

    def line(self, code, number):
        """Ask for each line of the library once a test; of other code, for no line."""
        if self.running and code.co_filename.startswith(self.package):
            self.lines[self.running].add((code.co_filename.removeprefix(self.package), number))
        return sys.monitoring.DISABLE

    def pytest_runtest_logstart(self, nodeid, location):
        """Forget which lines were seen."""
        self.running = nodeid
        sys.monitoring.restart_events()

    def pytest_runtest_logreport(self, report):
        """Time each test, its fixtures included."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_unconfigure(self, config):
        """Write one row per test."""
        sys.monitoring.free_tool_id(TOOL)
        with Path(os.environ[LINES]).open("w") as file:
            for test, seconds in self.seconds.items():
                modules: dict[str, list[int]] = defaultdict(list)
                for module, number in sorted(self.lines[test]):
                    modules[module].append(number)
                row = {"test": test, "seconds": round(seconds, 3), "failed": test in self.failed, "lines": modules}
                file.write(json.dumps(row) + "\n")


def pytest_configure(config):
    recorder = Recorder(str(config.rootpath / "jaxconv") + os.sep)
    config.pluginmanager.register(recorder)
    sys.monitoring.use_tool_id(TOOL, "faults")
    sys.monitoring.register_callback(TOOL, sys.monitoring.events.LINE, recorder.line)
    sys.monitoring.set_events(TOOL, sys.monitoring.events.LINE)


@dataclass(frozen=True)
class Record:
    """Seconds of each test that passes, and the lines of each module that it executes."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, frozenset[int]]]

    def tests(self, file: str, line: int | None, most: float, number: int = 200) -> tuple[str, ...]:
        """The tests that execute the line, or any of its module: `most` seconds of them.

        First those of the file that mirrors the module, then the cheapest.
        """
        module = file.removeprefix("jaxconv/")
        found = [test for test, lines in self.lines.items() if module in lines and line in (None, *lines[module])]
        folder, _, name = module.rpartition("/")
        mirror = f"tests/{folder}/test_{name}".replace("//", "/")
        chosen, spent = [], 0.0
        for test in sorted(found, key=lambda test: (not test.startswith(mirror), self.seconds[test])):
            spent += self.seconds[test]
            if chosen and (spent > most or len(chosen) == number):
                break
            chosen.append(test)
        return tuple(chosen)


def is_called(source: bytes, line: int) -> bool:
    """Whether a line stands in a function's body: any other is executed when its module is imported, by no test."""
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(function.body[0].lineno <= line <= function.end_lineno for function in functions)


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

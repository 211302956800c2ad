"""The certificates of a run: collected from its tests, compared with the snapshot, and written to it on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jaxconv.testing import snapshot_file, strictness, table
from jaxconv.testing.snapshot import Tests

PROPERTY = "jaxconv certificate"  # key of a certificate in a test report; pytest-xdist sends it to the controller
CURE = "pytest --update-certificates writes the file, which you commit; --no-strict-certificates disables the check"
OUTPUT = "jaxconv collected"  # key of the tests that a pytest-xdist worker has collected
JUDGED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


class Session:
    """The certificates of a run. It is registered as a plugin, since its hooks need this state."""

    def __init__(self, path: Path, before: Tests, config: pytest.Config):
        self.path, self.before, self._config = path, before, config
        self._missing = not path.exists()
        self._file = path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path
        self.update = bool(config.getoption("--update-certificates"))
        self._worker = hasattr(config, "workerinput")
        self._whole = not strictness.narrowed(config)  # all tests, or all tests of some folders
        self._strict = strictness.wanted(config) and not self._worker and not self.update
        self.collected = strictness.Collected()
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}  # test -> function -> row
        self._passed: set[str] = set()
        self._notes: list[str] = []
        self._errors: list[str] = []

    @pytest.hookimpl(tryfirst=True)  # before -k and -m deselect tests
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Collect all tests, including those that will not run. Add the marker to those that record certificates."""
        for item in items:
            self.collected.tests.add(item.nodeid)
            if "certificates" in getattr(item, "fixturenames", ()):
                self.collected.recording.add(item.nodeid)
                if item.get_closest_marker("equivariance") is None:
                    item.add_marker("equivariance")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note modules that are skipped or fail, because their tests are unknown."""
        if not report.passed:
            self.collected.skipped.add(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the certificates of a test, from the report of its teardown, which exists after any failure."""
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        if report.when == "teardown":
            rows = [json.loads(str(value)) for key, value in report.user_properties if key == PROPERTY]
            if rows:
                self._rows[rows[0]["test"]] = {row["name"]: row for row in rows}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect the tests of a pytest-xdist worker. The controller itself collects no tests."""
        self.collected.add(getattr(node, "workeroutput", {}).get(OUTPUT, {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the snapshot, or compare it with the run. Workers leave both to the controller."""
        if self._worker:
            self._config.workeroutput[OUTPUT] = self.collected.plain()  # pyright: ignore[reportAttributeAccessIssue]  xdist's
        elif session.exitstatus in JUDGED:
            self._passed = set(map(self.collected.name, self._passed))
            gone = strictness.without_tests(self.before, self.collected, strictness.folders(self._config))
            if self.update:
                self._write(gone if self._whole else [])
            else:
                self._judge(gone)
            if self._errors and session.exitstatus != pytest.ExitCode.TESTS_FAILED:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write(self, gone: list[str]) -> None:
        """Merge the recorded certificates into the current snapshot."""
        if not self._rows and not gone:
            return
        try:
            snapshot_file.update(self.path, lambda now: self._merged(now, gone))
        except (OSError, ValueError) as error:
            self._errors = [f"{self._file} could not be written and is unchanged: {error}"]
        else:
            self._notes = [
                f"written to {self._file}",
                *(f"removed, since there is no such test: {test}" for test in gone),
            ]

    def _merged(self, now: Tests, gone: list[str]) -> Tests:
        """The new snapshot. Entries that were not recorded are kept, unless their test passed or no longer exists."""
        tests = {test: entries for test, entries in now.items() if test not in gone}
        for test, rows in self._rows.items():
            kept = {} if test in self._passed else tests.get(test, {})
            tests[test] = kept | {name: row["entry"] for name, row in rows.items()}
        return tests

    def _judge(self, gone: list[str]) -> None:
        """Compare with the snapshot. In a strict run of all tests, claims without entries are errors."""
        unrecorded = strictness.not_recorded(self.before, self._rows, self._passed)
        statuses = [row["status"] for rows in self._rows.values() for row in rows.values()]
        counts = {word: sum(word in status for status in statuses) for word in ("weaker", "stronger", "new")}
        notes = [f"no longer recorded, although the test ran: {name}" for name in unrecorded]
        if any(counts.values()) or unrecorded:
            summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "some missing"
            if self._missing:
                notes.append(f"{summary}: {self._file} does not exist yet, --update-certificates writes it")
            else:
                notes.append(f"{summary}, compared with {self._file}: --update-certificates updates it")
        self._notes = notes
        if not self._strict or not self._whole:
            return
        new = strictness.without_entries(self.before, self._rows, self.collected.recording, self._passed)
        if self._missing and new:
            self._errors = [f"{self._file} is missing: no claim is checked"]
        else:
            self._errors = [f"no entry in {self._file}: {name}" for name in new]
            self._errors += [f"an entry in {self._file} without a test: {test}" for test in gone]
            self._errors += [f"an entry in {self._file} that is no longer recorded: {name}" for name in unrecorded]
        if self._errors:
            self._notes.append(CURE)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table, the errors, and how to update the snapshot."""
        if not self._rows and not self._errors and not self._notes:
            return
        terminalreporter.section("certificates")
        for test, rows in sorted(self._rows.items()):
            terminalreporter.write_line(test)
            for line, weaker in table.lines(rows):
                terminalreporter.write_line(line, red=weaker and not self.update)
        for line in self._errors:
            terminalreporter.write_line(f"ERROR: {line}", red=True)
        for line in self._notes:
            terminalreporter.write_line(line)

"""The certificates of a run: collected from its tests, compared with the snapshot, and written to it if asked to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jaxconv.testing import snapshot_file, strictness, table
from jaxconv.testing.snapshot import Tests

PROPERTY = "jaxconv certificate"  # under which reports carry a certificate, from workers of pytest-xdist too
CURE = "pytest --update-certificates writes the file, to be committed; --no-strict-certificates lets the run pass"
OUTPUT = "jaxconv collected"  # under which workers send what they have collected
JUDGED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


class Session:
    """The certificates of the run; a plugin of its own, since hooks need somewhere to keep them."""

    def __init__(self, path: Path, before: Tests, config: pytest.Config):
        self.path, self.before, self._config = path, before, config
        self._missing = not path.exists()
        self._file = path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path
        self.update = bool(config.getoption("--update-certificates"))
        self._worker = hasattr(config, "workerinput")
        self._whole = not strictness.narrowed(config)  # all tests, or all of some folders
        self._strict = strictness.wanted(config) and not self._worker and not self.update
        self.collected = strictness.Collected()
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}  # test -> function -> row
        self._passed: set[str] = set()
        self._notes: list[str] = []
        self._errors: list[str] = []

    @pytest.hookimpl(tryfirst=True)  # before -k and -m select
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Every test that records certificates has the marker; all are known, whichever will run."""
        for item in items:
            self.collected.tests.add(item.nodeid)
            if "certificates" in getattr(item, "fixturenames", ()):
                self.collected.recording.add(item.nodeid)
                if item.get_closest_marker("equivariance") is None:
                    item.add_marker("equivariance")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that skips itself or fails has tests that nobody knows."""
        if not report.passed:
            self.collected.skipped.add(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test recorded; the report of its teardown has it all, whatever failed before."""
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        if report.when == "teardown":
            rows = [json.loads(str(value)) for key, value in report.user_properties if key == PROPERTY]
            if rows:
                self._rows[rows[0]["test"]] = {row["name"]: row for row in rows}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker of pytest-xdist has collected: the controller collects nothing."""
        self.collected.add(getattr(node, "workeroutput", {}).get(OUTPUT, {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the snapshot, or judge what it does not guard; a worker leaves both to the controller."""
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
        """Merge what was recorded with the snapshot as it is now."""
        if not self._rows and not gone:
            return
        try:
            snapshot_file.update(self.path, lambda now: self._merged(now, gone))
        except (OSError, ValueError) as error:
            self._errors = [f"{self._file} could not be written, and is as it was: {error}"]
        else:
            self._notes = [
                f"written to {self._file}",
                *(f"removed, since there is no such test: {one}" for one in gone),
            ]

    def _merged(self, now: Tests, gone: list[str]) -> Tests:
        """Tests that did not run keep their entries, and so does what a test that failed has not come to."""
        found = {test: entries for test, entries in now.items() if test not in gone}
        for test, rows in self._rows.items():
            kept = {} if test in self._passed else found.get(test, {})
            found[test] = kept | {name: row["entry"] for name, row in rows.items()}
        return found

    def _judge(self, gone: list[str]) -> None:
        """Compare with the snapshot; in a strict run of all tests what is not guarded is an error."""
        unrecorded = strictness.not_recorded(self.before, self._rows, self._passed)
        statuses = [row["status"] for rows in self._rows.values() for row in rows.values()]
        counts = {word: sum(word in status for status in statuses) for word in ("weaker", "stronger", "new")}
        notes = [f"not recorded any more, though the test ran: {one}" for one in unrecorded]
        if any(counts.values()) or unrecorded:
            summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "some gone"
            if self._missing:
                notes.append(f"{summary}: {self._file} does not exist yet, --update-certificates writes it")
            else:
                notes.append(f"{summary}, compared with {self._file}: --update-certificates writes it anew")
        self._notes = notes
        if not self._strict or not self._whole:
            return
        new = strictness.without_entries(self.before, self._rows, self.collected.recording, self._passed)
        if self._missing and new:
            self._errors = [f"{self._file} is missing: nothing is guarded"]
        else:
            self._errors = [f"no entry in {self._file}: {one}" for one in new]
            self._errors += [f"an entry in {self._file}, and no such test: {one}" for one in gone]
            self._errors += [f"an entry in {self._file}, and not recorded any more: {one}" for one in unrecorded]
        if self._errors:
            self._notes.append(CURE)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The table, and what to do about it."""
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

"""A pytest plugin: tests record certificates, the run ends with a table of them, and a snapshot says what was lost.

Opt in by `pytest -p jaxconv.testing.plugin`, or by `pytest_plugins = ["jaxconv.testing.plugin"]` in the conftest.py at
the root. There is no entry point: that would import JAX in every run of pytest on the machine.

    def test_backbone(certificates):
        certificates.record(backbone, params, image, axes={1: (1, 2)})

It is a fixture rather than a marker because what is certified is built by the test: parameters by other fixtures,
configurations by parametrize; a marker's arguments would have to exist when the module is imported. The marker
`equivariance` sets options for one test, and selects all of these tests: `pytest -m equivariance`.

PYTEST_DONT_REWRITE: nothing here asserts, and who has imported this file before pytest does need not be warned.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from jaxconv.errors import explain
from jaxconv.testing import snapshot
from jaxconv.testing.assertions import broken_lines
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.certify import SEARCHED, certify
from jaxconv.verify.claims import Claim
from jaxconv.verify.falsify import falsify
from jaxconv.verify.falsify.lattices import Kind
from jaxconv.verify.shifts import Axes

PROPERTY = "jaxconv certificate"  # under which reports carry a certificate, from workers of pytest-xdist too
MODELS: dict[str, tuple[Kind, ...]] = {"cyclic": ("cyclic",), "interior": ("interior",), "both": ("cyclic", "interior")}
MARKER = "equivariance(shift_model, thorough): records certificates; options of the jaxconv plugin for this test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("jaxconv", "certificates of equivariance")
    group.addoption(
        "--shift-model",
        choices=sorted(MODELS),
        default="both",
        help="which claims may not get weaker than in the snapshot (both)",
    )
    group.addoption(
        "--quick",
        dest="certificates_thorough",
        action="store_false",
        default=False,
        help="prove only, run nothing (the default)",
    )
    group.addoption(
        "--thorough",
        dest="certificates_thorough",
        action="store_true",
        help="also search for counterexamples to what is not proved, and try to falsify what is",
    )
    group.addoption("--update-certificates", action="store_true", help="write what is proved to the snapshot")
    group.addoption("--certificates-file", help="the snapshot to compare with; also in the ini file")
    parser.addini("certificates_file", "the snapshot to compare certificates with", default="certificates.json")


def pytest_configure(config: pytest.Config) -> None:
    """Read the snapshot once; a broken one ends the run before it begins."""
    config.addinivalue_line("markers", MARKER)
    path = config.rootpath / (config.getoption("--certificates-file") or config.getini("certificates_file"))
    try:
        config.stash[SESSION] = Session(path, snapshot.read(path), config)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(config.stash[SESSION])


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that records certificates has the marker."""
    for item in items:
        if "certificates" in getattr(item, "fixturenames", ()) and item.get_closest_marker("equivariance") is None:
            item.add_marker("equivariance")


@pytest.fixture
def certificates(request: pytest.FixtureRequest) -> Recorder:
    """Record certificates: they are compared with the snapshot, and shown at the end of the run."""
    return Recorder(request.node, request.config.stash[SESSION])


class Recorder:
    """The certificates of one test."""

    def __init__(self, node: pytest.Item, session: Session):
        config, marker = node.config, node.get_closest_marker("equivariance")
        options = dict(marker.kwargs) if marker else {}
        self._model = options.pop("shift_model", config.getoption("--shift-model"))
        self._thorough = options.pop("thorough", config.getoption("certificates_thorough"))
        if options or (marker and marker.args) or self._model not in MODELS:
            found = f"{marker.args if marker else ()} {options | {'shift_model': self._model}}"
            expected = f"shift_model={' or '.join(map(repr, sorted(MODELS)))} and thorough=True or False"
            raise ValueError(explain("equivariance", "the marker's arguments", found, expected))
        self._node, self._session = node, session
        self._names: set[str] = set()

    def record(
        self, fn: Callable[..., Any], *arguments: Any, axes: Axes, name: str | None = None, values: bool = False
    ) -> Certificate:
        """Certify a function, and fail if less is proved of it than the snapshot says.

        Args:
            fn: any JAX function of arrays.
            arguments: as for `certify`: arrays, shapes, or pytrees of them.
            axes: as for `certify`.
            name: under which it stands in the table and the snapshot; by default the function's own.
            values: as for `certify`.

        Returns:
            The certificate, for more assertions.

        Raises:
            AssertionError: a claim that was proved before is not, or of fewer shifts, or on a smaller region.
            ValueError: a name that this test has used before.

        Law: a test that passed when the snapshot was written passes until some claim in it is proved no more.
        """
        __tracebackhide__ = True
        certificate = certify(fn, *arguments, axes=axes, values=values, search=self._thorough)
        name = name or certificate.function
        if name in self._names:
            raise ValueError(explain("certificates", "name", repr(name), "another one for each", "Pass name="))
        self._names.add(name)
        small = all(math.prod(leaf.shape) <= SEARCHED for leaf in jax.tree.leaves(arguments) if hasattr(leaf, "shape"))
        tried = []
        if self._thorough and small:
            settings = {"axes": axes, "values": values, "certificate": certificate}
            tried = [falsify(fn, *arguments, kind=kind, **settings) for kind in MODELS[self._model]]
        now, before = snapshot.entry(certificate), self._session.before.get(self._node.nodeid, {}).get(name)
        found = snapshot.changes(before, now, MODELS[self._model]) if before is not None else []
        status = "new" if before is None else ", ".join(sorted({"weaker" if one.lost else "stronger" for one in found}))
        row = {"name": name, "entry": now, "shown": _shown(certificate), "status": status}
        self._node.user_properties.append((PROPERTY, json.dumps(row)))
        lost = [one for one in found if one.lost]
        if lost and not self._session.update:
            if not self._thorough and small:
                certificate = certify(fn, *arguments, axes=axes, values=values)  # for its counterexamples
            raise AssertionError(_message(name, self._session.path, lost, certificate))
        for one in tried:
            if one.counterexample is not None and one.counterexample.law.origin == "proved":
                raise AssertionError(f"{name}: proved, and yet violated; please report it\n{one}")
        return certificate


class Session:
    """The certificates of the run; a plugin of its own, since hooks need somewhere to keep them."""

    def __init__(self, path: Path, before: snapshot.Tests, config: pytest.Config):
        self.path, self.before = path, before
        self._file = path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path
        self.update = bool(config.getoption("--update-certificates"))
        self._worker = hasattr(config, "workerinput")
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}  # test -> function -> row

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test recorded; the report of its teardown has it all, whatever failed before."""
        if report.when == "teardown":
            rows = [json.loads(str(value)) for key, value in report.user_properties if key == PROPERTY]
            if rows:
                self._rows[report.nodeid] = {row["name"]: row for row in rows}

    def pytest_sessionfinish(self) -> None:
        """Write the snapshot if asked to. Tests that did not run keep their entries."""
        if self.update and not self._worker and self._rows:
            now = {test: {name: row["entry"] for name, row in rows.items()} for test, rows in self._rows.items()}
            snapshot.write(self.path, self.before | now)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The table, and what to do about it."""
        if not self._rows:
            return
        terminalreporter.section("certificates")
        for test, rows in sorted(self._rows.items()):
            terminalreporter.write_line(test)
            cells = [cell for name, row in rows.items() for cell in _cells(name, row)]
            widths = [max(len(cell[column]) for cell in cells) for column in range(4)]
            for *cell, status in cells:
                line = "  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=True))
                terminalreporter.write_line(f"  {line}  {status}".rstrip(), red="weaker" in status and not self.update)
        for line in self._notes():
            terminalreporter.write_line(line)

    def _notes(self) -> list[str]:
        """What the snapshot has to do with it."""
        statuses = [row["status"] for rows in self._rows.values() for row in rows.values()]
        if self.update:
            return [f"written to {self._file}"]
        counts = {word: sum(word in status for status in statuses) for word in ("weaker", "stronger", "new")}
        gone = [
            f"{test}: {name}"
            for test, rows in self._rows.items()
            for name in sorted(self.before.get(test, {}).keys() - rows.keys())
        ]
        notes = [f"not recorded any more, though the test ran: {one}" for one in gone]
        if any(counts.values()) or gone:
            told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
            notes.append(f"{told or 'some gone'}, compared with {self._file}: --update-certificates writes it anew")
        return notes


SESSION = pytest.StashKey[Session]()


def _shown(certificate: Certificate) -> dict[str, dict[str, str]]:
    """For each output and axis its two claims as the table has them."""
    proved = snapshot.entry(certificate)
    claims = [(axis.cyclic, axis.interior) for leaf in certificate.leaves for axis in leaf.axes]
    return {
        where: {kind: _text(claim, one[kind]) for kind, claim in zip(snapshot.KINDS, pair, strict=True)}
        for (where, one), pair in zip(proved.items(), claims, strict=True)
    }


def _text(claim: Claim, proved: dict[str, Any] | None) -> str:
    if proved is not None:
        return snapshot.described(proved)
    source = claim.broken.source.split(" (")[0] if claim.broken else ""
    return f"{claim.verdict} at {Path(source).name}" if source else str(claim.verdict)


def _cells(name: str, row: dict[str, Any]) -> list[list[str]]:
    """The lines of the table for one function, the status in the last column of the first."""
    lines = []
    for number, (where, claims) in enumerate(row["shown"].items()):
        length = row["entry"][where]["length"]
        first = [name, row["status"]] if number == 0 else ["", ""]
        claimed = [f"{kind} {claims[kind]}" for kind in snapshot.KINDS]
        lines.append([first[0], f"{where} ({length} cells)", *claimed, first[1]])
    return lines


def _message(name: str, path: Path, lost: list[snapshot.Change], certificate: Certificate) -> str:
    """What was lost, the lines that broke it, and the way out."""
    lines = [f"{name} has lost what {path.name} says was proved of it"]
    reports = [axis for leaf in certificate.leaves for axis in leaf.axes]
    axes = dict(zip(snapshot.entry(certificate), reports, strict=True))
    for one in lost:
        lines.append(f"  {one}")
        if one.where not in axes:
            lines.append("    this output is gone")
            continue
        axis = axes[one.where]
        lines += [f"    {line}" for line in broken_lines(axis, axis.cyclic if one.kind == "cyclic" else axis.interior)]
    return "\n".join([*lines, "  If it is meant to be so, run with --update-certificates and commit the file."])

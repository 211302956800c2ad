"""A pytest plugin: tests record certificates, a table lists them, and a snapshot shows which claims were lost.

Enable it with `pytest -p jaxconv.testing.plugin`, or with `pytest_plugins = ["jaxconv.testing.plugin"]` in the
conftest.py at the root. There is no entry point, because it would import JAX in every run of pytest on the machine.

    def test_backbone(certificates):
        certificates.record(backbone, params, image, axes={1: (1, 2)})

It is a fixture and not a marker because the test builds the function: other fixtures provide parameters, and
parametrize provides configurations. The arguments of a marker would have to exist when the module is imported. The
marker `equivariance` sets options for one test, and selects all of these tests: `pytest -m equivariance`.

In CI a run of all tests is strict: a claim without an entry in the snapshot is an error (`strictness.py`).

PYTEST_DONT_REWRITE: there are no asserts here, so pytest need not warn users who have already imported this file.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from jaxconv.testing import snapshot_file
from jaxconv.testing.recorder import MODELS, Recorder
from jaxconv.testing.session import Session

MARKER = "equivariance(shift_model, thorough): records certificates; options of the jaxconv plugin for this test"
SESSION = pytest.StashKey[Session]()
DEADLINE = """\
Hypothesis's deadline of 200 ms is for each example, and the first call of a jitted function with a new shape compiles.
Disable it for the test, or for all tests in conftest.py:

    @hypothesis.settings(deadline=None)

    hypothesis.settings.register_profile("jax", deadline=None)
    hypothesis.settings.load_profile("jax")
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group."""
    group = parser.getgroup("jaxconv", "certificates of equivariance")
    group.addoption(
        "--shift-model",
        choices=sorted(MODELS),
        default="both",
        help="which claims may not become weaker than in the snapshot (both)",
    )
    group.addoption(
        "--quick",
        dest="certificates_thorough",
        action="store_false",
        default=False,
        help="prove only, execute nothing (the default)",
    )
    group.addoption(
        "--thorough",
        dest="certificates_thorough",
        action="store_true",
        help="also search for counterexamples to claims that are not proved, and try to falsify proved ones",
    )
    group.addoption("--update-certificates", action="store_true", help="write the proved claims to the snapshot")
    group.addoption("--certificates-file", help="the snapshot to compare with (ini: certificates_file)")
    parser.addini("certificates_file", "the snapshot to compare certificates with", default="certificates.json")
    strict = "fail if the snapshot is missing, or if a test or an entry has no counterpart (default in CI)"
    group.addoption("--strict-certificates", action="store_true", default=None, help=strict)
    group.addoption("--no-strict-certificates", dest="strict_certificates", action="store_false", help="the opposite")
    parser.addini("strict_certificates", "auto, true or false: --strict-certificates or not", default="auto")


def pytest_configure(config: pytest.Config) -> None:
    """Read the snapshot. A broken snapshot and contradictory options end the run before any test."""
    # Only the command line counts: one of the two options may override the project's addopts.
    if {"--quick", "--thorough"} <= set(config.invocation_params.args):
        raise pytest.UsageError("--quick is given with --thorough, but should be alone: leave one of them out")
    config.addinivalue_line("markers", MARKER)
    path = config.rootpath / (config.getoption("--certificates-file") or config.getini("certificates_file"))
    try:
        config.stash[SESSION] = Session(path, snapshot_file.read(path), config)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(config.stash[SESSION])


@pytest.fixture
def certificates(request: pytest.FixtureRequest) -> Recorder:
    """Records certificates, compares them with the snapshot, and lists them at the end of the run."""
    return Recorder(request.node, request.config.stash[SESSION])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[Any]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add an explanation of compilation times to a failure by Hypothesis's deadline."""
    report = yield
    if call.excinfo is not None and exceeds_deadline(call.excinfo.value):
        report.sections.append(("jaxconv", DEADLINE))
    return report


def exceeds_deadline(error: BaseException | None) -> bool:
    """Whether an exception is or contains Hypothesis's DeadlineExceeded. Hypothesis need not be installed."""
    if error is None:
        return False
    if (type(error).__module__, type(error).__name__) == ("hypothesis.errors", "DeadlineExceeded"):
        return True
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return any(map(exceeds_deadline, (error.__cause__, error.__context__, *inner)))

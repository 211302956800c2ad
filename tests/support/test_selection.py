"""Which tests a run has and on how many processes, and that it says what it leaves out."""

import argparse
from argparse import Namespace
from pathlib import Path

import pytest

from support import profiles
from support.selection import EVERY_DAY, FINDERS, OF_EACH_VERSION, USUAL, at_least_one, is_small, sampled, usual_sample

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
NAMES = [f"tests/laws/test_shift.py::test_layer[{n}]" for n in range(3000)]
TESTS = """
import pytest


def test_quick():
    pass


@pytest.mark.slow
def test_slow():
    pass
"""


@pytest.mark.parametrize("among", [1, 3, 10])
def test_a_sample_is_as_large_as_asked_for(among):
    found = sum(sampled(name, among) for name in NAMES)
    assert abs(found - 3000 / among) <= 100


def test_what_depends_on_the_version_of_jax_is_in_every_sample():
    assert all(sampled(f"{path}::test_it", 10**9) for path in OF_EACH_VERSION)
    assert all((ROOT / path).exists() for path in OF_EACH_VERSION)


def test_what_found_a_planted_fault_runs_every_day_and_exists():
    """A fault whose test was renamed has to be planted again: `python tests/faults/plant.py`."""
    assert len(FINDERS) > 200
    assert all(sampled(name, EVERY_DAY) for name in FINDERS)
    for name in FINDERS:
        file, test = name.split("[")[0].split("::")
        assert f"def {test}(" in (ROOT / file).read_text() or file.startswith("jaxconv/"), name


def test_a_smaller_sample_is_also_one_of_those_that_found_a_fault():
    assert 0 < sum(sampled(name, 50) for name in FINDERS if not name.startswith(OF_EACH_VERSION)) < len(FINDERS) / 10


OPTIONS = {"markexpr": USUAL, "keyword": "", "collectonly": False}


@pytest.mark.parametrize(
    ("options", "source", "nightly", "sample"),
    [
        ({}, "TESTPATHS", False, EVERY_DAY),
        ({}, "TESTPATHS", True, 1),
        ({}, "ARGS", False, 1),
        ({"markexpr": "slow"}, "TESTPATHS", False, 1),
        ({"keyword": "conv"}, "TESTPATHS", False, 1),
    ],
)
def test_all_tests_run_where_some_are_asked_for(monkeypatch, options, source, nightly, sample):
    monkeypatch.setattr(profiles, "NIGHTLY", nightly)
    source = pytest.Config.ArgsSource[source]
    assert usual_sample(Namespace(args=[], args_source=source, option=Namespace(**OPTIONS | options))) == sample


def test_a_name_alone_decides():
    """So a test that is added or taken away moves no other one into the sample or out of it."""
    assert [sampled(name, 5) for name in NAMES[::-1]] == [sampled(name, 5) for name in NAMES][::-1]
    assert not sampled("tests/laws/test_shift.py::test_layer[1]", 10**9)


@pytest.mark.parametrize(
    ("arguments", "options", "small"),
    [
        ([], {}, False),
        (["tests/laws", "jaxconv"], {}, False),
        (["tests/laws/test_shift.py"], {}, True),
        (["tests/laws", "tests/laws/test_shift.py::test_layer"], {}, True),
        ([f"tests/laws/test_shift.py::test_layer[{'a' * 300}]"], {}, True),  # longer than the name of a file may be
        ([], {"keyword": "conv"}, True),
        ([], {"lf": True}, True),
        (["tests"], {"collectonly": True}, True),
    ],
)
def test_small_runs_start_no_processes(arguments, options, small, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert is_small(arguments, Namespace(**{"keyword": "", "lf": False, "collectonly": False} | options)) == small


@pytest.mark.parametrize(
    ("marks", "processes", "says"),
    [("not slow and not torch", 2, True), ("not slow and not torch", 0, True), ("slow", 0, False)],
)
def test_a_run_says_what_it_leaves_out(pytester, monkeypatch, marks, says, processes):
    """Once, however many processes leave it out; and not where other tests were asked for."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))  # for the other processes
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makepyfile(TESTS)
    run = pytester.runpytest_subprocess if processes else pytester.runpytest_inprocess
    found = run("-p", "support.selection", "--sample", "1", "-m", marks, "-n", str(processes))
    found.assert_outcomes(passed=1, deselected=0 if processes else 1)
    assert ("left out: 1 tests" in found.stdout.str()) == says


@pytest.mark.parametrize("words", ["0", "-1", "x"])
def test_a_sample_of_none_is_refused(words):
    """It was an internal error, or all tests."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"--sample is '{words}', but should be 1 or more"):
        at_least_one(words)


def test_an_unknown_profile_is_refused_by_name(monkeypatch):
    assert profiles.unknown() == ""
    monkeypatch.setattr(profiles, "PROFILE", "wrong")
    assert profiles.unknown().startswith("HYPOTHESIS_PROFILE is 'wrong', but should be one of quick, brief, nightly.")

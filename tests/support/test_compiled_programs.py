"""Programs are counted where they are compiled, and a part that exceeds its budget fails the run."""

from pathlib import Path

import pytest

from support import compiled_programs

pytest_plugins = ["pytester"]
TESTS = """
import jax
import pytest

@pytest.mark.parametrize("shape", [1, 2, 3])
def test_of_three_shapes(shape):
    jax.jit(lambda x: x + 1)(jax.numpy.zeros(shape)).block_until_ready()

def test_that_compiles_nothing():
    pass
"""


@pytest.mark.parametrize(("processes", "budget", "code"), [(0, 20, 0), (2, 2, 1)])
def test_a_part_that_compiles_too_much_fails_the_run(pytester, monkeypatch, processes, budget, code):
    """Also where each of two processes stays within the budget of the whole."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # for the other processes
    pytester.makefile(".toml", budgets=f"[programs]\n'test_three.py' = {budget}\nothers = 9")
    pytester.makepyfile(test_three=TESTS)
    options = ("--budgets", "budgets.toml", "-n", str(processes))
    run = pytester.runpytest_subprocess if processes else pytester.runpytest_inprocess
    found = run("-p", "support.compiled_programs", *options)
    found.assert_outcomes(passed=4)
    assert found.ret == code
    assert ("and its budget is 2 (budgets.toml)" in found.stdout.str()) == bool(code)
    assert "programs compiled: test_three.py " in found.stdout.str()


@pytest.mark.parametrize(
    ("every_day", "options", "code"),
    [
        (1, ["--sample", "1"], 1),
        (2, ["--sample", "1"], 0),
        (2, [], 0),
        (1, ["--sample", "1", "-m", "slow"], 0),
    ],
)
def test_only_the_tests_of_every_day_have_a_budget(pytester, monkeypatch, every_day, options, code):
    """A run of one file has all of its tests, so it has no budget; nor have those with a mark."""
    monkeypatch.setattr(compiled_programs, "EVERY_DAY", every_day)
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makefile(".toml", budgets="[programs]\nothers = 0")
    pytester.makepyfile(test_three=TESTS + "\ntest_of_three_shapes = pytest.mark.slow(test_of_three_shapes)")
    plugins = ("-p", "support.compiled_programs", "-p", "support.selection", "--budgets", "budgets.toml")
    assert pytester.runpytest_inprocess(*plugins, *options).ret == code

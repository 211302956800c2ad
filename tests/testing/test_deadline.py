"""The plugin explains how to disable Hypothesis's deadline, beside a failure by it."""

pytest_plugins = ["pytester"]

NAMES = ("test_always", "test_at_first", "test_without", "test_other")
SLOW = """
import time
from hypothesis import Phase, given, settings, strategies as st

calls = []

@settings(deadline=20, database=None, phases=[Phase.generate])
@given(st.integers())
def test_always(x):
    time.sleep(0.05)

@settings(deadline=20, database=None)
@given(st.integers())
def test_at_first(x):
    calls.append(x)
    time.sleep(0.05 * (len(calls) == 1))

@settings(deadline=None, database=None, max_examples=2)
@given(st.integers())
def test_without(x):
    time.sleep(0.05)

def test_other():
    assert 1 == 2
"""


def test_a_deadline_that_is_exceeded_says_how_to_set_it(project):
    project.write(tests=SLOW)
    result = project.run()
    result.assert_outcomes(passed=1, failed=3)
    failures = result.stdout.str().split("\n____")
    assert [("register_profile" in text, name) for text in failures for name in NAMES if f" {name} " in text[:80]] == [
        (True, "test_always"), (True, "test_at_first"), (False, "test_other")
    ]  # fmt: skip

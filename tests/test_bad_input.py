"""Every bad call gets the message that its row names: the argument, what it is, what it should be, and the fix."""

import importlib
import re
from collections import Counter
from pathlib import Path

import jax
import pytest
from bad_input import VALID, caller

MODULES = sorted(path.stem for path in (Path(__file__).parent / "bad_input").glob("*.py"))
ROWS = [
    row
    for name in MODULES
    if name != "__init__"
    for row in getattr(importlib.import_module(f"bad_input.{name}"), "ROWS", ())
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_bad_call_says_what_it_is_what_it_should_be_and_how_to_fix_it(row):
    with pytest.raises(row.error) as caught:
        row.call()
    message = str(caught.value)
    assert re.fullmatch(row.pattern, message), message
    assert type(caught.value) is row.error


@pytest.mark.parametrize("name", VALID)
def test_the_calls_are_valid_without_their_faults(name):
    """Otherwise a row could get its message for another reason."""
    jax.eval_shape(lambda: jax.tree.leaves(caller(name, {})()) if name != "Pad" else caller(name, {})() and None)


def test_no_two_rows_are_alike():
    assert [row for row, times in Counter(map(str, ROWS)).items() if times > 1] == []


def test_there_are_400_rows():
    assert len(ROWS) >= 400

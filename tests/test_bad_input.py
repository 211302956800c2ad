"""Every bad call gets the message that its row names: the argument, what it is, what it should be, and the fix."""

import importlib
import inspect
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jax
import pytest
from support import bad_input
from support.bad_input import VALID, caller

import jaxconv as jc
from jaxconv import testing
from jaxconv.testing import strategies
from jaxconv.training import augment, data, devices, fit, lenet, loader, log, nonfinite, pictures, step, update
from jaxconv.verify import measures

MODULES = sorted(path.stem for path in Path(bad_input.__file__).parent.glob("*.py"))
ROWS = [
    row
    for name in MODULES
    if name != "__init__"
    for row in getattr(importlib.import_module(f"support.bad_input.{name}"), "ROWS", ())
]
# What these compute with is read by optax, NumPy or the model that they are given.
NUMBERS_ONLY = {"scaled_tanh", "checked_examples", "checked_scores", "check_labels", "check_classes"}
# The modules of training share these with one another only.
INTERNAL = {
    "check_optimiser",
    "operands",
    "as_trained",
    "cast",
    "has_nan",
    "over_devices",
    "replicated",
    "want_cpu_devices",
}


def wrong_with(row):
    """What a call raises instead of the error and the message of its row; "" if it raises that."""
    try:
        row.call()
    except Exception as error:
        right = type(error) is row.error and re.fullmatch(row.pattern, str(error))
        return "" if right else f"{type(error).__name__}: {error}"
    return "nothing is raised"


@pytest.mark.parametrize("function", dict.fromkeys(row.function for row in ROWS))
def test_a_bad_call_says_what_it_is_what_it_should_be_and_how_to_fix_it(function):
    """All rows of a function in one test: there are some thousand."""
    wrong = {str(row): wrong_with(row) for row in ROWS if row.function == function}
    assert {row: message for row, message in wrong.items() if message} == {}


@pytest.mark.parametrize("name", VALID)
def test_the_calls_are_valid_without_their_faults(name):
    """Otherwise a row could get its message for another reason."""
    jax.eval_shape(lambda: jax.tree.leaves(caller(name, {})()) if name != "Pad" else caller(name, {})() and None)


def test_no_two_rows_are_alike():
    assert [row for row, times in Counter(map(str, ROWS)).items() if times > 1] == []


def test_there_are_400_rows():
    assert len(ROWS) >= 400


def test_every_row_names_all_parts_of_its_message():
    assert [str(row) for row in ROWS if not all((row.named, row.found, row.expected, row.fix))] == []


def test_every_public_function_with_arguments_has_rows():
    """Of the package, of testing, measuring and training; a type that is none of them has no calls to refuse."""
    training = (augment, data, devices, fit, lenet, loader, log, nonfinite, pictures, step, update)
    modules = (jc, testing, measures, strategies, *training)
    own = lambda module, value: module in (jc, testing, measures) or value.__module__ == module.__name__
    public = {
        name
        for module in modules
        for name, value in vars(module).items()
        if not name.startswith("_") and inspect.isfunction(value) and own(module, value)
        if inspect.signature(value).parameters
    }
    assert public - {row.function for row in ROWS} == NUMBERS_ONLY | INTERNAL


def test_a_message_without_a_part_would_be_seen():
    """The broken twin: each part in turn is what it is not."""
    row = next(row for row in ROWS if str(row) == "conv, stride: zero")
    assert wrong_with(row) == ""
    for part in ("named", "found", "expected", "fix"):
        assert "conv: stride is 0" in wrong_with(replace(row, **{part: "another"}))
    assert "conv: stride is 0" in wrong_with(replace(row, error=TypeError))
    assert wrong_with(replace(row, call=lambda: None)) == "nothing is raised"

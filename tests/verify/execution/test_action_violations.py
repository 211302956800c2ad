"""Test `falsify` under actions: false laws have a small counterexample that replays, and true laws have none.

`violates` verifies each counterexample by applying the element with NumPy.
"""

import json
import re
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.symmetric_subjects import BROKEN, HOLDING, KERNEL, turned_and_rolled

import jaxconv as jc
from jaxconv.verify.execution.action_violations import ActionCounterexample
from jaxconv.verify.execution.falsify import falsify

X = jax.ShapeDtypeStruct((3, 3, 5, 4), "float32")


def same(result, fn, *arguments):
    """Assert that a counterexample replays, survives JSON, and disappears for the identity of its cells."""
    found = result.counterexample
    assert found.replay(fn) == pytest.approx(found.error, rel=1e-4)
    assert found.error > 1e-4
    again = ActionCounterexample.from_json(found.to_json(), *arguments)
    assert (str(again), again.error, again.replay(fn)) == (str(found), found.error, found.replay(fn))
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_false_laws_have_a_small_counterexample(name):
    fn, action, axes = BROKEN[name]
    found = same(falsify(fn, X, action=action, axes=axes), fn, X)
    (x,), (y,) = found.arguments, found.moved
    assert sorted(np.abs(x).ravel()) == sorted(np.abs(y).ravel())
    assert np.count_nonzero(x) <= 2


@pytest.mark.parametrize("name", HOLDING)
def test_true_laws_have_none(name):
    fn, action, axes = HOLDING[name]
    result = falsify(fn, X, action=action, axes=axes, examples=20)
    assert result.counterexample is None
    assert result.responded
    assert 1 <= result.examples <= 20
    assert result.elements == len(result.laws)


def test_a_counterexample_is_a_turn_of_its_input():
    """Of an image that is not square, by NumPy."""
    fn = lambda x: jnp.cumsum(x, axis=1)
    found = same(falsify(fn, X, action="rot90", axes=(1, 2)), fn, X)
    turned = np.rot90(found.arguments[0], 1, (1, 2))
    np.testing.assert_array_equal(found.moved[0], turned)
    after = np.asarray(fn(turned.copy()))[found.position]
    expected = np.rot90(np.asarray(fn(found.arguments[0])), 1, (1, 2))
    assert (found.found, found.expected) == (after, expected[found.position])
    assert np.asarray(fn(found.arguments[0]))[found.origin] == found.expected
    assert found.replay(lambda x: x) == 0
    assert found.law.element == "rot90 by 1 quarter turn"


def test_signs_and_other_outputs_are_replayed():
    """The law exchanges two outputs and changes a sign."""
    fn = lambda x: {"a": x, "b": x * 2}
    pair = (lambda x: -x[::-1], lambda y: {"a": -y["b"][::-1], "b": y["a"]})
    x = jax.ShapeDtypeStruct((3,), "float32")
    found = same(falsify(fn, x, action=pair), fn, x)
    assert (found.law.leaf, found.source, found.sign) == (0, 1, -1)
    assert found.found == -found.arguments[0][2 - found.position[0]]
    assert found.expected == 2 * found.found
    assert f"but -output 1 of f(x)[{found.origin[0]}] is " in str(found)


def test_parameters_are_drawn_or_kept():
    kernel = jax.ShapeDtypeStruct((3, 3, 1, 2), "float32")
    fn = lambda kernel, x: jc.conv({"kernel": kernel}, x, padding="same")
    x = jax.ShapeDtypeStruct((1, 3, 4, 1), "float32")
    found = same(falsify(fn, kernel, x, action="flip", axes={1: (1,)}), fn, kernel, x)
    assert found.changed == (1,)
    assert (
        falsify(fn, np.ones((3, 3, 1, 2), np.float32), x, action="flip", axes={1: (1,)}, values=True).counterexample
        is None
    )
    assert falsify(fn, np.ones((3, 3, 1, 2), np.float32), x, action="flip", axes={1: (1,)}).counterexample


def test_an_invariance_may_be_asked_for():
    mean = lambda x: x.mean((1, 2), keepdims=True)
    assert falsify(mean, X, action="dihedral", axes=(1, 2), examples=20).counterexample is None
    found = same(falsify(lambda x: x, X, action="flip", axes=(1,), invariant=True), lambda x: x, X)
    assert found.law.invariant
    assert str(found.law) == "flip along axis 1 of argument 0 does not change output (3, 3, 5, 4)"


def test_whole_number_dtypes():
    for dtype in ("int32", "uint8", "bool"):
        x = jax.ShapeDtypeStruct((2, 3), dtype)
        assert falsify(lambda x: x, x, action="permute", axes=(1,), examples=10).counterexample is None
        fn = lambda x: x.at[:, 0].set(False if x.dtype == bool else 0)
        same(falsify(fn, x, action="permute", axes=(1,)), fn, x)


def test_rounding_is_no_violation():
    """A sum in another order; and its cancellation, which rounds more than the result is large."""
    x = jax.ShapeDtypeStruct((1, 7), "float32")
    fn = lambda x: (x[:, 0] + x[:, 1] + x[:, 2] + x[:, 3] + x[:, 4] + x[:, 5] + x[:, 6]) - x.sum(1)
    assert falsify(fn, x, action="permute", axes=(1,), examples=50).counterexample is None


def test_a_tie_is_no_violation():
    """The sum is a whole number but for rounding, which depends on the order and which the floor makes large."""
    x = jax.ShapeDtypeStruct((5, 4), "float32")
    part = lambda x, i: x[:, i] * np.float32(0.7)
    fn = lambda x: jnp.floor((part(x, 0) + part(x, 1) + part(x, 2) + part(x, 3)) * (1 / np.float32(0.7)))
    dense = np.random.default_rng(0).integers(1, 5, (1000, 4)).astype(np.float32)
    assert any(np.any(fn(dense) != fn(dense[:, order])) for order in permutations(range(4)))
    assert falsify(fn, x, action="permute", axes=(1,), invariant=True, examples=100).counterexample is None


def test_a_dead_function_does_not_respond():
    result = falsify(lambda x: x * 0, X, action="flip", axes=(1,), examples=5)
    assert not result.responded
    assert str(result).endswith("nothing was tested: the output was the same for every example")


def test_the_same_seed_finds_the_same():
    fn, action, axes = BROKEN["an unsymmetric kernel"]
    texts = {falsify(fn, X, action=action, axes=axes, seed=3).counterexample.to_json() for _ in range(2)}
    assert len(texts) == 1


def test_a_report_says_what_was_tried():
    fn, action, axes = BROKEN["a group convolution, rolled the wrong way"]
    text = str(falsify(fn, X, action=action, axes=axes)).splitlines()
    assert re.fullmatch(r"lifted: violated \(\d+ examples?, 3 elements of each, .* s\)", text[0])
    assert text[1] == "  law: turn 1 acts on output (3, 4, 3, 5, 5) as on the input"
    assert text[2].startswith("  turn 1: f(moved)[")
    held = str(falsify(fn, X, action=turned_and_rolled(1), examples=3)).splitlines()
    assert held[0].startswith("lifted: no violation found (")
    assert held[1:] == [f"  law: turn {k} acts on output (3, 4, 3, 5, 5) as on the input" for k in (1, 2, 3)]
    many = str(falsify(lambda x: x, jax.ShapeDtypeStruct((9,), "float32"), action="permute", axes=(0,), examples=3))
    assert many.splitlines()[-1] == "  and 12 more laws"


@pytest.mark.parametrize(("side", "which"), [(0, "input"), (1, "output")])
def test_interpolations_are_refused(side, which):
    pair = [lambda x: x[::-1], lambda y: y[::-1]]
    pair[side] = lambda x: x * np.float32(0.5)
    message = (
        f"falsify: mine on the {which} is an interpolation or other computation, but should be one that only moves"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        falsify(lambda x: x, X, action={"mine": tuple(pair)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data | {"sign": "-"}, "counterexample.sign is"),
        (
            lambda data: {key: value for key, value in data.items() if key != "source"},
            "the JSON is a dict of 7, but should be an object of law, changed,",
        ),
        (
            lambda data: data | {"leaves": data["leaves"] * 2},
            "the number of arrays in the arguments is 1, but should be 2",
        ),
    ],
)
def test_malformed_json_is_refused(change, message):
    found = falsify(lambda x: x, X, action=(lambda x: -x, lambda y: y)).counterexample
    with pytest.raises(ValueError, match=re.escape(message)):
        ActionCounterexample.from_json(json.dumps(change(json.loads(found.to_json()))), X)


def test_kernel_is_not_symmetric():
    """So that the broken twins are broken."""
    assert not np.allclose(KERNEL, KERNEL[::-1])

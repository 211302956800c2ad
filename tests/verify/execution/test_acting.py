"""Test what each element of an action does to inputs and outputs, and the programs that run the moved inputs."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.symmetric_subjects import X, unsymmetric

from jaxconv.verify.execution.acting import acting, changed_leaves, rounding_bound
from jaxconv.verify.execution.program import traced
from jaxconv.verify.execution.run import executing


def acted(action, fn, arguments, axes=None, **settings):
    with executing():
        program = traced(fn, arguments)
        settings = {"invariant": False, "seed": 0} | settings
        return program, acting(action, fn, arguments, program, axes, **settings)


def test_moved_inputs_of_the_same_shape_share_a_program():
    """The half turn keeps the shape of an image that is not square; the quarter turns share another program."""
    program, (first, second, third) = acted("rot90", unsymmetric, (X,), (1, 2))
    assert second.program is program
    assert first.program is third.program is not program
    assert [tuple(leaf.shape) for _, leaf in first.program.outputs] == [(3, 8, 6, 5)]


def test_what_is_moved_and_what_is_expected():
    _, (first, *_) = acted("rot90", unsymmetric, (X,), (1, 2))
    assert first.moves_only
    np.testing.assert_array_equal(first.moved([X])[0], np.rot90(X, 1, (1, 2)))
    y = np.asarray(unsymmetric(X))
    np.testing.assert_array_equal(first.expected([y])[0], np.rot90(y, 1, (1, 2)))


def test_leaves_that_an_element_returns_are_not_changed():
    """A leaf that is copied is not, either; `moved` passes both on as they are."""
    fn = lambda p, x: p["a"].sum() + p["b"] * x
    arguments = ({"a": jnp.ones((1, 3)), "b": jnp.ones((1, 3))}, jnp.arange(3.0)[None])
    pair = (lambda p, x: ({"a": p["a"], "b": p["b"] * 1}, x[:, ::-1]), lambda y: y[:, ::-1])
    _, (element,) = acted(pair, fn, arguments)
    assert element.changed == (2,)
    assert changed_leaves([element]) == {2}
    leaves = jax.tree.leaves(arguments)
    moved = element.moved(leaves)
    assert moved[0] is leaves[0]
    assert moved[1] is leaves[1]
    assert moved[2].tolist() == [[2, 1, 0]]


def test_an_interpolation_is_applied_as_it_is():
    half = lambda x: (x + jnp.roll(x, 1, 1)) / 2
    _, (element,) = acted((half, half), jnp.negative, (X,))
    assert (element.on_input, element.on_output, element.moves_only) == (None, None, False)
    np.testing.assert_array_equal(element.moved([X])[0], half(X))
    np.testing.assert_array_equal(element.expected([X])[0], half(X))


def test_rounding_bounds_move_with_the_outputs():
    """Of two outputs that are exchanged, only one rounds."""
    fn = lambda x: (x, jnp.exp(x) - jnp.exp(x * 2))
    x = np.array([0.0, 1, 2], np.float32)
    program, (element,) = acted((lambda x: x[::-1], lambda y: (y[1][::-1], y[0])), fn, (x,))
    with executing():
        bounds = [rounding_bound(program, number, [x], {0}) for number in (0, 1)]
        expected = [element.expected_bound(program, number, [x], {0}) for number in (0, 1)]
    assert bounds[0].max() == 0 < bounds[1].min()
    np.testing.assert_array_equal(expected[0], bounds[1][::-1])
    np.testing.assert_array_equal(expected[1], bounds[0])


def test_a_function_of_other_shapes_than_its_law_is_refused():
    message = (
        "jaxconv: the shapes of the output of fn after rot90 by 1 quarter turn is [(3, 6, 6, 1)], but should be "
        "[(3, 8, 6, 1)], as the action makes them of the output. Pass a pair of functions"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        acted("rot90", lambda x: x[:, : x.shape[1] - 2 * (x.shape[1] > x.shape[2]), :, :1], (X[:, :, :8],), (1, 2))


def test_random_keys_are_not_moved():
    keys = jax.random.split(jax.random.key(0), 3)
    fn = lambda keys, x: x + jax.vmap(jax.random.normal)(keys)
    pair = (lambda keys, x: (keys[::-1], x[::-1]), lambda y: y[::-1])
    with pytest.raises(
        TypeError, match=r"argument 0 is an array of random keys, but should be an array of numbers\. Pass"
    ):
        acted(pair, fn, (keys, jnp.ones(3)))
    _, (element,) = acted((lambda keys, x: (keys, x[::-1]), lambda y: y[::-1]), fn, (keys, jnp.ones(3)))
    assert element.changed == (1,)


def test_an_action_changes_the_input():
    message = "the action is the identity of the input, but should be one that changes the input. Pass a larger input"
    for action, axes in (((lambda x: x * 1, lambda y: -y), None), ("flip", (1,))):
        with pytest.raises(ValueError, match=re.escape(message)):
            acted(action, jnp.negative, (jnp.ones((3, 1)),), axes)


def test_an_empty_input_is_refused():
    pair = (lambda x: {"a": x["a"][::-1]}, lambda y: y)
    with pytest.raises(
        ValueError, match=r"argument 0\['a'\] is of shape \(0, 2\), but should be non-empty. Pass a batch"
    ):
        acted(pair, lambda x: x["a"].sum(), ({"a": jnp.ones((0, 2))},))

"""Test the named actions against NumPy and against the axioms of groups, and what their arguments may be."""

import math
import re
from itertools import permutations, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.verify.execution.actions import NAMED, PERMUTATIONS, elements, refuse_beside_action
from jaxconv.verify.execution.check import check

X = np.arange(24.0, dtype=np.float32).reshape(1, 3, 4, 2)


def acted(action, x=X, axes=(1, 2), **settings):
    """{name: the moved input}, for a function that returns its argument."""
    settings = {"invariant": False, "seed": 0} | settings
    chosen = elements(action, lambda x: x, (x,), [jax.ShapeDtypeStruct(x.shape, x.dtype)], axes, **settings)
    moved = {element.name: np.asarray(element.on_input([jnp.asarray(x)])[0]) for element in chosen}
    for element in chosen:  # the output is moved as the input
        np.testing.assert_array_equal(element.on_output([jnp.asarray(x)])[0], moved[element.name])
    return moved


def equal(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_quarter_turns():
    """Turned by hand: the last column becomes the first row."""
    x = np.array([[1, 2, 3], [4, 5, 6]])
    turns = {
        "rot90 by 1 quarter turn": [[3, 6], [2, 5], [1, 4]],
        "rot90 by 2 quarter turns": [[6, 5, 4], [3, 2, 1]],
        "rot90 by 3 quarter turns": [[4, 1], [5, 2], [6, 3]],
    }
    equal(acted("rot90", x, (0, 1)), turns)


def test_flips_are_along_each_axis_and_along_several():
    one, two = "axis 1 of argument 0", "axis 2 of argument 0"
    flips = {f"flip along {one}": X[:, ::-1], f"flip along {two}": X[:, :, ::-1]}
    equal(acted("flip"), flips | {f"flip along {one} and {two}": X[:, ::-1, ::-1]})
    assert len(acted("flip", axes=(1, 2, 3))) == 2**3 - 1


def test_a_transpose_exchanges_two_axes():
    name = "transpose of axis 1 of argument 0 and axis 2 of argument 0"
    equal(acted("transpose"), {name: X.transpose(0, 2, 1, 3)})


def test_the_dihedral_group_is_closed_and_has_eight_elements():
    square = np.arange(9).reshape(3, 3)
    group = {name: y.ravel() for name, y in acted("dihedral", square, (0, 1)).items()} | {"": square.ravel()}
    known = {tuple(order.tolist()) for order in group.values()}
    assert len(known) == len(group) == 8
    assert {tuple(a[b].tolist()) for a, b in product(group.values(), repeat=2)} == known
    reflections = [name for name, order in group.items() if name and np.array_equal(order[order], square.ravel())]
    assert [name.split(" of ")[0] for name in reflections] == [
        "rot90 by 2 quarter turns", "flip along axis 0", "flip along axis 1", "transpose", "anti-transpose",
    ]  # fmt: skip


def test_all_permutations_of_few_cells():
    moved = acted("permute", axes=(1,))
    orders = [order for order in permutations(range(3)) if order != (0, 1, 2)]
    equal(moved, {f"permutation {list(order)} along axis 1 of argument 0": X[:, order] for order in orders})
    assert len(acted("permute", axes=(1, 3))) == math.factorial(3) * 2 - 1


def test_a_sample_of_many_permutations_generates_all():
    """The exchange of two cells and the rotation by one cell generate the group of all permutations."""
    x = np.arange(20).reshape(10, 2)
    moved = acted("permute", x, (0,))
    orders = [tuple((y[:, 0] // 2).tolist()) for y in moved.values()]
    assert len(set(orders)) == len(orders) == PERMUTATIONS
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert orders[0] == (1, 0, *range(2, 10))
    assert orders[1] == (*range(1, 10), 0)
    assert list(moved) == list(acted("permute", x, (0,)))
    assert list(moved) != list(acted("permute", x, (0,), seed=1))


def test_several_arguments_move_together():
    y = jnp.zeros((4, 3))
    action = ("rot90", lambda x, y: x, (X, y), [jax.ShapeDtypeStruct(X.shape, X.dtype)], {0: (1, 2), 1: (1, 0)})
    first, *_ = elements(*action, invariant=False, seed=0)
    moved = first.on_input([jnp.asarray(X), y.at[0, 0].set(1)])
    np.testing.assert_array_equal(moved[0], np.rot90(X, 1, (1, 2)))
    assert moved[1].shape == (3, 4)
    assert np.argwhere(moved[1]).tolist() == np.argwhere(np.rot90(y.at[0, 0].set(1), 1, (1, 0))).tolist()


@pytest.mark.parametrize(
    ("shape", "axes", "action"), [((1, 5), (1, 2), "flip"), ((2,), (1, 2), "dihedral"), ((), (3,), "permute")]
)
def test_an_output_without_the_axes_does_not_move(shape, axes, action):
    chosen = elements(action, len, (X,), [jax.ShapeDtypeStruct(shape, X.dtype)], axes, invariant=False, seed=0)
    y = jnp.ones(shape)
    assert all(element.on_output([y])[0] is y for element in chosen)


def test_an_invariant_output_does_not_move():
    chosen = elements("flip", len, (X,), [jax.ShapeDtypeStruct(X.shape, X.dtype)], (1,), invariant=True, seed=0)
    y = jnp.asarray(X)
    assert all(element.on_output([y])[0] is y for element in chosen)


@pytest.mark.parametrize(
    ("shape", "action", "message"),
    [
        ((1, 3, 4, 2, 1), "flip", "an output's shape is (1, 3, 4, 2, 1), but should be of as many axes as the input, 4,"),
        ((1, 3), "rot90", "an output's shape is (1, 3), but should be of as many axes as the input, 4, or without the axes of"),
        ((1, 6, 4, 2), "permute", "the length of the output along axis 1 is 6, but should be 1 or 3, as of the input. Pass"),
    ],
)  # fmt: skip
def test_an_output_of_another_shape_needs_functions(shape, action, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        elements(action, len, (X,), [jax.ShapeDtypeStruct(shape, X.dtype)], (1, 2), invariant=False, seed=0)


@pytest.mark.parametrize("name", ["rot90", "transpose", "dihedral"])
def test_rotations_are_of_two_axes(name):
    with pytest.raises(ValueError, match=f"the number of axes of {name} is 3, but should be 2. Write axes="):
        acted(name, axes=(1, 2, 3))


def test_one_cell_has_no_permutations():
    with pytest.raises(
        ValueError, match=r"the length of each axis is 1, but should be 2 or more, since permute then has"
    ):
        acted("permute", axes=(0,))


def test_functions_take_and_return_containers():
    pair = (lambda p, x: (p, {"a": x["a"][::-1]}), lambda y: (y[1].T, y[0].T))
    arguments = (jnp.ones(2), {"a": jnp.arange(3)})
    fn = lambda p, x: (jnp.zeros((2, 3)), jnp.ones((3, 2)))
    (element,) = elements({"swap": pair}, fn, arguments, [], None, invariant=False, seed=0)
    p, x = element.on_input([arguments[0], arguments[1]["a"]])
    assert p is arguments[0]
    assert x.tolist() == [2, 1, 0]
    assert [y.tolist() for y in element.on_output([*fn(*arguments)])] == [
        np.ones((2, 3)).tolist(),
        np.zeros((3, 2)).tolist(),
    ]


@pytest.mark.parametrize(
    ("arguments", "pair", "message"),
    [
        ((X,), (lambda x: (x, x), lambda y: y), "what on_input of the action returns is of structure "),
        ((X, X), (lambda a, b: a, lambda y: y), "what on_input of the action returns is of structure "),
        ((X,), (lambda x: x[::-1], lambda y: [y]), "what on_output of the action returns is of structure "),
    ],
)
def test_functions_return_what_they_were_given(arguments, pair, message):
    (element,) = elements(pair, lambda *x: x[0], arguments, [], None, invariant=False, seed=0)
    side, leaves = (element.on_output, [X]) if "on_output" in message else (element.on_input, list(arguments))
    with pytest.raises(ValueError, match=re.escape(message)):
        side(leaves)


def test_an_exception_of_a_function_names_the_element():
    (element,) = elements({"mine": (lambda x: x.nothing, len)}, len, (X,), [], None, invariant=False, seed=0)
    with pytest.raises(AttributeError, match="nothing") as caught:
        element.on_input([X])
    assert caught.value.__notes__ == ["jaxconv was applying mine"]


def test_settings_of_shifts_are_left_out():
    refuse_beside_action(shift=(None, None), kind=("cyclic", "cyclic"))
    with pytest.raises(ValueError, match="kind is 'interior', but should be left out where an action is given"):
        refuse_beside_action(shift=(None, None), kind=("interior", "cyclic"))


def test_every_name_is_documented():
    assert [name for name in NAMED if f'"{name}"' not in check.__doc__] == []

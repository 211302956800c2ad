"""The jaxpr layout that the rules for pointwise primitives rely on, on every JAX version."""

import jax.numpy as jnp
import pytest
from jax import lax
from support.equations import array, only, operands


@pytest.mark.parametrize(("other", "expected"), [((2, 6), [(2, 6), (2, 6)]), ((2, 1), [(2, 6), (2, 1)])])
def test_binary_operations_take_operands_of_one_shape_or_with_axes_of_one_cell(other, expected):
    assert operands(only("add", lambda x, y: x + y, array(2, 6), array(*other))) == expected


def test_binary_operations_take_numbers_as_rank_0():
    assert operands(only("mul", lambda x: x * 2.0, array(2, 6))) == [(2, 6), ()]
    assert operands(only("sub", lambda x: 2.0 - x, array(2, 6))) == [(), (2, 6)]


def test_a_selection_has_what_selects_and_then_the_cases_and_it_may_be_one_number():
    x, which = array(2, 6), array(2, 6, dtype="bool")
    equation = only("select_n", jnp.where, which, x, x)
    assert [atom.aval.dtype.name for atom in equation.invars] == ["bool", "float32", "float32"]
    assert operands(only("select_n", lax.select, array(dtype="bool"), x, x)) == [(), (2, 6), (2, 6)]


def test_a_clamp_has_its_bounds_around_the_operand_and_they_may_be_numbers():
    assert operands(only("clamp", lambda x: lax.clamp(0.0, x, 1.0), array(2, 6))) == [(), (2, 6), ()]

"""The jaxpr layout that the rules for gathers, scatters and dynamic slices rely on, on every JAX version."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.equations import array, only, operands, results

from jaxconv.jaxprs.layout import is_literal


def test_a_gather_names_offsets_collapsed_axes_and_the_indexed_axis():
    table = np.array([[0, 2, 3, 1], [4, 1, 5, 0]])
    equation = only("gather", lambda x: x[:, table], array(3, 6, 5))
    numbers = equation.params["dimension_numbers"]
    assert (numbers.offset_dims, numbers.collapsed_slice_dims, numbers.start_index_map) == ((0, 3), (1,), (1,))
    assert (numbers.operand_batching_dims, numbers.start_indices_batching_dims) == ((), ())
    assert equation.params["slice_sizes"] == (3, 1, 5)
    assert operands(equation) == [(3, 6, 5), (2, 4, 1)]
    assert results(equation) == [(3, 2, 4, 5)]


def test_two_indexed_axes_share_the_last_axis_of_a_gathers_indices_in_the_order_of_the_index_map():
    equation = only("gather", lambda x: x[np.arange(3), :, np.arange(1, 4)], array(5, 6, 7))
    numbers = equation.params["dimension_numbers"]
    assert (numbers.offset_dims, numbers.collapsed_slice_dims, numbers.start_index_map) == ((1,), (0, 2), (0, 2))
    assert operands(equation) == [(5, 6, 7), (3, 2)]
    assert results(equation) == [(3, 6)]


def test_a_dynamic_slice_has_the_operand_and_then_a_start_for_each_axis():
    cut = lambda x, i: lax.dynamic_slice(x, (0, i, 0), (2, 4, 5))
    equation = only("dynamic_slice", cut, array(3, 6, 7), array(dtype="int32"))
    assert equation.params["slice_sizes"] == (2, 4, 5)
    assert operands(equation) == [(3, 6, 7), (), (), ()]
    assert [is_literal(atom) for atom in equation.invars[1:]] == [True, False, True]


def test_a_dynamic_slices_start_is_moved_back_where_the_slice_would_leave_the_operand():
    x = jnp.arange(6)
    assert lax.dynamic_slice_p.bind(x, jnp.int32(4), slice_sizes=(4,)).tolist() == [2, 3, 4, 5]
    assert lax.dynamic_slice_p.bind(x, jnp.int32(-3), slice_sizes=(4,)).tolist() == [0, 1, 2, 3]


def test_a_dynamic_update_has_the_operand_the_update_and_then_the_starts():
    write = lambda x, y, i: lax.dynamic_update_slice(x, y, (0, i))
    equation = only("dynamic_update_slice", write, array(2, 6), array(2, 3), array(dtype="int32"))
    assert operands(equation) == [(2, 6), (2, 3), (), ()]


@pytest.mark.parametrize(
    ("fn", "name"), [(lambda x, u: x.at[:, 2:5].set(u), "scatter"), (lambda x, u: x.at[:, 2:5].add(u), "scatter-add")]
)
def test_a_window_written_at_a_slice_has_the_operand_one_index_vector_and_the_update(fn, name):
    equation = only(name, fn, array(4, 7), array(4, 3))
    numbers = equation.params["dimension_numbers"]
    assert operands(equation) == [(4, 7), (1,), (4, 3)]
    assert (numbers.update_window_dims, numbers.inserted_window_dims) == ((0, 1), ())
    assert (numbers.scatter_dims_to_operand_dims, numbers.operand_batching_dims) == ((1,), ())


def test_a_window_written_at_a_number_leaves_that_axis_out_of_the_update():
    equation = only("scatter", lambda x, u: x.at[:, 2].set(u), array(4, 7), array(4))
    numbers = equation.params["dimension_numbers"]
    assert operands(equation) == [(4, 7), (1,), (4,)]
    assert (numbers.inserted_window_dims, numbers.scatter_dims_to_operand_dims) == ((1,), (1,))

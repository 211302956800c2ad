"""The jaxpr layout that the rules for reshapes, slices, pads and the like rely on, on every JAX version."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from support.equations import array, names, only, operands, parameters, results


def test_broadcasting_names_the_results_axis_for_each_of_the_operands():
    equation = only("broadcast_in_dim", lambda x: lax.broadcast_in_dim(x, (4, 2, 5, 3), (1, 3)), array(2, 3))
    assert parameters(equation, "shape", "broadcast_dimensions") == ((4, 2, 5, 3), (1, 3))


def test_an_axis_of_one_cell_grows_under_its_own_number():
    equation = only("broadcast_in_dim", lambda x: lax.broadcast_in_dim(x, (4, 2, 3), (1, 2)), array(1, 3))
    assert parameters(equation, "shape", "broadcast_dimensions") == ((4, 2, 3), (1, 2))


def test_transposition_names_the_operands_axis_for_each_of_the_results():
    equation = only("transpose", lambda x: lax.transpose(x, (2, 0, 1)), array(2, 3, 4))
    assert equation.params["permutation"] == (2, 0, 1)
    assert results(equation) == [(4, 2, 3)]


def test_a_reshape_is_row_major_and_says_so_with_dimensions_none():
    equation = only("reshape", lambda x: x.reshape(3, 8), array(2, 3, 4))
    assert parameters(equation, "new_sizes", "dimensions") == ((3, 8), None)
    assert operands(equation) == [(2, 3, 4)]


def test_a_reshape_with_an_order_reads_the_operands_axes_in_that_order():
    equation = only("reshape", lambda x: lax.reshape(x, (8, 3), (2, 0, 1)), array(2, 3, 4))
    assert parameters(equation, "new_sizes", "dimensions") == ((8, 3), (2, 0, 1))
    cells = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(lax.reshape(cells, (8, 3), (2, 0, 1)), cells.transpose(2, 0, 1).reshape(8, 3))


def test_squeezing_names_the_axes_that_it_drops():
    equation = only("squeeze", lambda x: jnp.squeeze(x, (0, 2)), array(1, 3, 1, 1))
    assert equation.params["dimensions"] == (0, 2)
    assert results(equation) == [(3, 1)]


def test_a_slice_has_starts_and_limits_and_strides_that_are_none_where_they_are_ones():
    equation = only("slice", lambda x: x[1:, 1:9:3], array(4, 11))
    assert parameters(equation, "start_indices", "limit_indices", "strides") == ((1, 1), (4, 9), (1, 3))
    assert results(equation) == [(3, 3)]
    equation = only("slice", lambda x: x[:, 1:9], array(4, 11))
    assert parameters(equation, "start_indices", "limit_indices", "strides") == ((0, 1), (4, 9), None)


def test_padding_counts_cells_before_after_and_between_for_each_axis_and_takes_its_number_second():
    equation = only("pad", lambda x: lax.pad(x, 0.0, ((1, 2, 3), (-1, 0, 0))), array(4, 5))
    assert equation.params["padding_config"] == ((1, 2, 3), (-1, 0, 0))
    assert operands(equation) == [(4, 5), ()]
    assert results(equation) == [(4 + 3 * 3 + 1 + 2, 4)]


def test_concatenation_names_its_axis_and_keeps_the_order():
    equation = only("concatenate", lambda x, y: jnp.concatenate((x, y), 1), array(2, 6), array(2, 3))
    assert equation.params["dimension"] == 1
    assert operands(equation) == [(2, 6), (2, 3)]


def test_reversal_names_its_axes():
    assert only("rev", lambda x: x[:, ::-1], array(2, 6)).params["dimensions"] == (1,)


def test_splitting_names_its_axis_and_the_size_of_each_piece():
    equation = only("split", lambda x: jnp.split(x, (1, 3), axis=1), array(2, 6))
    assert (tuple(map(int, equation.params["sizes"])), equation.params["axis"]) == ((1, 2, 3), 1)
    assert results(equation) == [(2, 1), (2, 2), (2, 3)]


def test_stacking_is_a_primitive_with_an_axis_or_was_concatenation():
    primitives = names(lambda x, y: jnp.stack((x, y), axis=1), array(2, 6), array(2, 6))
    if "stack" not in primitives:  # JAX 0.10.0
        assert primitives == ["broadcast_in_dim", "broadcast_in_dim", "concatenate"]
        return
    equation = only("stack", lambda x, y: jnp.stack((x, y), axis=1), array(2, 6), array(2, 6))
    assert (equation.params["axis"], results(equation)) == (1, [(2, 2, 6)])


def test_unstacking_is_a_primitive_with_an_axis_or_was_splitting():
    primitives = names(lambda x: jnp.unstack(x, axis=1), array(2, 3))
    if "unstack" not in primitives:  # JAX 0.10.0
        assert primitives == ["split", "squeeze", "squeeze", "squeeze"]
        return
    equation = only("unstack", lambda x: jnp.unstack(x, axis=1), array(2, 3))
    assert (equation.params["axis"], results(equation)) == (1, [(2,)] * 3)


def test_iota_has_a_shape_and_the_axis_that_it_counts_along():
    equation = only("iota", lambda: lax.broadcasted_iota("int32", (2, 5), 1))
    assert (equation.params["shape"], equation.params["dimension"], operands(equation)) == ((2, 5), 1, [])


def test_wrapping_and_static_rolling_arrive_as_slices_and_a_concatenation():
    wrap = lambda x: jnp.pad(x, ((0, 0), (2, 1)), mode="wrap")
    for fn, order in ((wrap, [(2, 2), (2, 6), (2, 1)]), (lambda x: jnp.roll(x, 2, axis=1), [(2, 2), (2, 4)])):
        assert names(fn, array(2, 6)) == ["slice", "slice", "concatenate"]
        assert operands(only("concatenate", fn, array(2, 6))) == order


def test_tiling_says_how_often_along_each_axis():
    equation = only("tile", lambda x: jnp.tile(x, (3, 2)), array(2, 5))
    assert (tuple(equation.params["reps"]), results(equation)) == ((3, 2), [(6, 10)])

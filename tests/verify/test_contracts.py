"""What the rules assume of jaxprs, pinned on every JAX version: parameters, the order of operands, nesting, frames.

All sizes differ from one another wherever the layout allows it, so that a swapped order fails.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv as jc
from jaxconv.verify import jaxprs


def array(*shape, dtype="float32"):
    return jax.ShapeDtypeStruct(shape, dtype)


CALLS = ("jit", "remat2", "custom_jvp_call", "custom_vjp_call")


def flat(jaxpr):
    """All equations, those inside calls too; calls themselves are left out."""
    found = []
    for equation in jaxpr.eqns:
        is_call = equation.primitive.name in CALLS
        found += flat(jaxprs.opened(jaxprs.called(equation))[0]) if is_call else [equation]
    return found


def names(fn, *arguments):
    return [equation.primitive.name for equation in flat(jaxprs.trace(fn, arguments)[0])]


def only(name, fn, *arguments):
    """The one equation of this name."""
    (found,) = (equation for equation in flat(jaxprs.trace(fn, arguments)[0]) if equation.primitive.name == name)
    return found


def call(fn, *arguments):
    """The one equation, a call, of a function."""
    (found,) = jaxprs.trace(fn, arguments)[0].eqns
    return found


def operands(equation):
    return [atom.aval.shape for atom in equation.invars]


def results(equation):
    return [variable.aval.shape for variable in equation.outvars]


def parameters(equation, *keys):
    return tuple(equation.params[key] for key in keys)


def maximum(x, window, **settings):
    settings = {"window_strides": (1,) * x.ndim, "padding": "VALID"} | settings
    return lax.reduce_window(x, -jnp.inf, lax.max, window, **settings)


# Windows


@pytest.mark.parametrize(
    ("layout", "x", "kernel", "expected"),
    [
        (("NHWC", "HWIO", "NHWC"), (2, 11, 13, 3), (4, 5, 3, 7), ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))),
        (("NCHW", "OIHW", "NHWC"), (2, 3, 11, 13), (7, 3, 4, 5), ((0, 1, 2, 3), (0, 1, 2, 3), (0, 3, 1, 2))),
        (("CHNW", "IWOH", "HCWN"), (3, 11, 2, 13), (3, 5, 7, 4), ((2, 0, 3, 1), (2, 0, 1, 3), (3, 1, 2, 0))),
    ],
)
def test_a_convolutions_specs_are_batch_and_feature_or_out_and_in_and_then_spatial_axes(layout, x, kernel, expected):
    convolve = lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=layout)
    equation = only("conv_general_dilated", convolve, array(*x), array(*kernel))
    assert tuple(map(tuple, equation.params["dimension_numbers"])) == expected
    assert operands(equation) == [x, kernel]
    (found,) = results(equation)
    sizes = [x[i] - kernel[k] + 1 for i, k in zip(expected[0][2:], expected[1][2:], strict=True)]
    assert [found[axis] for axis in expected[2]] == [2, 7, *sizes]
    assert sorted(sizes) == [8, 9]


def test_a_convolution_keeps_stride_padding_and_both_dilations_per_spatial_axis():
    convolve = lambda x, k: lax.conv_general_dilated(
        x, k, (2, 3), ((0, 1), (2, -1)), (1, 2), (2, 1), ("NHWC", "HWIO", "NHWC")
    )
    equation = only("conv_general_dilated", convolve, array(2, 11, 13, 3), array(4, 5, 3, 7))
    found = parameters(equation, "window_strides", "padding", "lhs_dilation", "rhs_dilation")
    assert found == ((2, 3), ((0, 1), (2, -1)), (1, 2), (2, 1))
    assert parameters(equation, "feature_group_count", "batch_group_count") == (1, 1)
    assert results(equation) == [(2, (11 + 1 - 7) // 2 + 1, (25 + 1 - 5) // 3 + 1, 7)]


@pytest.mark.parametrize(("padding", "expected"), [("SAME", ((1, 2),)), ("VALID", ((0, 0),))])
def test_a_convolutions_padding_is_counts_whatever_it_was_written_as(padding, expected):
    convolve = lambda x, k: lax.conv_general_dilated(x, k, (1,), padding, dimension_numbers=("NWC", "WIO", "NWC"))
    equation = only("conv_general_dilated", convolve, array(2, 11, 3), array(4, 3, 5))
    assert equation.params["padding"] == expected


@pytest.mark.parametrize(("name", "initial"), [("max", -jnp.inf), ("min", jnp.inf), ("add", 0.0)])
def test_a_named_window_reduction_has_the_operand_alone_and_its_geometry_for_each_axis(name, initial):
    reduce = lambda x: lax.reduce_window(
        x, initial, getattr(lax, name), (1, 3, 2), (1, 2, 1), ((0, 0), (1, 0), (0, 4)), (1, 1, 2), (1, 2, 1)
    )
    equation = only(f"reduce_window_{'sum' if name == 'add' else name}", reduce, array(2, 11, 13))
    found = parameters(equation, "window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
    assert found == ((1, 3, 2), (1, 2, 1), ((0, 0), (1, 0), (0, 4)), (1, 1, 2), (1, 2, 1))
    assert operands(equation) == [(2, 11, 13)]


def test_a_window_reduction_by_any_function_has_the_operand_and_then_the_initial_value():
    reduce = lambda x: lax.reduce_window(x, 0.0, lambda a, b: a * b + a, (1, 3), (1, 2), ((0, 0), (1, 4)))
    equation = call(reduce, array(2, 11))  # it holds a jaxpr, but is no call
    assert equation.primitive.name == "reduce_window"
    assert operands(equation) == [(2, 11), ()]
    found = parameters(equation, "window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
    assert found == ((1, 3), (1, 2), ((0, 0), (1, 4)), (1, 1), (1, 1))


def test_the_gradient_of_max_pooling_has_the_source_and_then_the_operand():
    pool = lambda x: maximum(x, (1, 3), window_strides=(1, 2), padding=((0, 0), (1, 0)))
    equation = only("select_and_scatter_add", lambda x, ct: jax.vjp(pool, x)[1](ct), array(2, 11), array(2, 5))
    assert operands(equation) == [(2, 5), (2, 11)]
    assert results(equation) == [(2, 11)]
    found = parameters(equation, "window_dimensions", "window_strides", "padding")
    assert found == ((1, 3), (1, 2), ((0, 0), (1, 0)))


# Products


def test_a_product_names_what_it_contracts_and_what_is_batch_and_comes_out_as_batch_and_both_rests():
    numbers = (((3,), (1,)), ((1,), (2,)))
    equation = only("dot_general", lambda x, y: lax.dot_general(x, y, numbers), array(2, 3, 4, 5), array(6, 5, 3, 7))
    assert equation.params["dimension_numbers"] == numbers
    assert operands(equation) == [(2, 3, 4, 5), (6, 5, 3, 7)]
    assert results(equation) == [(3, 2, 4, 6, 7)]


def test_einsum_arrives_at_one_product():
    found = names(lambda x, y: jnp.einsum("nac,nbc->nab", x, y), array(2, 3, 5), array(2, 4, 5))
    assert set(found) <= {"dot_general", "transpose"}
    assert found.count("dot_general") == 1


# Layout


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
    found = names(lambda x, y: jnp.stack((x, y), axis=1), array(2, 6), array(2, 6))
    if "stack" not in found:  # 0.10.0
        assert found == ["broadcast_in_dim", "broadcast_in_dim", "concatenate"]
        return
    equation = only("stack", lambda x, y: jnp.stack((x, y), axis=1), array(2, 6), array(2, 6))
    assert (equation.params["axis"], results(equation)) == (1, [(2, 2, 6)])


def test_unstacking_is_a_primitive_with_an_axis_or_was_splitting():
    found = names(lambda x: jnp.unstack(x, axis=1), array(2, 3))
    if "unstack" not in found:  # 0.10.0
        assert found == ["split", "squeeze", "squeeze", "squeeze"]
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


# Indexing


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
    assert [jaxprs.is_literal(atom) for atom in equation.invars[1:]] == [True, False, True]


def test_a_dynamic_slices_start_is_moved_back_where_the_slice_would_leave_the_operand():
    x = jnp.arange(6)
    assert lax.dynamic_slice_p.bind(x, jnp.int32(4), slice_sizes=(4,)).tolist() == [2, 3, 4, 5]
    assert lax.dynamic_slice_p.bind(x, jnp.int32(-3), slice_sizes=(4,)).tolist() == [0, 1, 2, 3]


def test_a_dynamic_update_has_the_operand_the_update_and_then_the_starts():
    write = lambda x, y, i: lax.dynamic_update_slice(x, y, (0, i))
    equation = only("dynamic_update_slice", write, array(2, 6), array(2, 3), array(dtype="int32"))
    assert operands(equation) == [(2, 6), (2, 3), (), ()]


# Reductions


@pytest.mark.parametrize("name", ["sum", "max", "min", "prod"])
def test_a_reduction_names_its_axes(name):
    equation = only(f"reduce_{name}", lambda x: getattr(jnp, name)(x, (0, 2)), array(2, 6, 3))
    assert equation.params["axes"] == (0, 2)
    assert (operands(equation), results(equation)) == ([(2, 6, 3)], [(6,)])


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_place_of_an_extreme_names_its_axes_and_drops_them(name):
    equation = only(name, lambda x: getattr(jnp, name)(x, 1), array(2, 6, 3))
    assert (equation.params["axes"], results(equation)) == ((1,), [(2, 3)])


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
def test_a_running_reduction_names_its_axis(name):
    equation = only(name, lambda x: getattr(lax, name)(x, 1, reverse=True), array(2, 6))
    assert (equation.params["axis"], equation.params["reverse"]) == (1, True)


def test_sorting_names_its_axis_and_how_many_operands_are_keys():
    equation = only("sort", lambda x, y: lax.sort((x, y), dimension=0, num_keys=1), array(2, 6), array(2, 6))
    assert (equation.params["dimension"], equation.params["num_keys"]) == (0, 1)
    assert len(equation.invars) == len(equation.outvars) == 2


def test_the_k_largest_come_with_their_places():
    equation = only("top_k", lambda x: lax.top_k(x, 4), array(2, 6))
    assert equation.params["k"] == 4
    assert equation.params.get("axis", -1) in (-1, 1)
    assert results(equation) == [(2, 4), (2, 4)]


def test_a_fourier_transform_is_along_the_last_axes():
    equation = only("fft", jnp.fft.rfft2, array(2, 6, 5))
    assert (tuple(equation.params["fft_lengths"]), results(equation)) == ((6, 5), [(2, 6, 3)])


# Position by position


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


# Loops, branches and calls


def test_a_branch_has_the_choice_first_and_all_branches_take_the_rest():
    branches = (lambda x, y: x, lambda x, y: x + y.sum(), lambda x, y: x * 2)
    equation = only("cond", lambda i, x, y: lax.switch(i, branches, x, y), array(dtype="int32"), array(2, 6), array(3))
    assert equation.params.keys() >= {"branches"}
    assert operands(equation)[0] == ()
    for branch in equation.params["branches"]:
        opened, _ = jaxprs.opened(branch)
        assert [variable.aval.shape for variable in opened.invars] == operands(equation)[1:]
        assert [variable.aval.shape for variable in opened.outvars] == results(equation)


def test_the_first_branch_of_a_choice_is_the_one_for_false():
    equation = only("cond", lambda p, x: lax.cond(p, jnp.sin, jnp.cos, x), array(dtype="bool"), array(2, 6))
    first, second = (flat(jaxprs.opened(branch)[0])[0].primitive.name for branch in equation.params["branches"])
    assert (first, second) == ("cos", "sin")


def test_a_while_loop_has_the_constants_of_its_condition_those_of_its_body_and_its_state():
    def loop(a, b, c, x, n):
        go_on = lambda state: state[1] < a.sum()
        body = lambda state: (state[0] + b.sum() + c.sum(), state[1] + 1.0)
        return lax.while_loop(go_on, body, (x, n))

    equation = only("while", loop, array(3), array(4), array(5), array(2, 6), array())
    first, second = parameters(equation, "cond_nconsts", "body_nconsts")
    state = operands(equation)[first + second :]
    assert (first, state, results(equation)) == (1, [(2, 6), ()], [(2, 6), ()])
    condition, body = (jaxprs.opened(equation.params[key])[0] for key in ("cond_jaxpr", "body_jaxpr"))
    shapes = lambda jaxpr: [variable.aval.shape for variable in jaxpr.invars]
    assert shapes(condition) == [*operands(equation)[:first], *state]
    assert shapes(body) == [*operands(equation)[first : first + second], *state]
    assert [variable.aval.shape for variable in body.outvars] == state


def scan_of(body, *arguments):
    """The equation of a scan over the last argument, the last but one being the carry."""
    return only("scan", lambda *a: lax.scan(lambda c, v: body(*a[:-2], c, v), a[-2], a[-1]), *arguments)


def test_a_scan_has_constants_the_carry_and_what_it_goes_over_and_its_body_one_slice_of_that():
    equation = scan_of(lambda a, c, v: (c + a.sum(), (v * 2, c)), array(3), array(4), array(5, 6))
    constants, carry = jaxprs.scan_sizes(equation.params)
    assert (constants, carry, equation.params["length"]) == (1, 1, 5)
    assert operands(equation) == [(3,), (4,), (5, 6)]
    body, _ = jaxprs.opened(equation.params["jaxpr"])
    assert [variable.aval.shape for variable in body.invars] == [(3,), (4,), (6,)]
    assert [atom.aval.shape for atom in body.outvars] == [(4,), (6,), (4,)]
    assert results(equation) == [(4,), (5, 6), (5, 4)]


def test_a_scan_whose_body_hands_a_slice_on_has_as_many_results_as_its_body():
    equation = scan_of(lambda c, v: (c, (v, c)), array(4), array(5, 6))
    body, _ = jaxprs.opened(equation.params["jaxpr"])
    constants, carry = jaxprs.scan_sizes(equation.params)
    assert len(body.invars) == len(equation.invars)
    assert len(body.outvars) == len(equation.outvars)
    assert operands(equation)[constants + carry :] == [(5, 6)] * (len(equation.invars) - constants - carry)


def test_a_counted_loop_is_a_scan_without_anything_to_go_over():
    equation = only("scan", lambda a, x: lax.fori_loop(0, 7, lambda i, x: x + a.sum(), x), array(3), array(5, 6))
    constants, carry = jaxprs.scan_sizes(equation.params)
    assert (len(equation.invars) - constants - carry, equation.params["length"]) == (0, 7)
    assert results(equation)[-1] == (5, 6)


@jax.custom_vjp
def custom_vjp(x):
    return x * 3


custom_vjp.defvjp(lambda x: (x * 3, None), lambda _, ct: (ct * 3,))


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (jax.jit(lambda x: x * 3), "jit"),
        (jax.checkpoint(lambda x: x * 3), "remat2"),
        (jax.nn.relu, "custom_jvp_call"),
        (custom_vjp, "custom_vjp_call"),
    ],
)
def test_calls_show_their_jaxpr_under_a_name_that_is_known(fn, name):
    equation = call(fn, array(2, 6))
    assert equation.primitive.name == name
    inner, constants = jaxprs.opened(jaxprs.called(equation))
    assert (len(inner.invars), len(constants)) == (1, 0)
    assert [variable.aval.shape for variable in inner.outvars] == [(2, 6)]
    assert flat(inner)


def test_arrays_closed_over_inside_a_call_arrive_as_its_operands_or_as_constants_of_its_jaxpr():
    table = np.arange(12, dtype=np.float32).reshape(2, 6)
    jaxpr, outer, _ = jaxprs.trace(jax.jit(lambda x: x * table), [array(2, 6)])
    (equation,) = jaxpr.eqns
    inner, constants = jaxprs.opened(jaxprs.called(equation))
    assert len(inner.constvars) == len(constants)
    assert len(inner.invars) == len(equation.invars)
    assert sum(np.shape(constant) == (2, 6) for constant in [*outer, *constants]) == 1


def test_opened_takes_closed_and_open_jaxprs():
    table = jnp.arange(6.0)
    closed = jax.make_jaxpr(lambda x: x * table)(array(6))
    jaxpr, constants = jaxprs.opened(closed)
    assert len(jaxpr.constvars) == len(constants) == 1
    inside = call(jax.checkpoint(lambda x: x * 3), array(6)).params["jaxpr"]
    jaxpr, constants = jaxprs.opened(inside)
    assert [equation.primitive.name for equation in jaxpr.eqns] == ["mul"]
    assert constants == []


def test_nothing_is_called_by_an_ordinary_equation():
    assert jaxprs.called(call(jnp.sin, array(2, 6))) is None


def test_a_literal_is_told_from_a_variable_and_knows_its_number():
    x, two = only("mul", lambda x: x * 2.0, array(2, 6)).invars
    assert (jaxprs.is_literal(x), jaxprs.is_literal(two)) == (False, True)
    assert float(two.val) == 2.0


# Frames


def doubled(x):
    return x + x


LINE = doubled.__code__.co_firstlineno + 1


def running_sum(x):
    return jnp.cumsum(x, axis=1)


def another_running_sum(x):
    return jnp.cumsum(x, axis=1)


def through_a_helper(x):
    return running_sum(x) * 2.0


def test_an_equations_frames_hold_the_users_line_innermost_first_and_end_before_the_trace():
    found = jaxprs.frames(only("add", lambda x: doubled(x) * 2.0, array(2, 6)))
    users = [frame for frame in found if jaxprs.is_users(frame[0])]
    assert users[0] == (__file__, LINE, "doubled")
    assert [function for _, _, function in users[1:]] == [
        "test_an_equations_frames_hold_the_users_line_innermost_first_and_end_before_the_trace.<locals>.<lambda>"
    ]


def test_frames_of_jax_and_of_this_package_are_not_the_users():
    assert jaxprs.is_users(__file__)
    assert not any(map(jaxprs.is_users, (jax.__file__, np.__file__, jc.__file__, pytest.__file__, "<frozen runpy>")))


def test_the_body_of_a_librarys_jit_has_none_of_the_users_frames_but_its_call_does():
    equation = call(running_sum, array(2, 6))
    (inner,) = jaxprs.opened(jaxprs.called(equation))[0].eqns
    line = running_sum.__code__.co_firstlineno + 1
    assert [frame for frame in jaxprs.frames(inner) if jaxprs.is_users(frame[0])] == []
    assert [frame for frame in jaxprs.frames(equation) if jaxprs.is_users(frame[0])] == [
        (__file__, line, "running_sum")
    ]


@pytest.mark.parametrize(
    ("fn", "at"),
    [(running_sum, running_sum), (another_running_sum, another_running_sum), (through_a_helper, running_sum)],
)
def test_a_break_inside_a_librarys_jit_is_reported_at_the_users_call_of_it(fn, at):
    """The body is traced once and kept: the second caller must not be told the first one's line."""
    claim = jc.certify(fn, array(2, 6), axes=(1,)).leaves[0].axes[0].cyclic
    assert claim.broken.primitive == "cumsum"
    assert claim.broken.source == f"{__file__}:{at.__code__.co_firstlineno + 1} ({at.__name__})"

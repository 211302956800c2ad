"""The jaxpr layout that the rules for convolutions and pooling rely on, on every JAX version."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from support.equations import array, call, only, operands, parameters, results


def maximum(x, window, **settings):
    settings = {"window_strides": (1,) * x.ndim, "padding": "VALID"} | settings
    return lax.reduce_window(x, -jnp.inf, lax.max, window, **settings)


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
    (shape,) = results(equation)
    sizes = [x[i] - kernel[k] + 1 for i, k in zip(expected[0][2:], expected[1][2:], strict=True)]
    assert [shape[axis] for axis in expected[2]] == [2, 7, *sizes]
    assert sorted(sizes) == [8, 9]


def test_a_convolution_keeps_stride_padding_and_both_dilations_per_spatial_axis():
    convolve = lambda x, k: lax.conv_general_dilated(
        x, k, (2, 3), ((0, 1), (2, -1)), (1, 2), (2, 1), ("NHWC", "HWIO", "NHWC")
    )
    equation = only("conv_general_dilated", convolve, array(2, 11, 13, 3), array(4, 5, 3, 7))
    geometry = parameters(equation, "window_strides", "padding", "lhs_dilation", "rhs_dilation")
    assert geometry == ((2, 3), ((0, 1), (2, -1)), (1, 2), (2, 1))
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
    geometry = parameters(
        equation, "window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation"
    )
    assert geometry == ((1, 3, 2), (1, 2, 1), ((0, 0), (1, 0), (0, 4)), (1, 1, 2), (1, 2, 1))
    assert operands(equation) == [(2, 11, 13)]


def test_a_window_reduction_by_any_function_has_the_operand_and_then_the_initial_value():
    reduce = lambda x: lax.reduce_window(x, 0.0, lambda a, b: a * b + a, (1, 3), (1, 2), ((0, 0), (1, 4)))
    equation = call(reduce, array(2, 11))  # it has a jaxpr as a parameter, but is not a call
    assert equation.primitive.name == "reduce_window"
    assert operands(equation) == [(2, 11), ()]
    geometry = parameters(
        equation, "window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation"
    )
    assert geometry == ((1, 3), (1, 2), ((0, 0), (1, 4)), (1, 1), (1, 1))


def test_the_gradient_of_max_pooling_has_the_source_and_then_the_operand():
    pool = lambda x: maximum(x, (1, 3), window_strides=(1, 2), padding=((0, 0), (1, 0)))
    equation = only("select_and_scatter_add", lambda x, ct: jax.vjp(pool, x)[1](ct), array(2, 11), array(2, 5))
    assert operands(equation) == [(2, 5), (2, 11)]
    assert results(equation) == [(2, 11)]
    geometry = parameters(equation, "window_dimensions", "window_strides", "padding")
    assert geometry == ((1, 3), (1, 2), ((0, 0), (1, 0)))

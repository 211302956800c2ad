"""Conversion of parameters without the other libraries: round trips, gradients and refusals."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.converted_layers import assert_same, integers

import jaxconv as jc
from jaxconv.convert import LIBRARIES
from jaxconv.convert.axes import axes_of
from jaxconv.convert.library import OURS

SIZES = {"i": 2, "o": 3, "c": 5, "m": 4, "w0": 3, "w1": 2, "w2": 4, "p0": 2, "p1": 6, "p2": 1}
ARRAYS = {
    name: {layer: row.arrays for layer, row in library.layers.items() if row.arrays}
    for name, library in LIBRARIES.items()
}
ROWS = [(library, layer) for library, layers in ARRAYS.items() for layer in layers]


def array_of(layout, rank, groups, dtype, seed):
    """An array of different numbers, with the axes of a layout."""
    sizes = SIZES | {"g": groups}
    shape = [np.prod([sizes[atom] for atom in axis], dtype=int) for axis in axes_of(layout, rank)]
    return np.random.default_rng(seed).permutation(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(("library", "layer"), ROWS)
@given(
    rank=st.integers(1, 3), groups=st.sampled_from([1, 2, 3]), dtype=st.sampled_from(["float16", "float64", "int8"]),
    seed=st.integers(0, 9), bias=st.booleans(),
)  # fmt: skip
def test_there_and_back_is_nowhere(library, layer, rank, groups, dtype, seed, bias):
    """From both sides, for every row of the table, every rank and number of groups: the same names, dtypes and bits."""
    rows = ARRAYS[library][layer]
    groups = groups if any("g " in one.layout for one in rows.values()) else 1
    settings = {"groups": groups}
    window = (
        tuple(SIZES[f"w{n}"] for n in range(rank)) if layer in ("locally_connected", "spectral_norm_state") else None
    )
    kept = {name: one for name, one in rows.items() if bias or name != "bias"}
    theirs = {one.name: array_of(one.layout, rank, groups, dtype, seed) for one in kept.values()}
    ours = {name: array_of(OURS[layer.split(",")[0]][name], rank, groups, dtype, seed) for name in kept}
    from_theirs = jc.from_library(library, layer, theirs, window=window, **settings)
    assert {name: array.shape for name, array in from_theirs.items()} == {n: a.shape for n, a in ours.items()}
    assert_same(jc.to_library(library, layer, from_theirs, rank=rank, **settings), theirs)
    to_theirs = jc.to_library(library, layer, ours, rank=rank, **settings)
    assert_same(jc.from_library(library, layer, to_theirs, window=window, **settings), ours)


def test_the_documents_table_is_the_one_that_converts():
    page = (Path(__file__).parents[2] / "docs" / "conversion.md").read_text()
    shown = lambda name, layout, flip=False: f"`{name}: {layout}`" + ", flipped" * flip
    rows = dict.fromkeys(layer for layers in ARRAYS.values() for layer in layers)
    for layer in rows:
        for name, layout in OURS[layer.split(",")[0]].items():
            theirs = [layers[layer][name] if layer in layers else None for layers in ARRAYS.values()]
            cells = [shown(one.name, one.layout, one.flip) if one else "" for one in theirs]
            row = " | ".join([f"| {layer}", shown(name, layout), *cells]) + " |\n"
            assert row.replace("|  |", "| |").replace("|  |", "| |") in page


def test_one_weight_at_a_time():
    """Each entry of PyTorch's transposed kernel [in, out/groups, h, w] is compared with ours [h, w, out/groups, in]."""
    weight = integers(4, 3, 2, 5)
    kernel = jc.from_library("torch", "conv_transpose", {"weight": weight}, groups=2)["kernel"]
    for i, o, u, v in np.ndindex(4, 3, 2, 5):
        assert kernel[u, v, o, i] == weight[i, o, u, v]


def test_one_grouped_and_flipped_weight_at_a_time():
    """Equinox's [out, in/groups, h, w]: output 3*g + o of group g reads input 2*g + i, with the taps reversed."""
    weight = integers(6, 2, 2, 5)
    kernel = jc.from_library("equinox", "conv_transpose", {"weight": weight}, groups=2)["kernel"]
    assert kernel.shape == (2, 5, 3, 4)
    for g, o, i, u, v in np.ndindex(2, 3, 2, 2, 5):
        assert kernel[u, v, o, 2 * g + i] == weight[3 * g + o, i, 1 - u, 4 - v]


def test_one_depthwise_weight_at_a_time():
    kernel = integers(2, 5, 3, 4)
    ours = jc.from_library("keras", "depthwise_conv", {"kernel": kernel}, groups=3)["kernel"]
    for u, v, c, m in np.ndindex(2, 5, 3, 4):
        assert ours[u, v, 0, 4 * c + m] == kernel[u, v, c, m]


@pytest.mark.parametrize("adjoint", [False, True])
def test_a_transposed_kernel_is_flipped_unless_it_is_the_adjoints(adjoint):
    """Flax's is `jax.lax.conv_transpose`. The broken twin is the other row's layout, whose round trip is exact as well."""
    x, channels = jnp.asarray(integers(1, 5, 2)), (3, 2) if adjoint else (2, 3)
    kernel = jnp.asarray(integers(4, *channels))
    y = jax.lax.conv_transpose(
        x, kernel, (2,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"), transpose_kernel=adjoint
    )
    settings = jc.settings_from_library("flax", "conv_transpose", (5,), (4,), strides=2, transpose_kernel=adjoint)
    layer = "conv_transpose, transpose_kernel" if adjoint else "conv_transpose"
    ours = jc.from_library("flax", layer, {"kernel": kernel})
    np.testing.assert_array_equal(jc.conv_transpose(ours, x, **settings), y)
    turned = {"kernel": ours["kernel"][::-1]}
    assert (jc.conv_transpose(turned, x, **settings) != y).any()


def test_numpy_stays_numpy_and_jax_stays_jax():
    kernel = integers(3, 2)
    (one,) = jc.to_library("torch", "dense", {"kernel": kernel}).values()
    (other,) = jc.to_library("torch", "dense", {"kernel": jnp.asarray(kernel)}).values()
    assert isinstance(one, np.ndarray)
    assert isinstance(other, jax.Array)
    np.testing.assert_array_equal(one, other)


def test_gradients_go_through_the_door():
    """A conversion consists of reshapes and transposes, so a loss may be a function of the other library's arrays."""
    x, weight = jnp.asarray(integers(1, 5, 4, 2)), jnp.asarray(integers(3, 2, 3, 2))
    loss = lambda weight: jnp.sum(jc.conv(jc.from_library("torch", "conv", {"weight": weight}), x))
    inner = jax.grad(lambda kernel: jnp.sum(jc.conv({"kernel": kernel}, x)))(jnp.transpose(weight, (2, 3, 1, 0)))
    np.testing.assert_array_equal(jax.jit(jax.grad(loss))(weight), jnp.transpose(inner, (3, 2, 0, 1)))


def test_none_is_no_bias():
    assert jc.from_library("equinox", "dense", {"weight": integers(3, 2), "bias": None}).keys() == {"kernel"}


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("mxnet", "conv", {}), {}, "library is 'mxnet', but should be one of flax, equinox, haiku, keras, torch"),
        (("torch", "locally_connected", {}), {}, "layer is 'locally_connected', but should be one of torch's conv; conv_transpose; dense"),
        (("torch", "conv", {"kernel": integers(2, 2, 3)}), {}, r"params is \['kernel'\], but should be a dict of weight, bias, the arrays of conv, or some"),
        (("torch", "dense", {"weight": integers(2, 2, 3)}), {}, r"dense's weight is \(2, 2, 3\), but should be \[o i\].* not 2 axes"),
        (("torch", "conv", {"weight": integers(2)}), {}, r"conv's weight is \(2,\), but should be \[\(g o\) i \*w\]\. Pass the array with all its axes"),
        (("torch", "conv", {"weight": integers(6, 2, 3), "bias": integers(5)}), {}, r"conv's bias is \(5,\), but should be \[\(g o\)\].* not 5 cells along \(g o\)"),
        (("torch", "conv_transpose", {"weight": integers(5, 2, 3)}), {"groups": 2}, r"conv_transpose's weight is \(5, 2, 3\), .* not 5 cells along \(g o\)\. Its channels and taps do not match groups=2"),
        (("keras", "depthwise_conv", {"kernel": integers(3, 4, 2)}), {}, r"depthwise_conv's kernel is \(3, 4, 2\), .* not 4 cells along \(g\)\. Its channels and taps do not match groups=1"),
        (("flax", "locally_connected", {"kernel": integers(5, 6, 2)}), {}, r"locally_connected's kernel is \(5, 6, 2\), .* Pass window, the taps along each spatial axis"),
        (("torch", "dense", {"weight": integers(2, 2)}), {"groups": 0}, "groups is 0, but should be 1 or more"),
        (("torch", "dense", {"weight": integers(2, 2)}), {"groups": 2}, "groups is 2, but should be 1, since dense has no groups"),
        (("torch", "conv", {"weight": integers(3, 3)}), {}, r"conv's weight is \(3, 3\), but should be \[\(g o\) i \*w\], with 1 spatial axis or more"),
        (("torch", "conv", {"weight": integers(4, 1, 3, 3)}), {"groups": 3}, r"conv's weight is \(4, 1, 3, 3\), .* not 4 cells along \(g o\)\. Its channels and taps do not match groups=3"),
        (("torch", "conv", {"weight": integers(0, 2, 3), "bias": integers(0)}), {}, r"conv's weight is \(0, 2, 3\), .* not 0 cells along"),
        (("torch", "conv", {"bias": integers(4)}), {}, r"conv's weight is left out, but should be given, with \['bias'\]"),
        (("flax", "batch_norm_state", {"mean": integers(4)}), {}, "batch_norm_state's var is left out"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(arguments, settings, message):
    with pytest.raises(ValueError, match=f"from_library: {message}"):
        jc.from_library(*arguments, **settings)


@pytest.mark.parametrize(("library", "layer"), ROWS)
def test_an_empty_dict_is_no_layer(library, layer):
    """A wrong prefix of a `state_dict` selects nothing. Without the error a network would lose its parameters."""
    for convert in (jc.from_library, jc.to_library):
        with pytest.raises(ValueError, match=rf"{convert.__name__}: params is {{}}, .* the arrays of {layer}\."):
            convert(library, layer, {})


def test_a_norm_without_arrays_names_them():
    assert jc.from_library("torch", "norm", {"weight": None, "bias": None}) == {}


def test_haikus_batch_norm_has_an_axis_for_each_of_x():
    with pytest.raises(
        ValueError, match=r"to_library: batch_norm's scale is \(3,\), .* Pass rank, the number of spatial"
    ):
        jc.to_library("haiku", "batch_norm", {"scale": integers(3)})
    assert jc.to_library("haiku", "batch_norm", {"scale": integers(3)}, rank=2)["scale"].shape == (1, 1, 1, 3)


def test_an_error_calls_an_array_by_the_name_that_it_was_given_under():
    message = r"to_library: dense's kernel is \(2, 2, 3\), but should be \[i o\]"
    with pytest.raises(ValueError, match=message):
        jc.to_library("torch", "dense", {"kernel": integers(2, 2, 3)})

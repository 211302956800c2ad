"""What the tests of conversion share: whole numbers to convert and to run on, and the comparison of two layers."""

import inspect

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import jaxconv as jc
from jaxconv import reference
from jaxconv.convert import LIBRARIES
from jaxconv.convert.library import GIVEN

pairs = st.tuples(st.integers(0, 3), st.integers(0, 3))  # cells before and after an axis
LENGTHS, WINDOW = (7, 6, 5), (3, 2, 2)  # of as many axes as are asked for
LAYERS = {"conv_transpose": jc.conv_transpose, "locally_connected": jc.locally_connected, "dense": jc.dense}


def names(cases):
    """Arguments of `parametrize` for rows of (rank, settings)."""
    return {"argvalues": cases, "ids": [f"{rank}d {settings}" for rank, settings in cases]}


def integers(*shape, seed=0):
    """From -4 to 4, on whose sums and products float32 is exact, in whatever order they are added."""
    return np.random.default_rng([seed, *shape]).integers(-4, 5, shape).astype(np.float32)


def assert_door(library, layer, params, x, y, *, settings=None, groups=1, rank=None):
    """Our layer with their converted parameters and settings gives their y [n, *spatial, c], bit for bit.

    Converted back, their parameters are what they were.

    Args:
        library: whose layer gave y.
        layer: the row of the table.
        params: their arrays, under their names.
        x: [n, *spatial, c].
        y: what their layer gave, as [n, *spatial, c].
        settings: ours, for the layer. None for one without, as dense is.
        groups: of the layer.
        rank: the number of spatial axes.
    """
    window = None
    if layer == "locally_connected":
        window = WINDOW[:rank]
    ours = jc.from_library(library, layer, params, groups=groups, window=window)
    apply = LAYERS.get(layer.split(",")[0], jc.conv)
    found = {} if settings is None else settings
    if layer == "depthwise_conv":
        found = found | {"groups": groups}
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        np.testing.assert_array_equal(apply(ours, jnp.asarray(x), **found), y)
    assert_same(jc.to_library(library, layer, ours, groups=groups, rank=rank), params)


def assert_same(found, expected):
    """The same names, dtypes and numbers."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def assert_any_settings(library, layer, length, taps, theirs, run):
    """On one axis, what their layer gives with any settings is what the reference gives with ours.

    An output without cells, which some libraries return, is refused. Where they refuse there is nothing to compare.

    Args:
        library: whose layer it is.
        layer: "conv", or "conv_transpose" or its other row.
        length: cells of x.
        taps: of the window.
        theirs: their layer's settings.
        run: their layer, `run(params, x) -> y`; x and y are [n, w, c] of 2 and 3 channels.
    """
    transposed = layer != "conv"
    ours = {"kernel": integers(taps, 3, 2) if transposed else integers(taps, 2, 3), "bias": integers(3)}
    params, x = jc.to_library(library, layer, ours, rank=1), integers(1, length, 2)
    try:
        y = np.asarray(run(params, x))
    except (RuntimeError, TypeError, ValueError):
        hypothesis.assume(False)
    kind = layer.split(",")[0]
    if y.size == 0:
        with pytest.raises(ValueError, match="settings_from_library"):
            jc.settings_from_library(library, kind, (length,), (taps,), **theirs)
        return
    found = jc.settings_from_library(library, kind, (length,), (taps,), **theirs)
    if transposed:
        before = np.zeros((1, *found.pop("output_shape"), 3))
        expected = reference.conv_deltas(ours["kernel"], before, x, **found).x + ours["bias"]
    else:
        expected = reference.conv(**ours, x=x, **found)
    np.testing.assert_array_equal(y, expected)


def few(*strategies, examples=25):
    """A property of one axis: its cells, taps, stride and dilation, and what else is drawn; each compiles, so few."""
    geometry = st.integers(1, 7), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3)
    return lambda test: hypothesis.settings(max_examples=examples)(hypothesis.given(*geometry, *strategies)(test))


def assert_norm(library, layer, given, theirs, **arguments):
    """Their normalisation of small numbers, where epsilon decides, is ours with the settings that it has by default.

    Args:
        library: whose layer it is.
        layer: the name of ours.
        given: their settings, as far as they have no defaults.
        theirs: their layer, without parameters or with scales of 1 and biases of 0: x [n, h, w, 64] -> y.
        arguments: of ours besides, such as `groups` where theirs has another word for it.
    """
    x = 1e-3 * integers(2, 3, 4, 64)
    found = jc.settings_from_library(library, layer, **given)
    ours = getattr(jc, layer)({}, jnp.asarray(x), **found | arguments)
    np.testing.assert_allclose(ours, theirs(x), rtol=2e-5, atol=2e-6)


def assert_defaults(library, layer, constructor):
    """Our table has the defaults that their constructor has, under the same names."""
    theirs = inspect.signature(constructor).parameters
    for name, default in LIBRARIES[library].layers[layer].settings.items():
        if name != "dtype":  # ours is told that of x; theirs is that of the parameters
            assert theirs[name].default == (inspect.Parameter.empty if default is GIVEN else default), name

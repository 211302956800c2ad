"""Rounding of the algorithms for convolutions: float32 errors, relative to float64, are no larger than those of lax."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.lowering import use_algorithm
from jaxconv.lowering.algorithms import ALGORITHMS, toeplitz
from jaxconv.testing.configurations import Configuration, small_integers

LARGE = {
    "matmul": Configuration((28, 28), (1, 1), {"stride": 1, "padding": "VALID", "groups": 1}, (64, 32), 4, 0),
    "depthwise": Configuration((28, 28), (5, 5), {"stride": 1, "padding": "SAME", "groups": 32}, (32, 32), 4, 0),
    "grouped": Configuration((28, 28), (3, 3), {"stride": 1, "padding": "SAME", "groups": 4}, (64, 64), 4, 0),
    "toeplitz": Configuration((28, 28), (5, 5), {"stride": 1, "padding": "SAME", "groups": 1}, (3, 16), 4, 0),
    "chunked": Configuration((28, 28), (3, 3), {"stride": 1, "padding": "SAME", "groups": 1}, (128, 192), 8, 0),
    "row_products": Configuration((28, 28), (3, 3), {"stride": 1, "padding": "SAME", "groups": 1}, (32, 48), 8, 0),
    "nhwc": Configuration((28, 28), (3, 3), {"stride": 1, "padding": "SAME", "groups": 1}, (16, 24), 4, 0),
    "conv3d_as_2d": Configuration(
        (9, 14, 14), (3, 3, 3), {"stride": 1, "padding": 3 * ((1, 1),), "groups": 1}, (8, 16), 4, 0
    ),
}


def group_by_group(convolve, kernel, x):
    """Computes a grouped convolution as one dense convolution per group."""
    pairs = zip(*(jnp.split(a, LARGE["grouped"].groups, axis=-1) for a in (kernel, x)), strict=True)
    return jnp.concatenate([convolve(kernel, x, groups=1) for kernel, x in pairs], axis=-1)


def slice_by_slice(convolve, kernel, x):
    """Computes a 3-D convolution as a 2-D one, with the three slices under a window as channels."""
    n, depth, h, w, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
    images = jnp.concatenate([x[:, u : u + depth] for u in range(3)], axis=-1).reshape(n * depth, h, w, -1)
    y = convolve(jnp.concatenate(list(kernel), axis=-2), images, padding="SAME")
    return y.reshape(n, depth, h, w, -1)


# For grouped and 3-D convolutions lax adds in another order than for dense 2-D convolutions: its errors are smaller, by
# up to 2.3 times. These two algorithms have the errors of lax's dense 2-D convolutions.
AS_DENSE_IMAGES = {"grouped": group_by_group, "conv3d_as_2d": slice_by_slice}


# XLA splits sums by the cache sizes, for lax's kernel gradient at other points than for a product: test short and long.
@pytest.mark.parametrize(
    ("algorithm", "batch"),
    [
        *(
            (algorithm, LARGE[algorithm].batch)
            for algorithm in ALGORITHMS
            if "conv" in ALGORITHMS[algorithm].operations
        ),
        *(("toeplitz", n) for n in ((1, 16, 64) if NIGHTLY else (16,))),
    ],
)
def test_no_less_exact_than_lax(algorithm, batch):
    for error, lax_error in errors(algorithm, replace(LARGE[algorithm], batch=batch)):
        assert 0 < error <= 1.05 * lax_error


@pytest.mark.parametrize(("side", "taps", "o"), [(28, 5, 6), (56, 3, 16)])
def test_of_a_single_channel_lax_is_more_exact(side, taps, o):
    """lax has separate code for a single channel; docs/lowering.md documents the bound."""
    settings = {"stride": 1, "padding": "SAME", "groups": 1}
    for error, lax_error in errors("toeplitz", Configuration((side, side), (taps, taps), settings, (1, o), 4, 0)):
        assert 0 < error <= 1.6 * lax_error


def errors(algorithm, case):
    """Root mean square errors of our and lax's y and gradients, for normal numbers in float32, against float64 by lax."""
    generator = np.random.default_rng(0)
    shapes = case.kernel_shape, (case.batch, *case.lengths, case.channels[0]), (case.batch, *case.out, case.channels[1])
    arrays = [generator.normal(size=shape).astype(np.float32) for shape in shapes]

    def convolve(kernel, x, **other):
        return jc.conv({"kernel": kernel}, x, **(case.geometry | other))

    def run(algorithm, dtype, layer=convolve):
        def all_three(kernel, x, dy):
            y, pull = jax.vjp(layer, kernel, x)
            return y, *pull(dy)

        with use_algorithm(algorithm):
            return [np.asarray(a, np.float64) for a in jax.jit(all_three)(*(a.astype(dtype) for a in arrays))]

    with jax.enable_x64(True):
        exact = run("lax", np.float64)
    error = lambda actual: [np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(actual, exact, strict=True)]
    laxs = run(
        "lax", np.float32, partial(AS_DENSE_IMAGES[algorithm], convolve) if algorithm in AS_DENSE_IMAGES else convolve
    )
    return zip(error(run(algorithm, np.float32)), error(laxs), strict=True)


@pytest.mark.parametrize(
    ("rows", "count", "of"), [(112, 1, 112), (448, 4, 112), (1792, 16, 112), (389, 1, 389), (3136, 1, 3136)]
)
def test_short_sums_are_made_in_pieces(rows, count, of):
    """A prime number of rows cannot be split; XLA splits long sums itself."""
    lhs, rhs = (small_integers((rows, columns), columns) for columns in (3, 2))
    seen = set()

    def product(a, b):
        seen.add(len(a))
        return a.T @ b

    run = partial(toeplitz.sum_in_chunks, product)
    chunk_counts = [e.params["length"] for e in jax.make_jaxpr(run)(lhs, rhs).eqns if e.primitive.name == "scan"]
    assert (seen, chunk_counts) == ({of}, [count] if count > 1 else [])
    np.testing.assert_array_equal(evaluated(run)(lhs, rhs), lhs.T @ rhs)

"""Which shifts the layers commute with, on every small window and every pair of unit vectors: the theorems' conditions.

proofs/coq/Padding.v proves when the law holds and when it does not; here the layers themselves are asked.
"""

from itertools import groupby

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from finite.unit_vectors import distinct
from golden import read
from support.numpy_evaluation import evaluated

import jaxconv as jc

LONGEST = 4
UNIT = [axis for axis in distinct(read.windows()) if axis.length <= LONGEST]
size = lambda axis: (axis.length, axis.taps)
by_size = lambda axes: [list(group) for _, group in groupby(sorted(axes, key=size), size)]
name = lambda axes: f"{axes[0].length} cells, {axes[0].taps} taps: {len(axes)} windows"
CIRCULAR = by_size(axis for axis in UNIT if axis.padding == "CIRCULAR")
ZERO = by_size(axis for axis in UNIT if axis.pad.boundary == "ZERO")


def responses(axes, scenes):
    """Of each axis the outputs [scene, unit kernel, position]; scenes [scene, cell]."""
    run = evaluated(lambda w, x: [jc.conv({"kernel": w}, x, **axis.geometry).ravel() for axis in axes])
    scenes, kernels = np.float32(scenes), np.eye(axes[0].taps, dtype=np.float32)
    each = [[run(w.reshape(-1, 1, 1), x.reshape(1, -1, 1)) for w in kernels] for x in scenes]
    return [np.array([[outs[number] for outs in row] for row in each]) for number in range(len(axes))]


@pytest.mark.parametrize("axes", CIRCULAR, ids=name)
def test_a_circle_with_a_stride(axes):
    """Padding.cyclic_stride_iff: a shift by the stride shifts the output by one exactly if the stride divides n."""
    n = axes[0].length
    axes = [axis for axis in axes if axis.stride <= n]
    for axis, y in zip(axes, responses(axes, np.eye(n)), strict=True):
        shifted = np.roll(y, -axis.stride, axis=0)  # what the scenes that are shifted by the stride give
        holds = np.array_equal(shifted, np.roll(y, 1, axis=-1))
        assert holds == (n % axis.stride == 0), axis


@pytest.mark.parametrize("axes", ZERO, ids=name)
def test_zeros_around_a_scene(axes):
    """Padding.zero_padding_iff: an output is equivariant exactly if no tap crosses the border as the window moves.

    The scene is endless; the layer sees the cells 0 to n - 1 of it. Unit scenes stand far enough out on either side.
    """
    n, most = axes[0].length, 20
    seen = lambda places: np.array([[float(i == place) for i in range(n)] for place in places])
    places = np.arange(-most, n + most)
    for axis, y in zip(axes, responses(axes, seen(places)), strict=True):
        for t in range(1, len(axis.reads)):
            shifted = y[t * axis.stride :]  # the scene at g + t * stride
            for j in range(t, len(axis.reads)):
                law = np.array_equal(shifted[..., j], y[: len(shifted), :, j - t])
                here, before = ([cell is not None for cell in axis.reads[place]] for place in (j, j - t))
                crosses = here != before
                assert law != crosses, (axis, t, j)


@pytest.mark.parametrize("axes", ZERO, ids=name)
def test_the_interior_is_the_range_of_the_formula(axes):
    """Padding.interior_range: windows that read no padding are those from ceil(lo / s) to (n + lo - span) // s."""
    for axis in axes:
        span = axis.dilation * (axis.taps - 1) + 1
        inside = [j for j, cells in enumerate(axis.reads) if None not in cells]
        first, last = -(-axis.pad.lo // axis.stride), (axis.length + axis.pad.lo - span) // axis.stride
        assert inside == list(range(first, last + 1))


@pytest.mark.parametrize("tied", [True, False])
def test_a_locally_connected_layer_is_equivariant_exactly_if_tied(tied):
    """Converse.equivariant_iff_tied, on a circle: one kernel everywhere, or one weight of one position changed."""
    n, taps = 4, 3
    layer = jax.jit(lambda kernel, x: jc.locally_connected({"kernel": kernel}, x, padding="circular"))
    kernel = np.broadcast_to(np.float32([2, -1, 3])[:, None, None], (n, taps, 1, 1)).copy()
    for place in [None] if tied else np.ndindex(n, taps):
        changed = kernel.copy()
        if place is not None:
            changed[place] += 1
        y = np.array([layer(changed, x.reshape(1, n, 1)).ravel() for x in np.eye(n, dtype=np.float32)])
        assert np.array_equal(np.roll(y, -1, axis=0), np.roll(y, 1, axis=-1)) == tied


def test_a_linear_equivariant_function_is_a_convolution_with_one_local_kernel():
    """Converse.linear_equivariant_is_conv, conv_kernel_unique, local_iff_kernel_supported; on a circle of 7 cells.

    The kernel is read off as the theorem's proof has it: w[g] is what the function makes of a one at g, at position 0.
    """
    n, c = 7, 2
    draw = np.random.default_rng(7)
    kernels = [draw.integers(-3, 4, (3, *channels)).astype(np.float32) for channels in ((c, 4), (4, 3))]

    @jax.jit
    def network(x):
        hidden = jc.conv({"kernel": jnp.asarray(kernels[0])}, x, padding="circular")
        return jc.conv({"kernel": jnp.asarray(kernels[1])}, hidden, padding="circular")

    units = np.eye(n * c, dtype=np.float32).reshape(n, c, n, c)
    kernel_of = lambda f: np.stack([np.stack([np.asarray(f(one[None]))[0, 0] for one in tap]) for tap in units])
    kernel = kernel_of(network)
    as_conv = jax.jit(lambda x: jc.conv({"kernel": kernel}, x, padding=(jc.Pad(0, n - 1, "CIRCULAR"),)))
    for one in units.reshape(n * c, 1, n, c):
        np.testing.assert_array_equal(network(one), as_conv(one))
    np.testing.assert_array_equal(kernel_of(as_conv), kernel)
    assert [g for g in range(n) if np.any(kernel[g] != 0)] == [0, 1, 2, 5, 6]  # two windows of three reach two cells

"""Every small window along one axis, every padding: the layers are the tables, and so are their deltas."""

from functools import partial
from itertools import groupby

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from finite.unit_vectors import Trilinear, conv_table, disagreements, distinct, geometry, local_table
from golden import read
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.window import Axis


def conv(axis):
    layer = lambda w, x: jc.conv({"kernel": w}, x, **geometry([axis]))
    shapes = (1, axis.length, 1), (axis.taps, 1, 1), (1, len(axis.reads), 1)
    return Trilinear(layer, *shapes, conv_table([axis], 1, 1, 1, 1))


def local(axis):
    layer = lambda w, x: jc.locally_connected({"kernel": w}, x, **geometry([axis]))
    positions = len(axis.reads)
    return Trilinear(layer, (1, axis.length, 1), (positions, axis.taps, 1, 1), (1, positions, 1), local_table(axis))


def some(axes):
    """Each third of them by day, as many of each size; by night all. Its number of taps says which is the first."""
    return axes if NIGHTLY else axes[axes[0].taps % min(3, len(axes)) :: 3]


def by_size(windows, longest):
    """The windows over axes of at most so many cells, in groups of the same length and taps."""
    size = lambda axis: (axis.length, axis.taps)
    fitting = sorted((axis for axis in distinct(windows) if axis.length <= longest), key=size)
    return [list(group) for _, group in groupby(fitting, size)]


SMALL = [axis for axis in read.windows() if axis.length <= 5 and axis.pad.lo + axis.pad.hi < 11]
LARGER = [axis for axis in read.windows() if axis.length <= 5]
name = lambda axes: f"{axes[0].length} cells, {axes[0].taps} taps: {len(axes)} windows"


@pytest.mark.parametrize("axes", by_size(SMALL, 3), ids=name)
def test_conv(axes):
    assert not disagreements([conv(axis) for axis in some(axes)])


def test_compiled():
    """Every hundredth of these, and by night every fortieth, as XLA computes it."""
    step = 40 if NIGHTLY else 100
    axes = [axis for group in by_size(SMALL, 3) for axis in group]
    assert not disagreements([conv(axis) for axis in axes[::step]], jax.jit)
    axes = [axis for group in by_size(SMALL, 2) for axis in group]
    assert not disagreements([local(axis) for axis in axes[::step]], jax.jit)


@pytest.mark.slow
@pytest.mark.parametrize("axes", by_size(LARGER, 5), ids=name)
def test_conv_larger(axes):
    assert not disagreements([conv(axis) for axis in axes])


@pytest.mark.parametrize("axes", by_size(SMALL, 2), ids=name)
def test_locally_connected(axes):
    assert not disagreements([local(axis) for axis in some(axes)])


def test_some_windows_have_every_padding_stride_and_dilation():
    """What the layers meet by day, of one kind of setting at a time, is what they meet by night."""
    kinds = lambda axes: {
        (name, str(getattr(axis, name))) for axis in axes for name in ("padding", "stride", "dilation")
    }
    groups = by_size(SMALL, 3)
    assert kinds(axis for group in groups for axis in some(group)) == kinds(axis for group in groups for axis in group)


@pytest.mark.parametrize("fault", [{"stride": 1}, {"dilation": 2}, {"padding": "VALID"}])
def test_a_fault_is_found(fault):
    """A layer one cell off in anything is not its table."""
    (axis,) = [a for a in SMALL if (a.length, a.taps, a.stride, a.dilation, a.padding) == (3, 2, 2, 1, "SAME")]
    wrong = geometry([axis]) | fault
    right = conv(axis)
    positions = len(axis.reads)

    def layer(w, x):
        y = jc.conv({"kernel": w}, x, **wrong)[:, :positions]
        return jnp.pad(y, ((0, 0), (0, positions - y.shape[1]), (0, 0)))

    assert disagreements([Trilinear(layer, right.x, right.w, right.y, right.table)])


def test_the_layers_are_linear_in_each_argument():
    """As `jax.linear_transpose` sees it, from the equations: what makes unit vectors enough."""
    axis = next(axis for axis in SMALL if axis.length == 3 and axis.taps == 2 and axis.padding == "REFLECT")
    for one in (conv(axis), local(axis)):
        w, x, y = (jnp.ones(shape) for shape in (one.w, one.x, one.y))
        (dw,) = jax.linear_transpose(partial(lambda layer, x, w: layer(w, x), one.layer, x), w)(y)
        (dx,) = jax.linear_transpose(partial(one.layer, w), x)(y)
        assert (dw.shape, dx.shape) == (w.shape, x.shape)
    squared = jax.linear_transpose(lambda x: one.layer(w, x) ** 2, x)
    with pytest.raises(NotImplementedError, match="integer_pow"):
        squared(y)


def pools_of_three():
    """Windows over three cells that pooling takes: without dilation, every one of them with a cell in it."""
    sees = lambda cells: any(cell is not None for cell in cells)
    return [axis for axis in distinct(SMALL) if (axis.length, axis.dilation) == (3, 1) and all(map(sees, axis.reads))]


def test_sums_of_windows():
    """`avg_pool` divided by one is linear in x: the number of taps that read a cell, for every cell and output."""
    axes = pools_of_three()
    pooled = lambda axis, x: jc.avg_pool(x, (axis.taps,), stride=axis.stride, padding=(axis.padding,), divisor=1)
    run = evaluated(lambda x: [pooled(axis, x) for axis in axes])
    for m in range(3):
        for axis, y in zip(axes, run(np.eye(3, dtype=np.float32)[m].reshape(1, 3, 1)), strict=True):
            np.testing.assert_array_equal(y.ravel(), [cells.count(m) for cells in axis.reads])


def test_largest_of_windows():
    """`max_pool` is monotone and commutes with monotone maps, so zeros and ones are all inputs that it needs.

    (Thresholds at each level make zeros and ones of any input; padding, lower than all, reads as zero.)
    """
    axes = pools_of_three()
    pooled = lambda axis, x: jc.max_pool(x, (axis.taps,), stride=axis.stride, padding=(axis.padding,))
    run = evaluated(lambda x: [pooled(axis, x) for axis in axes])
    for bits in np.ndindex(2, 2, 2):
        for axis, y in zip(axes, run(np.float32(bits).reshape(1, 3, 1)), strict=True):
            expected = [max(bits[cell] for cell in cells if cell is not None) for cells in axis.reads]
            np.testing.assert_array_equal(y.ravel(), expected)


def test_the_tables_are_the_windows_own():
    """What the layers were compared with is what window.py says, so that the circle of agreement closes."""
    for axis in distinct(SMALL):
        own = Axis(axis.length, axis.taps, axis.stride, axis.dilation, axis.pad)
        table = conv_table([axis], 1, 1, 1, 1)
        for j in range(own.out):
            for u, cell in enumerate(own.reads(j)):
                assert table[:, u, j].tolist() == [float(cell == m) for m in range(axis.length)]

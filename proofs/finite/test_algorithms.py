"""Several examples, channels, groups and dimensions, in every way to compute a convolution: unit vectors again."""

from math import prod

import jax
import pytest
from finite.unit_vectors import Trilinear, conv_table, disagreements, geometry
from golden import read
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.lowering import use_algorithm
from jaxconv.lowering.algorithms import ALGORITHMS, chunked


def window(*sizes_and_padding):
    """The row of windows.json with that length, taps, stride, dilation and padding."""
    same = lambda row: (row.length, row.taps, row.stride, row.dilation, row.padding) == sizes_and_padding
    (found,) = filter(same, read.windows())
    return found


def conv(axes, algorithm, *, batch=1, channels=1, outputs=1, groups=1):
    """The layer over these axes, in the way that is forced."""

    def layer(w, x):
        with use_algorithm(algorithm):
            return jc.conv({"kernel": w}, x, groups=groups, **geometry(axes))

    sizes = lambda of: tuple(map(of, axes))
    return Trilinear(
        layer,
        (batch, *sizes(lambda axis: axis.length), channels),
        (*sizes(lambda axis: axis.taps), channels // groups, outputs),
        (batch, *sizes(lambda axis: len(axis.reads)), outputs),
        conv_table(axes, batch, channels, outputs, groups),
    )


TALL = [window(2, 2, *sizes) for sizes in ((1, 1, "SAME"), (2, 1, "CIRCULAR"), (1, 2, "REFLECT"))]
WIDE = [window(3, 2, *sizes) for sizes in ((1, 1, "VALID"), (2, 1, "CAUSAL"), (1, 2, "EDGE"))]
# By night every pair; else each of both once, and in the ways that one program computes for all sizes.
PAIRS = [[tall, wide] for tall in TALL for wide in WIDE]
IMAGES = PAIRS if NIGHTLY else [*map(list, zip(TALL, WIDE, strict=True))]
ONE_WIDE = [[window(2, 1, 1, 1, "VALID"), window(3, 1, stride, 1, "VALID")] for stride in (1, 2)]
VOLUMES = [[deep, TALL[0], WIDE[0]] for deep in (TALL[1], WIDE[1])]
MIXED = {"batch": 2, "channels": 2, "outputs": 3}
DEPTHWISE = {"batch": 2, "channels": 2, "outputs": 2, "groups": 2}
GROUPED = {"batch": 1, "channels": 4, "outputs": 2, "groups": 2}
# way -> what it fits: geometries and channels. A new way needs a row.
FITTING = {
    "table": [(IMAGES, {}), (WIDE[:1], MIXED), (WIDE[1:2], DEPTHWISE), (WIDE[2:], GROUPED)],
    "lax": [(IMAGES, {}), (WIDE[:1], MIXED), (WIDE[1:2], DEPTHWISE), (WIDE[2:], GROUPED)],
    "matmul": [(ONE_WIDE, {}), (ONE_WIDE, {"channels": 2, "outputs": 2})],
    "depthwise": [(WIDE, DEPTHWISE), (PAIRS[: 3 if NIGHTLY else 1], {"channels": 2, "outputs": 2, "groups": 2})],
    "grouped": [(WIDE, GROUPED)],
    "conv3d_as_2d": [(VOLUMES, {})],
    "toeplitz": [(IMAGES, {}), (WIDE[:1], MIXED)],
    "chunked": [(IMAGES, {"batch": 2}), (WIDE[:1], MIXED)],
    "row_products": [(IMAGES, {"batch": 2}), (WIDE[:1], MIXED)],
    "nhwc": [(IMAGES, {}), (WIDE[:1], MIXED)],
}
CASES = [(algorithm, axes, settings) for algorithm, rows in FITTING.items() for axes, settings in rows]


@pytest.mark.parametrize(("algorithm", "geometries", "settings"), CASES)
def test_every_algorithm_is_the_table(algorithm, geometries, settings, monkeypatch):
    monkeypatch.setattr(chunked, "chunk_length", lambda *_: 1)  # a portion is one example
    each = [axes if isinstance(axes, list) else [axes] for axes in geometries]
    assert not disagreements([conv(axes, algorithm, **settings) for axes in each])


@pytest.mark.parametrize("algorithm", FITTING)
def test_compiled(algorithm, monkeypatch):
    """The first row of each way, as XLA computes it."""
    monkeypatch.setattr(chunked, "chunk_length", lambda *_: 1)
    (first, *_), settings = FITTING[algorithm][0]
    assert not disagreements([conv(first if isinstance(first, list) else [first], algorithm, **settings)], jax.jit)


def test_every_algorithm_of_convolutions_has_a_row():
    assert set(FITTING) == {"table", "lax", *(name for name in ALGORITHMS if "conv" in ALGORITHMS[name].operations)}


def test_weights_are_not_shared_across_channels():
    """The broken twin: one slice of the kernel for every input channel."""
    right = conv(WIDE[:1], "lax", channels=2, outputs=1)
    shared = lambda w, x: right.layer(w.mean(axis=-2, keepdims=True).repeat(2, axis=-2), x)
    assert disagreements([Trilinear(shared, right.x, right.w, right.y, right.table)])
    assert right.table.sum() == 2 * prod(right.y) * right.w[0]  # every output: its taps times its channels

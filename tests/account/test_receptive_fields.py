"""Strides and receptive fields of layers: compared with derivatives and published values; reasons if unknown."""

import dataclasses
import math
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jax import lax
from support.geometries import examples
from support.networks import each_network, network, summarised
from support.summary_oracle import objections_to_field

import jaxconv as jc


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


IMAGE = shape(1, 41, 34, 1)
KERNEL = {"kernel": shape(3, 3, 1, 1)}
# a window: (pooling?, taps, stride, dilation, padding) along h and w
windows = st.tuples(
    st.booleans(),
    st.tuples(st.integers(1, 4), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 3)),
    st.integers(1, 2),
    st.sampled_from(["valid", "same", "causal", "circular"]),
)


def cells_seen(layers, axis):
    """The receptive field by the usual formula: each window adds its span times the product of earlier strides."""
    seen, rate = 1, 1
    for pool, taps, stride, dilation, _ in layers:
        seen += rate * (1 if pool else dilation) * (taps[axis] - 1)
        rate *= stride[axis]
    return seen


def fits(layers):
    return all(2 * cells_seen(layers, axis) < IMAGE.shape[1 + axis] for axis in range(2))


def chain(layers):
    """A function that applies these windows one after another, with kernels of ones."""

    def fn(x):
        for pool, taps, stride, dilation, padding in layers:
            if pool:
                x = jc.avg_pool(x, taps, stride=stride, padding="valid")
            else:
                kernel = np.ones((*taps, 1, 1), np.float32)
                x = jc.conv({"kernel": kernel}, x, stride=stride, dilation=dilation, padding=padding)
        return x

    return fn


@given(layers=st.lists(windows, min_size=1, max_size=3).filter(fits))
@examples(12)
def test_a_cell_away_from_the_border_reads_its_receptive_field(layers):
    """The derivative of a chain of windows of ones is nonzero for exactly the cells in the receptive field."""
    fn = chain(layers)
    last = jc.summary(fn, IMAGE).layers[-1]
    cell = tuple(length // 2 for length in last.output[1:3])
    fields = [reach.receptive_field for reach in last.reaches]
    for field, at, length in zip(fields, cell, IMAGE.shape[1:3], strict=True):
        assume(field.cells(at)[0] >= 0)
        assume(field.cells(at)[-1] < length)
    assert objections_to_field(last.reaches, fn, IMAGE, cell) == []
    assert [field.size for field in fields] == [cells_seen(layers, axis) for axis in range(2)]
    strides = [math.prod(layer[2][axis] for layer in layers) for axis in range(2)]
    assert [reach.stride for reach in last.reaches] == strides


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_field_that_is_wrong_by_one_cell_would_be_seen(wrong):
    """A broken twin: a receptive field that is wrong by one cell."""
    fn = chain([(False, (3, 3), (2, 1), 1, "same")])
    (layer,) = jc.summary(fn, IMAGE).layers
    fields = [reach.receptive_field for reach in layer.reaches]
    fields = [dataclasses.replace(one, phases=tuple((a, b + wrong) for a, b in one.phases)) for one in fields]
    broken = [dataclasses.replace(reach, receptive_field=one) for reach, one in zip(layer.reaches, fields, strict=True)]
    assert len(objections_to_field(broken, fn, IMAGE, (7, 12))) == 2


@each_network(without=["coord_conv"])
def test_the_networks_fields_are_those_worked_out_by_hand(name):
    """The expected values are in tests/support/networks. VGG-16's 212 and the ResNets' 483 and 1027 are published."""
    one = network(name)
    layers = summarised(name).layers
    for number, axis in enumerate(one.axes):
        (expected, *_) = [row for row in one.expect if row.axis == axis]
        if expected.field is None:
            continue
        found = [layer.reaches[number] for layer in layers if layer.reaches[number].receptive_field is not None]
        # A phase of the U-Net's output has a receptive field of 22 or 26 cells; the union over the phases has 27.
        size = 26 if name == "unet" else expected.field.size
        assert max(reach.receptive_field.size for reach in found) == size
        if name != "unet":  # its output has the image's rate
            assert max(reach.stride for reach in found) == expected.field.rate


def test_published_fields():
    sizes = {}
    for name, side in (("vgg16", 224), ("resnet50", 224), ("resnet101", 224)):
        one = network(name, large=True, height=side, width=side)
        layers = jc.summary(one.fn, *one.arguments, axes={1: (1, 2)}).layers
        sizes[name] = max(layer.reaches[0].receptive_field.size for layer in layers)
    assert sizes == {"vgg16": 212, "resnet50": 483, "resnet101": 1027}


def test_no_other_size_is_tried():
    """`certify` looks for a larger image if an image is too small for an interior law. A summary does not need that."""
    traced = []

    def fn(params, x):
        traced.append(x.shape)
        return jc.conv(params, x, padding="same")

    (layer,) = jc.summary(fn, {"kernel": shape(19, 19, 1, 1)}, shape(1, 6, 7, 1)).layers
    assert traced == [(1, 6, 7, 1)]
    assert [reach.receptive_field.size for reach in layer.reaches] == [19, 19]


def test_up_sampling_has_a_stride_below_one():
    fn = lambda kernel, x: lax.conv_transpose(x, kernel, (2, 2), "SAME")
    (layer,) = jc.summary(fn, shape(3, 3, 1, 1), IMAGE).layers
    assert [reach.stride for reach in layer.reaches] == [Fraction(1, 2)] * 2
    assert "1/2x1/2" in str(jc.summary(fn, shape(3, 3, 1, 1), IMAGE))


def test_a_loop_counts_all_of_its_rounds():
    """Five 3x3 windows have a receptive field of 11 cells, in a loop or unrolled."""
    step = lambda carry, kernel: (jc.conv({"kernel": kernel}, carry, padding="same"), None)
    looped = jc.summary(lambda kernels, x: lax.scan(step, x, kernels)[0], shape(5, 3, 3, 1, 1), IMAGE)
    unrolled = jc.summary(
        lambda kernels, x: [x := step(x, kernel)[0] for kernel in kernels][-1], shape(5, 3, 3, 1, 1), IMAGE
    )
    (layer,) = looped.layers
    assert layer.times == 5
    assert layer.reaches[0].receptive_field.size == unrolled.layers[-1].reaches[0].receptive_field.size == 11
    for count in ("parameters", "unshared", "dense", "multiply_adds"):
        assert getattr(looped, count) == getattr(unrolled, count)


def test_each_branch_has_fields_of_its_own():
    wide = lambda p, x: jc.conv(p, x, padding="same", dilation=3)
    narrow = lambda p, x: jc.conv(p, x, padding="same")
    fn = lambda p, x: lax.cond(p["kernel"].sum() > 0, lambda: wide(p, x), lambda: narrow(p, x))
    sizes = [layer.reaches[0].receptive_field.size for layer in jc.summary(fn, KERNEL, IMAGE).layers]
    assert sizes == [3, 7]  # JAX puts the branch for False first


@pytest.mark.parametrize(
    ("fn", "params", "kind", "reason"),
    [
        (lambda p, x: x.reshape(1, -1) @ p, shape(41 * 34, 3), "dense", "reshape"),
        (lambda p, x: jc.dense(p, jc.global_avg_pool(x)), {"kernel": shape(1, 3)}, "dense", "reduce_sum"),
        (
            lambda p, x: lax.while_loop(lambda x: x.sum() < 9, lambda x: jc.conv(p, x, padding="same"), x),
            KERNEL, "conv", "does not follow the equations of this body",
        ),
    ],
)  # fmt: skip
def test_where_nothing_can_be_said_the_reason_is(fn, params, kind, reason):
    found = jc.summary(fn, params, IMAGE)
    layer = found.layers[-1]
    assert layer.kind == kind
    for reach in layer.reaches:
        assert (reach.stride, reach.receptive_field) == (None, None)
        assert reason in reach.reason
    assert "\n-: first along axis 1 of argument 1" in str(found)


def test_reaches_are_what_certificates_say():
    x = shape(1, 48, 40, 1)
    fn = lambda x: jc.max_pool(jc.conv({"kernel": np.ones((5, 3, 1, 2), np.float32)}, x, stride=(2, 1)), (2, 2))
    last = jc.summary(fn, x).layers[-1]
    for reach, axis in zip(last.reaches, jc.certify(fn, x, axes=(1, 2), search=False).leaves[0].axes, strict=True):
        ((_, moves),) = axis.interior.moves
        assert reach.stride == Fraction(axis.interior.shift, moves)
        assert reach.receptive_field == axis.interior.receptive_field

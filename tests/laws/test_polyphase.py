"""Adaptive polyphase sampling is equivariant under every shift if no two phases tie; fixed sampling is not."""

import jax
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import by_numpy
from support.broken_twins import caught
from support.geometries import examples

import jaxconv as jc
from jaxconv.testing.strategies import images, shifts

STRIDES = ((2, 2), (4, 2), (3, 1))
down, up = by_numpy.polyphase_down, by_numpy.polyphase_up
pictures = images(shapes=[(1, 12, 8, 1), (2, 12, 8, 2)])


def tied(x, stride):
    """Whether two phases of an example share the largest norm, computed with NumPy."""
    h, w = stride
    squares = [(np.asarray(x)[:, p::h, q::w] ** 2).sum(axis=(1, 2, 3)) for p in range(h) for q in range(w)]
    first, *others = np.sort(squares, axis=0)[::-1]
    return bool(others) and bool((first == others[0]).any())


def moves(x, stride, shift):
    """Whether y, its phase and the upsampled result follow the law, bit for bit."""
    y, phase = map(np.asarray, down(x, stride=stride))
    rolled = np.roll(x, shift, axis=(1, 2))
    actual, found_phase = down(rolled, stride=stride)
    moved_phase = phase + np.array(shift)
    expected = [
        np.roll(example, cells, axis=(0, 1)) for example, cells in zip(y, moved_phase // np.array(stride), strict=True)
    ]
    return (
        np.array_equal(found_phase, moved_phase % np.array(stride))
        and np.array_equal(actual, np.stack(expected))
        and np.array_equal(
            up(actual, found_phase, stride=stride), np.roll(up(y, phase, stride=stride), shift, axis=(1, 2))
        )
    )


@examples(16)
@given(x=pictures, stride=st.sampled_from(STRIDES), shift=shifts(12, 8))
def test_where_no_two_phases_tie_it_moves_by_every_shift(x, stride, shift):
    assume(not tied(x, stride))
    assert moves(x, stride, shift)


@examples(16)
@given(x=pictures, stride=st.sampled_from(STRIDES), shift=shifts(12, 8))
def test_global_pools_behind_it_are_invariant(x, stride, shift):
    assume(not tied(x, stride))
    y, again = (down(each, stride=stride)[0] for each in (x, np.roll(x, shift, axis=(1, 2))))
    np.testing.assert_array_equal(by_numpy.global_max_pool(y), by_numpy.global_max_pool(again))
    np.testing.assert_array_equal(y.sum(axis=(1, 2)), again.sum(axis=(1, 2)))


def test_where_two_phases_tie_it_does_not():
    """The first of two equal phases is kept before and after the shift, so the cells are those of another phase."""
    x = np.float32([1, -1, 0, 0]).reshape(1, 4, 1)
    y, phase = down(x, (2,))
    again, same = down(np.roll(x, 1, axis=1), (2,))
    assert (y.ravel().tolist(), again.ravel().tolist()) == ([1, 0], [0, -1])
    assert phase.item() == same.item() == 0
    assert caught(st.tuples(pictures, shifts(12, 8)), lambda drawn: not moves(drawn[0], (2, 2), drawn[1]))


def test_a_fixed_grid_does_not_move():
    """The incorrect variant: a stride with a fixed phase."""
    x = np.arange(8, dtype=np.float32).reshape(1, 8, 1)
    fixed = lambda x: by_numpy.global_max_pool(x[:, ::2])
    adaptive = lambda x: by_numpy.global_max_pool(down(x, (2,))[0])
    assert fixed(x) != fixed(np.roll(x, 1, axis=1))
    assert adaptive(x) == adaptive(np.roll(x, 1, axis=1)) == 7


def network(params, x, sample):
    """Circular convolutions with ReLUs, downsampled twice by two."""
    for layer in params:
        x = sample(jax.nn.relu(jc.conv(layer, x, padding="circular")))
    return jc.global_avg_pool(x)


def drawn_conv(draw, channels_in, channels_out):
    """Parameters with the shapes of `init_conv`."""
    kernel = draw.normal(size=(3, 3, channels_in, channels_out)) / np.sqrt(9 * channels_in)
    return {"kernel": kernel.astype(np.float32), "bias": np.zeros(channels_out, np.float32)}


@pytest.mark.parametrize(
    ("sample", "finding"),
    [
        (lambda x: jc.polyphase_down(x, (2, 2))[0], "HELD"),
        (lambda x: jc.polyphase_down(jc.blur_pool(x, (3, 3), stride=1, padding="circular"), (2, 2))[0], "HELD"),
        (lambda x: jc.max_pool(x, (2, 2)), "VIOLATED"),
        (lambda x: jc.blur_pool(x, (3, 3), padding="circular"), "VIOLATED"),
    ],
    ids=["polyphase", "blurred polyphase", "max pool", "blur pool"],
)
def test_whole_networks_are_invariant_as_the_numeric_check_shows(sample, finding):
    """All 96 shifts of one image. With pooling or blurring the network is invariant under multiples of four only."""
    draw = np.random.default_rng(0)
    params = [drawn_conv(draw, 1, 4), drawn_conv(draw, 4, 4)]
    x = draw.normal(size=(1, 12, 8, 1)).astype(np.float32)
    actual = jc.check(lambda params, x: network(params, x, sample), params, x, axes={1: (1, 2)}, invariant=True)
    assert actual.finding.value == finding
    assert len(actual.leaves[0].shifts) == 96


def test_branches_that_share_a_phase_can_be_added():
    """With separate phases, the shortcut would be added at another position after the shift."""
    draw = np.random.default_rng(2)
    params, x = drawn_conv(draw, 1, 1), draw.normal(size=(1, 12, 8, 1)).astype(np.float32)

    def block(x, shared):
        y, phase = jc.polyphase_down(jc.conv(params, x, padding="circular"), (2, 2))
        shortcut, _ = jc.polyphase_down(x, (2, 2), phase=phase if shared else None)
        return jc.global_max_pool(y * shortcut)

    finding = lambda shared: jc.check(lambda x: block(x, shared), x, axes=(1, 2), invariant=True).finding.value
    assert finding(True) == "HELD"
    assert finding(False) == "VIOLATED"

"""Gradients through wrap-around pads: the sum of all pieces moves.

Sums that miss a piece, or have one twice, are not proved to move.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.claim_oracle import judged

import jaxconv as jc
from jaxconv.verify.claims import Verdict

X = jax.ShapeDtypeStruct((1, 8, 6, 2), jnp.float32)
KERNEL = jnp.asarray(np.random.default_rng(0).integers(-4, 5, (3, 3, 2, 3)), jnp.float32)
NARROW = jnp.asarray(np.random.default_rng(1).integers(-4, 5, (3, 1, 2, 2)), jnp.float32)


def cyclic(fn, axis=1, x=X):
    """The cyclic claim of the only output. If it is proved, executions are checked not to refute it."""
    return judged(fn, x, axis, kinds=("cyclic",)).cyclic


def energy(layer):
    return jax.grad(lambda x: jnp.sum(layer(x) ** 2))


def conv(x, **settings):
    return jc.conv({"kernel": KERNEL}, x, **{"padding": "circular", **settings})


def deep(x):
    return conv(jc.max_pool(jax.nn.relu(conv(x))[..., :2], (2, 2)), stride=(2, 1))


GRADIENTS = {  # gradients of scalar functions that are invariant under these shifts of the first axis
    "a convolution": (energy(conv), 1),
    "with a stride": (energy(partial(conv, stride=2)), 2),
    "with a dilated kernel": (energy(partial(conv, dilation=2)), 1),
    "both": (energy(partial(conv, stride=(4, 2), dilation=(2, 1))), 4),
    "average pooling": (energy(partial(jc.avg_pool, window=(3, 2), stride=2, padding="circular")), 2),
    "max pooling": (energy(partial(jc.max_pool, window=(3, 2), stride=2, padding="circular")), 2),
    "max pooling that overlaps": (energy(partial(jc.max_pool, window=(3, 3), stride=1, padding="circular")), 1),
    "max pooling in windows that leave the pad out": (energy(partial(jc.max_pool, window=(2, 2), padding="circular")), 2),
    "a roll": (energy(lambda x: jnp.roll(x, 3, axis=1) * x), 1),
    "a wrap pad cut back": (energy(lambda x: jnp.pad(x, ((0, 0), (2, 3), (1, 0), (0, 0)), mode="wrap")[:, 3:11]), 1),
    "a pad by more than a period": (energy(lambda x: conv(jnp.pad(x, ((0, 0), (9, 7), (0, 0), (0, 0)), mode="wrap")[:, 6:-8], padding="valid")), 1),
    "a net": (energy(deep), 4),
    "by checkpoint": (energy(jax.checkpoint(deep)), 4),
    "scaled": (energy(lambda x: conv(x * 3.0) / 5.0 * jnp.max(x)), 1),
    "of its gradient": (energy(jax.grad(lambda x: jnp.sum(jnp.sin(conv(x))))), 1),
    "every other phase": (energy(lambda x: jnp.concatenate([x[:, 5:], x[:, :5]], axis=1)[:, ::2]), 2),
    "under vmap": (jax.vmap(energy(lambda x: jc.conv({"kernel": NARROW}, x[None], padding="circular")[0])), 1),
    "slices of a wrap pad": (energy(lambda x: wide(x)[:, 2:] * x - wide(x)[:, :-2]), 1),
    "differences of a longer wrap pad": (energy(lambda x: jnp.diff(jnp.pad(x, ((0, 0), (0, 2), (0, 0), (0, 0)), mode="wrap"), n=2, axis=1)), 1),
    "total variation": (jax.grad(lambda x: jnp.sum(jnp.abs(jnp.diff(jnp.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0)), mode="wrap"), axis=1)))), 1),
    "with respect to the kernel": (lambda x: jax.grad(lambda k: jnp.sum(jc.conv({"kernel": k}, x, padding="circular", stride=2) ** 3))(KERNEL), 2),
    "with respect to a bias": (lambda x: jax.grad(lambda b: jnp.sum(jc.conv({"kernel": KERNEL, "bias": b}, x, padding="circular") ** 3))(jnp.ones(3)), 1),
    "with respect to a grouped kernel": (lambda x: jax.grad(lambda k: jnp.sum(jc.conv({"kernel": k}, x, padding="circular", groups=2) ** 3))(KERNEL[:, :, :1, :2]), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_gradient_of_what_does_not_change_moves(name):
    fn, shift = GRADIENTS[name]
    claim = cyclic(fn)
    assert claim.verdict == Verdict.PROVED, claim.culprit
    assert (claim.shift, claim.moves) == (shift, () if "respect" in name else ((1, shift),))


def mean_of(layer, x):
    """The gradient of a mean, whose cotangent is the same at every position."""
    return jax.grad(lambda x: jnp.mean(layer(jnp.sin(x))))(x)


MEANS = {
    "a convolution": (conv, 1),
    "two convolutions": (lambda x: conv(jax.nn.relu(conv(x))[..., :2]), 1),
    "with a stride": (partial(conv, stride=2), 2),
    "with a stride of what overlaps": (lambda x: conv(jax.nn.relu(conv(x))[..., :2], stride=(2, 1)), 2),
    "with a dilated kernel": (partial(conv, dilation=2), 1),
    "a convolution of lax": (lambda x: lax.conv_general_dilated(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap"), KERNEL, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")), 1),
    "a reshape of the transposed": (lambda x: jnp.swapaxes(lax.reshape(conv(x), (1, 6, 8, 3, 1), (0, 2, 1, 3)), 1, 2), 1),
    "weights of channels": (lambda x: conv(x) @ jnp.arange(6.0).reshape(3, 2), 1),
}  # fmt: skip


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("name", MEANS)
def test_the_gradient_of_a_mean_moves(name, axis):
    layer, shift = MEANS[name]
    shift = 1 if axis == 2 and "overlaps" in name else shift
    claim = cyclic(partial(mean_of, layer), axis)
    assert claim.verdict == Verdict.PROVED, claim.culprit
    assert (claim.shift, claim.moves) == (shift, ((axis, shift),))


UNEVEN = {  # layers that differ between positions, or drop values that taps move beyond the ends
    "zeros around": partial(conv, padding="same"),
    "a border that is cut off": lambda x: conv(x)[:, 1:],
    "weights of positions": lambda x: conv(x) * jnp.arange(8.0).reshape(1, 8, 1, 1),
    "a mask": lambda x: jnp.where(jnp.arange(8).reshape(1, 8, 1, 1) < 7, conv(x), 0),
    "reflection": partial(conv, padding="reflect"),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_the_gradient_of_a_mean_that_does_not_move_is_not_proved(name):
    assert cyclic(partial(mean_of, UNEVEN[name])).verdict == Verdict.UNDECIDED


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("taps", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_every_small_convolution(axis, taps, stride, dilation):
    kernel = jnp.asarray(np.random.default_rng(taps).integers(-4, 5, (taps, taps, 2, 1)), jnp.float32)
    claim = cyclic(
        energy(lambda x: jc.conv({"kernel": kernel}, x, stride=stride, dilation=dilation, padding="circular")), axis
    )
    assert (claim.shift, claim.moves) == (stride, ((axis, stride),))


def pieces(x, lo=2, hi=2, weights=None):
    """The head, middle and tail of the cotangent of an input that was padded circularly."""
    y = narrow(x, lo, hi)
    y = y if weights is None else y * weights
    return y[:, :1], y[:, 1:9], y[:, 9:]


def narrow(x, lo, hi, by=1.0):
    """A convolution with three taps along the axis, with `lo` and `hi` zeros at its ends."""
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, by * NARROW, (1, 1), ((lo, hi), (0, 0)), dimension_numbers=numbers)


def two_of_unequal_length(x):
    """Two parents of 10 and 12 cells with the same start. The last two cells are dropped."""
    y = lax.pad(narrow(x, 2, 2), 0.0, [(0, 0, 0), (0, 2, 0), (0, 0, 0), (0, 0, 0)]) + narrow(narrow(x, 2, 2), 2, 2)
    return y[:, :8] + put(y[:, 8:10], 0)


def wide(x):
    """One more cell at each end, around the circle."""
    return jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="wrap")


def put(piece, start, value=0.0):
    """A piece among zeros."""
    after = 8 - start - piece.shape[1]
    return lax.pad(piece, value, [(0, 0, 0), (start, after, 0), (0, 0, 0), (0, 0, 0)])


def added(x, first=7, last=0, fill=0.0, weigh=lambda piece: piece, **pads):
    head, middle, tail = pieces(x, **pads)
    return put(weigh(head), first, fill) + middle + put(tail, last, fill)


def after(write, taps=2):
    """A write of cells of the whole convolution of 10 cells."""
    return lambda x: write(narrow(x, taps, taps))


SHAPE = (1, 8, 6, 2)
TWINS = {
    "the head in the wrong place": partial(added, first=6),
    "the tail in the wrong place": partial(added, last=1),
    "among ones": partial(added, fill=1.0),
    "one piece twice as large": partial(added, weigh=lambda piece: 2 * piece),
    "one piece with the other sign": partial(added, weigh=lambda piece: -piece),
    "one piece reversed elsewhere": partial(added, weigh=lambda piece: piece[:, :, ::-1]),
    "one piece rounded": partial(added, weigh=lambda piece: piece.astype(jnp.int32).astype(jnp.float32)),
    "one piece rectified": partial(added, weigh=jax.nn.relu),
    "one piece left out": lambda x: pieces(x)[1] + put(pieces(x)[0], 7),
    "one piece twice": lambda x: added(x) + put(pieces(x)[0], 7),
    "all pieces weighed by position": partial(added, weights=np.arange(1, 11, dtype=np.float32)[None, :, None, None]),
    "a tail added one cell too far": after(lambda y: y[:, :8].at[:, 1:3].add(y[:, 8:])),
    "a tail that overwrites": after(lambda y: y[:, :8].at[:, :2].set(y[:, 8:])),
    "a tail multiplied": after(lambda y: y[:, :8].at[:, :2].multiply(y[:, 8:])),
    "a tail that overwrites ones": after(lambda y: y[:, :8] + jnp.ones(SHAPE).at[:, :2].set(y[:, 8:])),
    "a tail added to some rows": after(lambda y: y[:, :8].at[:, :2, :3].add(y[:, 8:, :3])),
    "pieces added to different rows": lambda x: after(
        lambda y: jnp.zeros(SHAPE).at[:, :, :3].add(y[:, :8]).at[:, :2, 3:].add(y[:, 8:])
    )(x[:, :, :3]),
    "a tail added twice": after(lambda y: y[:, :8].at[:, :2].add(y[:, 8:]).at[:, :2].add(y[:, 8:])),
    "two pieces that overlap": lambda x: (
        put(pieces(x)[0], 7) + put(pieces(x)[1][:, :5], 0) + put(pieces(x)[1][:, 3:], 3) + put(pieces(x)[2], 0)
    ),
    "a part of one": lambda x: put(pieces(x)[0], 7) + put(pieces(x)[1][:, 1:], 1) + put(pieces(x)[2], 0),
    "taps that fall off the end": partial(added, lo=1, hi=3),
    "taps that fall off the end of one period": lambda x: (
        narrow(x, 2, 0)
        + lax.pad(pieces(x)[0], 0.0, [(0, 0, 0), (8, -1, 0), (0, 0, 0), (0, 0, 0)])  # a piece that is cropped to zeros
    ),
    "taps that fall off the start of two periods": lambda x: narrow(x, 0, 2) + narrow(x, 0, 2, by=2.0),
    "the end of the longer of two": two_of_unequal_length,
    "the end of the later of two": lambda x: (
        (lax.pad(x, 0.0, [(0, 0, 0), (0, 2, 0), (0, 0, 0), (0, 0, 0)]) - narrow(x, 2, 2))[:, :8]
    ),
    "a gradient of slices that leave a cell out": energy(lambda x: narrow(wide(x)[:, 1:] - 3 * wide(x)[:, :-1], 0, 0)[:, 1:]),
    "cells that a pad repeats": energy(lambda x: jnp.pad(x, ((0, 0), (2, 3), (0, 0), (0, 0)), mode="wrap")),
    "one piece weighed elsewhere": lambda x: added(x, weigh=lambda piece: piece * jnp.arange(6.0)[None, None, :, None]),
    "zero padding": energy(partial(conv, padding="same")),
    "a kernel's gradient under zero padding": lambda x: jax.grad(lambda k: jnp.sum(jc.conv({"kernel": k}, x, padding="same") ** 2))(KERNEL),
    "a kernel's gradient, valid": lambda x: jax.grad(lambda k: jnp.sum(jc.conv({"kernel": k}, x, padding="valid") ** 2))(KERNEL),
    "a correlation with the reversed": lambda x: lax.conv_general_dilated(jnp.pad(x, ((0, 0), (7, 0), (0, 0), (0, 0)), mode="wrap"), jnp.moveaxis(x[:, ::-1], 0, 3), (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")),
}  # fmt: skip


FOLDS = {
    "the head to the end": after(lambda y: y[:, 2:].at[:, 6:].add(y[:, :2])),
    "the tail to the start": after(lambda y: y[:, :8].at[:, :2].add(y[:, 8:])),
    "the tail, by a dynamic update of zeros": after(
        lambda y: y[:, :8] + lax.dynamic_update_slice(jnp.zeros(SHAPE), y[:, 8:], (0, 0, 0, 0))
    ),
    "both ends, in zeros": after(
        lambda y: jnp.zeros(SHAPE).at[:, 7:].set(y[:, :1]) + y[:, 1:9].at[:, :1].add(y[:, 9:])
    ),
    "a transposed convolution": lambda x: (
        (full := lax.conv_transpose(x, NARROW, (2, 1), "VALID"))[:, :16].at[:, :1].add(full[:, 16:])
    ),
}


@pytest.mark.parametrize("name", FOLDS)
def test_pieces_that_are_added_at_indices_move(name):
    claim = cyclic(FOLDS[name])
    assert (claim.shift, claim.moves) == (1, ((1, 2 if "transposed" in name else 1),))


def test_the_pieces_as_they_should_be_move():
    """The correct sum, of which the twins below are variations."""
    claim = cyclic(added)
    assert (claim.shift, claim.moves) == (1, ((1, 1),))


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_not_proved(name):
    assert cyclic(TWINS[name]).verdict == Verdict.UNDECIDED


FIELDS = {  # the number of cells on which a gradient depends, counted by hand, of 12
    "a convolution": (energy(lambda x: x + 2 * jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1)), 5),
    "a stencil by wrap padding": (energy(lambda x: jnp.diff(jnp.pad(x, ((0, 0), (0, 1)), mode="wrap"))), 3),
    "a dilated stencil": (energy(lambda x: x - jnp.roll(x, 3, 1)), 7),
    "a repetition": (energy(lambda x: jnp.repeat(x, 2, axis=1) * jnp.roll(jnp.repeat(x, 2, axis=1), 1, 1)), 3),
    "average pooling": (
        energy(lambda x: jc.avg_pool(x[..., None, None], (3, 1), stride=(2, 1), padding="circular")),
        5,
    ),
    "max pooling": (
        energy(lambda x: jc.max_pool(x[..., None, None], (3, 1), stride=(1, 1), padding="circular")),
        5,
    ),
    "a gradient times a uniform weight": (lambda x: energy(lambda v: v - jnp.roll(v, 1, 1))(x) * jnp.ones((1, 12)), 3),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_gradient_depends_on_the_cells_that_its_terms_see(name):
    fn, size = FIELDS[name]
    x = jax.ShapeDtypeStruct((1, 12), jnp.float32)
    assert cyclic(fn, x=x).receptive_field.size == size
    certificate = jc.certify(fn, x, axes=(1,), search=False)
    assert jc.recheck(certificate, fn, x) == ()


def test_a_gradient_that_is_scaled_by_the_whole_input_depends_on_all_of_it():
    energies = lambda v: jnp.sum((v - jnp.roll(v, 1, 1)) ** 2)
    x = jax.ShapeDtypeStruct((1, 12), jnp.float32)
    assert cyclic(lambda v: jax.grad(energies)(v) * jnp.max(v), x=x).receptive_field is None
    assert cyclic(jax.grad(lambda v: energies(v) ** 2), x=x).receptive_field is None
    differences = lambda v, scale: jnp.diff(jnp.pad(v, ((0, 0), (0, 1)), mode="wrap") * scale)
    pulled_back = lambda x, scale: jax.vjp(lambda v: differences(v, scale), x)[1](x)[0]
    assert cyclic(lambda x: pulled_back(x, jnp.max(x)), x=x).receptive_field is None
    assert cyclic(lambda x: pulled_back(x, 3.0), x=x).receptive_field.size == 2

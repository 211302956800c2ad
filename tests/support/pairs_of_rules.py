"""Functions of every family of rules, which `joins_of_rules.py` joins two by two.

`FUNCTIONS` are one-liners on x [1, 6, 6], of which axis 1 is shifted; each returns [1, m, 6] or [1, m, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxconv as jc
from jaxconv.lowering import use_algorithm
from support.functions_of_lost_operands import BEHIND

N = 6
X = jax.ShapeDtypeStruct((1, N, N), jnp.float32)

Function = Callable[[jax.Array], jax.Array]

random = np.random.default_rng(0)
WEIGHTS = random.normal(size=(N, N)).astype(np.float32)
KERNEL = {"kernel": random.normal(size=(3, N, N)).astype(np.float32)}
PAIR_OF_TAPS = {"kernel": random.normal(size=(2, N, N)).astype(np.float32)}
DEPTHWISE = {"kernel": random.normal(size=(3, 1, N)).astype(np.float32)}
MODES = random.normal(size=(1, N // 2 + 1, N)).astype(np.complex64)
MIXING = random.normal(size=(N // 2 + 1, N, N)).astype(np.complex64)
ALTERNATING = np.array([True, False] * (N // 2))
AROUND = np.arange(N)
SAME_THIRD = AROUND[:, None] // 2 == AROUND // 2
CIRCULANT = np.array([2, 0, 0, -3, 0, 1])[(AROUND[:, None] - AROUND) % N].astype(np.int32)


def padded(x, mode):
    """One more cell at the front, one less at the back."""
    return jnp.pad(x, ((0, 0), (1, 0), (0, 0)), mode=mode)[:, :-1]


def outer(x):
    """[1, i, j, c]: cell i minus twice cell j."""
    return x[:, :, None] - 2.0 * x[:, None]


def around_max(x):
    """The largest of three cells around each."""
    return jc.max_pool(x, (3,), stride=1, padding="circular")


def pooled(x, operation, initial, stride=1):
    """Windows of two cells, the last one over the border."""
    padding = ((0, 0), (0, 1 if stride == 1 else 0), (0, 0))
    return lax.reduce_window(x, initial, operation, (1, 2, 1), (1, stride, 1), padding)


def spread_conv(x):
    """A zero between any two cells, and windows of two, as the gradient of a strided convolution has them."""
    layout = ("NWC", "WIO", "NWC")
    return lax.conv_general_dilated(x, PAIR_OF_TAPS["kernel"], (1,), ((1, 1),), (2,), dimension_numbers=layout)


def squares(x):
    """A positive definite matrix of two channels at each position."""
    return x[..., :2, None] * x[..., None, :2] + 3.0 * jnp.broadcast_to(jnp.eye(2), (*x.shape[:2], 2, 2))


def attended(x):
    """Each position's mixture of all, as it resembles them."""
    return jnp.einsum("bij,bjc->bic", jax.nn.softmax(jnp.einsum("bic,bjc->bij", x, x), axis=2), x)


def overlaps(x):
    """Sums of three cells, those over the ends included: two more positions than x has."""
    return lax.reduce_window(x, np.zeros((), x.dtype), lax.add, (1, 3, 1), (1, 1, 1), ((0, 0), (2, 2), (0, 0)))


def circulant(row):
    """A matrix whose cell (i, j) is cell i - j of an unknown row."""
    return jnp.asarray(row)[(AROUND[:, None] - AROUND) % N]


def folded(x, change):
    """Overlaps of three cells, changed, and what lies beyond the ends added at the other ones."""
    y = change(overlaps(x))
    first, last = (
        jnp.pad(part, ((0, 0), pads, (0, 0))) for part, pads in ((y[:, :1], (N - 1, 0)), (y[:, -1:], (0, N - 1)))
    )
    return y[:, 1:-1] + first + last


def mapped_with_neighbour(x):
    """lax.map along the shifted axis, over each position and the one before it."""
    places = x.swapaxes(0, 1)
    return lax.map(lambda pair: pair[0] - 2.0 * pair[1], (places, jnp.roll(places, 1, 0))).swapaxes(0, 1)


def filtered(x, change, n=N):
    """What is left of x after a change to its modes along the shifted axis."""
    return jnp.fft.irfft(change(jnp.fft.rfft(x, axis=1)), n=n, axis=1)


def sum_of_squares(fn):
    """A loss whose gradient goes back through `fn`."""
    return lambda x: jnp.sum(jnp.square(fn(x)))


def by_lax(fn):
    """The same, its convolutions and pools lax's own equations."""

    def computed(x):
        with use_algorithm("lax"):
            return fn(x)

    return computed


POINTWISE: dict[str, Function] = {
    "itself": lambda x: x,
    "abs": jnp.abs,
    "relu": jax.nn.relu,
    "clip": lambda x: jnp.clip(x, -1.0, 2.0),
    "scaled": lambda x: 2.0 * x + 1.0,
    "squared": lambda x: x * x,
    "checkerboard": lambda x: jnp.where(ALTERNATING[None, :, None], x, -x),
    "checkerboard of channels": lambda x: jnp.where(ALTERNATING[None, None], x, -x),
    "places": lambda x: jnp.where(lax.broadcasted_iota("int32", x.shape, 1) % 3 == 0, x, 0.0),
    "applied": lambda x: x.at[:].apply(jnp.tanh),
    "few bits": lambda x: lax.reduce_precision(x, 8, 2),
    "quantised": lambda x: x.astype(jnp.float8_e5m2).astype(x.dtype),
    "wrapped in 8 bits": lambda x: (x.astype(jnp.int8) * jnp.int8(50)).astype(x.dtype),
    "zeros of two signs": lambda x: jnp.arctan2(
        jnp.where(np.arange(N) % 6 == 3, -0.0, 0.0)[None, :, None], -jnp.abs(x)
    ),
    "against its neighbour": lambda x: jnp.where(x > jnp.roll(x, 1, 1), x, 0.5),
}
LAYOUT: dict[str, Function] = {
    "times weights in turn": lambda x: x * jnp.broadcast_to(WEIGHTS[:3, 0], (2, 3)).reshape(1, N, 1),
    "times weights for two": lambda x: x * jnp.repeat(WEIGHTS[:3, 0], 2).reshape(1, N, 1),
    "rolled": lambda x: jnp.roll(x, 1, 1),
    "rolled back": lambda x: jnp.roll(x, -2, 1),
    "flipped": lambda x: x[:, ::-1],
    "flipped channels": lambda x: x[:, :, ::-1],
    "transposed": lambda x: x.swapaxes(1, 2),
    "transposed and flipped": lambda x: x.swapaxes(1, 2)[:, ::-1],
    "even": lambda x: x[:, ::2],
    "odd": lambda x: x[:, 1::2],
    "odd from behind": lambda x: x[:, ::-2],
    "patches": lambda x: x.reshape(1, 3, 2, N).sum(2),
    "patches, turned": lambda x: x.reshape(1, 3, 2, N).swapaxes(1, 2).reshape(1, N, N),
    "channels merged in": lambda x: x.reshape(1, N, 2, 3).sum(3).reshape(1, 2 * N, 1),
    "repeated": lambda x: jnp.repeat(x, 2, axis=1),
    "nearest": lambda x: jnp.repeat(x[:, ::2], 2, axis=1),
    "tiled": lambda x: jnp.tile(x, (1, 2, 1)),
    "interleaved": lambda x: jnp.stack([x, -x], 2).reshape(1, 2 * N, N),
    "padded with zeros": partial(padded, mode="constant"),
    "padded around": partial(padded, mode="wrap"),
    "padded by the edge": partial(padded, mode="edge"),
    "padded by reflection": partial(padded, mode="reflect"),
    "spread": lambda x: lax.pad(x, 0.0, ((0, 0, 0), (0, 1, 1), (0, 0, 0))),
    "unstacked": lambda x: jnp.stack(jnp.unstack(x, axis=2)[::-1], axis=2),
    "split and joined": lambda x: jnp.concatenate(jnp.split(x, [2], axis=1)[::-1], 1),
}
WINDOWED: dict[str, Function] = {
    "folded": lambda x: folded(x, lambda y: 2 * y),
    "folded integers": lambda x: folded(x.astype(jnp.int32), lambda y: lax.div(y, jnp.int32(2))).astype(x.dtype),
    "folded, of few bits": lambda x: folded(x, lambda y: lax.reduce_precision(y, 8, 1)),
    "folded, quantised": lambda x: folded(x, lambda y: y.astype(jnp.float8_e5m2).astype(y.dtype)),
    "conv around": lambda x: jc.conv(KERNEL, x, padding="circular"),
    "conv over zeros": lambda x: jc.conv(KERNEL, x, padding="same"),
    "conv, strided": lambda x: jc.conv(KERNEL, x, stride=2, padding="circular"),
    "conv, dilated": lambda x: jc.conv(KERNEL, x, dilation=2, padding="circular"),
    "conv, depthwise": lambda x: jc.conv(DEPTHWISE, x, padding="circular", groups=N),
    "conv, spread": spread_conv,
    "largest of two": lambda x: pooled(x, lax.max, -jnp.inf),
    "least of two": lambda x: pooled(x, lax.min, jnp.inf, stride=2),
    "sum of two": lambda x: pooled(x, lax.add, 0.0, stride=2),
    "sum of squares of two": lambda x: pooled(x, lambda a, b: a + b * b, 0.0, stride=2),
    "average pooling": lambda x: jc.avg_pool(x, (3,), stride=1, padding="circular"),
    "max pooling": lambda x: jc.max_pool(x, (3,), stride=1, padding="circular"),
    "min pooling, dilated": lambda x: jc.min_pool(x, (2,), stride=1, dilation=2, padding="circular"),
    "change of max pooling": lambda x: jax.jvp(lambda x: jc.max_pool(x, (2,)), (x,), (x * x,))[1],
    "gradient of max pooling": jax.grad(sum_of_squares(lambda x: jc.max_pool(x, (2,)))),
    "gradient of max pooling by lax": jax.grad(sum_of_squares(by_lax(lambda x: jc.max_pool(x, (2,))))),
    "gradient of max pooling around": jax.grad(sum_of_squares(around_max)),
    "gradient of max pooling around by lax": jax.grad(sum_of_squares(by_lax(around_max))),
    "gradient of a negated wrap pad": jax.grad(
        sum_of_squares(lambda x: pooled(-jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap"), lax.add, 0.0))
    ),
    "gradient of average pooling": jax.grad(sum_of_squares(lambda x: jc.avg_pool(x, (2,), stride=1))),
    "gradient of a strided conv": jax.grad(sum_of_squares(lambda x: jc.conv(PAIR_OF_TAPS, x, stride=2))),
    "gradient of a conv by lax": jax.grad(sum_of_squares(by_lax(lambda x: jc.conv(KERNEL, x, padding="circular")))),
    "gradient of a conv around": jax.grad(sum_of_squares(lambda x: jc.conv(KERNEL, x, padding="circular"))),
}
REDUCTION: dict[str, Function] = {
    "sum of channels": lambda x: x.sum(2, keepdims=True),
    "largest channel": lambda x: x.max(2, keepdims=True),
    "mean of places": lambda x: x.mean(1, keepdims=True),
    "mean removed": lambda x: x - x.mean(1, keepdims=True),
    "place of the largest channel": lambda x: jnp.argmax(x, 2, keepdims=True).astype(x.dtype),
    "place of the largest": lambda x: jnp.argmax(x, 1, keepdims=True).astype(x.dtype),
    "running sum": lambda x: jnp.cumsum(x, 2),
    "running maximum from behind": lambda x: lax.cummax(x, 2, reverse=True),
    "sorted": lambda x: jnp.sort(x, 2),
    "order": lambda x: jnp.argsort(x, 2).astype(x.dtype),
    "top k": lambda x: lax.top_k(x, N)[0],
    "largest along": lambda x: jnp.moveaxis(lax.top_k(jnp.moveaxis(x, 1, 2), N)[0], 2, 1),
    "sorted along": lambda x: jnp.sort(x, 1),
    "sorted along by two keys": lambda x: lax.sort((jnp.round(x), -x), dimension=1, num_keys=2)[1],
    "softmax": lambda x: jax.nn.softmax(x, 1),
    "softmax of channels": lambda x: jax.nn.softmax(x, 2),
    "spectrum of channels": lambda x: jnp.fft.fft(x, axis=2).real,
    "channels by any function": lambda x: lax.reduce(x, 0.0, lambda a, b: a + b + 0.0 * a * b, (2,))[..., None],
    "sum removed": lambda x: x - lax.reduce(x, 0.0, lax.add, (1,))[:, None],
}
LINEAR_ALGEBRA: dict[str, Function] = {
    "divided by the largest singular value": lambda x: x / jnp.linalg.svd(x, compute_uv=False)[:, :1, None],
    "cholesky": lambda x: lax.linalg.cholesky(squares(x)).sum((2, 3))[..., None],
    "permutations": lambda x: lax.linalg.lu_pivots_to_permutation(lax.linalg.lu(squares(x))[1], 2)[..., :1].astype(
        x.dtype
    ),
    "reflections": lambda x: lax.linalg.householder_product(squares(x), x[..., :2]).sum((2, 3))[..., None],
    "products": lambda x: lax.linalg.symmetric_product(squares(x), squares(x), symmetrize_output=True).sum((2, 3))[
        ..., None
    ],
    "triangular systems": lambda x: lax.linalg.triangular_solve(squares(x), squares(jnp.roll(x, 1, 1))).sum((2, 3))[
        ..., None
    ],
    "tridiagonal systems": lambda x: lax.linalg.tridiagonal_solve(
        x[..., :3], x[..., :3] + 99.0, x[..., 3:], x[..., :3, None]
    )[..., :1, 0],
}
CONTRACTION: dict[str, Function] = {
    "channels mixed": lambda x: jnp.einsum("bic,cd->bid", x, WEIGHTS),
    "resized up": lambda x: jax.image.resize(x, (1, 2 * N, N), "linear"),
    "resized down": lambda x: jax.image.resize(x, (1, N // 2, N), "linear"),
    "circulant": lambda x: jnp.einsum("ji,bic->bjc", jnp.asarray(CIRCULANT).astype(x.dtype), x),
    "similarities": lambda x: jnp.einsum("bic,bjc->bij", x, jnp.roll(x, 1, 1)),
    "channels' products": lambda x: jnp.einsum("bic,bid->bcd", x, x),
    "attended": attended,
    "outer, largest": lambda x: outer(x).max(2),
    "outer, turned": lambda x: outer(x).swapaxes(1, 2).min(2),
    "outer, but for the diagonal": lambda x: jnp.where(np.eye(N, dtype=bool)[None, :, :, None], 0.0, outer(x)).max(2),
    "outer, of the same third": lambda x: jnp.where(SAME_THIRD[None, :, :, None], outer(x), 0.0).max(2),
}
INDEXING: dict[str, Function] = {
    "gathered around": lambda x: x[:, (AROUND + 2) % N],
    "gathered backwards": lambda x: x[:, N - 1 - AROUND],
    "gathered twice": lambda x: x[:, np.repeat(AROUND, 2)],
    "windows gathered": lambda x: x[:, (AROUND[:, None] + np.arange(2)) % N].max(2),
    "channels gathered": lambda x: x[:, :, (AROUND * 5) % N],
    "channels gathered around": lambda x: jnp.take_along_axis(x, (AROUND[:, None] + AROUND)[None] % N, 1),
    "a diagonal gathered": lambda x: jnp.take_along_axis(x, AROUND[None, None], 1),
    "ordered by its neighbour": lambda x: jnp.take_along_axis(x, jnp.argsort(jnp.roll(x, 1, 1), 2), 2),
    "a diagonal of pairs": lambda x: jnp.diagonal(outer(x), 1, 1, 2).swapaxes(1, 2),
    "cut": lambda x: lax.dynamic_slice(jnp.concatenate([x, x], 1), (0, 4, 0), X.shape),
    "first channel replaced": lambda x: x.at[:, :, 0].set(x[:, :, 1] * 2.0),
    "first channel added to": lambda x: x.at[:, :, 0].add(jnp.roll(x[:, :, 1], 1, 1)),
    "first place replaced": lambda x: x.at[:, 0].set(0.0),
    "a channel replaced": lambda x: x.at[:, :, jnp.argmax(x.sum((0, 1)))].set(x[:, :, 1] * 2.0),
    "largest channels marked": jax.vmap(jax.vmap(lambda c: jnp.zeros(N).at[jnp.argmax(c)].set(1.0))),
    "sums by the largest channel": lambda x: jnp.zeros((1, N, N)).at[:, :, jnp.argmax(x[0], 1)].add(x.swapaxes(1, 2)),
    "written two apart": lambda x: jnp.zeros((1, 2 * N, N), x.dtype).at[:, ::2].set(x),
    "odd replaced by even": lambda x: x.at[:, 1::2].set(x[:, ::2]),
    "every third replaced": lambda x: x.at[:, ::3].set(0.5),
    "summed by twos": lambda x: jnp.zeros((1, N // 2, N), x.dtype).at[:, AROUND // 2].add(x),
    "read past the end": lambda x: x.at[:, AROUND + 2].get(mode="fill", fill_value=0.0),
    "read at the end": lambda x: x.at[:, AROUND + 2].get(mode="clip"),
    "first channel overwritten": lambda x: lax.dynamic_update_slice(x, x[:, :, 1:2] * 2.0, (0, 0, 0)),
    "below its largest": lambda x: x - jnp.take_along_axis(x, jnp.argmax(x, 1)[:, None], 1),
    "smallest added by their order": lambda x: (
        x + jnp.take_along_axis(x, jnp.argsort(-x, 1), 1)[:, -2:].sum(1)[:, None]
    ),
    "largest channel read": lambda x: x[:, AROUND, jnp.argmax(x[0], 1)][..., None],
    "two rolls side by side": lambda x: jax.vmap(lambda k: jnp.roll(x, k, 1))(np.arange(1, 3)).max(0),
    "rolls in a loop": lambda x: lax.fori_loop(1, 3, lambda k, y: y * 0.5 + jnp.roll(x, k, 1), x),
}
DIAGONAL: dict[str, Function] = {
    "on the diagonal": lambda x: x[:, None, :, 0] * jnp.eye(N)[None],
    "beside the diagonal": lambda x: x[:, :, 1:2] * jnp.roll(jnp.eye(N), 1, 0)[None] + x.mean(1)[:, None],
    "below the diagonal": lambda x: jnp.where(np.tri(N, dtype=bool)[None], x[:, None, :, 2], 0.5),
    "on the diagonal, rolled": lambda x: jnp.roll(x[:, None, :, 0] * jnp.eye(N)[None], 1, 2),
    "derivatives": lambda x: jax.jacrev(lambda v: v * jnp.roll(v, 1) ** 2)(x[0, :, 3])[None],
    "second derivatives": lambda x: jax.hessian(lambda v: (jnp.sin(v) * jnp.roll(v, 2)).sum())(x[0, :, 4])[None],
    "times two circulants": lambda x: jnp.einsum("ij,bjc->bic", circulant(WEIGHTS[0]) @ circulant(WEIGHTS[1]), x),
}
FOLDED: dict[str, Function] = {
    "folded by a reshape": lambda x: jnp.pad(overlaps(x), ((0, 0), (0, 4), (0, 0))).reshape(1, 2, N, N).sum(1),
    "largest of two rows": lambda x: jnp.pad(x, ((0, 0), (2, 4), (0, 0))).reshape(1, 2, N, N).max(1),
}
SPECTRAL: dict[str, Function] = {
    "low modes": lambda x: filtered(x, lambda modes: jnp.where(np.arange(4)[None, :, None] < 2, modes, 0)),
    "modes weighted": lambda x: filtered(x, lambda modes: modes * MODES),
    "modes mixed": lambda x: filtered(x, lambda modes: jnp.einsum("bkc,kco->bko", modes, MIXING)),
    "modes turned": lambda x: filtered(x, jnp.conj),
    "finer by modes": lambda x: filtered(x, lambda modes: modes, n=2 * N),
    "coarser by modes": lambda x: filtered(x, lambda modes: modes[:, :2], n=3),
    "modes added up": lambda x: filtered(x, lambda modes: -(modes + modes * MODES) / 2.0),
    "modes written": lambda x: filtered(x, lambda modes: jnp.zeros_like(modes).at[:, :2].set(modes[:, :2])),
    "modes reshaped": lambda x: filtered(x, lambda modes: modes.reshape(1, 4, 2, 3)[:, :, ::-1].reshape(1, 4, N)),
    "modes with one more axis": lambda x: filtered(
        x, lambda modes: jnp.broadcast_to(modes[:, None], (1, 2, 4, N))[:, 1]
    ),
    "modes from behind": lambda x: jnp.fft.ifft(jnp.fft.fft(x, axis=1)[:, ::-1], axis=1).real,
    "modes split": lambda x: filtered(x, lambda modes: jnp.split(modes, [2], axis=1)[0]),
    "modes shifted": lambda x: jnp.fft.ifft(jnp.fft.fftshift(jnp.fft.fft(x, axis=1), axes=1), axis=1).real,
    "transformed twice": lambda x: jnp.fft.fft(jnp.fft.fft(x, axis=1), axis=1).real,
    "modes summed over channels": lambda x: filtered(x, lambda modes: modes + modes.sum(2, keepdims=True)),
    "modes of the channels so far": lambda x: filtered(x, lambda modes: jnp.cumsum(modes, 2)),
    "modes of each channel": lambda x: filtered(x, lambda modes: jnp.stack(jnp.unstack(modes, axis=2)[::-1], 2)),
    "modes damped in a loop": lambda x: filtered(
        x, lambda modes: lax.fori_loop(0, 3, lambda i, s: s * 0.5 + modes, modes)
    ),
    "mode 0 added to": lambda x: filtered(x, lambda modes: modes.at[:, 0].add(2.0)),
    "modes tiled": lambda x: filtered(x, lambda modes: jnp.tile(modes, (1, 1, 2))[..., 1 : N + 1]),
    "modes squared": lambda x: filtered(x, jnp.square),
    "modes to a power": lambda x: filtered(x, lambda modes: modes**3 * MODES),
    "modes taken": lambda x: filtered(x, lambda modes: jnp.take(modes, np.arange(3), 1)),
    "modes of a window of channels": lambda x: filtered(
        x, lambda modes: jnp.tile(lax.dynamic_slice_in_dim(modes, 1, 3, 2), (1, 1, 2))
    ),
    "inner products of modes": lambda x: (
        x * jnp.einsum("bkc,bkc->b", jnp.conj(jnp.fft.fft(x, axis=1)), jnp.fft.fft(x, axis=1)).real[:, None, None]
    ),
    "a constant at mode 2": lambda x: filtered(x, lambda modes: modes.at[:, 2].add(2.0)),
    "sizes of modes": lambda x: jnp.abs(jnp.fft.fft(x, axis=1)),
    "modes applied": lambda x: filtered(x, lambda modes: modes.at[:].apply(jnp.square)),
    "modes times others, real": lambda x: filtered(
        x, lambda modes: lax.mul(modes, jnp.broadcast_to(MODES, modes.shape), out_dtype=jnp.float32).astype(modes.dtype)
    ),
    "a mode halved": lambda x: filtered(x, lambda modes: modes.at[:, 2].multiply(0.5)),
    "real parts of modes": lambda x: jnp.fft.fft(x, axis=1).real,
}
CONTROL: dict[str, Function] = {
    "rolled in a loop": lambda x: lax.fori_loop(0, 2, lambda i, c: jnp.roll(c, 1, 1), x),
    "written in a loop": lambda x: lax.fori_loop(0, N, lambda i, c: c.at[:, i].set(x[:, i] * 2.0), jnp.zeros_like(x)),
    "a maximum in a loop": lambda x: (
        x + lax.fori_loop(0, N, lambda i, c: jnp.maximum(c, x[:, i]), jnp.zeros((1, N)))[:, None]
    ),
    "scaled in a loop": lambda x: lax.fori_loop(0, 3, lambda i, c: c * 2.0, x),
    "last of a scan": lambda x: lax.scan(lambda c, _: (c + 1.0, c), x, None, length=3)[1][2],
    "while small": lambda x: lax.while_loop(lambda c: jnp.sum(c * c) < 1e3, lambda c: c * 2.0 + 1.0, x),
    "rolled while small": lambda x: lax.while_loop(
        lambda c: jnp.sum(c * c) < 1e3, lambda c: jnp.roll(c, 1, 1) * 2.0 + 1.0, x
    ),
    "one of two": lambda x: lax.cond(x.sum() > 0, lambda x: x + 1.0, lambda x: -x, x),
    "channel by channel": jax.vmap(lambda c: jnp.roll(c, 1, 1) * c, in_axes=2, out_axes=2),
    "row by row": lambda x: lax.map(lambda c: jnp.roll(c, 1, 0), x.swapaxes(0, 2)).swapaxes(0, 2),
    "place by place": lambda x: lax.map(lambda c: c * c[::-1], x.swapaxes(0, 1)).swapaxes(0, 1),
    "place by place, with its neighbour": mapped_with_neighbour,
    "windows by vmap": lambda x: jax.vmap(lambda i: lax.dynamic_slice_in_dim(x, i, 2, 1).max(1)[0])(np.arange(N - 1))[
        None
    ],
    "a hundred rounds": lambda x: lax.fori_loop(0, 100, lambda _, c: 0.5 * jnp.roll(c, 1, 1) + x, x),
    "by platform": lambda x: lax.platform_dependent(x, cpu=lambda x: jnp.roll(x, 1, 1), default=lambda x: -x),
    "looked up": lambda x: jnp.interp(x, np.arange(5.0, dtype=np.float32), np.arange(5.0, dtype=np.float32) ** 2),
    "checkpointed": jax.checkpoint(jnp.tanh),
    "each place while small": jnp.vectorize(
        lambda v: lax.while_loop(lambda c: c < v, lambda c: jnp.minimum(c + 1.0, v), np.float32(-9))
    ),
    "printed and itself": jax.jit(lambda v: (jax.debug.callback(lambda _: None, v), v)[1]),
    "numbers of the device": lambda x: x + lax.rng_uniform(jnp.float32(0), jnp.float32(1), ()),
    "behind a barrier": lambda x: lax.optimization_barrier((jnp.roll(x, 1, 1), x))[0],
}
FUNCTIONS = (
    POINTWISE
    | BEHIND
    | LAYOUT
    | WINDOWED
    | REDUCTION
    | LINEAR_ALGEBRA
    | CONTRACTION
    | INDEXING
    | DIAGONAL
    | FOLDED
    | SPECTRAL
    | CONTROL
)

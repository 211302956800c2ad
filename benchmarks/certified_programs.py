"""Programs whose certificates take long if constants are compiled, calls repeated, or loops unrolled blindly.

Each function returns a function of arrays, its arguments, and the axes along which they are shifted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc

Program: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[int, tuple[int, ...]]]
METHODS = ("nearest", "linear", "cubic", "lanczos3", "lanczos5")  # of `jax.image.resize`
MANY = 300  # operations on constants
HUGE = 10**8  # cells of the signal whose spectrum is only a shape
ROUNDS = 60  # iterations of each counted loop


def floats(*shape: int) -> jax.ShapeDtypeStruct:
    """The shape of a float32 array."""
    return jax.ShapeDtypeStruct(shape, "float32")


def resized(method: str) -> Program:
    """A resize from 16 to 32 cells, whose weights are constants."""
    return partial(jax.image.resize, shape=(1, 32, 1), method=method), (floats(1, 16, 1),), {0: (1,)}


def fourier_filter() -> Program:
    """A low-pass filter by a constant mask of the spectrum."""

    def apply(x: jax.Array) -> jax.Array:
        mask = jnp.abs(jnp.fft.fftfreq(64)) < 0.2
        return jnp.fft.ifft(jnp.fft.fft(x) * mask).real

    return apply, (floats(64),), {0: (0,)}


def fixed_dropout() -> Program:
    """A network with a dropout mask that does not change: it is not equivariant."""
    mask = np.random.default_rng(0).random((16, 8)) < 0.5
    params: Any = {"kernel": jnp.ones((3, 3, 3, 8))}

    def apply(x: jax.Array) -> jax.Array:
        x = jax.nn.relu(jc.conv(params, x, padding="circular"))
        return jnp.where(mask[:, None], x, 0) / 0.5

    return apply, (floats(1, 16, 16, 3),), {0: (1,)}


def many_constants() -> Program:
    """Many element-wise operations on an array of the largest size that is folded."""

    def apply(x: jax.Array) -> jax.Array:
        y = jnp.arange(2**16)
        for number in range(MANY):
            y = y * 3 + number if number % 2 else y ^ number
        return x + (y == jnp.flip(y))

    return apply, (floats(2**16),), {0: (0,)}


def nested_loops(depth: int, *, neighbours: bool = False) -> Program:
    """Counted `while` loops inside each other. If the body reads neighbours, receptive fields grow with each round."""

    def loop(body: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
        return lambda x: jax.lax.while_loop(lambda s: s[0] < ROUNDS, lambda s: (s[0] + 1, body(s[1])), (0, x))[1]

    body: Callable[[jax.Array], jax.Array] = lambda x: x * 0.5 + (jnp.roll(x, 1) if neighbours else 1)
    for _ in range(depth):
        body = loop(body)
    return body, (floats(16),), {0: (0,)}


def nested_calls(depth: int) -> Program:
    """`jit(h . h)` of itself: 2**depth calls of one function."""
    fn: Callable[[jax.Array], jax.Array] = jax.jit(lambda x: x * 0.5 + 1)
    for _ in range(depth):
        fn = jax.jit(lambda x, fn=fn: fn(fn(x)))
    return fn, (floats(16),), {0: (0,)}


def huge_spectrum() -> Program:
    """A filter of a signal so long that even its modes cannot be listed."""
    return lambda x: jnp.fft.irfft(jnp.fft.rfft(x) * 0.5, HUGE), (floats(HUGE),), {0: (0,)}


def gradients() -> Program:
    """The gradient of a small network with respect to its input."""
    params: Any = {"kernel": jnp.ones((3, 3, 4))}, {"kernel": jnp.ones((3, 4, 4))}

    def loss(x: jax.Array) -> jax.Array:
        y = jax.nn.relu(jc.conv(params[0], x, padding="circular"))
        y = jc.max_pool(y, (2,))
        return jnp.square(jc.conv(params[1], y, padding="circular")).sum()

    return jax.grad(loss), (floats(1, 16, 3),), {0: (1,)}


def residual_signal(blocks: int, channels: int = 4, cells: int = 256) -> Program:
    """A residual network of a signal, with two convolutions in each block."""
    layer = {"kernel": floats(3, channels, channels), "bias": floats(channels)}
    params = [[layer, layer] for _ in range(blocks)]

    def apply(params: Any, x: jax.Array) -> jax.Array:
        for first, second in params:
            y = jax.nn.relu(jc.conv(first, x, padding="circular"))
            x = jax.nn.relu(x + jc.conv(second, y, padding="circular"))
        return x

    return apply, (params, floats(1, cells, channels)), {1: (1,)}


def normalised_signal(blocks: int, channels: int = 4) -> Program:
    """A network of a signal of 256 cells that normalises the channels of each position, written with lax."""
    layout = ("NWC", "WIO", "NWC")

    def apply(kernels: Any, x: jax.Array) -> jax.Array:
        for kernel in kernels:
            y = jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap")
            y = jax.lax.conv_general_dilated(y, kernel, (1,), "VALID", dimension_numbers=layout)
            y = y - y.mean(-1, keepdims=True)
            x = x + jnp.tanh(y * jax.lax.rsqrt(jnp.square(y).mean(-1, keepdims=True) + 1e-5))
        return x

    return apply, ([floats(3, channels, channels)] * blocks, floats(1, 256, channels)), {1: (1,)}


RECHECKED: dict[str, Callable[[], Program]] = {  # 120 to 490 equations
    "residual network of a signal": partial(residual_signal, 6),
    "larger one": partial(residual_signal, 24),
    "normalised network of a signal": partial(normalised_signal, 8),
}
PROGRAMS: dict[str, Callable[[], Program]] = {
    **RECHECKED,
    **{
        f"resize, {method}": partial(resized, method)
        for method in ("nearest", "linear", "cubic", "lanczos3", "lanczos5")
    },
    "filter of a spectrum": fourier_filter,
    "fixed dropout mask": fixed_dropout,
    f"{MANY} operations on constants": many_constants,
    "2 nested loops": partial(nested_loops, 2),
    "3 nested loops": partial(nested_loops, 3),
    "2 nested loops of neighbours": partial(nested_loops, 2, neighbours=True),
    "calls nested 17 deep": partial(nested_calls, 17),
    "spectrum of 10^8 cells": huge_spectrum,
    "gradient of a network": gradients,
    "4,750 equations": partial(residual_signal, 250, cells=2048),
    "4,750 equations, few cells": partial(residual_signal, 250),
}

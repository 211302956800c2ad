"""Functions of which rules look behind an operand of which nothing is known, on x [1, 6, 6]: see `pairs_of_rules.py`."""

import jax
import jax.numpy as jnp
import numpy as np

N = 6
AROUND = np.arange(N)
TAPS = np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)


def attended_nearby(x):
    """Each position's mixture of its neighbours and itself, as it resembles them."""
    scores = jnp.where(jnp.abs(AROUND[:, None] - AROUND) < 2, jnp.einsum("bic,bjc->bij", x, x), -jnp.inf)
    return jnp.einsum("bij,bjc->bic", jax.nn.softmax(scores, axis=2), x)


def by_padded_transforms(x):
    """A convolution with two taps along the shifted axis. The transforms are along the last axis."""
    taps = jnp.fft.rfft(jnp.asarray(TAPS), n=N + 1)
    return jnp.fft.irfft(jnp.fft.rfft(x.swapaxes(1, 2), n=N + 1) * taps[None], n=N + 1).swapaxes(1, 2)


def moving_sum(x):
    """Sums of two neighbours, as differences of running sums."""
    total = jnp.cumsum(jnp.pad(x, ((0, 0), (1, 0), (0, 0))), axis=1)
    return total[:, 2:] - total[:, :-2]


BEHIND = {
    "attended nearby": attended_nearby,
    "a moving sum": moving_sum,
    "filtered by padded transforms": by_padded_transforms,
    "an insulated end": lambda x: x.at[:, 0].set(x[:, 1]),
    "a total at an end": lambda x: x + jnp.pad(jnp.cumsum(x, 1)[:, -1:], ((0, 0), (N - 1, 0), (0, 0))),
}

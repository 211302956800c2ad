"""Subjects of the numeric tests: one image, equivariant functions of it, and broken variants that are not."""

import jax
import jax.numpy as jnp
import numpy as np

H, W, C = 6, 8, 2
KERNEL = np.random.default_rng(0).normal(size=(3, 3, C, 3)).astype(np.float32)
X = np.random.default_rng(1).normal(size=(1, H, W, C)).astype(np.float32)


def correlate(x, kernel=KERNEL, stride=(1, 1), padding="VALID"):
    return jax.lax.conv_general_dilated(x, kernel, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def circular(x, kernel=KERNEL, stride=(1, 1)):
    return correlate(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap"), kernel, stride)


def strided(x):
    return jax.nn.relu(circular(x, stride=(2, 2)))


def zero_padded(x, kernel=KERNEL):
    return correlate(x, kernel, padding="SAME")


def pooled(x):
    return circular(x).mean((1, 2))


def biased(x):
    return circular(x) + jnp.arange(W, dtype=x.dtype)[None, None, :, None]


def reversed_rows(x):
    return circular(x)[:, ::-1]


def poisoned(x):
    return circular(x).at[0, 2, 3, 1].set(jnp.nan)

"""Networks of whole numbers that are computed from tiles, or on several devices."""

import jax
import jax.numpy as jnp

import jaxconv as jc


def whole_numbers(params):
    return jax.tree.map(lambda array: jnp.round(6 * array), params)


KEY = jax.random.key(0)
FIRST = whole_numbers(jc.init_conv(KEY, (3, 3), 2, 3))
SECOND = whole_numbers(jc.init_conv(KEY, (3, 3), 3, 3))


def unet(x, padding="same"):
    """Two scales, and a skip connection."""
    wide = jax.nn.relu(jc.conv(FIRST, x, padding=padding))
    inner = jnp.round(jc.conv(SECOND, jc.max_pool(wide, (2, 2)), padding=padding) / 16)
    return jc.conv(SECOND, wide + jnp.repeat(jnp.repeat(inner, 2, 1), 2, 2), padding=padding)


def resnet(x, padding="same"):
    """A strided stem, and two residual blocks."""
    x = jax.nn.relu(jc.conv(FIRST, x, stride=2, padding=padding))
    for _ in range(2):
        y = jax.nn.relu(jnp.round(jc.conv(SECOND, x, padding=padding) / 16))
        x = jax.nn.relu(x + jnp.round(jc.conv(SECOND, y, padding=padding) / 16))
    return x

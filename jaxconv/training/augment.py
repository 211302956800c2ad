"""Random shifts, flips and crops of images: pure functions of a key, which run inside a compiled step."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxconv.checks import fraction, integer, several, shown
from jaxconv.errors import explain, public
from jaxconv.layers.operands import array, random_key

IMAGES = "an array [n, h, w, c]"


@public
def random_shift(key: Key[Array, ""], images: Float[Array, "n h w c"], most: int) -> Float[Array, "n h w c"]:
    """Images, each moved by its own random number of pixels along each axis, filled with zeros.

        y[n, i, j] = x[n, i - a[n], j - b[n]],     a and b uniform in -most..most, and 0 for cells outside

    Args:
        key: a typed key; the same key gives the same shifts.
        images: [n, h, w, c].
        most: the largest shift in pixels.

    Raises:
        TypeError: `key` is not a key, or `most` not an integer.
        ValueError: `most` is negative, or the images have other axes.

    >>> image = jnp.arange(1.0, 4).reshape(1, 1, 3, 1)
    >>> random_shift(jax.random.key(5), image, 1).ravel().tolist() in ([1, 2, 3], [0, 1, 2], [2, 3, 0], [0, 0, 0])
    True
    """
    images, key = _images(images), random_key(key)
    most = integer("most", most, least=0, cure="Write 2 for up to 2 pixels in each direction")
    padded = jnp.pad(images, [(0, 0), (most, most), (most, most), (0, 0)])
    return _windows(key, padded, images.shape[1:3])


@public
def random_crop(key: Key[Array, ""], images: Float[Array, "n h w c"], size: Sequence[int]) -> Array:
    """A window of `size` (height, width) from each image, at its own random position.

        y[n, i, j] = x[n, i + a[n], j + b[n]],     a uniform in 0..h - size[0], b in 0..w - size[1]

    Args:
        key: a typed key; the same key gives the same windows.
        images: [n, h, w, c].
        size: height and width of the results, at most those of the images.

    Raises:
        TypeError: `key` is not a key, or `size` does not consist of integers.
        ValueError: `size` is not within the images, or the images have other axes.

    >>> random_crop(jax.random.key(0), jnp.ones((2, 5, 4, 3)), (3, 2)).shape
    (2, 3, 2, 3)
    """
    images, key = _images(images), random_key(key)
    cure = "Write (28, 28) for windows of 28x28 pixels"
    pair = several(size)
    if pair is None or len(pair) != 2:
        error = TypeError if pair is None else ValueError
        raise error(explain("size", shown(size), "two integers: height and width", cure))
    height, width = (
        integer("size", item, least=1, most=length, cure=cure)
        for item, length in zip(pair, images.shape[1:3], strict=True)
    )
    return _windows(key, images, (height, width))


@public
def random_flip(key: Key[Array, ""], images: Float[Array, "n h w c"], share: float = 0.5) -> Float[Array, "n h w c"]:
    """Images, each mirrored left to right with probability `share`, independently.

        y[n, i, j] = x[n, i, w - 1 - j]     with probability `share`, else x[n, i, j]

    Args:
        key: a typed key; the same key flips the same images.
        images: [n, h, w, c].
        share: the probability, from 0 to 1.

    Raises:
        TypeError: `key` is not a key, or `share` not a number.
        ValueError: `share` is not between 0 and 1, or the images have other axes.

    >>> random_flip(jax.random.key(0), jnp.arange(3.0).reshape(1, 1, 3, 1), 1.0).ravel().tolist()
    [2.0, 1.0, 0.0]
    """
    images, key = _images(images), random_key(key)
    share = fraction("share", share, cure="Leave it out for 0.5")
    flipped = jax.random.bernoulli(key, share, (len(images), 1, 1, 1))
    return jnp.where(flipped, images[:, :, ::-1], images)


def _windows(key: Array, images: Array, size: tuple[int, ...]) -> Array:
    """A window of each image at a random position."""
    top, left = (
        jax.random.randint(part, (len(images),), 0, length - kept + 1)
        for part, length, kept in zip(jax.random.split(key), images.shape[1:3], size, strict=True)
    )
    one = lambda image, i, j: jax.lax.dynamic_slice(image, (i, j, 0), (*size, images.shape[3]))
    return jax.vmap(one)(images, top, left)


def _images(images: object) -> Array:
    """An array with four axes."""
    images = array("images", images, IMAGES)
    if images.ndim != 4:
        raise ValueError(explain("images", f"of shape {images.shape}", IMAGES, "One image is image[None]"))
    return images

"""Random shifts, flips and crops: each result is one of those that are allowed, and all of those occur."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.training.augment import random_crop, random_flip, random_shift
from jaxconv.training.step import shifted

IMAGES = np.arange(1.0, 1 + 5 * 4 * 2, dtype=np.float32).reshape(1, 5, 4, 2)
MANY = np.repeat(IMAGES, 200, 0)


def kinds(images, expected):
    """Which of the expected images each image is; it is one."""
    alike = np.array([[np.array_equal(image, other) for other in expected] for image in np.asarray(images)])
    assert (alike.sum(1) == 1).all()
    return alike.argmax(1)


def test_shifts_are_those_of_shifted_and_all_occur_independently():
    ways = [*itertools.product((-1, 0, 1), repeat=2)]
    found = kinds(random_shift(jax.random.key(0), MANY, 1), [shifted(IMAGES, by)[0] for by in ways])
    assert {ways[kind] for kind in found} == set(ways)
    np.testing.assert_array_equal(random_shift(jax.random.key(0), IMAGES, 0), IMAGES)


def test_crops_are_windows_and_all_occur():
    windows = [IMAGES[0, i : i + 3, j : j + 2] for i in range(3) for j in range(3)]
    assert set(kinds(random_crop(jax.random.key(1), MANY, (3, 2)), windows)) == set(range(9))
    np.testing.assert_array_equal(random_crop(jax.random.key(1), IMAGES, (5, 4)), IMAGES)


def test_flips_mirror_left_to_right_with_their_probability():
    both = [IMAGES[0], IMAGES[0, :, ::-1]]
    assert 70 <= kinds(random_flip(jax.random.key(2), MANY), both).sum() <= 130
    assert kinds(random_flip(jax.random.key(2), MANY, 0.0), both).sum() == 0
    assert kinds(random_flip(jax.random.key(2), MANY, 1.0), both).sum() == 200


@pytest.mark.parametrize("augment", [
    lambda key, x: random_shift(key, x, 2), lambda key, x: random_crop(key, x, (3, 3)), random_flip
])  # fmt: skip
def test_a_key_decides_and_jit_changes_nothing(augment):
    found = augment(jax.random.key(3), MANY)
    np.testing.assert_array_equal(jax.jit(augment)(jax.random.key(3), MANY), found)
    assert not np.array_equal(augment(jax.random.key(4), MANY), found)
    assert augment(jax.random.key(3), jnp.asarray(MANY, jnp.bfloat16)).dtype == jnp.bfloat16

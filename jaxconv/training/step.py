"""The training step over optax, and accuracy, as pure functions of explicit state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

Params = Any  # any pytree of arrays
Model = Callable[[Params, Float[Array, "n h w c"]], Float[Array, "n classes"]]
Step = Callable[..., tuple[Params, optax.OptState, Float[Array, ""]]]


def cross_entropy(
    model: Model, params: Params, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, ""]:
    """Mean over the examples of the cross-entropy between the model's scores and the labels."""
    return optax.softmax_cross_entropy_with_integer_labels(model(params, images), labels).mean()


def make_step(model: Model, optimiser: optax.GradientTransformation) -> Step:
    """A jitted `step(params, opt_state, images, labels) -> (params, opt_state, loss)` of gradient descent.

    The loss is that before the step. Start with `opt_state = optimiser.init(params)`.

    >>> from jaxconv.layers.dense import dense, init_dense
    >>> params = init_dense(jax.random.key(0), 4, 2)
    >>> optimiser = optax.sgd(0.1)
    >>> step = make_step(lambda params, x: dense(params, x.reshape(len(x), -1)), optimiser)
    >>> images, labels = jnp.ones((3, 2, 2, 1)), jnp.array([0, 0, 1])
    >>> params, opt_state, before = step(params, optimiser.init(params), images, labels)
    >>> params, opt_state, after = step(params, opt_state, images, labels)
    >>> bool(after < before)
    True
    """

    @jax.jit
    def step(params: Params, opt_state: optax.OptState, images: Array, labels: Array):
        loss, gradients = jax.value_and_grad(cross_entropy, argnums=1)(model, params, images, labels)
        updates, opt_state = optimiser.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    return step


def accuracy(model: Model, params: Params, images: np.ndarray, labels: np.ndarray, *, batch: int = 500) -> float:
    """The share of images [n, h, w, c] whose highest score is their label's, `batch` images at a time."""
    starts = range(0, len(images), batch)
    predicted = np.concatenate([_predict(model, params, images[start : start + batch]) for start in starts])
    return float((predicted == labels).mean())


def shifted(images: np.ndarray, by: tuple[int, int]) -> np.ndarray:
    """Images [n, h, w, c] moved down and right by `by` pixels (up and left if negative); zeros come in.

    >>> shifted(np.arange(1, 5).reshape(1, 2, 2, 1), (1, -1))[0, :, :, 0]
    array([[0, 0],
           [2, 0]])
    """
    moved = np.zeros_like(images)
    height, width = images.shape[1:3]
    to, source = zip(
        *(_overlap(length, by_one) for length, by_one in zip((height, width), by, strict=True)), strict=True
    )
    moved[:, *to] = images[:, *source]
    return moved


def accuracy_when_shifted(
    model: Model, params: Params, images: np.ndarray, labels: np.ndarray, distances: Sequence[int]
) -> dict[int, float]:
    """For each distance in pixels, the accuracy over the images moved that far up, down, left and right."""
    found = {}
    for d in distances:
        directions = [(d, 0), (-d, 0), (0, d), (0, -d)] if d else [(0, 0)]
        moved = np.concatenate([shifted(images, by) for by in directions])
        found[d] = accuracy(model, params, moved, np.tile(labels, len(directions)))
    return found


@partial(jax.jit, static_argnames="model")
def _predict(model: Model, params: Params, images: Array) -> Array:
    return jnp.argmax(model(params, images), axis=-1)


def _overlap(length: int, by: int) -> tuple[slice, slice]:
    """Where to put, and where to take, what stays in view along one axis."""
    by = max(-length, min(by, length))
    return slice(max(by, 0), length + min(by, 0)), slice(max(-by, 0), length - max(by, 0))

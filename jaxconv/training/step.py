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

from jaxconv.checks import function, integer, several, shown
from jaxconv.errors import explain

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
    function("make_step", "model", model, cure="Pass model(params, images), which gives scores [n, classes]")
    if not (hasattr(optimiser, "init") and hasattr(optimiser, "update")):
        expected, cure = "one of optax's optimisers", "Write optax.sgd(0.1)"
        raise TypeError(explain("make_step", "optimiser", shown(optimiser), expected, cure))

    @jax.jit
    def step(params: Params, opt_state: optax.OptState, images: Array, labels: Array):
        loss, gradients = jax.value_and_grad(cross_entropy, argnums=1)(model, params, images, labels)
        updates, opt_state = optimiser.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    return step


def accuracy(model: Model, params: Params, images: np.ndarray, labels: np.ndarray, *, batch: int = 500) -> float:
    """The share of images [n, h, w, c] whose highest score is their label's, `batch` images at a time."""
    function("accuracy", "model", model, cure="Pass model(params, images), which gives scores [n, classes]")
    images, labels = checked_examples("accuracy", images, labels)
    batch = integer("accuracy", "batch", batch, least=1, cure="Leave it out for 500")
    starts = range(0, len(images), batch)
    predicted = np.concatenate([_predict(model, params, images[start : start + batch]) for start in starts])
    return float((predicted == labels).mean())


def shifted(images: np.ndarray, by: tuple[int, int]) -> np.ndarray:
    """Images [n, h, w, c] moved down and right by `by` pixels (up and left if negative); zeros come in.

    >>> shifted(np.arange(1, 5).reshape(1, 2, 2, 1), (1, -1))[0, :, :, 0]
    array([[0, 0],
           [2, 0]])
    """
    images = _images("shifted", images)
    cure = "Write (1, -2) for 1 pixel down and 2 to the left"
    each = several(by)
    if each is None or len(each) != 2:
        error = TypeError if each is None else ValueError
        raise error(explain("shifted", "by", shown(by), "two integers: pixels down and right", cure))
    by = integer("shifted", "by", each[0], cure=cure), integer("shifted", "by", each[1], cure=cure)
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
    where, cure = "accuracy_when_shifted", "Write (0, 1, 2) for up to 2 pixels"
    images, labels = checked_examples(where, images, labels)
    each = several(distances)
    if each is None:
        raise TypeError(explain(where, "distances", shown(distances), "a sequence of integers", cure))
    found = {}
    for d in (integer(where, "distances", one, least=0, cure=cure) for one in each):
        directions = [(d, 0), (-d, 0), (0, d), (0, -d)] if d else [(0, 0)]
        moved = np.concatenate([shifted(images, by) for by in directions])
        found[d] = accuracy(model, params, moved, np.tile(labels, len(directions)))
    return found


def checked_examples(where: str, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, h, w, c] and a label for each, one example or more."""
    images, labels = _images(where, images), np.asarray(labels)
    if len(images) == 0:
        cure = "Pass one example or more: the accuracy of none is no number"
        raise ValueError(explain(where, "images", f"of shape {images.shape}", "one image or more", cure))
    if labels.shape != images.shape[:1]:
        expected, cure = f"of shape {images.shape[:1]}, one for each image", "Pass the labels of these images, in order"
        raise ValueError(explain(where, "labels", f"of shape {labels.shape}", expected, cure))
    return images, labels


def _images(where: str, images: np.ndarray) -> np.ndarray:
    """An array of four axes."""
    expected, cure = "an array [n, h, w, c]", "Pass a NumPy array; one image is image[None]"
    if not hasattr(images, "shape"):
        raise TypeError(explain(where, "images", shown(images), expected, cure))
    if len(images.shape) != 4:
        raise ValueError(explain(where, "images", f"of shape {tuple(images.shape)}", expected, cure))
    return images


@partial(jax.jit, static_argnames="model")
def _predict(model: Model, params: Params, images: Array) -> Array:
    return jnp.argmax(model(params, images), axis=-1)


def _overlap(length: int, by: int) -> tuple[slice, slice]:
    """Where to put, and where to take, what stays in view along one axis."""
    by = max(-length, min(by, length))
    return slice(max(by, 0), length + min(by, 0)), slice(max(-by, 0), length - max(by, 0))

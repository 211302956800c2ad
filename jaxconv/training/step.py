"""The training step over optax, and the accuracy, as pure functions of explicit state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from jaxconv.checks import function, integer, several, shown, takes
from jaxconv.errors import explain, public

Params = Any  # any pytree of arrays
Model = Callable[[Params, Float[Array, "n h w c"]], Float[Array, "n classes"]]
ONE_IMAGE = "Pass a NumPy array; one image is image[None]"
Step = Callable[..., tuple[Params, optax.OptState, Float[Array, ""]]]


@public
def cross_entropy(
    model: Model, params: Params, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, ""]:
    """The mean cross-entropy between the model's scores and the labels.

    Raises:
        TypeError: the scores are not floating-point numbers, or the labels are not integers.
        ValueError: the scores are not of shape [n, classes], or the number of labels differs.
    """
    _check_model(model)
    check_labels(labels, count := _count(images))
    scores = checked_scores(model(params, images), count, floating=True)
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()


@public
def make_step(model: Model, optimiser: optax.GradientTransformation) -> Step:
    """A jitted `step(params, opt_state, images, labels) -> (params, opt_state, loss)` of gradient descent.

    The loss is computed before the update. Start with `opt_state = optimiser.init(params)`. Labels must be from 0 to
    classes - 1; a compiled step does not check them.

    >>> import jaxconv as jc
    >>> params = jc.init_dense(jax.random.key(0), 4, 2)
    >>> optimiser = optax.sgd(0.1)
    >>> step = make_step(lambda params, x: jc.dense(params, x.reshape(len(x), -1)), optimiser)
    >>> images, labels = jnp.ones((3, 2, 2, 1)), jnp.array([0, 0, 1])
    >>> params, opt_state, before = step(params, optimiser.init(params), images, labels)
    >>> params, opt_state, after = step(params, opt_state, images, labels)
    >>> bool(after < before)
    True
    """
    _check_model(model)
    check_optimiser(optimiser)

    @jax.jit
    def compiled(params: Params, opt_state: optax.OptState, images: Array, labels: Array):
        loss, gradients = jax.value_and_grad(cross_entropy, argnums=1)(model, params, images, labels)
        updates, opt_state = optimiser.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    @public
    def step(params: Params, opt_state: optax.OptState, images: Array, labels: Array):
        check_labels(labels, _count(images))  # before jax.jit, whose error for text is less clear
        return compiled(params, opt_state, images, labels)

    return step


@public
def accuracy(model: Model, params: Params, images: np.ndarray, labels: np.ndarray, *, batch: int = 500) -> float:
    """The share of images [n, h, w, c] whose highest score is that of their label, in batches of `batch` images.

    An image with a NaN among its scores counts as wrong.

    Raises:
        TypeError: the labels are not integers, or the scores are not real numbers.
        ValueError: the number of labels differs from that of the images, a label is not a class, or the scores are not
            of shape [n, classes].
    """
    images, labels = checked_examples(images, labels)
    return _accuracy(model, params, images, labels, batch)


def _accuracy(model: Model, params: Params, images: np.ndarray, labels: np.ndarray, batch: int) -> float:
    """The accuracy on examples that are checked already."""
    _check_model(model)
    batch = integer("batch", batch, least=1, cure="Leave it out for 500")
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    predicted, classes = zip(*(_predict(model, params, part) for part in parts), strict=True)
    check_classes(labels, int(classes[0]))
    return float((np.concatenate(predicted) == labels).mean())


@public
def shifted(images: np.ndarray, by: tuple[int, int]) -> np.ndarray:
    """Images [n, h, w, c] moved down and right by `by` pixels (up and left if negative), filled with zeros.

    >>> shifted(np.arange(1, 5).reshape(1, 2, 2, 1), (1, -1))[0, :, :, 0]
    array([[0, 0],
           [2, 0]])
    """
    images = _images(images)
    cure = "Write (1, -2) for 1 pixel down and 2 to the left"
    pair = several(by)
    if pair is None or len(pair) != 2:
        error = TypeError if pair is None else ValueError
        raise error(explain("by", shown(by), "two integers: pixels down and right", cure))
    by = integer("by", pair[0], cure=cure), integer("by", pair[1], cure=cure)
    moved = np.zeros_like(images)
    height, width = images.shape[1:3]
    to, source = zip(*map(_overlap, (height, width), by), strict=True)
    moved[:, *to] = images[:, *source]
    return moved


@public
def accuracy_when_shifted(
    model: Model, params: Params, images: np.ndarray, labels: np.ndarray, distances: Sequence[int]
) -> dict[int, float]:
    """For each distance in pixels, the accuracy on the images shifted by it up, down, left and right."""
    cure = "Write (0, 1, 2) for up to 2 pixels"
    images, labels = checked_examples(images, labels)
    items = several(distances)
    if items is None:
        raise TypeError(explain("distances", shown(distances), "a sequence of integers", cure))
    accuracies = {}
    for d in (integer("distances", item, least=0, cure=cure) for item in items):
        directions = [(d, 0), (-d, 0), (0, d), (0, -d)] if d else [(0, 0)]
        moved = np.concatenate([shifted(images, by) for by in directions])
        accuracies[d] = _accuracy(model, params, moved, np.tile(labels, len(directions)), 500)
    return accuracies


def check_optimiser(optimiser: Any) -> None:
    """Raise an error unless it has the functions of an optimiser of optax."""
    if not (hasattr(optimiser, "init") and hasattr(optimiser, "update")):
        expected, cure = "one of optax's optimisers", "Write optax.sgd(0.1)"
        raise TypeError(explain("optimiser", shown(optimiser), expected, cure))


def checked_examples(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, h, w, c] and an integer label for each; at least one."""
    images, labels = _images(images), np.asarray(labels)
    if len(images) == 0:
        cure = "Pass at least one example: the accuracy is a mean"
        raise ValueError(explain("images", f"of shape {images.shape}", "one image or more", cure))
    check_labels(labels, len(images))
    return images, labels


def check_labels(labels: Any, count: int) -> None:
    """Raise an error unless there is one integer for each image. The arrays may be traced."""
    shape = tuple(np.shape(labels))
    if shape != (count,):
        expected, cure = f"of shape {(count,)}, one for each image", "Pass the labels of these images, in order"
        raise ValueError(explain("labels", f"of shape {shape}", expected, cure))
    dtype = jnp.result_type(labels) if isinstance(labels, jax.Array) else np.asarray(labels).dtype
    if not jnp.issubdtype(dtype, np.integer):
        cure = "Number the classes from 0; for one-hot rows write labels.argmax(-1)"
        raise TypeError(explain("labels", f"of dtype {dtype}", "of integers", cure))


def check_classes(labels: np.ndarray, classes: int) -> None:
    """Raise an error if a label is not one of the classes for which the model has scores."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        actual = f"{labels[wrong[0]]} at index {wrong[0]}"
        cure = "Number the classes from 0, or return one score for each class from the model"
        raise ValueError(explain("labels", actual, f"from 0 to {classes - 1}, since there are {classes} scores", cure))


def checked_scores(scores: Any, count: int, *, floating: bool = False) -> Array:
    """A model's scores [n, classes]: real numbers, or floating-point numbers for a loss."""
    cure = "Return one array [n, classes]: for a model of one image write jax.vmap(model, in_axes=(None, 0))"
    expected = f"an array of shape ({count}, classes)"
    if not isinstance(scores, jax.Array | np.ndarray):
        raise TypeError(explain("the model's output", shown(scores), expected, cure))
    if scores.ndim != 2 or scores.shape[0] != count or not scores.shape[1]:
        raise ValueError(explain("the model's output", f"of shape {scores.shape}", expected, cure))
    if not jnp.issubdtype(scores.dtype, np.floating if floating else np.number) or jnp.iscomplexobj(scores):
        expected, cure = (
            f"of {'floating-point' if floating else 'real'} numbers",
            "Cast them: scores.astype(jnp.float32)",
        )
        raise TypeError(explain("the model's output", f"of dtype {scores.dtype}", expected, cure))
    return jnp.asarray(scores)


def _check_model(model: Model) -> None:
    """Raise an error unless the model is a function of two arguments."""
    cure = "Pass model(params, images), which returns scores [n, classes]"
    function("model", model, cure=cure)
    takes("model", model, ("params", "images"), "a function of two arguments", cure=cure)


def _count(images: Any) -> int:
    """The number of examples along the first axis."""
    shape = np.shape(images)
    if not shape:
        raise TypeError(explain("images", shown(images), "an array [n, h, w, c]", ONE_IMAGE))
    return shape[0]


def _images(images: np.ndarray) -> np.ndarray:
    """An array with four axes."""
    expected = "an array [n, h, w, c]"
    if not hasattr(images, "shape"):
        raise TypeError(explain("images", shown(images), expected, ONE_IMAGE))
    if len(images.shape) != 4:
        raise ValueError(explain("images", f"of shape {tuple(images.shape)}", expected, ONE_IMAGE))
    return images


@partial(jax.jit, static_argnames="model")
def _predict(model: Model, params: Params, images: Array) -> tuple[Array, int]:
    """The class of each image, -1 if a score is NaN; and the number of classes."""
    scores = checked_scores(model(params, images), len(images))
    return jnp.where(jnp.isnan(scores).any(-1), -1, jnp.argmax(scores, axis=-1)), scores.shape[1]


def _overlap(length: int, by: int) -> tuple[slice, slice]:
    """The target and source slices of the cells that remain in view along one axis."""
    by = max(-length, min(by, length))
    return slice(max(by, 0), length + min(by, 0)), slice(max(-by, 0), length - max(by, 0))

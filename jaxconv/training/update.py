"""The state of a training run as one pytree, and its update: a pure function of the state and a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, Key

from jaxconv.checks import function, shown, takes
from jaxconv.errors import explain, public
from jaxconv.layers.operands import random_key
from jaxconv.training.devices import over_devices
from jaxconv.training.step import Model, Params, check_labels, check_optimiser, checked_scores

Batch = Any  # any pytree of arrays whose first axis is the batch
State = Any  # any pytree of arrays: that of `batch_norm`, for example; {} if there is none
Metrics = dict[str, Float[Array, ""]]
# loss(params, state, batch, key) -> (loss, (new state, metrics))
Loss = Callable[[Params, State, Batch, Key[Array, ""]], tuple[Float[Array, ""], tuple[State, Metrics]]]
LOSS = "Write loss(params, state, batch, key), which returns (loss, (state, metrics))"


class TrainState(NamedTuple):
    """All of a run that its next step depends on.

    The number of updates is also the position in the data: `loader` returns the batches from any step on.
    """

    step: Int[Array, ""]
    params: Params
    state: State
    opt_state: optax.OptState
    key: Key[Array, ""]


Update = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


@public
def init_training(
    params: Params, optimiser: optax.GradientTransformation, key: Key[Array, ""], *, state: State = None
) -> TrainState:
    """The state before the first step.

    Args:
        params: the parameters, any pytree of arrays.
        optimiser: an optimiser of optax.
        key: a typed key, `jax.random.key(seed)`, of which each step receives `jax.random.fold_in(key, step)`.
        state: what the loss returns anew at each step, such as the state of `batch_norm`. None is `{}`.

    Raises:
        TypeError: `optimiser` is not one of optax's, or `key` is not a typed key.

    >>> start = init_training({"w": jnp.ones(3)}, optax.sgd(0.1), jax.random.key(0))
    >>> int(start.step), start.state
    (0, {})
    """
    check_optimiser(optimiser)
    key = random_key(key)
    opt_state = jax.jit(optimiser.init)(params)
    return TrainState(jnp.zeros((), jnp.int32), params, {} if state is None else state, opt_state, key)


@public
def classification(model: Model, *, augment: Callable[[Key[Array, ""], Array], Array] | None = None) -> Loss:
    """The loss of a classifier without state: the mean cross-entropy of `model(params, images)`, and its accuracy.

    A batch is a pair (images [n, h, w, c], labels [n]). The scores are converted to float32.

    Args:
        model: returns the scores [n, classes] of images.
        augment: changes the images of a batch at random: a function of (key, images), such as `random_shift`.

    Raises:
        TypeError: `model` or `augment` is not a function of two arguments.

    >>> model = lambda params, images: images.reshape(len(images), -1) @ params
    >>> batch = jnp.ones((2, 1, 3, 1)), jnp.array([1, 0])
    >>> loss, (_, metrics) = classification(model)(jnp.eye(3)[:, :2], {}, batch, jax.random.key(0))
    >>> round(float(loss), 4), float(metrics["accuracy"])
    (0.6931, 0.5)
    """
    cure = "Pass model(params, images), which returns scores [n, classes]"
    function("model", model, cure=cure)
    takes("model", model, ("params", "images"), "a function of two arguments", cure=cure)
    if augment is not None:
        cure = "Write lambda key, images: random_shift(key, images, most=2)"
        function("augment", augment, cure=cure)
        takes("augment", augment, ("key", "images"), "a function of two arguments", cure=cure)

    def loss(params: Params, state: State, batch: Batch, key: Array) -> tuple[Array, tuple[State, Metrics]]:
        images, labels = batch
        check_labels(labels, len(images))
        images = images if augment is None else augment(key, images)
        scores = checked_scores(model(params, images), len(images), floating=True).astype(jnp.float32)
        right = (jnp.argmax(scores, axis=-1) == labels).astype(jnp.float32).mean()
        return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean(), (state, {"accuracy": right})

    return loss


@public
def make_update(
    loss: Loss,
    optimiser: optax.GradientTransformation,
    *,
    mesh: Mesh | None = None,
    dtype: DTypeLike | None = None,
) -> Update:
    """A jitted `update(train, batch) -> (train, metrics)`: one step of gradient descent.

        gradients = d loss(params, state, batch, fold_in(key, step)) / d params

    The metrics are the loss before the update, those of `loss`, and "finite": 1 if the loss is finite and no NaN is
    among the new parameters and the new state. The old state remains valid: nothing is donated.

    Args:
        loss: a function `loss(params, state, batch, key) -> (loss, (new state, metrics))`; see `classification`.
        optimiser: an optimiser of optax.
        mesh: the devices over which each batch is split; see `data_mesh`. The state is replicated. The loss is still a
            function of the whole batch, so the statistics of `batch_norm` are those of all devices.
        dtype: the dtype in which the loss is computed, such as bfloat16. Parameters, gradients and the optimiser's
            state keep their own. Floating-point leaves of the parameters and the batch are converted.

    Raises:
        TypeError: `loss` is not a function of four arguments, `optimiser` is not one of optax's, or `dtype` is not a
            floating-point dtype.

    >>> loss = lambda params, state, batch, key: (((params - batch) ** 2).mean(), (state, {}))
    >>> update = make_update(loss, optax.sgd(0.5))
    >>> train, metrics = update(init_training(jnp.zeros(()), optax.sgd(0.5), jax.random.key(0)), jnp.full((4,), 3.0))
    >>> int(train.step), float(train.params), float(metrics["loss"])
    (1, 3.0, 9.0)
    """
    objective = as_trained(loss, dtype)
    check_optimiser(optimiser)

    def update(train: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        (value, (state, metrics)), gradients = jax.value_and_grad(objective, has_aux=True)(*operands(train, batch))
        updates, opt_state = optimiser.update(gradients, train.opt_state, train.params)
        params = optax.apply_updates(train.params, updates)
        finite = jnp.isfinite(value) & ~has_nan((params, state))
        after = TrainState(train.step + 1, params, state, opt_state, train.key)
        return after, {"loss": value, **metrics, "finite": finite.astype(jnp.float32)}

    return jax.jit(update) if mesh is None else over_devices(update, mesh)


def operands(train: TrainState, batch: Batch) -> tuple[Params, State, Batch, Array]:
    """The arguments of the loss at a step."""
    return train.params, train.state, batch, jax.random.fold_in(train.key, train.step)


def as_trained(loss: Loss, dtype: DTypeLike | None) -> Loss:
    """The loss, computed in another dtype."""
    function("loss", loss, cure=LOSS)
    takes("loss", loss, ("params", "state", "batch", "key"), "a function of four arguments", cure=LOSS)
    if dtype is None:
        return loss
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(explain("dtype", shown(dtype), "a floating-point dtype", "Write jnp.bfloat16"))

    def converted(params: Params, state: State, batch: Batch, key: Array) -> tuple[Array, tuple[State, Metrics]]:
        value, rest = loss(cast(params, dtype), state, cast(batch, dtype), key)
        return value.astype(jnp.float32), rest

    return converted


def cast(tree: Any, dtype: DTypeLike) -> Any:
    """The tree with its floating-point leaves in that dtype."""
    convert = lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    return jax.tree.map(convert, tree)


def has_nan(tree: Any) -> Array:
    """Whether a NaN is among the floating-point leaves."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.any(jnp.stack([jnp.isnan(leaf).any() for leaf in leaves])) if leaves else jnp.zeros((), bool)

"""Flax NNX: modules, `nnx.Optimizer`, and `nnx.jit` around the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from architectures import Case, Conv, Dense, Flatten, GlobalAverage, Layer, Pool, Relu, Residual, Weights
from flax import nnx  # pyright: ignore[reportMissingImports]  an optional package

import jaxconv as jc

FUNCTIONS: dict[Layer, Callable[[Any], Any]] = {
    Pool("max"): partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
    Pool("average"): partial(nnx.avg_pool, window_shape=(2, 2), strides=(2, 2)),
    Relu(): nnx.relu,
    Flatten(): lambda x: x.reshape(x.shape[0], -1),
    GlobalAverage(): lambda x: x.mean(axis=(1, 2)),
}


class Block(nnx.Module):
    """A residual block."""

    def __init__(self, body: Any, shortcut: Any):
        self.body, self.shortcut = body, shortcut

    def __call__(self, x: Any) -> Any:
        """`relu(body(x) + shortcut(x))`."""
        return nnx.relu(self.body(x) + self.shortcut(x))


def module(layer: Layer, weights: Iterator[Weights]) -> Any:
    """One layer with its weights."""
    match layer:
        case Conv():
            settings: dict[str, Any] = {"strides": layer.stride, "padding": [(layer.pad, layer.pad)] * 2}
            window, groups = (layer.window, layer.window), layer.groups
            conv = nnx.Conv(*layer.channels, window, feature_group_count=groups, rngs=nnx.Rngs(0), **settings)
            return _with(conv, next(weights))
        case Dense():
            return _with(nnx.Linear(*layer.features, rngs=nnx.Rngs(0)), next(weights))
        case Residual():
            body = [module(inner, weights) for inner in layer.body]
            shortcut = [module(inner, weights) for inner in layer.shortcut]
            return Block(nnx.Sequential(*body), nnx.Sequential(*shortcut) if shortcut else lambda x: x)
    return FUNCTIONS[layer]


def _with(layer: Any, weights: Weights) -> Any:
    layer.kernel, layer.bias = nnx.Param(jnp.asarray(weights["kernel"])), nnx.Param(jnp.asarray(weights["bias"]))
    return layer


def step(
    case: Case, weights: Sequence[Weights], rate: float, *, wrap: Callable[[Any], Any] = lambda fn: fn
) -> Callable[[], float]:
    """See `peers`. `wrap` is applied to the model, as a function of its state."""
    remaining = iter(weights)
    model = nnx.Sequential(*[module(layer, remaining) for layer in case.network])
    optimiser = nnx.Optimizer(model, optax.sgd(rate), wrt=nnx.Param)
    images, labels = map(jnp.asarray, case.data())

    def cross_entropy(model: Any, images: Any, labels: Any) -> Any:
        graph, state = nnx.split(model)
        scores = wrap(lambda state, images: nnx.merge(graph, state)(images))
        return optax.softmax_cross_entropy_with_integer_labels(scores(state, images), labels).mean()

    @nnx.jit
    def train(model: Any, optimiser: Any, images: Any, labels: Any) -> Any:
        loss, gradients = nnx.value_and_grad(cross_entropy)(model, images, labels)
        optimiser.update(model, gradients)
        return loss

    def run() -> Any:
        loss = train(model, optimiser, images, labels)
        return jax.block_until_ready((loss, nnx.state(model)))[0]

    return run


accelerated = partial(step, wrap=jc.accelerate)

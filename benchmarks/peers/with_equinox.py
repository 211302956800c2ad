"""Equinox: modules for one example with channels first, under `jax.vmap`, and `filter_jit` around the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import equinox as eqx  # pyright: ignore[reportMissingImports]  an optional package
import jax
import jax.numpy as jnp
import numpy as np
import optax
from architectures import Case, Conv, Dense, Flatten, GlobalAverage, Layer, Pool, Relu, Residual, Weights

import jaxconv as jc

FUNCTIONS: dict[Layer, Any] = {
    Pool("max"): eqx.nn.MaxPool2d(2, 2),
    Pool("average"): eqx.nn.AvgPool2d(2, 2),
    Relu(): eqx.nn.Lambda(jax.nn.relu),
    Flatten(): eqx.nn.Lambda(jnp.ravel),
    GlobalAverage(): eqx.nn.Lambda(lambda x: x.mean(axis=(1, 2))),
}


class Block(eqx.Module):
    """A residual block."""

    body: Any
    shortcut: Any

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """`relu(body(x) + shortcut(x))`."""
        return jax.nn.relu(self.body(x) + self.shortcut(x))


def module(layer: Layer, weights: Iterator[Weights]) -> Any:
    """One layer with its weights. Equinox's kernels are [o, c/groups, *window] and [o, c]."""
    key = jax.random.key(0)
    match layer:
        case Conv():
            settings: dict[str, Any] = {"stride": layer.stride, "padding": layer.pad, "groups": layer.groups}
            return _with(eqx.nn.Conv2d(*layer.channels, layer.window, key=key, **settings), next(weights))
        case Dense():
            return _with(eqx.nn.Linear(*layer.features, key=key), next(weights))
        case Residual():
            body, shortcut = ([module(inner, weights) for inner in layers] for layers in (layer.body, layer.shortcut))
            return Block(eqx.nn.Sequential(body), eqx.nn.Sequential(shortcut) if shortcut else eqx.nn.Identity())
    return FUNCTIONS[layer]


def _with(layer: Any, weights: Weights) -> Any:
    kernel = jnp.asarray(np.moveaxis(weights["kernel"], (-1, -2), (0, 1)))
    bias = jnp.asarray(weights["bias"]).reshape(layer.bias.shape)
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, (kernel, bias))


def step(
    case: Case, weights: Sequence[Weights], rate: float, *, wrap: Callable[[Any], Any] = lambda fn: fn
) -> Callable[[], float]:
    """See `peers`. `wrap` is applied to the model."""
    remaining = iter(weights)
    model = eqx.nn.Sequential([module(layer, remaining) for layer in case.network])
    scores = wrap(lambda model, images: jax.vmap(model)(images))
    optimiser = optax.sgd(rate)
    state = optimiser.init(eqx.filter(model, eqx.is_array))
    images, labels = case.data()
    images, labels = jnp.asarray(np.moveaxis(images, -1, 1)), jnp.asarray(labels)

    def cross_entropy(model: Any, images: Any, labels: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(scores(model, images), labels).mean()

    @eqx.filter_jit
    def train(model: Any, state: Any, images: Any, labels: Any) -> Any:
        loss, gradients = eqx.filter_value_and_grad(cross_entropy)(model, images, labels)
        updates, state = optimiser.update(gradients, state)
        return eqx.apply_updates(model, updates), state, loss

    def run() -> Any:
        nonlocal model, state
        model, state, loss = jax.block_until_ready(train(model, state, images, labels))
        return loss

    return run


accelerated = partial(step, wrap=jc.accelerate)

"""Haiku: modules created inside a transformed function, and `jax.jit` around the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import haiku as hk  # pyright: ignore[reportMissingImports]  an optional package
import jax
import jax.numpy as jnp
import optax
from architectures import Case, Conv, Dense, Flatten, GlobalAverage, Layer, Network, Pool, Relu, Residual, Weights

import jaxconv as jc

FUNCTIONS: dict[Layer, Callable[[Any], Any]] = {
    Pool("max"): lambda x: hk.max_pool(x, (2, 2, 1), (2, 2, 1), "VALID"),
    Pool("average"): lambda x: hk.avg_pool(x, (2, 2, 1), (2, 2, 1), "VALID"),
    Relu(): jax.nn.relu,
    Flatten(): lambda x: x.reshape(len(x), -1),
    GlobalAverage(): lambda x: x.mean(axis=(1, 2)),
}


def through(network: Network, x: Any, names: Iterator[str]) -> Any:
    """Scores of images [n, h, w, c], inside `hk.transform`."""
    for layer in network:
        match layer:
            case Conv():
                settings: dict[str, Any] = {"stride": layer.stride, "padding": [(layer.pad, layer.pad)] * 2}
                settings |= {"feature_group_count": layer.groups, "name": next(names)}
                x = hk.Conv2D(layer.channels[1], layer.window, **settings)(x)
            case Dense():
                x = hk.Linear(layer.features[1], name=next(names))(x)
            case Residual():
                y = through(layer.body, x, names)
                x = jax.nn.relu(y + through(layer.shortcut, x, names))
            case _:
                x = FUNCTIONS[layer](x)
    return x


def step(
    case: Case, weights: Sequence[Weights], rate: float, *, wrap: Callable[[Any], Any] = lambda fn: fn
) -> Callable[[], float]:
    """See `peers`. `wrap` is applied to the model."""
    names = [f"layer{number}" for number in range(len(weights))]
    model = hk.without_apply_rng(hk.transform(lambda x: through(case.network, x, iter(names))))
    params: Any = {
        name: {"w": jnp.asarray(layer["kernel"]), "b": jnp.asarray(layer["bias"])}
        for name, layer in zip(names, weights, strict=True)
    }
    scores = wrap(model.apply)
    optimiser = optax.sgd(rate)
    state = optimiser.init(params)
    images, labels = map(jnp.asarray, case.data())

    def cross_entropy(params: Any, images: Any, labels: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(scores(params, images), labels).mean()

    @jax.jit
    def train(params: Any, state: Any, images: Any, labels: Any) -> Any:
        loss, gradients = jax.value_and_grad(cross_entropy)(params, images, labels)
        updates, state = optimiser.update(gradients, state)
        return optax.apply_updates(params, updates), state, loss

    def run() -> Any:
        nonlocal params, state
        params, state, loss = jax.block_until_ready(train(params, state, images, labels))
        return loss

    return run


accelerated = partial(step, wrap=jc.accelerate)

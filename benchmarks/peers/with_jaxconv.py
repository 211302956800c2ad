"""jaxconv, with the algorithms of its table or with lax only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from architectures import Case, Conv, Dense, Flatten, GlobalAverage, Layer, Network, Pool, Relu, Residual, Weights

import jaxconv as jc
from jaxconv.lowering import use_algorithm
from jaxconv.training.step import make_step

FUNCTIONS: dict[Layer, Callable[[Any], Any]] = {
    Pool("max"): lambda x: jc.max_pool(x, (2, 2)),
    Pool("average"): lambda x: jc.avg_pool(x, (2, 2)),
    Relu(): jax.nn.relu,
    Flatten(): lambda x: x.reshape(len(x), -1),
    GlobalAverage(): jc.global_avg_pool,
}


def apply(network: Network, params: Sequence[Any], x: Any) -> Any:
    """Scores of images [n, h, w, c], for parameters in the order of `architectures.parameters`."""
    return _through(network, iter(params), x)


def _through(network: Network, params: Iterator[Any], x: Any) -> Any:
    for layer in network:
        match layer:
            case Conv():
                padding = ((layer.pad, layer.pad),) * 2
                x = jc.conv(next(params), x, stride=layer.stride, padding=padding, groups=layer.groups)
            case Dense():
                x = jc.dense(next(params), x)
            case Residual():
                y = _through(layer.body, params, x)
                x = jax.nn.relu(y + _through(layer.shortcut, params, x))
            case _:
                x = FUNCTIONS[layer](x)
    return x


def step(
    case: Case, weights: Sequence[Weights], rate: float, *, algorithm: str = "table", turns: int = 1
) -> Callable[[], float]:
    """The step of `jaxconv.training.step`; see `peers`. Several turns are one `lax.scan` in one compiled program."""
    optimiser = optax.sgd(rate)
    train = make_step(partial(apply, case.network), optimiser)

    @jax.jit
    def train_by_algorithm(state: Any, *data: Any) -> Any:
        with use_algorithm(algorithm):

            def turn(state: Any, _: None) -> Any:
                *state, loss = train(*state, *data)
                return tuple(state), loss

            if turns == 1:
                return turn(state, None)
            state, losses = jax.lax.scan(turn, state, length=turns)
            return state, losses[-1]

    params = jax.tree.map(jnp.asarray, list(weights))
    state, data = (params, optimiser.init(params)), [jnp.asarray(a) for a in case.data()]

    def run() -> Any:
        nonlocal state
        state, loss = jax.block_until_ready(train_by_algorithm(state, *data))
        return loss

    return run


by_table = partial(step, algorithm="table")
by_lax = partial(step, algorithm="lax")

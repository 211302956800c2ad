"""PyTorch: modules with channels first, in both memory layouts, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  an optional package
from architectures import Case, Conv, Dense, Flatten, GlobalAverage, Layer, Pool, Relu, Residual, Weights
from torch import nn  # pyright: ignore[reportMissingImports]  an optional package

FUNCTIONS: dict[Layer, Any] = {
    Pool("max"): nn.MaxPool2d(2),
    Pool("average"): nn.AvgPool2d(2),
    Relu(): nn.ReLU(),
    Flatten(): nn.Flatten(),
    GlobalAverage(): nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
}


class Block(nn.Module):
    """A residual block."""

    def __init__(self, body: Any, shortcut: Any):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Any) -> Any:
        """`relu(body(x) + shortcut(x))`."""
        return nn.functional.relu(self.body(x) + self.shortcut(x))


def module(layer: Layer, weights: Iterator[Weights]) -> Any:
    """One layer with its weights. PyTorch's kernels are [o, c/groups, *window] and [o, c]."""
    match layer:
        case Conv():
            settings: dict[str, Any] = {"stride": layer.stride, "padding": layer.pad, "groups": layer.groups}
            return _with(nn.Conv2d(*layer.channels, layer.window, **settings), next(weights))
        case Dense():
            return _with(nn.Linear(*layer.features), next(weights))
        case Residual():
            return Block(sequence(layer.body, weights), sequence(layer.shortcut, weights))
    return FUNCTIONS[layer]


def sequence(layers: Sequence[Layer], weights: Iterator[Weights]) -> Any:
    """The composition of layers, or the identity if there are none."""
    return nn.Sequential(*[module(layer, weights) for layer in layers])


def _with(layer: Any, weights: Weights) -> Any:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.moveaxis(weights["kernel"], (-1, -2), (0, 1)).copy()))
        layer.bias.copy_(torch.from_numpy(weights["bias"]))
    return layer


def step(
    case: Case, weights: Sequence[Weights], rate: float, *, channels_last: bool = False, compiled: bool = False
) -> Callable[[], float]:
    """See `peers`."""
    memory = torch.channels_last if channels_last else torch.contiguous_format
    model = sequence(case.network, iter(weights)).to(memory_format=memory)
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    images, labels = case.data()
    images = torch.from_numpy(np.moveaxis(images, -1, 1).copy()).contiguous(memory_format=memory)
    labels = torch.from_numpy(labels).long()
    forward = torch.compile(model) if compiled else model

    def run() -> Any:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return run


channels_last = partial(step, channels_last=True)
compiled = partial(step, channels_last=True, compiled=True)
